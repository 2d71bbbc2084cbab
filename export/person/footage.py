"""Footage for measuring events: made from photos and clips without people, and from people put in.

Empty footage is what a camera sees while nobody is there: each photo, and each empty stretch of a
clip, is filmed in several ways (``WAYS``): still, panned, with flickering light, at night, with a noisy
sensor, and badly compressed. Visits are the same with a person who walks in, stays, and walks out.
All of it is made anew from the same random numbers in each run; nothing is written to disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from camstream.picture import ImageU8

FRAME_WH = (640, 360)
_PAN = 0.8  # share of the photo's sides that a pan shows at once
_NIGHT_GAIN, _NIGHT_NOISE = 0.25, 6.0
_NOISE = 14.0  # standard deviation, grey levels
_QUALITY = (8, 25)  # of JPEG
_WALK_S = 1.0  # from out of sight to the place, seconds
_WAY = 0.3  # of the frame's width, from the edge to the place
_FEET = 0.85  # where the floor is, as a share of the frame's height

WAYS = ("still", "pan", "flicker", "night", "noise", "compressed")


@dataclass(frozen=True, slots=True)
class Walker:
    """A person who is put into a scene.

    Attributes:
        image: (h, w, 3) uint8 BGR.
        mask: (h, w) uint8, 255 on the person.
        height: As a share of the frame's.
        cut: Whether half of the person stays out of the frame, at an edge.
    """

    image: ImageU8
    mask: NDArray[np.uint8]
    height: float
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Visit:
    """When a walker is to be seen.

    Attributes:
        begin_s: Half of what is ever seen of the walker is in the frame.
        end_s: The same on the way out.
    """

    begin_s: float
    end_s: float


def film(
    photo: ImageU8,
    way: str,
    *,
    fps: float,
    seconds: float,
    seed: int,
    walker: Walker | None = None,
) -> Iterator[tuple[float, ImageU8]]:
    """Film a photo, with a walker from a third of the time to two thirds of it.

    Args:
        photo: (H, W, 3) uint8 BGR, without people.
        way: One of ``WAYS``.
        fps: Frames a second.
        seconds: How long.
        seed: Of the noise.
        walker: Who walks in and out; None: nobody.

    Yields:
        Time, seconds, and (360, 640, 3) uint8 BGR.
    """
    random = np.random.default_rng(seed)
    room = np.asarray(cv2.resize(photo, FRAME_WH, interpolation=cv2.INTER_AREA), np.uint8)
    from_right = bool(random.integers(2))
    figure = None if walker is None else _figure(walker, from_right=from_right)
    for number in range(round(seconds * fps)):
        at_s = number / fps
        scene = _seen_from(room, at_s / seconds) if way == "pan" else room
        if figure is not None:
            scene = _with(scene, figure, figure.x(_inside(at_s, visit(seconds))))
        yield at_s, _taken(scene, way, at_s, random)


def visit(seconds: float) -> Visit:
    """Give the visit of footage of this length."""
    return Visit(seconds / 3, 2 * seconds / 3)


def _taken(image: ImageU8, way: str, at_s: float, random: np.random.Generator) -> ImageU8:
    """Give what the camera makes of the scene."""
    if way == "flicker":
        light = 1 + 0.35 * np.sin(2 * np.pi * 0.9 * at_s) + random.normal(0, 0.05)
        return _clip(image * np.float32(light))
    if way == "night":
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)[..., np.newaxis].astype(np.float32)
        dark = (0.3 * image + 0.7 * grey) * _NIGHT_GAIN
        return _clip(dark + random.normal(0, _NIGHT_NOISE, image.shape))
    if way == "noise":
        return _clip(image + random.normal(0, _NOISE, image.shape))
    if way == "compressed":
        quality = int(random.integers(*_QUALITY))
        _, content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        return np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR), np.uint8)
    return image


def _inside(at_s: float, one: Visit) -> float:
    """How far a walker has come: 0 out of sight, 1 at the place."""
    come = 0.5 + (at_s - one.begin_s) / _WALK_S
    gone = 0.5 + (one.end_s - at_s) / _WALK_S
    return float(np.clip(min(come, gone), 0, 1))


@dataclass(frozen=True, slots=True)
class _Figure:
    """A walker in pixels of the frame, and the way there.

    Attributes:
        image: (h, w, 3) float32.
        alpha: (h, w, 1) float32, 1 on the person.
        from_right: Whether the walker comes in there, not on the left.
        reach: How far the figure comes into the frame, pixels from its edge.
        y: Its top.
    """

    image: NDArray[np.float32]
    alpha: NDArray[np.float32]
    from_right: bool
    reach: float
    y: int

    def x(self, share: float) -> int:
        """Where its left side is after a share of the way; halfway, half of it has come in."""
        wide = self.image.shape[1]
        half_seen = min(self.reach, wide) / 2
        come = round(float(np.interp(share, (0, 0.5, 1), (0, half_seen, self.reach))))
        return FRAME_WH[0] - come if self.from_right else come - wide


def _figure(walker: Walker, *, from_right: bool) -> _Figure:
    width, height = FRAME_WH
    tall = max(2, round(walker.height * height))
    wide = max(2, round(walker.image.shape[1] * tall / walker.image.shape[0]))
    image = cv2.resize(walker.image, (wide, tall), interpolation=cv2.INTER_AREA)
    cover = cv2.resize(walker.mask, (wide, tall), interpolation=cv2.INTER_AREA)
    return _Figure(
        image=image.astype(np.float32),
        alpha=(cover[..., np.newaxis] / 255).astype(np.float32),
        from_right=from_right,
        reach=wide / 2 if walker.cut else wide + width * _WAY,
        y=round(height * max(_FEET, walker.height)) - tall,
    )


def _with(scene: ImageU8, figure: _Figure, x: int) -> ImageU8:
    tall, wide = figure.alpha.shape[:2]
    left, right = max(0, x), min(scene.shape[1], x + wide)
    if left >= right:
        return scene
    part = np.s_[:, left - x : right - x]
    alpha = figure.alpha[part]
    result = scene.copy()
    below = result[figure.y : figure.y + tall, left:right]
    below[:] = np.rint(below * (1 - alpha) + figure.image[part] * alpha)
    return result


def _seen_from(room: ImageU8, share: float) -> ImageU8:
    """Pan there and back over a part of the room."""
    width, height = FRAME_WH
    wide, tall = round(width * _PAN), round(height * _PAN)
    along = 0.5 - 0.5 * np.cos(2 * np.pi * share)
    x, y = round((width - wide) * along), round((height - tall) * along / 2)
    part = room[y : y + tall, x : x + wide]
    return np.asarray(cv2.resize(part, FRAME_WH, interpolation=cv2.INTER_LINEAR), np.uint8)


def _clip(values: NDArray[np.floating]) -> ImageU8:
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)
