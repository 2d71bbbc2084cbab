"""Pictures to teach ``person`` on, made of photos: whole, cropped, and put into each other.

People are seldom small in photos, and never in the same place with and without somebody. So
photos, and people cut out of them, are put at every size into photos without people; and so are
things cut out likewise, and the outlines of people filled with something else, so that standing
alone, an outline or an edge tells nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from camstream.media import read_photo
from camstream.picture import ImageU8, Picture
from camstream.teach.dataset import ImageFolder
from export.person.cuttings import Cutting

F32 = NDArray[np.float32]

SQUARE, WIDE, LARGE = (224, 224), (288, 160), (512, 288)  # width and height, pixels
_MOST = 4  # photos in a scene
_TALL = (16, 0.9)  # people and things cut out: pixels at least, and of the scene's height at most
_PATCH = (0.2, 0.8)  # photos put in, of the scene's height
_TURNED = 0.5  # of the things put in: the outline of a person, filled with a photo
_HIDDEN = 0.5  # of every second of them, as of people who come and go


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture, and what is known of it.

    Attributes:
        image: (H, W, 3) uint8 BGR.
        cover: (H, W) float32: 1 where a person is, 0 where none is, NaN where it is not known.
        photos: What it is made of, as indices of the album's items.
    """

    image: ImageU8
    cover: F32
    photos: tuple[int, ...]
    person: bool


class Scenes:
    """Makes scenes of an album; each is the same whenever it is made."""

    def __init__(
        self, dataset: ImageFolder, people: Sequence[Cutting], ground_truths: Sequence[Cutting]
    ) -> None:
        """Take the photos, and what was cut out of them (``export.person.cuttings``).

        Args:
            dataset: With the classes no person and person.
            people: Out of photos with people.
            ground_truths: Out of photos without.
        """
        self.dataset, self.people, self.ground_truths = dataset, people, ground_truths
        classes = np.array([item.class_index for item in dataset.items])
        self.empty, self.peopled = np.flatnonzero(classes == 0), np.flatnonzero(classes == 1)

    def whole(self, photo: int, size_wh: tuple[int, int], *, mirrored: bool = False) -> Scene:
        """Stretch a photo: some publishers did so to theirs, and the shape would tell."""
        image = self._read(photo, size_wh)
        person = bool(self.dataset.items[photo].class_index)
        cover = np.full(image.shape[:2], np.nan if person else 0.0, np.float32)
        return Scene(_mirrored(image, mirrored), cover, (photo,), person)

    def cropped(self, photo: int, seed: int, size_wh: tuple[int, int]) -> Scene:
        """Show a part of a photo without people from near, in another light."""
        part, x, y, mirror, gain, shift = np.random.default_rng(seed).uniform(size=6)
        image = read_photo(self.dataset.items[photo].path)
        height, width = (int(side * (0.35 + 0.5 * part)) for side in image.shape[:2])
        top, left = int(y * (image.shape[0] - height)), int(x * (image.shape[1] - width))
        near = cv2.resize(image[top : top + height, left : left + width], size_wh)
        lit = np.asarray(_lit(near, 0.6 + 0.8 * gain, shift).astype(np.uint8))
        cover = np.zeros(size_wh[::-1], np.float32)
        return Scene(_mirrored(lit, mirror < 0.5), cover, (photo,), person=False)

    def patched(self, seed: int, size_wh: tuple[int, int]) -> Scene:
        """Put photos into a photo without people; every second one has people in it."""
        random = np.random.default_rng(seed)
        made = _Montage(self, int(random.choice(self.empty)), size_wh)
        for peopled in _shows_people(random, wanted=seed % 2 == 1):
            photo = int(random.choice(self.peopled if peopled else self.empty))
            height = _between(_PATCH, random.uniform()) * size_wh[1]
            width = min(size_wh[0], height * random.uniform(0.6, 1.0))
            image = self._read(photo, (int(width), int(height)))
            soft = max(1, int(min(image.shape[:2]) * random.uniform(0.02, 0.15)))
            image = _mirrored(image, random.random() < 0.5)
            mask = _soft_edged(image.shape[:2], soft)
            made.add(photo, image.astype(np.float32), mask, random, np.nan if peopled else 0.0)
        return made.scene(person=seed % 2 == 1)

    def populated(self, seed: int, size_wh: tuple[int, int]) -> Scene:
        """Put people and other things into a photo without people; every second has people."""
        random = np.random.default_rng(seed)
        made = _Montage(self, int(random.choice(self.empty)), size_wh)
        for peopled in _shows_people(random, wanted=seed % 2 == 1):
            outline = not peopled and random.random() < _TURNED
            among = self.people if peopled or outline else self.ground_truths
            one = among[int(random.integers(len(among)))]
            photo, image, mask = one.photo, one.image, one.mask
            if outline:  # of a person, turned or not, filled with another photo
                made.uses(photo)
                photo = int(random.choice(self.empty))
                mask = np.ascontiguousarray(np.rot90(mask, int(random.integers(4))))
                image = self._read(photo, mask.shape[::-1])
            tall = (_TALL[0], _TALL[1] * size_wh[1])
            height = int(_between(tall, random.uniform()))
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
            made.add(photo, lit, share, random, float(peopled), hidden=hidden)
        return made.scene(person=seed % 2 == 1)

    def _read(self, photo: int, size_wh: tuple[int, int]) -> ImageU8:
        return Picture.from_bgr(read_photo(self.dataset.items[photo].path)).bgr(size_wh)


class _Montage:
    """A photo without people that others are being put into."""

    def __init__(self, scenes: Scenes, photo: int, size_wh: tuple[int, int]) -> None:
        below = scenes.whole(photo, size_wh)
        self._image, self._cover = below.image.astype(np.float32), below.cover
        self._photos = [photo]

    def add(
        self,
        photo: int,
        image: F32,
        mask: F32,
        random: np.random.Generator,
        cover: float,
        *,
        hidden: float = 0.0,
    ) -> None:
        """Blend a picture in somewhere.

        Args:
            photo: Where it comes from.
            image: (h, w, 3) BGR.
            mask: (h, w) from 0 to 1.
            random: Chooses the place.
            cover: What is known of it, see ``Scene.cover``.
            hidden: How much of its width may lie beyond the left or right edge, and of its height
                beyond the lower one.
        """
        height, width = mask.shape
        tall, wide = self._cover.shape
        beyond = hidden * width
        x = int(-beyond + random.uniform() * (wide - width + 2 * beyond))
        y = int(random.uniform() * (tall - height + hidden * height))
        part = np.s_[y : min(y + height, tall), max(x, 0) : min(x + width, wide)]
        seen = np.s_[: tall - y, max(-x, 0) : wide - x]
        mask, image = mask[seen], image[seen]
        share = mask[..., np.newaxis]
        self._image[part] = self._image[part] * (1 - share) + image * share
        self._cover[part] = np.where(mask > 0.5, cover, self._cover[part])
        self.uses(photo)

    def uses(self, photo: int) -> None:
        """Note that something of a photo is in it, be it an outline."""
        self._photos.append(photo)

    def scene(self, *, person: bool) -> Scene:
        """Give what has come of it."""
        image = np.asarray(np.rint(self._image).astype(np.uint8))
        return Scene(image, self._cover, tuple(self._photos), person)


def grid_cover(scene: Scene, grid_hw: tuple[int, int]) -> F32:
    """Give ``Scene.cover`` on a map's grid: the part of each cell, NaN where some is not known."""
    return np.asarray(cv2.resize(scene.cover, grid_hw[::-1], interpolation=cv2.INTER_AREA))


def all_scenes(scenes: Scenes) -> list[list[Callable[[], Scene]]]:
    """Plan every scene; those in one list have one size. The photos as they are come first.

    Args:
        scenes: Makes them.
    """
    count = len(scenes.dataset.items)
    every, empty = range(count), [int(photo) for photo in scenes.empty]
    near = [(photo, turn * count + photo) for turn in (0, 1) for photo in empty]
    return [
        [partial(scenes.whole, photo, SQUARE) for photo in every],
        [partial(scenes.whole, photo, SQUARE, mirrored=True) for photo in every],
        [partial(scenes.whole, photo, (256, 256)) for photo in every],
        [partial(scenes.whole, photo, WIDE, mirrored=photo % 2 == 1) for photo in every],
        [partial(scenes.cropped, photo, seed, SQUARE) for photo, seed in near],
        [partial(scenes.cropped, photo, 2 * count + photo, WIDE) for photo in empty],
        [partial(scenes.patched, seed, SQUARE) for seed in range(3000)],
        [partial(scenes.patched, seed, WIDE) for seed in range(3000, 8000)],
        [partial(scenes.populated, seed, SQUARE) for seed in range(8000, 10000)],
        [partial(scenes.populated, seed, WIDE) for seed in range(10000, 23000)],
        [partial(scenes.populated, seed, LARGE) for seed in range(23000, 26000)],
    ]


def _shows_people(random: np.random.Generator, *, wanted: bool) -> Iterator[bool]:
    """Say of each thing to put in whether it shows people; the last hides others, and is seen."""
    last = int(random.integers(1, _MOST))
    for number in range(1, last + 1):
        yield wanted and (number == last or random.random() < 0.3)


def _between(limits: tuple[float, float], part: float) -> float:
    """Give a number between limits, evenly on a logarithmic scale."""
    low, high = limits
    return float(low * (high / low) ** part)


def _mirrored(image: NDArray[np.uint8], wanted: bool) -> NDArray[np.uint8]:
    return np.ascontiguousarray(image[:, ::-1]) if wanted else image


def _lit(image: NDArray[Any], gain: float, shift: float) -> F32:
    """Change the light: a gain, and up to 15 grey levels up or down for a shift of 1 or 0."""
    lit: F32 = np.clip(image.astype(np.float32) * np.float32(gain) + (shift - 0.5) * 30, 0, 255)
    return lit


def _soft_edged(size_hw: tuple[int, ...], soft: int) -> F32:
    """Make a mask that rises from the edges over so many pixels."""
    down, across = (
        np.minimum(np.arange(side) + 1, side - np.arange(side)) / soft for side in size_hw
    )
    return np.asarray(np.clip(np.minimum(down[:, np.newaxis], across), 0, 1), np.float32)
