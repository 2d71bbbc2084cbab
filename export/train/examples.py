"""The images that a network is trained on: any numbered images of known classes, or photos."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from camstream.errors import SourceError
from camstream.media import read_photo
from camstream.picture import ImageU8, Picture
from camstream.teach.dataset import check_counts, open_dataset
from export.train.recipe import Variation

VALIDATION = 0  # the number of the "epoch" of the validation images; training epochs count from 1
_PURPOSE = "train on"

# A photo is kept a little larger than the network's input, so that a part of it is still sharp.
_SPARE = 1.5
_LARGEST_ASPECT = 4 / 3  # of a crop relative to the network's, as usual for ImageNet's networks

Batch = tuple[Tensor, Tensor]


class Examples(Protocol):
    """Images of known classes, all of one size.

    Attributes:
        classes: The class index of each image.
    """

    @property
    def classes(self) -> Sequence[int]: ...

    def image(self, index: int, random: np.random.Generator) -> ImageU8:
        """Return an image.

        Args:
            index: Its number.
            random: Decides the augmentation; the same generator state returns the same image.

        Returns:
            (H, W, 3) uint8 BGR.
        """
        ...


class _EpochImages(Dataset[Batch]):
    """Images by (epoch, index): each depends on these alone, in whichever process it is made."""

    def __init__(self, examples: Examples, seed: int) -> None:
        self._examples, self._seed = examples, seed

    def __getitem__(self, key: tuple[int, int]) -> Batch:
        epoch, index = key
        random = np.random.default_rng((self._seed, epoch, index))
        image = np.ascontiguousarray(self._examples.image(index, random))
        return torch.from_numpy(image), torch.tensor(self._examples.classes[index])


def loader(
    examples: Examples, *, epoch: int, batch: int, seed: int, first: int = 0, workers: int = 0
) -> DataLoader[Batch]:
    """Load the batches of an epoch.

    The order and every augmentation follow from the seed, the epoch and the image's number, so an
    epoch can be continued from any batch.

    Args:
        examples: The images.
        epoch: Counted from 1; VALIDATION keeps the images in their own order.
        batch: Images per batch.
        seed: Of the whole training.
        first: The batch to begin with.
        workers: Processes that make images; 0 makes them in this process.

    Returns:
        Batches of (N, H, W, 3) uint8 BGR and (N,) int64.
    """
    order = torch.arange(len(examples.classes))
    if epoch != VALIDATION:
        mixed = int(np.random.SeedSequence((seed, epoch)).generate_state(1)[0])
        order = torch.randperm(len(order), generator=torch.Generator().manual_seed(mixed))
    parts = torch.split(order, batch)
    keys = [[(epoch, index) for index in part.tolist()] for part in parts]
    return DataLoader(
        _EpochImages(examples, seed),
        batch_sampler=keys[first:],
        num_workers=workers,
        # By default it would draw from the generator that dropout draws from.
        generator=torch.Generator(),
    )


def batch_count(examples: Examples, batch: int) -> int:
    """Count the batches of an epoch."""
    return -(-len(examples.classes) // batch)


@dataclass(frozen=True, slots=True)
class Photo:
    """One photo, kept small in memory.

    Attributes:
        name: Its path within the folder of all classes.
        class_index: Its class.
        jpeg: The photo, reduced and encoded.
    """

    name: str
    class_index: int
    jpeg: NDArray[np.uint8]


class PhotoExamples:
    """Photos as examples; without augmentation each is shown whole, as camstream shows frames."""

    def __init__(
        self, photos: Sequence[Photo], size_hw: tuple[int, int], variation: Variation | None = None
    ) -> None:
        self._photos, self._size_wh, self._variation = photos, size_hw[::-1], variation

    @property
    def classes(self) -> list[int]:
        return [photo.class_index for photo in self._photos]

    def image(self, index: int, random: np.random.Generator) -> ImageU8:
        decoded = cv2.imdecode(self._photos[index].jpeg, cv2.IMREAD_COLOR)
        assert decoded is not None  # it was encoded by read_photos
        image = np.asarray(decoded, np.uint8)
        if self._variation is None:
            return Picture.from_bgr(image).bgr(self._size_wh)
        return augment(image, self._size_wh, self._variation, random)


def read_photos(
    folder: Path,
    size_hw: tuple[int, int],
    *,
    on_photo: Callable[[int, int], None] = lambda *_: None,
) -> tuple[tuple[str, ...], list[Photo], list[Path]]:
    """Read every photo of a folder that has one folder per class, see ``open_dataset``.

    Args:
        folder: The folder.
        size_hw: The network's input; a photo is kept a little larger.
        on_photo: Called with the number of photos read, and of all.

    Returns:
        The classes' names, the photos, and the files that cannot be read.

    Raises:
        SourceError: There are not two classes with enough photos each, or one photo is in two.
    """
    dataset = open_dataset(folder, purpose=_PURPOSE, with_clips=False)
    photos: list[Photo] = []
    broken: list[Path] = []
    with ThreadPoolExecutor() as pool:
        encoded = pool.map(lambda sample: _reduced(sample.path, size_hw), dataset.samples)
        for number, (sample, jpeg) in enumerate(zip(dataset.samples, encoded, strict=True), 1):
            if jpeg is None:
                broken.append(sample.path)
            else:
                photos.append(Photo(sample.name, sample.class_index, jpeg))
            on_photo(number, len(dataset.samples))
    counts = Counter(photo.class_index for photo in photos)
    check_counts(dataset, [counts[n] for n in range(len(dataset.labels))], purpose=_PURPOSE)
    return dataset.labels, photos, broken


def split(
    photos: Sequence[Photo], part: float, *, seed: int
) -> tuple[tuple[Photo, ...], tuple[Photo, ...]]:
    """Split photos into those to train with and those to validate with.

    Args:
        photos: All.
        part: The share of each class to validate with, 0 < part < 1; at least one photo.
        seed: Decides which.

    Returns:
        The training photos and the validation photos.
    """
    random = np.random.default_rng(seed)
    chosen: set[int] = set()
    for index in sorted({photo.class_index for photo in photos}):
        own = [number for number, photo in enumerate(photos) if photo.class_index == index]
        count = min(max(1, round(part * len(own))), len(own) - 1)
        chosen.update(random.permutation(own)[:count].tolist())
    train = tuple(photo for number, photo in enumerate(photos) if number not in chosen)
    validation = tuple(photo for number, photo in enumerate(photos) if number in chosen)
    return train, validation


def augment(
    image: ImageU8, size_wh: tuple[int, int], variation: Variation, random: np.random.Generator
) -> ImageU8:
    """Crop a photo at random, mirror it, change its colours.

    Args:
        image: (H, W, 3) uint8 BGR.
        size_wh: Width and height of the result.
        variation: How much.
        random: Decides.
    """
    height, width = image.shape[:2]
    area = width * height * random.uniform(variation.crop, 1)
    aspect = size_wh[0] / size_wh[1] * _LARGEST_ASPECT ** random.uniform(-1, 1)
    if variation.crop == 1:
        aspect = width / height
    w = min(width, max(1, round(math.sqrt(area * aspect))))
    h = min(height, max(1, round(math.sqrt(area / aspect))))
    x, y = random.integers(0, width - w + 1), random.integers(0, height - h + 1)
    crop = Picture.from_bgr(image[y : y + h, x : x + w]).bgr(size_wh)
    if variation.flip and random.random() < 0.5:
        crop = crop[:, ::-1]
    if variation.colour == 0:
        return crop
    # As a table of 256 values per channel: contrast about the middle, brightness, channel gain.
    spread = variation.colour
    contrast, light = random.uniform(1 - spread, 1 + spread), 128 * random.uniform(-spread, spread)
    gains = random.uniform(1 - spread / 3, 1 + spread / 3, 3)
    levels = ((np.arange(256) - 128) * contrast + 128 + light)[:, np.newaxis] * gains
    table = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    return np.stack([table[:, channel][crop[..., channel]] for channel in range(3)], axis=-1)


def _reduced(path: Path, size_hw: tuple[int, int]) -> NDArray[np.uint8] | None:
    """Read a photo, reduce and encode it; None where it cannot be read."""
    try:
        image = read_photo(path)
    except SourceError:
        return None
    height, width = image.shape[:2]
    scale = _SPARE * max(size_hw[0] / height, size_hw[1] / width)
    if scale < 1:
        size_wh = (max(1, round(width * scale)), max(1, round(height * scale)))
        image = Picture.from_bgr(image).bgr(size_wh)
    encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])[1]
    return np.asarray(encoded, np.uint8)
