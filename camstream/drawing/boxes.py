"""Draws the boxes of a prediction with their names, none of which lies on another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from camstream.drawing.shapes import Bgr, draw_outline, line_width
from camstream.drawing.text import Rectangle, joined, panel_size, write
from camstream.frame import Box

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from camstream.frame import ClassBox
    from camstream.picture import Picture

_WHITE = (255, 255, 255)


def draw_outlines(target: Picture, boxes: Sequence[ClassBox], frame_wh: tuple[int, int]) -> None:
    """Draw boxes without their names.

    Args:
        target: Is drawn on.
        boxes: In pixels of a frame; the best class first, which lies on top.
        frame_wh: Width and height of that frame.
    """
    for found in reversed(boxes):
        draw_outline(target, _scaled(found.box, frame_wh, target.size_wh), _WHITE)


def write_names(
    target: Picture,
    boxes: Sequence[ClassBox],
    frame_wh: tuple[int, int],
    *,
    without: int | str | None,
    taken: Sequence[Rectangle],
) -> None:
    """Write the name of each class at its first box.

    Args:
        target: Is drawn on.
        boxes: In pixels of a frame; the best class first, which has the first choice of places.
        frame_wh: Width and height of that frame.
        without: The key of a class whose boxes get no name.
        taken: Parts of the picture where no name is written, pixels.
    """
    written, named = list(taken), {without}
    for found in boxes:
        if found.key not in named:
            named.add(found.key)
            box = _scaled(found.box, frame_wh, target.size_wh)
            written.append(_write_name(target, box, found.label, f"{found.score:.0%}", written))


def _scaled(box: Box, frame_wh: tuple[int, int], size_wh: tuple[int, int]) -> Box:
    """Give a box of a frame in pixels of a picture."""
    x, y = size_wh[0] / frame_wh[0], size_wh[1] / frame_wh[1]
    x0, y0, x1, y1 = box.xyxy
    return Box((x0 * x, y0 * y, x1 * x, y1 * y))


def draw_box(target: Picture, box: Box, text: str = "", colour: Bgr = _WHITE) -> None:
    """Draw a box onto a picture.

    Args:
        target: Is drawn on.
        box: In pixels of the target.
        text: Stands at the box's lower left corner, inside, where there is room.
        colour: Blue, green, red; 0 to 255.
    """
    draw_outline(target, box, colour)
    if text:
        _write_name(target, box, text, "", [])


def _write_name(
    target: Picture, box: Box, name: str, value: str, written: Sequence[Rectangle]
) -> Rectangle:
    """Write a name at a box, at the first place that is free; nowhere where none is."""
    width, height = target.size_wh
    line_px = max(12, round(min(height / 32, width / 26)))
    text = joined(target, name, value, line_px)
    panel_wh = panel_size(target, text, line_px)
    for left, top in _places(box, panel_wh, line_width(target.size_wh), target.size_wh):
        there = left, top, left + panel_wh[0], top + panel_wh[1]
        if not any(_overlap(there, other) for other in written):
            return write(target, text, line_px, top, left)
    return 0, 0, 0, 0


def _places(
    box: Box, panel_wh: tuple[int, int], line: int, size_wh: tuple[int, int]
) -> Iterator[tuple[int, int]]:
    """Yield left and top of places for a name: up along the box's left side, then its right one."""
    x0, y0, x1, y1 = box.xyxy
    most_left, most_top = size_wh[0] - panel_wh[0], size_wh[1] - panel_wh[1]
    lowest = min(y1 - line - panel_wh[1], most_top)
    highest = max(y0 + line, 0)
    for left in (x0 + line, x1 - line - panel_wh[0]):
        left = round(min(max(0, left), max(0, most_left))) // 2 * 2
        top = lowest
        while top >= highest or top == lowest:
            if 0 <= top <= most_top:
                yield left, round(top) // 2 * 2
            top -= panel_wh[1]
    for outside in (y1 + line, y0 - line - panel_wh[1]):  # below and above the box
        if 0 <= outside <= most_top:
            yield round(min(max(0, x0), max(0, most_left))) // 2 * 2, round(outside) // 2 * 2


def _overlap(one: Rectangle, other: Rectangle) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
