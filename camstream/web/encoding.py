"""Draws a state and encodes it, for all who look."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2

from camstream.live.hud import absence
from camstream.live.mosaic import MOSAIC_WH, Tiles, draw_mosaic
from camstream.live.paint import add_absence, draw
from camstream.live.screen import fit
from camstream.web import message

if TYPE_CHECKING:
    from camstream.live.state import LiveState
    from camstream.picture import Picture

QUALITY = 80  # of JPEG
_LONGEST_SIDE = 1280  # pixels of a picture that is sent


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """A picture for everybody.

    Attributes:
        number: Counts the pictures from 1.
        jpeg: As a file.
        message: As a message of the socket.
        size_wh: Pixels.
    """

    number: int
    jpeg: bytes
    message: bytes
    size_wh: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Look:
    """What a picture depends on; the same objects make the same picture."""

    parts: tuple[object, ...]

    @classmethod
    def of(cls, state: LiveState) -> Look:
        """Take what a state's picture depends on, now."""
        if state.is_mosaic:  # a new tuple with each change
            return cls((state.cameras, None, state.style, ""))
        gone = absence(state, time.perf_counter())
        return cls((state.frame, state.prediction, state.style, gone))

    def is_same(self, other: Look | None) -> bool:
        """Whether two make the same picture."""
        return other is not None and all(
            one is another or (isinstance(one, str) and one == another)
            for one, another in zip(self.parts, other.parts, strict=True)
        )


def encode(state: LiveState, number: int, tiles: Tiles) -> Encoded:
    """Draw a state, and encode it; a camera that has no picture is black, with a word why.

    Args:
        state: Of the session.
        number: Of the picture.
        tiles: Keeps what is drawn of several cameras; always the same.
    """
    drawn = draw_mosaic(state, MOSAIC_WH, tiles) if state.is_mosaic else _draw(state)
    quality = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    jpeg = cv2.imencode(".jpg", drawn.bgr(is_exact=False), quality)[1].tobytes()
    ago_s = 0.0 if state.frame is None else time.perf_counter() - state.frame.captured_s
    captured_ms = (time.time() - ago_s) * 1e3
    return Encoded(number, jpeg, message.picture(number, captured_ms, jpeg), drawn.size_wh)


def _draw(state: LiveState) -> Picture:
    """Draw the picture of one source, no larger than is sent."""
    if state.frame is None:
        drawn = draw(state)
    else:
        width, height = state.frame.picture.size_wh
        scale = min(1.0, _LONGEST_SIDE / max(width, height))
        room_wh = (max(1, round(width * scale)), max(1, round(height * scale)))
        size_wh = fit((width, height), room_wh)
        small = state.frame.picture if scale == 1 else state.frame.picture.resized(size_wh)
        drawn = draw(state, small, room_wh)
    add_absence(drawn, state, time.perf_counter())
    return drawn
