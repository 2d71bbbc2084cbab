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

Rectangle = tuple[int, int, int, int]  # left, top, right, bottom

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
    line_px = line_height(target, share=0.6)
    y = target.size_wh[1] - line_px // 4 * 2
    for note in reversed(notes):
        y -= panel_size(target, note, line_px)[1]
        write(target, note, line_px, y // 2 * 2)


def write_label(target: Picture, text: str, value: str = "") -> Rectangle:
    """Write the label into the top left corner, in proportion to the picture.

    Args:
        target: Is drawn on.
        text: What is cut where the picture is too narrow.
        value: What stands behind it in any case.

    Returns:
        Left, top, right and bottom of the panel, pixels.
    """
    line_px = line_height(target)
    margin = line_px // 4 * 2
    return write(target, joined(target, text, value, line_px), line_px, margin)


def write_state(
    target: Picture, label: str, value: str, *, is_background: bool, is_sure: bool
) -> Rectangle:
    """Write the state into the top left corner: something is there, perhaps something, or nothing.

    A thing has a full disc and stands dark on a bright panel; nothing has an empty ring and
    stands white on a dark one; what may be there has half a disc and stands bright on dark.

    Args:
        target: Is drawn on.
        label: The class; written in capitals.
        value: What stands behind it, such as its probability.
        is_background: Whether the class means nothing.
        is_sure: Whether that is more than a guess.

    Returns:
        Left, top, right and bottom of the panel, pixels.
    """
    line_px, room_px = line_height(target), target.size_wh[0]
    text = joined(target, label.upper(), value, line_px, taken_px=_pitch(line_px))
    fullness = 0.0 if is_background else 1.0 if is_sure else 0.5
    ink, opacity = _with_mark(*_panel(text, line_px, room_px), fullness=fullness)
    paper, pen = _BLACK, _WHITE if is_background else _AMBER
    if not is_background and is_sure:
        paper, pen = _AMBER, _BLACK
        opacity = np.full_like(opacity, _SIGN_OPACITY)
    margin = line_px // 4 * 2
    return _lay(target, ink, opacity, (margin, margin), paper, pen)


def joined(target: Picture, text: str, value: str, line_px: int, *, taken_px: int = 0) -> str:
    """Join a name and its value; the name is cut to what the picture's width leaves for it.

    Args:
        target: Will be written on.
        text: The name.
        value: May be empty.
        line_px: Height of the line.
        taken_px: Width that something else has in the same panel.
    """
    return _joined(text, value, line_px, target.size_wh[0] - taken_px)


@functools.lru_cache(maxsize=64)
def _joined(text: str, value: str, line_px: int, room_px: int) -> str:
    end = f"  {value}" if value else ""
    pad, margin = line_px // 3, line_px // 4 * 2
    room = room_px - 2 * margin - 2 * pad - _width(end, line_px)
    return (_fitted(" ".join(_drawable(text).split()), line_px, room) + end).lstrip()


def write(target: Picture, text: str, line_px: int, top: int, left: int | None = None) -> Rectangle:
    """Write a panel of text, unless the picture is too small for words.

    Args:
        target: Is drawn on.
        text: One line, or several; a tab begins a second column.
        line_px: Height of the letters' line, pixels.
        top: The panel's upper edge, pixels, even.
        left: Its left edge, even; None keeps the usual margin. A panel that would leave the
            picture is moved to its edge.

    Returns:
        Left, top, right and bottom of the panel, pixels.
    """
    ink, opacity = _panel(text, line_px, target.size_wh[0])
    if left is None:
        left = line_px // 4 * 2
    left = max(0, min(left, target.size_wh[0] - opacity.shape[1])) // 2 * 2
    return _lay(target, ink, opacity, (left, top), _BLACK, _WHITE)


def _lay(
    target: Picture, ink: ImageU8, opacity: ImageU8, left_top: tuple[int, int], paper: Bgr, pen: Bgr
) -> Rectangle:
    """Blend a panel in two colours, unless it would leave the picture."""
    (height, width), (left, top) = opacity.shape, left_top
    right, bottom = left + width, top + height
    if top < 0 or bottom > target.size_wh[1] or right > target.size_wh[0]:
        return left, top, left, top
    shares = np.linspace(0, 1, 256)[:, np.newaxis, np.newaxis]
    ramp = np.rint((1 - shares) * paper + shares * pen).astype(np.uint8)
    coloured = cv2.applyColorMap(ink, target.native(ramp))
    blend(regions(target, (left, top, right, bottom)), cast("ImageU8", coloured), opacity)
    return left, top, right, bottom


def panel_size(target: Picture, text: str, line_px: int) -> tuple[int, int]:
    """Width and height of the panel that a text takes, pixels."""
    return text_size(text, line_px, target.size_wh[0])


def text_size(text: str, line_px: int, room_px: int) -> tuple[int, int]:
    """Width and height of the panel that a text takes in a picture of that width, pixels."""
    height, width = _panel(text, line_px, room_px)[1].shape
    return width, height


def line_height(target: Picture, *, share: float = 1.0) -> int:
    """Height of a line of text, pixels: a part of the label's, which follows the picture's size."""
    width, height = target.size_wh
    return max(13 if share == 1 else 12, round(min(height / 20, width / 16) * share))


def _pitch(line_px: int) -> int:
    """From one line to the next, pixels; also the height of a panel of one line."""
    return line_px * 3 // 2 // 2 * 2


def _with_mark(ink: ImageU8, opacity: ImageU8, *, fullness: float) -> tuple[ImageU8, ImageU8]:
    """Put a disc in front of a panel of text: full, half full, or only its ring."""
    side = ink.shape[0]
    mark = np.zeros((side, side), np.uint8)
    radius, bits = side * 0.24, 4  # OpenCV takes fractions of pixels as integers, shifted
    middle, extent = round((side - 1) / 2 * 2**bits), round(radius * 2**bits)
    if fullness > 0:
        cv2.circle(mark, (middle, middle), extent, 255, cv2.FILLED, cv2.LINE_AA, bits)
        mark[: round(side / 2 + radius * (1 - 2 * fullness))] = 0
    if fullness < 1:
        ring_px = max(2, side // 12)
        cv2.circle(mark, (middle, middle), extent, 255, ring_px, cv2.LINE_AA, bits)
    grounds = np.maximum(mark, _PANEL_OPACITY)
    return np.hstack((mark, ink)), np.hstack((grounds, opacity))


@functools.lru_cache(maxsize=64)
def _panel(text: str, line_px: int, room_px: int) -> tuple[ImageU8, ImageU8]:
    """White text on a dark translucent panel: grey value and opacity, (h, w) each, even sizes."""
    lines = _drawable(text).splitlines() or [""]
    pad, pitch = line_px // 3, _pitch(line_px)
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


def wrapped(text: str, line_px: int, room_px: int) -> str:
    """Break a text between words into lines that fit; a word that is too long keeps its line.

    Args:
        text: One line.
        line_px: Height of the letters' line, pixels.
        room_px: Width of the whole picture that the panel will stand in, pixels.
    """
    room = room_px - 2 * (line_px // 4 * 2) - 2 * (line_px // 3)
    lines: list[str] = []
    for word in _drawable(text).split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and _width(longer, line_px) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    return "\n".join(lines)
