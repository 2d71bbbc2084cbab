"""Writes on pictures: the label, notes, what a box or a tile is called."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import cast

import cv2
import numpy as np

from camstream.blend import blend, regions
from camstream.picture import ImageU8, Picture

_WHITE = (255, 255, 255)
_PANEL_OPACITY = 150


def add_notes(target: Picture, notes: Sequence[str]) -> None:
    """Write small texts into the bottom left corner, one below the other.

    Args:
        target: Is drawn on.
        notes: The last is the lowest. Each is a panel of its own; it may have several lines.
    """
    line_px = max(12, round(_line_px(target) * 0.6))
    y = target.size_wh[1] - line_px // 4 * 2
    for note in reversed(notes):
        y -= panel_size(target, note, line_px)[1]
        write(target, note, line_px, y // 2 * 2)


def write_label(target: Picture, text: str) -> None:
    """Write the label into the top left corner, in proportion to the picture."""
    line_px = _line_px(target)
    write(target, text, line_px, line_px // 4 * 2)


def write(target: Picture, text: str, line_px: int, top: int, left: int | None = None) -> None:
    """Write a panel of text, unless the picture is too small for words.

    Args:
        target: Is drawn on.
        text: One line, or several; a tab begins a second column.
        line_px: Height of the letters' line, pixels.
        top: The panel's upper edge, pixels, even.
        left: Its left edge, even; None keeps the usual margin. A panel that would leave the
            picture is moved to its edge.
    """
    ink, opacity = _panel(text, line_px, target.size_wh[0])
    height, width = opacity.shape
    if left is None:
        left = line_px // 4 * 2
    left = max(0, min(left, target.size_wh[0] - width)) // 2 * 2
    if top >= 0 and top + height <= target.size_wh[1]:
        greys = target.native(
            np.repeat(np.arange(256, dtype=np.uint8)[:, np.newaxis, np.newaxis], 3, 2)
        )
        part = regions(target, (left, top, left + width, top + height))
        blend(part, cast("ImageU8", cv2.applyColorMap(ink, greys)), opacity)


def panel_size(target: Picture, text: str, line_px: int) -> tuple[int, int]:
    """Width and height of the panel that a text takes, pixels."""
    height, width = _panel(text, line_px, target.size_wh[0])[1].shape
    return width, height


def _line_px(target: Picture) -> int:
    """Height of the label's line, in proportion to the picture."""
    return max(13, round(min(target.size_wh[1] / 20, target.size_wh[0] / 16)))


@functools.lru_cache(maxsize=64)
def _panel(text: str, line_px: int, room_px: int) -> tuple[ImageU8, ImageU8]:
    """White text on a dark translucent panel: grey value and opacity, (h, w) each, even sizes."""
    face, weight = cv2.FontFace("sans"), 600
    lines = text.splitlines()
    pad, pitch = line_px // 3, line_px * 3 // 2 // 2 * 2
    room = (room_px * 3, line_px * 3)
    # A tab puts what follows into a second column.
    column = 4 * line_px
    parts = [
        (column * place, row, part)
        for row, line in enumerate(lines)
        for place, part in enumerate(line.split("\t"))
    ]
    width = max(
        x + cv2.getTextSize(room, part, (0, line_px), face, line_px, weight)[2]
        for x, _, part in parts
    )
    longest = max(2 * pad + 2, room_px - 2 * (line_px // 4 * 2))
    w, h = min(width + 2 * pad, longest) // 2 * 2, pitch * len(lines)
    ink = np.zeros((h, w), np.uint8)
    for x, row, part in parts:
        at = (pad + x, row * pitch + (pitch + round(line_px * 0.7)) // 2)
        cv2.putText(ink, part, at, _WHITE, face, line_px, weight, 0, (0, room_px * 3))
    return ink, np.maximum(ink, _PANEL_OPACITY)
