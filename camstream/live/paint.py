"""Draws a live session: the picture with its maps, and the instruments over it.

The two are apart: recordings and snapshots hold the first only.
"""

from __future__ import annotations

import cv2
import numpy as np

from camstream.drawing.blend import blend, regions
from camstream.drawing.heat import legend_px
from camstream.drawing.overlay import annotate
from camstream.drawing.text import panel_size, text_size, wrapped, write
from camstream.live import layout
from camstream.live.help import Row, help_rows
from camstream.live.hud import absence, hud, is_stale
from camstream.live.mosaic import draw_mosaic, grey
from camstream.live.state import LiveState
from camstream.picture import Picture

BLANK_WH = (640, 360)  # the picture before the first one
_RED, _BLACK, _WHITE = (0, 0, 255), (0, 0, 0), (255, 255, 255)
_DIMMED = 130  # of 255: a picture that is not that of now
_UNDER_PANEL = 190
_UNDER_HELP = 215  # of 255: words of the picture must not be read between those of the help
_SMALLEST_PX = 8
_NO_LIMIT_PX = 100_000


def draw(
    state: LiveState, picture: Picture | None = None, room_wh: tuple[int, int] | None = None
) -> Picture:
    """Draw the displayed frame with its maps, label and boxes, or black before the first one.

    Several cameras are drawn side by side, each with a line that says how it is. What is not of now is
    grey, and has no map.

    Args:
        state: Of the session.
        picture: Draw onto this one, the displayed frame in another size; None: onto the frame's.
        room_wh: Of the room in which several views or cameras are laid out; None: they take what
            they need.
    """
    if state.is_mosaic:
        return draw_mosaic(state, room_wh)
    if state.frame is None or state.prediction is None:
        return Picture.from_bgr(np.zeros((*(room_wh or BLANK_WH)[::-1], 3), np.uint8))
    target = state.frame.picture if picture is None else picture
    if state.focused is not None and not state.focused.is_of_now:
        return grey(target)
    return annotate(state.prediction, state.style, picture=target, room_wh=room_wh).picture


def add_hud(target: Picture, state: LiveState, now_s: float, *, bottom_px: int = 0) -> None:
    """Draw what the session says over its picture, which is changed in place.

    Args:
        target: What ``draw`` returned, in the size in which it is shown.
        state: Of the session.
        now_s: ``time.perf_counter()``.
        bottom_px: Height of a part at the bottom that is left free.
    """
    if is_stale(state, now_s) and not state.is_mosaic:  # there each picture says it
        _darken(target, _DIMMED)
    if state.answer is not None:
        _draw_answer(target, state)
    line_px = layout.text_px(target.size_wh)
    margin = line_px // 4 * 2
    bottom = target.size_wh[1] - bottom_px - margin
    if state.show_help:
        _darken(target, _UNDER_HELP)
    _draw_recording(target, state, line_px)
    if state.style.show_legend and state.prediction is not None:
        bottom -= legend_px(target)
    notes = [
        wrapped(one, line_px, target.size_wh[0])
        for note in hud(state, now_s)
        for one in note.split("\n")
    ]
    # Labels of boxes begin at the left: what is written at the right seldom lies on one.
    is_right = state.style.show_boxes and state.prompt is None
    for note in reversed(notes):
        width, height = panel_size(target, note, line_px)
        bottom -= height
        left = (target.size_wh[0] - margin - width) // 2 * 2 if is_right else None
        _write(target, note, line_px, bottom // 2 * 2, left)
    if state.show_help:
        _draw_help(target, help_rows(state), bottom)


def add_absence(target: Picture, state: LiveState, now_s: float) -> None:
    """Darken a picture that is not that of now, and say why; it is changed in place."""
    note = absence(state, now_s)
    if not note:
        return
    _darken(target, _DIMMED)
    line_px = layout.text_px(target.size_wh)
    note = wrapped(note, line_px, target.size_wh[0])
    bottom = target.size_wh[1] - line_px // 4 * 2 - panel_size(target, note, line_px)[1]
    _write(target, note, line_px, bottom // 2 * 2)


def _darken(target: Picture, opacity: int, xyxy: tuple[int, int, int, int] | None = None) -> None:
    """Darken a part of a picture, or all of it."""
    black = target.native(np.zeros((1, 1, 3), np.uint8))[0, 0]
    planes = target.planes() if xyxy is None else regions(target, xyxy)
    for index, plane in enumerate(planes):
        kept = np.arange(256) * (1 - opacity / 255)
        darker = kept + int(black[index % len(planes)]) * opacity / 255
        plane[:] = cv2.LUT(plane, np.rint(darker).astype(np.uint8))


def _write(target: Picture, text: str, line_px: int, top: int, left: int | None = None) -> None:
    """Write a panel that can be read over words of the picture, such as a box's label."""
    width, height = panel_size(target, text, line_px)
    left = line_px // 4 * 2 if left is None else left
    if 0 <= top <= target.size_wh[1] - height and 0 <= left <= target.size_wh[0] - width:
        _darken(target, _UNDER_PANEL, (left, top, left + width, top + height))
        write(target, text, line_px, top, left)


def _draw_recording(target: Picture, state: LiveState, line_px: int) -> None:
    """Draw a red dot and how long the recording is, top right."""
    if not state.recording:
        return
    minutes, seconds = divmod(int(state.recorded_s), 60)
    text = f"     {minutes:02}:{seconds:02}"  # the dot stands on the blanks
    width, height = panel_size(target, text, line_px)
    left = (target.size_wh[0] - line_px // 4 * 2 - width) // 2 * 2
    top = line_px // 4 * 2
    if left < 0 or top + height > target.size_wh[1]:
        return
    _write(target, text, line_px, top, left)
    _dot(target, (left + line_px * 3 // 4, top + height // 2), line_px * 0.36, _RED)


def _dot(
    target: Picture, middle: tuple[int, int], radius_px: float, colour: tuple[int, int, int]
) -> None:
    """Draw a disc."""
    half = 2 * round(radius_px / 2 + 2)
    left, top = (max(0, at // 2 * 2 - half) for at in middle)
    right, bottom = (
        min(full, at // 2 * 2 + half) for at, full in zip(middle, target.size_wh, strict=True)
    )
    if left >= right or top >= bottom:
        return
    bits = 4  # OpenCV takes fractions of pixels as integers, shifted
    opacity = np.zeros((bottom - top, right - left), np.uint8)
    at = tuple(round((one - edge) * 2**bits) for one, edge in zip(middle, (left, top), strict=True))
    cv2.circle(opacity, at, round(radius_px * 2**bits), 255, cv2.FILLED, cv2.LINE_AA, bits)
    ink = target.native(np.full((*opacity.shape, 3), colour, np.uint8))
    blend(regions(target, (left, top, right, bottom)), ink, opacity)


def _draw_answer(target: Picture, state: LiveState) -> None:
    """Mark the place that was asked about, and list what has evidence there."""
    box = layout.answer_box(state, target.size_wh)
    if box is None:
        return
    radius = layout.text_px(target.size_wh) * 0.35
    _dot(target, box.at, radius * 1.6, _BLACK)
    _dot(target, box.at, radius, _WHITE)
    _write(target, "\n".join(box.lines), box.line_px, box.xyxy[1], box.xyxy[0])


def _draw_help(target: Picture, rows: list[Row], bottom: int) -> None:
    """List the keys in one column or two, in the largest letters that fit above ``bottom``."""
    largest = layout.text_px(target.size_wh)
    for line_px in range(largest, _SMALLEST_PX - 1, -1):
        for columns in (2, 1):
            count = -(-len(rows) // columns)
            parts = [rows[start : start + count] for start in range(0, len(rows), count)]
            texts = ["\n".join(f"{row.keys}\t{row.words}" for row in part) for part in parts]
            sizes = [text_size(text, line_px, _NO_LIMIT_PX) for text in texts]
            gap = line_px
            width = sum(width for width, _ in sizes) + gap * (columns - 1)
            height = max(height for _, height in sizes)
            if width + line_px <= target.size_wh[0] and height + line_px // 2 <= bottom:
                left = (target.size_wh[0] - width) // 2
                top = (bottom - height) // 2 // 2 * 2
                for text, (wide, _) in zip(texts, sizes, strict=True):
                    _write(target, text, line_px, top, left // 2 * 2)
                    left += wide + gap
                return
    _write(target, "make the window\nlarger for the help", _SMALLEST_PX, 0, 0)
