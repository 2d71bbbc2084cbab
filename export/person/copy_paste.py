"""Training images made by copy-paste: foreground crops of photos, pasted into other photos.

In photos people are seldom small, and the same place is never there with and without somebody. So
photos, and people cropped from them, are pasted at every size into photos without people. Objects
cropped in the same way are pasted too, and people's outlines filled with another photo, so that
neither a pasted object nor an outline nor an edge indicates a person.

Foreground crops are people where MediaPipe's segmentation found them (``person_photos``), and
objects where camstream's own maps are warm. Either is a rough mask; GrabCut (Rother, Kolmogorov,
Blake, SIGGRAPH 2004) moves its outline to the edges in the picture.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from camstream.errors import SourceError
from camstream.media import read_photo
from camstream.models.session import Model
from camstream.picture import ImageU8, Picture
from camstream.teach.dataset import ImageFolder

F32 = NDArray[np.float32]

SQUARE, WIDE, LARGE = (224, 224), (288, 160), (512, 288)  # width and height, pixels
_MAX_PHOTOS = 4  # in a scene
_CROP_HEIGHT = (16, 0.9)  # smallest, in pixels, and largest, as a share of the scene's height
_PHOTO_HEIGHT = (0.2, 0.8)  # of pasted photos, as shares of the scene's height
_OUTLINES = 0.5  # share of pasted objects that are a person's outline filled with a photo
_HIDDEN = 0.5  # share of a crop that may lie outside the scene, as people come and go

_LONG_SIDE = 320  # of a photo that is cropped, pixels
_MIN_PERSON, _MIN_OBJECT = 0.02, 0.04  # share of the photo's area
_GRABCUT_ROUNDS = 4


@dataclass(frozen=True, slots=True)
class Thresholds:
    """How GrabCut starts from a rough mask between 0 and 1.

    Attributes:
        background: Lower values are background.
        likely: Higher values are likely foreground.
        foreground: Higher values are foreground.
    """

    background: float
    likely: float
    foreground: float


# A segmentation is a probability; a map is the amount of evidence for a class.
SEGMENTED, MAPPED = Thresholds(0.1, 0.5, 0.85), Thresholds(0.03, 0.3, 0.8)


@dataclass(frozen=True, slots=True)
class ForegroundCrop:
    """A person or an object cropped from a photo.

    Attributes:
        photo: Index in the dataset's items.
        image: (h, w, 3) uint8 BGR.
        mask: (h, w) uint8, 255 on the foreground.
    """

    photo: int
    image: ImageU8
    mask: NDArray[np.uint8]


def crop_people(
    dataset: ImageFolder, masks: Path, on_photo: Callable[[], None]
) -> list[ForegroundCrop]:
    """Crop people, alone or in groups, who are visible as a whole except for their feet.

    Args:
        dataset: With the classes no person and person.
        masks: The file that ``person_photos`` wrote.
        on_photo: Called after each photo.

    Raises:
        SourceError: There is no such file.
    """
    if not masks.is_file():
        raise SourceError(f"no masks {masks}; make them with export/person/person_photos.py")
    with np.load(masks, allow_pickle=False) as stored:
        known = {name: stored[name] for name in stored.files}

    def crop(number: int) -> list[ForegroundCrop]:
        image, name = _read(dataset, number), dataset.samples[number].name
        if name not in known:
            return []
        probability = known[name].astype(np.float32) / np.float32(255)
        rough = cv2.resize(probability, image.shape[1::-1], interpolation=cv2.INTER_AREA)
        mask = find_foreground(image, np.asarray(rough, np.float32), SEGMENTED)
        return list(crop_components(number, image, mask, _MIN_PERSON))

    return _in_parallel(crop, dataset, 1, on_photo)


def crop_objects(
    dataset: ImageFolder, model: Model, on_photo: Callable[[], None]
) -> list[ForegroundCrop]:
    """Crop the most salient object of each photo without people.

    Args:
        dataset: With the classes no person and person.
        model: Classifies and maps the photos; opened with ``refine``.
        on_photo: Called after each photo.
    """

    def crop(number: int) -> list[ForegroundCrop]:
        image = _read(dataset, number)
        (heat,) = model.predict(image, classes=[-1]).cam.displayed
        rough = cv2.resize(np.maximum(heat, 0), image.shape[1::-1])
        rough /= max(float(rough.max()), np.finfo(np.float32).tiny)
        mask = find_foreground(image, np.asarray(rough, np.float32), MAPPED)
        return list(crop_components(number, image, mask, _MIN_OBJECT))[:1]

    return _in_parallel(crop, dataset, 0, on_photo)


def find_foreground(image: ImageU8, rough: F32, thresholds: Thresholds) -> NDArray[np.bool_]:
    """Move the outline of a rough mask to the edges in the picture.

    Args:
        image: (H, W, 3) uint8 BGR.
        rough: (H, W) from 0 to 1.
        thresholds: How GrabCut starts from it.

    Returns:
        (H, W), true on the foreground; false everywhere where the rough mask has no certain
        foreground, or no certain background.
    """
    marks = np.where(rough > thresholds.likely, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    marks[rough > thresholds.foreground] = cv2.GC_FGD
    marks[rough < thresholds.background] = cv2.GC_BGD
    edge = np.ones_like(marks, np.bool_)
    edge[2:, 2:-2] = False  # the foreground may touch the lower edge
    marks[edge & (rough < 0.5)] = cv2.GC_BGD
    if not (marks == cv2.GC_FGD).any() or not (marks == cv2.GC_BGD).any():
        return np.zeros(marks.shape, np.bool_)
    cv2.setRNGSeed(0)  # of this thread
    colours = np.zeros((2, 1, 65))  # GrabCut's colour models of background and foreground
    rounds, mode = _GRABCUT_ROUNDS, cv2.GC_INIT_WITH_MASK
    cv2.grabCut(image, marks, (0, 0, 1, 1), colours[0], colours[1], rounds, mode)
    found = np.isin(marks, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    closed = cv2.morphologyEx(found, cv2.MORPH_CLOSE, np.ones((5, 5)))
    return np.asarray(cv2.morphologyEx(closed, cv2.MORPH_OPEN, np.ones((3, 3))) > 0)


def crop_components(
    photo: int, image: ImageU8, mask: NDArray[np.bool_], min_area: float
) -> Iterator[ForegroundCrop]:
    """Crop each component of a mask that does not touch the left, the upper or the right edge.

    Args:
        photo: Index in the dataset's items.
        image: (H, W, 3) uint8 BGR.
        mask: (H, W), true on the foreground.
        min_area: Smallest share of the picture that a component must cover.

    Returns:
        The largest first.
    """
    _, parts, boxes, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    for number in 1 + np.argsort(-boxes[1:, cv2.CC_STAT_AREA]):
        left, top, width, height, area = (int(value) for value in boxes[number])
        inside = np.s_[top : top + height, left : left + width]
        free = left > 1 and top > 1 and left + width < mask.shape[1] - 1
        if free and area >= min_area * mask.size:
            own = np.asarray((parts[inside] == number) * 255, np.uint8)
            yield ForegroundCrop(photo, image[inside].copy(), own)


def _read(dataset: ImageFolder, number: int) -> ImageU8:
    picture = Picture.from_bgr(read_photo(dataset.samples[number].path))
    scale = min(1.0, _LONG_SIDE / max(picture.size_wh))
    width, height = (round(side * scale) for side in picture.size_wh)
    return picture.bgr((width, height))


def _in_parallel(
    crop: Callable[[int], list[ForegroundCrop]],
    dataset: ImageFolder,
    class_index: int,
    on_photo: Callable[[], None],
) -> list[ForegroundCrop]:
    """Crop all photos of a class on every core; in the dataset's order."""
    numbers = [n for n, sample in enumerate(dataset.samples) if sample.class_index == class_index]
    found: list[ForegroundCrop] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for crops in pool.map(crop, numbers):
            found += crops
            on_photo()
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A training image and its labels.

    Attributes:
        image: (H, W, 3) uint8 BGR.
        cover: (H, W) float32: 1 where a person is, 0 where none is, NaN where it is not known.
        photos: The photos it is made of, as indices in the dataset's items.
        person: Whether it shows a person.
    """

    image: ImageU8
    cover: F32
    photos: tuple[int, ...]
    person: bool


class Scenes:
    """Makes scenes from a dataset; each call with the same arguments returns the same scene."""

    def __init__(
        self,
        dataset: ImageFolder,
        people: Sequence[ForegroundCrop],
        objects: Sequence[ForegroundCrop],
    ) -> None:
        """Take the photos and the crops of them.

        Args:
            dataset: With the classes no person and person.
            people: From photos with people.
            objects: From photos without.
        """
        self.dataset, self.people, self.objects = dataset, people, objects
        classes = np.array([sample.class_index for sample in dataset.samples])
        self.empty, self.peopled = np.flatnonzero(classes == 0), np.flatnonzero(classes == 1)

    def whole(self, photo: int, size_wh: tuple[int, int], *, mirrored: bool = False) -> Scene:
        """Stretch a whole photo: some publishers stretched theirs, so the shape must not indicate the source."""
        image = self._read(photo, size_wh)
        person = bool(self.dataset.samples[photo].class_index)
        cover = np.full(image.shape[:2], np.nan if person else 0.0, np.float32)
        return Scene(image=_mirrored(image, mirrored), cover=cover, photos=(photo,), person=person)

    def cropped(self, photo: int, seed: int, size_wh: tuple[int, int]) -> Scene:
        """Enlarge a part of a photo without people, in another light."""
        part, x, y, mirror, gain, shift = np.random.default_rng(seed).uniform(size=6)
        image = read_photo(self.dataset.samples[photo].path)
        height, width = (int(side * (0.35 + 0.5 * part)) for side in image.shape[:2])
        top, left = int(y * (image.shape[0] - height)), int(x * (image.shape[1] - width))
        near = cv2.resize(image[top : top + height, left : left + width], size_wh)
        lit = np.asarray(_lit(near, 0.6 + 0.8 * gain, shift).astype(np.uint8))
        cover = np.zeros(size_wh[::-1], np.float32)
        image = _mirrored(lit, mirror < 0.5)
        return Scene(image=image, cover=cover, photos=(photo,), person=False)

    def with_photos(self, seed: int, size_wh: tuple[int, int]) -> Scene:
        """Paste photos into a photo without people; every second scene shows people."""
        random = np.random.default_rng(seed)
        montage = _Montage(self, int(random.choice(self.empty)), size_wh)
        for peopled in _shows_people(random, wanted=seed % 2 == 1):
            photo = int(random.choice(self.peopled if peopled else self.empty))
            height = _between(_PHOTO_HEIGHT, random.uniform()) * size_wh[1]
            width = min(size_wh[0], height * random.uniform(0.6, 1.0))
            image = self._read(photo, (int(width), int(height)))
            soft = max(1, int(min(image.shape[:2]) * random.uniform(0.02, 0.15)))
            image = _mirrored(image, random.random() < 0.5)
            mask = _soft_edged(image.shape[:2], soft)
            montage.paste(photo, image.astype(np.float32), mask, random, np.nan if peopled else 0.0)
        return montage.scene(person=seed % 2 == 1)

    def with_crops(self, seed: int, size_wh: tuple[int, int]) -> Scene:
        """Paste people and objects into a photo without people; every second scene has people."""
        random = np.random.default_rng(seed)
        montage = _Montage(self, int(random.choice(self.empty)), size_wh)
        for peopled in _shows_people(random, wanted=seed % 2 == 1):
            outline = not peopled and random.random() < _OUTLINES
            among = self.people if peopled or outline else self.objects
            crop = among[int(random.integers(len(among)))]
            photo, image, mask = crop.photo, crop.image, crop.mask
            if outline:  # of a person, rotated or not, filled with another photo
                montage.uses(photo)
                photo = int(random.choice(self.empty))
                mask = np.ascontiguousarray(np.rot90(mask, int(random.integers(4))))
                image = self._read(photo, mask.shape[::-1])
            limits = (_CROP_HEIGHT[0], _CROP_HEIGHT[1] * size_wh[1])
            height = int(_between(limits, random.uniform()))
            width = min(size_wh[0], max(4, round(height * image.shape[1] / image.shape[0])))
            mirror = random.random() < 0.5
            small = cv2.resize(
                _mirrored(image, mirror), (width, height), interpolation=cv2.INTER_AREA
            )
            cover = cv2.resize(
                _mirrored(mask, mirror), (width, height), interpolation=cv2.INTER_AREA
            )
            lit = _lit(small, random.uniform(0.6, 1.3), random.uniform())
            hidden = _HIDDEN if random.random() < 0.5 else 0.0
            share = cover.astype(np.float32) / np.float32(255)
            montage.paste(photo, lit, share, random, float(peopled), hidden=hidden)
        return montage.scene(person=seed % 2 == 1)

    def _read(self, photo: int, size_wh: tuple[int, int]) -> ImageU8:
        return Picture.from_bgr(read_photo(self.dataset.samples[photo].path)).bgr(size_wh)


class _Montage:
    """A photo without people that others are pasted into."""

    def __init__(self, scenes: Scenes, photo: int, size_wh: tuple[int, int]) -> None:
        below = scenes.whole(photo, size_wh)
        self._image, self._cover = below.image.astype(np.float32), below.cover
        self._photos = [photo]

    def paste(
        self,
        photo: int,
        image: F32,
        mask: F32,
        random: np.random.Generator,
        cover: float,
        *,
        hidden: float = 0.0,
    ) -> None:
        """Blend a picture in at a random position.

        Args:
            photo: Its photo, as an index in the dataset's items.
            image: (h, w, 3) BGR.
            mask: (h, w) from 0 to 1.
            random: Chooses the position.
            cover: Its value of ``Scene.cover``.
            hidden: Share of its width that may lie beyond the left or right edge, and of its
                height beyond the lower one.
        """
        height, width = mask.shape
        tall, wide = self._cover.shape
        beyond = hidden * width
        x = int(-beyond + random.uniform() * (wide - width + 2 * beyond))
        y = int(random.uniform() * (tall - height + hidden * height))
        part = np.s_[y : min(y + height, tall), max(x, 0) : min(x + width, wide)]
        visible = np.s_[: tall - y, max(-x, 0) : wide - x]
        mask, image = mask[visible], image[visible]
        share = mask[..., np.newaxis]
        self._image[part] = self._image[part] * (1 - share) + image * share
        self._cover[part] = np.where(mask > 0.5, cover, self._cover[part])
        self.uses(photo)

    def uses(self, photo: int) -> None:
        """Record that a part of a photo, or only its outline, was pasted."""
        self._photos.append(photo)

    def scene(self, *, person: bool) -> Scene:
        """Return the finished scene."""
        image = np.asarray(np.rint(self._image).astype(np.uint8))
        return Scene(image=image, cover=self._cover, photos=tuple(self._photos), person=person)


def grid_cover(scene: Scene, grid_hw: tuple[int, int]) -> F32:
    """Average ``Scene.cover`` over each cell of a map; NaN where a part is not known."""
    return np.asarray(cv2.resize(scene.cover, grid_hw[::-1], interpolation=cv2.INTER_AREA))


def all_scenes(scenes: Scenes) -> list[list[Callable[[], Scene]]]:
    """List every scene, not made yet: a list per size and kind; the first are the whole photos."""
    count = len(scenes.dataset.samples)
    every, empty = range(count), [int(photo) for photo in scenes.empty]
    near = [(photo, turn * count + photo) for turn in (0, 1) for photo in empty]
    return [
        [partial(scenes.whole, photo, SQUARE) for photo in every],
        [partial(scenes.whole, photo, SQUARE, mirrored=True) for photo in every],
        [partial(scenes.whole, photo, (256, 256)) for photo in every],
        [partial(scenes.whole, photo, WIDE, mirrored=photo % 2 == 1) for photo in every],
        [partial(scenes.cropped, photo, seed, SQUARE) for photo, seed in near],
        [partial(scenes.cropped, photo, 2 * count + photo, WIDE) for photo in empty],
        [partial(scenes.with_photos, seed, SQUARE) for seed in range(3000)],
        [partial(scenes.with_photos, seed, WIDE) for seed in range(3000, 8000)],
        [partial(scenes.with_crops, seed, SQUARE) for seed in range(8000, 10000)],
        [partial(scenes.with_crops, seed, WIDE) for seed in range(10000, 23000)],
        [partial(scenes.with_crops, seed, LARGE) for seed in range(23000, 26000)],
    ]


def _shows_people(random: np.random.Generator, *, wanted: bool) -> Iterator[bool]:
    """Decide for each paste whether it shows people; the last one, on top, does where wanted."""
    last = int(random.integers(1, _MAX_PHOTOS))
    for number in range(1, last + 1):
        yield wanted and (number == last or random.random() < 0.3)


def _between(limits: tuple[float, float], part: float) -> float:
    """Interpolate between limits on a logarithmic scale, for a part from 0 to 1."""
    low, high = limits
    return float(low * (high / low) ** part)


def _mirrored(image: NDArray[np.uint8], wanted: bool) -> NDArray[np.uint8]:
    return np.ascontiguousarray(image[:, ::-1]) if wanted else image


def _lit(image: NDArray[Any], gain: float, shift: float) -> F32:
    """Change the light: a gain, and an offset of -15 to 15 grey levels for a shift of 0 to 1."""
    lit: F32 = np.clip(image.astype(np.float32) * np.float32(gain) + (shift - 0.5) * 30, 0, 255)
    return lit


def _soft_edged(size_hw: tuple[int, ...], soft: int) -> F32:
    """Make a mask that rises from 0 at the edges to 1 over so many pixels."""
    down, across = (
        np.minimum(np.arange(side) + 1, side - np.arange(side)) / soft for side in size_hw
    )
    return np.asarray(np.clip(np.minimum(down[:, np.newaxis], across), 0, 1), np.float32)
