"""Photos in folders, one folder a class."""

from __future__ import annotations

import math
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from camstream.errors import SourceError
from camstream.media import PHOTO_SUFFIXES, read_photo
from camstream.picture import ImageU8, Picture

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LEAST = 5  # photos a class

# A photo is kept a little larger than the network's input, so that a part of it is still sharp.
_SPARE = 1.5
_LARGEST_ASPECT = 4 / 3  # of a cut-out to the network's, as usual for ImageNet's networks


@dataclass(frozen=True, slots=True)
class Photo:
    """One photo, kept small in memory.

    Attributes:
        name: Its path under the folder of all classes.
        class_index: Its class.
        jpeg: It, shrunk and encoded.
    """

    name: str
    class_index: int
    jpeg: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variation:
    """How a photo is varied, so that the network learns what stays.

    Attributes:
        flip: Whether half of the photos are mirrored left to right.
        crop: The smallest part of the photo's area that is shown, 0 to 1; 1 always shows all.
        colour: How far brightness, contrast and each channel are changed, 0 (not) to 1.
    """

    flip: bool = True
    crop: float = 0.4
    colour: float = 0.3


class PhotoExamples:
    """Photos as examples; without a variation each is shown whole, as camstream shows frames."""

    def __init__(
        self, photos: Sequence[Photo], size_hw: tuple[int, int], variation: Variation | None = None
    ) -> None:
        self._photos, self._size_wh, self._variation = photos, size_hw[::-1], variation

    @property
    def classes(self) -> list[int]:
        return [photo.class_index for photo in self._photos]

    def image(self, index: int, random: np.random.Generator) -> ImageU8:
        image = _decode(self._photos[index].jpeg)
        assert image is not None  # it was encoded by read_photos
        if self._variation is None:
            return Picture.from_bgr(image).bgr(self._size_wh)
        return varied(image, self._size_wh, self._variation, random)


def read_photos(
    folder: Path,
    size_hw: tuple[int, int],
    *,
    on_photo: Callable[[int, int], None] = lambda *_: None,
) -> tuple[tuple[str, ...], list[Photo], list[Path]]:
    """Read every photo of a folder that has one folder a class, its sub-folders included.

    Args:
        folder: The folder.
        size_hw: What the network will be shown; a photo is kept a little larger.
        on_photo: Is told how many were read, and how many there are.

    Returns:
        The classes' names, the photos, and the files that cannot be read.

    Raises:
        SourceError: There are not two classes with enough photos in each.
    """
    if not folder.is_dir():
        raise SourceError(f"cannot train on {folder}: there is no such folder")
    inside = sorted(path for path in folder.iterdir() if path.is_dir())
    files = {path: _photos_in(path) for path in inside if not path.name.startswith(".")}
    labels = tuple(path.name for path in files)
    if len(labels) < 2:
        raise SourceError(
            f"cannot train on {folder}: it has {len(labels)} folders with photos in them, one a "
            "class; at least two are needed, such as cup/ and no_cup/"
        )
    jobs = [(path, index) for index, found in enumerate(files.values()) for path in found]
    photos: list[Photo] = []
    broken: list[Path] = []
    with ThreadPoolExecutor() as pool:
        shrunk = pool.map(lambda job: _shrunk(job[0], size_hw), jobs)
        for number, ((path, index), jpeg) in enumerate(zip(jobs, shrunk, strict=True), 1):
            if jpeg is None:
                broken.append(path)
            else:
                photos.append(Photo(path.relative_to(folder).as_posix(), index, jpeg))
            on_photo(number, len(jobs))
    counts = Counter(photo.class_index for photo in photos)
    for index, label in enumerate(labels):
        if counts[index] < LEAST:
            raise SourceError(
                f"cannot train on {folder}: {label} has {counts[index]} photos that can be read; "
                f"a class needs {LEAST} at least"
            )
    return labels, photos, broken


def split(
    photos: Sequence[Photo], part: float, *, seed: int
) -> tuple[tuple[Photo, ...], tuple[Photo, ...]]:
    """Set photos aside to check with: so much of each class, and one at least.

    Args:
        photos: All.
        part: How much is set aside, 0 < part < 1.
        seed: Decides which.

    Returns:
        The photos to learn from, and those to check with.
    """
    random = np.random.default_rng(seed)
    aside: set[int] = set()
    for index in sorted({photo.class_index for photo in photos}):
        own = [number for number, photo in enumerate(photos) if photo.class_index == index]
        count = min(max(1, round(part * len(own))), len(own) - 1)
        aside.update(random.permutation(own)[:count].tolist())
    chosen = [number in aside for number in range(len(photos))]
    learn = tuple(photo for photo, is_aside in zip(photos, chosen, strict=True) if not is_aside)
    check = tuple(photo for photo, is_aside in zip(photos, chosen, strict=True) if is_aside)
    return learn, check


def varied(
    image: ImageU8, size_wh: tuple[int, int], variation: Variation, random: np.random.Generator
) -> ImageU8:
    """Cut out a part of a photo, mirror it, change its colours.

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
    part = Picture.from_bgr(image[y : y + h, x : x + w]).bgr(size_wh)
    if variation.flip and random.random() < 0.5:
        part = part[:, ::-1]
    if variation.colour == 0:
        return part
    # As a table of 256 values a channel: contrast about the middle, brightness, the channel's own.
    spread = variation.colour
    contrast, light = random.uniform(1 - spread, 1 + spread), 128 * random.uniform(-spread, spread)
    gains = random.uniform(1 - spread / 3, 1 + spread / 3, 3)
    levels = ((np.arange(256) - 128) * contrast + 128 + light)[:, np.newaxis] * gains
    table = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    return np.stack([table[:, channel][part[..., channel]] for channel in range(3)], axis=-1)


def _photos_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in PHOTO_SUFFIXES)


def _shrunk(path: Path, size_hw: tuple[int, int]) -> NDArray[np.uint8] | None:
    """Read a photo and encode it small; None where it cannot be read."""
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


def _decode(data: NDArray[np.uint8]) -> ImageU8 | None:
    if not data.size:
        return None
    image = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return None if image is None else np.asarray(image, np.uint8)
