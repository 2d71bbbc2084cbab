"""Draws the path of a peak over the last seconds into a picture's own planes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import cv2
import numpy as np

from camstream.drawing.blend import blend, regions
from camstream.drawing.outline import line_width
from camstream.frame import TrailPoint
from camstream.picture import ImageU8, Picture

_SUBPIXEL_BITS = 4


def draw_trail(target: Picture, trail: Sequence[TrailPoint], size_wh: tuple[int, int]) -> None:
    """Draw a path, fainter the older it is, with a dot where it is now.

    Args:
        target: Is drawn on; its sides are even.
        trail: Oldest first.
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
    oldest, newest = trail[0].pts_s, trail[-1].pts_s
    for point, before, after in zip(trail[1:], at, at[1:], strict=False):
        if not point.is_start:
            age = (newest - point.pts_s) / max(newest - oldest, 1e-6)
            strength = round(255 * (0.9 - 0.7 * age))
            _line(opacity, before, after, 3 * line, strength // 2)  # a dark rim shows on any ground
            _line(opacity, before, after, line, strength)
            _line(ink, before, after, line, 255)
    for picture, radius, value in ((opacity, 3 * line, 200), (ink, 2 * line, 255)):
        cv2.circle(
            picture, at[-1], radius << _SUBPIXEL_BITS, value, -1, cv2.LINE_AA, _SUBPIXEL_BITS
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
