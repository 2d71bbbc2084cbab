"""A phone as the camera: a source whose pictures its browser sends."""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from camstream.frame import Frame
from camstream.picture import Picture

NAME = "phone"
MAX_JPEG = 4 * 2**20  # bytes
MAX_SIDE = 4096  # pixels
_LOST_S = 2.0  # without a picture
_LOOK_S = 0.5  # between two looks while none comes
_STEP_S = 1e-4  # the least between the times of two pictures
_STARTS = b"\xff\xd8\xff"
# Markers of JPEG (ITU-T T.81) that begin a frame and hold its size; those that have no length.
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_BARE = {0x01, *range(0xD0, 0xD9)}


@dataclass(frozen=True, slots=True)
class _Sent:
    jpeg: bytes
    captured_s: float


class PhoneSource:
    """The pictures of one phone, the newest first; see ``camstream.stages.Source``.

    It waits for a phone as long as it takes, and for the same or another one when that has gone.

    Attributes:
        rate_hz: None: a phone sends as quickly as it is asked.
        reconnects: How often a phone came again.
        skipped: Pictures that could not be read.
    """

    name = NAME
    is_live = True
    rate_hz: float | None = None

    def __init__(self) -> None:
        """Wait for a phone."""
        self.reconnects = 0
        self.skipped = 0
        self._changed = threading.Condition()
        self._newest: _Sent | None = None
        self._is_stopped = False
        self._on_taken: Callable[[], None] | None = None  # of the phone that is here
        self._is_known = False  # a phone was here
        self._seen_s: float | None = None  # the last picture
        self._said = ""

    @property
    def state(self) -> str:
        """Empty while pictures come, else what is waited for."""
        if self._seen_s is None:
            return "the phone's camera starts" if self._on_taken else "waiting for the phone"
        missing_s = time.perf_counter() - self._seen_s
        if missing_s < _LOST_S:
            return ""
        why = "the phone sends nothing" if self._on_taken else "the phone has gone"
        return f"lost {missing_s:.0f} s: {why}"

    def come(self, on_taken: Callable[[], None]) -> None:
        """Take pictures of this phone from now on, and of no other.

        Args:
            on_taken: Called from another thread when a picture was taken, and the next one may
                be sent.
        """
        with self._changed:
            self.reconnects += self._is_known
            self._is_known = True
            self._on_taken = on_taken
            self._newest = None

    def go(self, on_taken: Callable[[], None]) -> None:
        """Take note that a phone has gone, which came with this function."""
        with self._changed:
            if self._on_taken is on_taken:
                self._on_taken = None

    def offer(self, jpeg: bytes, captured_s: float) -> None:
        """Offer a picture; a newer one takes its place.

        Args:
            jpeg: What the phone sent; it may be anything.
            captured_s: When it was captured, ``time.perf_counter()`` of this machine, seconds.
        """
        with self._changed:
            self._newest = _Sent(jpeg, captured_s)
            self._changed.notify_all()

    def __iter__(self) -> Iterator[Frame]:
        """Yield pictures as they come, until ``stop``; what cannot be read is left out."""
        index, first_s, last_s = 0, None, float("-inf")
        while (sent := self._take()) is not None:
            picture = decode(sent.jpeg)
            if picture is None:
                self.skipped += 1
                continue
            now_s = time.perf_counter()
            self._seen_s = now_s
            # Times of a phone that came again may lie before those of the last one.
            captured_s = max(min(sent.captured_s, now_s), last_s + _STEP_S)
            first_s = captured_s if first_s is None else first_s
            last_s = captured_s
            yield Frame(index, captured_s - first_s, captured_s, picture)
            index += 1

    def stop(self) -> None:
        """End the iteration."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()

    def close(self) -> None:
        """Stop; there is nothing else to close."""
        self.stop()

    def _take(self) -> _Sent | None:
        with self._changed:
            while self._newest is None and not self._is_stopped:
                self._changed.wait(_LOOK_S)
            sent, self._newest = self._newest, None
            on_taken = self._on_taken
        if self._is_stopped:
            return None
        if on_taken is not None:
            on_taken()
        return sent


def decode(jpeg: bytes) -> Picture | None:
    """Decode a picture of a phone; returns None for what is none, or is too large."""
    size_wh = size_of(jpeg) if len(jpeg) <= MAX_JPEG else None
    if size_wh is None or not 0 < min(size_wh) <= max(size_wh) <= MAX_SIDE:
        return None
    try:
        image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        return None
    return None if image is None else Picture.from_bgr(np.asarray(image, np.uint8))


def size_of(jpeg: bytes) -> tuple[int, int] | None:
    """Read width and height from the head of a JPEG, before anything is reserved for it.

    Returns:
        Pixels; None where it is no JPEG.
    """
    if not jpeg.startswith(_STARTS):
        return None
    at = 2
    while at + 4 <= len(jpeg) and jpeg[at] == 0xFF:
        marker = jpeg[at + 1]
        if marker == 0xFF:  # may be repeated
            at += 1
        elif marker in _BARE:
            at += 2
        elif marker in _FRAMES and at + 9 <= len(jpeg):
            height, width = struct.unpack_from(">HH", jpeg, at + 5)
            return width, height
        else:
            at += 2 + int(struct.unpack_from(">H", jpeg, at + 2)[0])
    return None
