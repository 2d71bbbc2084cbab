"""Writes on pictures: labels, states, notes."""

from __future__ import annotations

import bisect
import functools
import unicodedata
from collections.abc import Sequence
from typing import cast

import cv2
import numpy as np

from camstream.drawing.blend import blend, regions
from camstream.drawing.shapes import Bgr
from camstream.picture import ImageU8, Picture
from camstream.safe_text import safe_text

_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)
_PANEL_OPACITY = 150
# Dark on amber against white on dark differ in brightness, so they differ for any eye and in grey.
_AMBER = (0, 176, 255)
_SIGN_OPACITY = 235
_WEIGHT = 600  # of the letters
_LONGEST = 4000  # characters of one text


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


def write_state(target: Picture, label: str, score: float, *, is_background: bool) -> None:
    """Write the state into the top left corner: something is there, or nothing.

    A thing has a full disc and stands dark on a bright panel; nothing has an empty ring and
    stands white on a dark one.

    Args:
        target: Is drawn on.
        label: The class; written in capitals.
        score: Its probability, 0 to 1.
        is_background: Whether the class means nothing.
    """
    line_px = _line_px(target)
    text = f"{label.upper()}  {score:.0%}"
    ink, opacity = _with_mark(*_panel(text, line_px, target.size_wh[0]), is_empty=is_background)
    paper, pen = (_BLACK, _WHITE) if is_background else (_AMBER, _BLACK)
    if not is_background:
        opacity = np.full_like(opacity, _SIGN_OPACITY)
    margin = line_px // 4 * 2
    _lay(target, ink, opacity, (margin, margin), paper, pen)


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
    if left is None:
        left = line_px // 4 * 2
    left = max(0, min(left, target.size_wh[0] - opacity.shape[1])) // 2 * 2
    _lay(target, ink, opacity, (left, top), _BLACK, _WHITE)


def _lay(
    target: Picture, ink: ImageU8, opacity: ImageU8, left_top: tuple[int, int], paper: Bgr, pen: Bgr
) -> None:
    """Blend a panel in two colours, unless it would leave the picture."""
    (height, width), (left, top) = opacity.shape, left_top
    if top < 0 or top + height > target.size_wh[1] or left + width > target.size_wh[0]:
        return
    shares = np.linspace(0, 1, 256)[:, np.newaxis, np.newaxis]
    ramp = np.rint((1 - shares) * paper + shares * pen).astype(np.uint8)
    part = regions(target, (left, top, left + width, top + height))
    coloured = cv2.applyColorMap(ink, target.native(ramp))
    blend(part, cast("ImageU8", coloured), opacity)


def panel_size(target: Picture, text: str, line_px: int) -> tuple[int, int]:
    """Width and height of the panel that a text takes, pixels."""
    height, width = _panel(text, line_px, target.size_wh[0])[1].shape
    return width, height


def _line_px(target: Picture) -> int:
    """Height of the label's line, in proportion to the picture."""
    return max(13, round(min(target.size_wh[1] / 20, target.size_wh[0] / 16)))


def _with_mark(ink: ImageU8, opacity: ImageU8, *, is_empty: bool) -> tuple[ImageU8, ImageU8]:
    """Put a disc, or a ring, in front of a panel of text."""
    side = ink.shape[0]
    mark = np.zeros((side, side), np.uint8)
    radius, bits = side * 0.24, 4  # OpenCV takes fractions of pixels as integers, shifted
    middle = round((side - 1) / 2 * 2**bits)
    thick = max(2, side // 12) if is_empty else cv2.FILLED
    cv2.circle(mark, (middle, middle), round(radius * 2**bits), 255, thick, cv2.LINE_AA, bits)
    grounds = np.maximum(mark, _PANEL_OPACITY)
    return np.hstack((mark, ink)), np.hstack((grounds, opacity))


@functools.lru_cache(maxsize=64)
def _panel(text: str, line_px: int, room_px: int) -> tuple[ImageU8, ImageU8]:
    """White text on a dark translucent panel: grey value and opacity, (h, w) each, even sizes."""
    lines = _drawable(text).splitlines() or [""]
    pad, pitch = line_px // 3, line_px * 3 // 2 // 2 * 2
    # A tab puts what follows into a second column.
    column = 4 * line_px
    longest = max(2 * pad + 2, room_px - 2 * (line_px // 4 * 2))
    parts = [
        (column * place, row, _fitted(part, line_px, longest - 2 * pad - column * place))
        for row, line in enumerate(lines)
        for place, part in enumerate(line.split("\t"))
    ]
    width = max(x + _width(part, line_px) for x, _, part in parts)
    w, h = min(width + 2 * pad, longest) // 2 * 2, pitch * len(lines)
    ink = np.zeros((h, w), np.uint8)
    for x, row, part in parts:
        at = (pad + x, row * pitch + (pitch + round(line_px * 0.7)) // 2)
        cv2.putText(ink, part, at, _WHITE, *_font(line_px), 0, (0, room_px * 3))
    return ink, np.maximum(ink, _PANEL_OPACITY)


def _drawable(text: str) -> str:
    """Give what OpenCV's font can draw of a text, which has no accents that stand alone.

    It draws Latin, Greek, Cyrillic, Chinese, Japanese and Korean, "?" for a letter that it lacks, and
    Arabic and Hebrew letter by letter from the left.
    """
    return unicodedata.normalize("NFC", safe_text(text, limit=_LONGEST, keep="\n\t"))


def _fitted(text: str, line_px: int, room_px: int) -> str:
    """Cut a line to the room that it has, with an ellipsis."""
    if _width(text, line_px) <= room_px:
        return text
    kept = bisect.bisect_left(
        range(len(text)), True, key=lambda n: _width(f"{text[: n + 1]}…", line_px) > room_px
    )
    return f"{text[:kept].rstrip()}…" if kept else ""


def _width(text: str, line_px: int) -> int:
    room = (line_px * max(1, len(text)) * 2, line_px * 3)
    return cv2.getTextSize(room, text, (0, line_px), *_font(line_px))[2]


def _font(line_px: int) -> tuple[cv2.FontFace, int, int]:
    return cv2.FontFace("sans"), line_px, _WEIGHT
