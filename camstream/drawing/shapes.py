"""Draws boxes and the path of a peak into a picture's own planes, BGR or YUV."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

from camstream.drawing.blend import blend, regions
from camstream.picture import chroma_step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from camstream.frame import Box, TrailPoint
    from camstream.picture import ImageU8, Picture

Bgr = tuple[int, int, int]
_BLACK = (0, 0, 0)
_SUBPIXEL_BITS = 4  # OpenCV takes fractions of pixels as integers, shifted


def line_width(size_wh: tuple[int, int]) -> int:
    """Choose how thick a thin line is, pixels: even, as 4:2:0 has one colour for 2 x 2 pixels."""
    return 2 * max(1, round(min(size_wh) / 480))


def draw_outline(target: Picture, box: Box, colour: Bgr) -> None:
    """Draw a thin rectangle with a dark rim around it, so that it shows on any ground.

    Args:
        target: Is drawn on.
        box: In pixels of the target; the line lies inside, to the next even pixel.
        colour: Blue, green, red; 0 to 255.
    """
    line = line_width(target.size_wh)
    x0, y0, x1, y1 = (2 * round(value / 2) for value in box.xyxy)
    _fill_sides(target, (x0 - line, y0 - line, x1 + line, y1 + line), line, _BLACK)
    _fill_sides(target, (x0, y0, x1, y1), line, colour)


def _fill_sides(target: Picture, xyxy: tuple[int, int, int, int], line: int, colour: Bgr) -> None:
    """Fill the four sides of a rectangle, as far as they lie in the picture."""
    x0, y0, x1, y1 = xyxy
    sides = (
        (x0, y0, x1, y0 + line),
        (x0, y1 - line, x1, y1),
        (x0, y0, x0 + line, y1),
        (x1 - line, y0, x1, y1),
    )
    native = target.native(np.array([[colour]], np.uint8))[0, 0]
    for index, plane in enumerate(target.planes()):
        step = chroma_step(target.size_wh, plane)
        ink = native if plane.ndim == 3 else native[index]
        for side in sides:
            left, top, right, bottom = (max(0, value) for value in side)
            plane[top // step : -(-bottom // step), left // step : -(-right // step)] = ink


def draw_trail(target: Picture, trail: Sequence[TrailPoint], size_wh: tuple[int, int]) -> None:
    """Draw paths, fainter the older they are, with a dot where each of them is now.

    Args:
        target: Is drawn on; its sides are even.
        trail: Path by path, each oldest first.
        size_wh: Width and height of the picture that the points are pixels of.
    """
    if not trail:
        return
    scale = np.array(target.size_wh) / size_wh
    at = [tuple(np.rint(point.xy * scale * 2**_SUBPIXEL_BITS).astype(int)) for point in trail]
    width, height = target.size_wh
    line = line_width(target.size_wh)
    ink = np.zeros((height, width), np.uint8)
    opacity = np.zeros((height, width), np.uint8)
    times = [point.pts_s for point in trail]
    oldest, newest = min(times), max(times)
    for point, before, after in zip(trail[1:], at, at[1:], strict=False):
        if not point.is_start:
            age = (newest - point.pts_s) / max(newest - oldest, 1e-6)
            strength = round(255 * (0.9 - 0.7 * age))
            _line(opacity, before, after, 3 * line, strength // 2)  # a dark rim shows on any ground
            _line(opacity, before, after, line, strength)
            _line(ink, before, after, line, 255)
    for place in (place for point, place in zip(trail, at, strict=True) if point.pts_s == newest):
        for picture, radius, value in ((opacity, 3 * line, 200), (ink, 2 * line, 255)):
            cv2.circle(
                picture, place, radius << _SUBPIXEL_BITS, value, -1, cv2.LINE_AA, _SUBPIXEL_BITS
            )
    x, y, w, h = cv2.boundingRect(opacity)
    left, top, right, bottom = x // 2 * 2, y // 2 * 2, -(-(x + w) // 2) * 2, -(-(y + h) // 2) * 2
    greys = target.native(np.repeat(np.arange(256, dtype=np.uint8)[:, None, None], 3, 2))
    part = slice(top, bottom), slice(left, right)
    coloured = cast("ImageU8", cv2.applyColorMap(np.ascontiguousarray(ink[part]), greys))
    under = regions(target, (left, top, right, bottom))
    blend(under, coloured, np.ascontiguousarray(opacity[part]))


def _line(
    picture: ImageU8, start: tuple[int, ...], end: tuple[int, ...], width: int, value: int
) -> None:
    cv2.line(picture, start, end, value, width, cv2.LINE_AA, _SUBPIXEL_BITS)
