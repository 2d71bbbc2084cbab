"""Draws the outline of a box into a picture's own planes, BGR or YUV."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from camstream.frame import Box
    from camstream.picture import Picture

Bgr = tuple[int, int, int]
_BLACK = (0, 0, 0)


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
    _draw(target, (x0 - line, y0 - line, x1 + line, y1 + line), line, _BLACK)
    _draw(target, (x0, y0, x1, y1), line, colour)


def _draw(target: Picture, xyxy: tuple[int, int, int, int], line: int, colour: Bgr) -> None:
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
        step = -(-target.size_wh[0] // plane.shape[1])  # 1, or 2 for the colour planes of 4:2:0
        ink = native if plane.ndim == 3 else native[index]
        for side in sides:
            left, top, right, bottom = (max(0, value) for value in side)
            plane[top // step : -(-bottom // step), left // step : -(-right // step)] = ink
