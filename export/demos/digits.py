"""Handwritten digits that move over a dark canvas with clutter.

The digits are scikit-learn's (8x8 pixels, from the UCI repository's optical recognition set);
here they are enlarged, turned a little, and drawn anywhere. Those in the clip and in the figures
are not among the training digits.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from camstream.picture import ImageU8
from export.demos.demo import SIZE_WH, BoxXyxy, Demo, GroundTruth, Sets
from export.train.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Sequence

NOTHING = "no digit"
LABELS = (*map(str, range(10)), NOTHING)
INPUT_WH = (128, 96)  # of the network

_GLYPH_PX = 64
_SIDES = (0.45, 0.65)  # smallest and largest side of a digit, in heights of the canvas
_TURN_DEG = 12
_VISIBLE, _GAP, _FADE = 60, 12, 6  # frames

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Position, size and rotation of a digit; lengths in heights of the canvas."""

    x: float
    y: float
    side: float
    turn_deg: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A piece of clutter: a short line, a dot or a ring; lengths in heights of the canvas."""

    kind: int
    x: float
    y: float
    length: float
    turn: float
    width: float
    light: float


class DigitExamples:
    """Each digit once, at another position every time it is drawn, and some empty canvases."""

    def __init__(self, numbers: Sequence[int]) -> None:
        glyphs, classes = glyphs_and_classes()
        self._glyphs = [glyphs[number] for number in numbers]
        empty = len(self._glyphs) // 8
        self._classes = [classes[number] for number in numbers] + [LABELS.index(NOTHING)] * empty

    @property
    def classes(self) -> list[int]:
        return self._classes

    def image(self, index: int, random: np.random.Generator) -> ImageU8:
        return self.scene(index, random)[0]

    def scene(self, index: int, random: np.random.Generator) -> tuple[ImageU8, BoxXyxy | None]:
        """Draw an image; return it and the box around the digit, None where there is none."""
        canvas = draw_canvas(INPUT_WH, clutter(random), gamma=random.uniform(15, 50))
        box = None
        if index < len(self._glyphs):
            light = random.uniform(150, 255)
            box = draw_digit(canvas, self._glyphs[index], _anywhere(random), light)
        return add_noise(canvas, random.uniform(0, 10), random), box


@functools.cache
def glyphs_and_classes() -> tuple[list[Floats], list[int]]:
    """Enlarge all digits: (64, 64) float32 from 0 to 1 with crisp strokes, and their classes."""
    images, classes = load_digits(return_X_y=True)
    glyphs = []
    framed = np.pad(images.reshape(-1, 8, 8) / 16, ((0, 0), (1, 1), (1, 1)))
    for image in framed.astype(np.float32):
        large = cv2.resize(image, (_GLYPH_PX, _GLYPH_PX), interpolation=cv2.INTER_CUBIC)
        steep = np.clip((large - 0.25) / 0.35, 0, 1)
        glyphs.append((steep * steep * (3 - 2 * steep)).astype(np.float32))
    return glyphs, [int(number) for number in classes]


def split_digits() -> tuple[list[int], list[int], list[int]]:
    """Split the digits: seven tenths to train, one to validate, two to test with."""
    order = np.random.default_rng(0).permutation(len(glyphs_and_classes()[0])).tolist()
    tenth = len(order) // 10
    return order[3 * tenth :], order[2 * tenth : 3 * tenth], order[: 2 * tenth]


def clutter(random: np.random.Generator) -> list[Mark]:
    """Scatter lines, dots and rings, none as large as a digit."""
    return [
        Mark(
            kind=int(random.integers(3)),
            x=random.uniform(0, SIZE_WH[0] / SIZE_WH[1]),
            y=random.uniform(0, 1),
            length=random.uniform(0.03, 0.12),
            turn=random.uniform(0, math.pi),
            width=random.uniform(0.008, 0.03),
            light=random.uniform(40, 150),
        )
        for _ in range(random.integers(0, 13))
    ]


def draw_canvas(size_wh: tuple[int, int], marks: Sequence[Mark], *, gamma: float) -> Floats:
    """Draw the dark canvas with its clutter, (H, W) float32 from 0 to 255."""
    width, height = size_wh
    lights = np.zeros((height, width), np.uint8)
    fine = 4  # bits of a pixel's fraction

    def at(value: float) -> int:
        return round(value * height * (1 << fine))

    for mark in marks:
        thick = max(1, round(mark.width * height))
        dx, dy = math.cos(mark.turn) * mark.length / 2, math.sin(mark.turn) * mark.length / 2
        middle = (at(mark.x), at(mark.y))
        if mark.kind == 0:
            ends = (at(mark.x - dx), at(mark.y - dy)), (at(mark.x + dx), at(mark.y + dy))
            cv2.line(lights, *ends, mark.light, thick, cv2.LINE_AA, fine)
        else:
            thick = -1 if mark.kind == 1 else thick
            cv2.circle(lights, middle, at(mark.length / 3), mark.light, thick, cv2.LINE_AA, fine)
    fall = np.linspace(1, 0.4, height, dtype=np.float32)[:, np.newaxis] * gamma
    canvas: Floats = np.maximum(lights.astype(np.float32), fall)
    return canvas


def draw_digit(canvas: Floats, glyph: Floats, place: Place, light: float) -> BoxXyxy:
    """Draw a digit onto a canvas; return the box around its ink in pixels."""
    height, width = canvas.shape
    scale = place.side * height / _GLYPH_PX
    matrix = cv2.getRotationMatrix2D((_GLYPH_PX / 2, _GLYPH_PX / 2), place.turn_deg, scale)
    matrix[:, 2] += (place.x * height - _GLYPH_PX / 2, place.y * height - _GLYPH_PX / 2)
    small = glyph if scale >= 1 else cv2.GaussianBlur(glyph, (0, 0), 0.4 / scale)
    ink = cv2.warpAffine(small, matrix, (width, height), flags=cv2.INTER_LINEAR)
    canvas += ink * np.maximum(light - canvas, 0)
    rows, columns = np.flatnonzero((ink > 0.3).any(axis=1)), np.flatnonzero((ink > 0.3).any(axis=0))
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def add_noise(canvas: Floats, sigma: float, random: np.random.Generator) -> ImageU8:
    """Turn a canvas into a grey BGR image with noise."""
    noisy = canvas + sigma * random.standard_normal(canvas.shape, np.float32)
    grey = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
    return np.repeat(grey[..., np.newaxis], 3, axis=2)


def scenes() -> Iterator[tuple[ImageU8, GroundTruth]]:
    """Draw the clip: each digit moves for two seconds, then there is none for 0.4 seconds."""
    random = np.random.default_rng(1)
    marks = clutter(random) + clutter(random)
    glyphs, classes = glyphs_and_classes()
    held_out = split_digits()[2]
    for digit in range(10):
        glyph = glyphs[next(number for number in held_out if classes[number] == digit)]
        begin, end = _anywhere(random), _anywhere(random)
        for step in range(_VISIBLE + _GAP):
            canvas = draw_canvas(SIZE_WH, marks, gamma=32)
            truth = GroundTruth(NOTHING)
            if step < _VISIBLE:
                opacity = min(step + 1, _VISIBLE - step, _FADE) / _FADE
                place = _between(begin, end, step / (_VISIBLE - 1))
                box = draw_digit(canvas, glyph, place, 230 * opacity)
                truth = GroundTruth(str(digit) if opacity == 1 else None, (box,))
            yield add_noise(canvas, 4, random), truth


def _anywhere(random: np.random.Generator) -> Place:
    """Choose a position at which the whole digit is on the canvas."""
    side = random.uniform(*_SIDES)
    return Place(
        x=random.uniform(side / 2, SIZE_WH[0] / SIZE_WH[1] - side / 2),
        y=random.uniform(side / 2, 1 - side / 2),
        side=side,
        turn_deg=random.uniform(-_TURN_DEG, _TURN_DEG),
    )


def _between(begin: Place, end: Place, part: float) -> Place:
    """Interpolate between two positions, slow at both ends."""
    eased = part * part * (3 - 2 * part)

    def mix(one: float, other: float) -> float:
        return one + (other - one) * eased

    return Place(
        x=mix(begin.x, end.x),
        y=mix(begin.y, end.y),
        side=mix(begin.side, end.side),
        turn_deg=mix(begin.turn_deg, end.turn_deg),
    )


def _sets() -> Sets:
    train, validation, test = (DigitExamples(part) for part in split_digits())
    return Sets(train, validation, test)


DIGITS = Demo(
    name="digits",
    labels=LABELS,
    background=NOTHING,
    network="small_gap",
    recipe=Recipe(epochs=16, batch=32, head_lr=6e-3, weight_decay=1e-2, patience=16),
    sets=_sets,
    scenes=scenes,
    object_name="a digit",
)
