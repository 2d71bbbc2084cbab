"""Variations of shots to fit to: parts of them, in other light, with people and things put in.

In footage a source shows people or none, all the time: a head would learn the sources. So people (and,
as often, things) of other shots of the same fold are put in with soft edges, into empty shots too,
small and large and partly out of the picture; and whole shots are put small into empty ones. What
a camera does to a picture at night is done as well: darkness, noise, grey, blur, compression.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from camstream.media import read_photo
from camstream.picture import ImageU8, Picture
from export.person.shots import F32, Shot

_CELL = 16  # pixels of a fine cell
_ASPECTS = (1.0, 1.64, 1.33, 0.61)  # width by height
_KEPT = 0.3  # of a box must be in a part, or the box is forgotten


@dataclass(frozen=True, slots=True, eq=False)
class Varied:
    """A picture to fit to.

    Attributes:
        image: (H, W, 3) uint8 BGR; both sides are multiples of 32.
        boxes: (N, 4) x0, y0, x1, y1 in pixels, where people are.
        person: Whether there are any.
    """

    image: ImageU8
    boxes: F32
    person: bool

    def cover(self, grid_hw: tuple[int, ...]) -> F32:
        """Say for each cell: 1 a person is there, 0 nobody is, NaN not known.

        An ellipse in each box is a person; the rest of a picture with people is not known.
        """
        height, width = grid_hw
        if not self.person:
            return np.zeros((height, width), np.float32)
        cover = np.full((height, width), np.nan, np.float32)
        y, x = np.mgrid[:height, :width] + 0.5
        for x0, y0, x1, y1 in self.boxes / _CELL:
            rx, ry = max(0.5, (x1 - x0) * 0.35), max(0.5, (y1 - y0) * 0.4)
            inside = ((x - (x0 + x1) / 2) / rx) ** 2 + ((y - (y0 + y1) / 2) / ry) ** 2 <= 1
            cover[inside] = 1
        return cover


@lru_cache(maxsize=600)
def _load(path: Path) -> ImageU8:
    return read_photo(path)


class Variety:
    """Makes variations; the same seed makes the same one."""

    def __init__(self, shots: Sequence[Shot]) -> None:
        """Take the shots that people, things and empty scenes are taken from."""
        self._people: dict[int, list[Shot]] = {}
        self._empty: dict[int, list[Shot]] = {}
        for shot in shots:
            if not shot.person:
                self._empty.setdefault(shot.fold, []).append(shot)
            elif len(shot.boxes):
                self._people.setdefault(shot.fold, []).append(shot)

    def make(self, shot: Shot, side: int, seed: int) -> Varied:
        """Make a variation with about side x side pixels, of shots of its own fold only."""
        random = np.random.default_rng(seed)
        image, boxes = _part(_load(shot.path), shot.boxes, random, person=shot.person)
        person, chance = shot.person, random.random()
        people, empty = self._people.get(shot.fold, []), self._empty.get(shot.fold, [])
        if chance < 0.2 and not person and people:
            image, box = _put(image, self._cut(people, random), random)
            boxes, person = box, True
        elif chance < 0.4 and not person and empty:
            image, _ = _put(image, self._cut(empty, random), random)
        if random.random() < 0.5:
            image, boxes = image[:, ::-1], _mirrored(boxes, image.shape[1])
        wanted = np.log(image.shape[1] / image.shape[0]) + random.normal(0, 0.25)
        aspect = min(_ASPECTS, key=lambda one: abs(np.log(one) - wanted))
        wh = tuple(32 * round(side * aspect**power / 32) for power in (0.5, -0.5))
        if chance > 0.75 and empty:
            below = _load(empty[random.integers(len(empty))].path)
            image, boxes = _small_in(below, image, boxes, random)
        scale = np.array([wh[0] / image.shape[1], wh[1] / image.shape[0]] * 2, np.float32)
        resized = Picture.from_bgr(np.ascontiguousarray(image)).bgr((wh[0], wh[1]))
        return Varied(_taken(resized, random), boxes * scale, person)

    def _cut(self, among: Sequence[Shot], random: np.random.Generator) -> ImageU8:
        """Cut a person, or a thing, out of a shot."""
        sources = sorted({one.source for one in among})
        source = sources[random.integers(len(sources))]
        own = [one for one in among if one.source == source]
        shot = own[random.integers(len(own))]
        image = _load(shot.path)
        height, width = image.shape[:2]
        if shot.person:
            x0, y0, x1, y1 = shot.boxes[random.integers(len(shot.boxes))]
        else:
            tall = random.uniform(0.2, 0.9) * height
            wide = min(width, tall * random.uniform(0.3, 0.9))
            x0, y0 = random.uniform(0, width - wide), random.uniform(0, height - tall)
            x1, y1 = x0 + wide, y0 + tall
        left, top = max(0, int(x0)), max(0, int(y0))
        right, low = max(left + 2, min(width, int(x1) + 1)), max(top + 2, min(height, int(y1) + 1))
        return image[top:low, left:right]


def _part(
    image: ImageU8, boxes: F32, random: np.random.Generator, *, person: bool
) -> tuple[ImageU8, F32]:
    """Take a part, at least 0.4 of the sides, with half of one person in it where one is known."""
    height, width = image.shape[:2]
    share = random.uniform(0.4, 1) if random.random() < 0.7 else 1.0
    if person and not len(boxes):
        share = random.uniform(0.85, 1)
    wide = min(width, int(width * share))
    tall = min(height, int(height * share * np.clip(np.exp(random.normal(0, 0.1)), 0.7, 1.3)))
    left, top = random.integers(0, width - wide + 1), random.integers(0, height - tall + 1)
    if person and len(boxes):
        wanted = boxes[random.integers(len(boxes))]
        for _ in range(20):
            if _area(_moved(wanted[np.newaxis], left, top, wide, tall))[0] > 0.5 * _area(wanted):
                break
            left, top = random.integers(0, width - wide + 1), random.integers(0, height - tall + 1)
        else:
            left, top, wide, tall = 0, 0, width, height
    moved = _moved(boxes, left, top, wide, tall)
    kept = _area(moved) > _KEPT * _area(boxes)
    return image[top : top + tall, left : left + wide], moved[kept]


def _put(image: ImageU8, thing: ImageU8, random: np.random.Generator) -> tuple[ImageU8, F32]:
    """Put a thing in with soft edges, partly out of the picture in every third: image, its box."""
    height, width = image.shape[:2]
    tall = int(height * np.exp(random.uniform(np.log(0.1), np.log(0.9))))
    wide = max(4, round(thing.shape[1] * tall / thing.shape[0]))
    if wide > 0.9 * width:
        wide, tall = int(0.9 * width), round(0.9 * width * thing.shape[0] / thing.shape[1])
    tall = max(4, min(tall, height))
    small = cv2.resize(thing, (wide, tall), interpolation=cv2.INTER_AREA).astype(np.float32)
    small = np.clip(small * random.uniform(0.7, 1.2), 0, 255)
    hidden = wide // 2 if random.random() < 0.35 else 0
    x = int(random.integers(-hidden, width - wide + hidden + 1))
    y = int(random.integers(0, height - tall + 1))
    across, down = np.linspace(-1, 1, wide), np.linspace(-1, 1, tall)[:, np.newaxis]
    alpha = np.clip((1.15 - np.abs(across) ** 3 - np.abs(down) ** 3) / 0.3, 0, 1)[..., np.newaxis]
    x0, x1 = max(0, x), min(width, x + wide)
    seen = np.s_[:, x0 - x : x1 - x]
    result = image.copy()
    below = result[y : y + tall, x0:x1]
    below[:] = below * (1 - alpha[seen]) + small[seen] * alpha[seen]
    return result, np.array([[x0, y, x1, y + tall]], np.float32)


def _small_in(
    below: ImageU8, image: ImageU8, boxes: F32, random: np.random.Generator
) -> tuple[ImageU8, F32]:
    """Put a whole shot, a third to three quarters of the sides, into an empty one."""
    height, width = below.shape[:2]
    share = random.uniform(0.35, 0.75)
    wide, tall = int(width * share), int(height * share)
    x, y = int(random.integers(0, width - wide)), int(random.integers(0, height - tall))
    result = below.copy()
    result[y : y + tall, x : x + wide] = cv2.resize(
        np.ascontiguousarray(image), (wide, tall), interpolation=cv2.INTER_AREA
    )
    scale = np.array([wide / image.shape[1], tall / image.shape[0]] * 2, np.float32)
    return result, boxes * scale + np.array([x, y, x, y], np.float32)


def _taken(image: ImageU8, random: np.random.Generator) -> ImageU8:
    """Give what a worse camera, in other light, makes of it."""
    values: NDArray[np.floating] = image.astype(np.float32)
    if random.random() < 0.15:
        values = np.repeat(values.mean(axis=2, keepdims=True), 3, axis=2)
    if random.random() < 0.5:
        values = 255 * (values / 255) ** np.float32(np.exp(random.uniform(-0.6, 1.0)))
    if random.random() < 0.2:
        values = values * np.float32(random.uniform(0.15, 0.6))
    if random.random() < 0.4:
        values = (values - 128) * np.float32(random.uniform(0.5, 1.4)) + 128
    if random.random() < 0.3:
        values = values * random.uniform(0.8, 1.2, 3).astype(np.float32)
    if random.random() < 0.25:
        values = np.asarray(cv2.GaussianBlur(values, (0, 0), random.uniform(0.5, 2)), np.float32)
    if random.random() < 0.3:
        values = values + random.normal(0, random.uniform(2, 20), values.shape)
    result = np.asarray(np.clip(values, 0, 255), np.uint8)
    if random.random() < 0.35:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(15, 70))]
        _, content = cv2.imencode(".jpg", result, quality)
        result = np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR), np.uint8)
    return result


def _moved(boxes: F32, left: float, top: float, wide: float, tall: float) -> F32:
    """Give boxes in a part of the picture, cut to it."""
    moved = boxes - np.array([left, top, left, top], np.float32)
    return np.asarray(np.clip(moved, 0, np.array([wide, tall, wide, tall], np.float32)))


def _area(boxes: F32) -> NDArray[np.float32]:
    return np.asarray((boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1]))


def _mirrored(boxes: F32, width: int) -> F32:
    return np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], axis=1)
