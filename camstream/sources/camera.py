"""Cameras and network streams through OpenCV, and how their addresses are shown."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import cv2

from camstream.errors import SourceError
from camstream.frame import Frame
from camstream.picture import ImageU8, Picture

_log = logging.getLogger(__name__)

_OPEN_TIMEOUT_MS = 5_000
_READ_TIMEOUT_MS = 5_000
_BACK_OFF_S = (0.5, 1.0, 2.0, 4.0, 8.0)  # the last one is repeated


class Capture(Protocol):
    """The part of cv2.VideoCapture that is used; tests replace it."""

    def isOpened(self) -> bool: ...  # noqa: N802
    def read(self) -> tuple[bool, Any]: ...
    def release(self) -> None: ...
    def get(self, propId: int) -> float: ...  # noqa: N803


class LiveSource:
    """A camera or a network stream that is opened again when it stops.

    The first opening must succeed, so that a wrong address is an error and not an endless wait.

    Attributes:
        address: The camera's number, device or URL, as it was given.
        rate_hz: Frames a second that the device reports; None where it reports none, or a value
            outside 1 to 1000.
        state: Empty while frames come, else which attempt to reconnect is running.
        reconnects: How often frames came again after they had stopped.
    """

    is_live = True

    def __init__(
        self,
        address: str | int,
        *,
        size_wh: tuple[int, int] | None = None,
        open_capture: Callable[[str | int], Capture] | None = None,
        clock: Callable[[], float] = time.perf_counter,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        """Open a camera or a stream.

        Args:
            address: A camera's number, a device or a URL.
            size_wh: Width and height to ask a camera for; None leaves the choice to the camera.
            open_capture: Opens an address; a parameter for tests.
            clock: Returns seconds, monotonic; a parameter for tests.
            wait: Waits for so many seconds, returns True as soon as ``stop`` was called; a
                parameter for tests.

        Raises:
            SourceError: It cannot be opened.
        """
        self.address = address
        self._open = open_capture or (lambda where: _open_capture(where, size_wh))
        self._clock = clock
        self._stop = threading.Event()
        self._wait = wait or self._stop.wait
        self._attempts = 0  # to reconnect, since the last frame
        self.reconnects = 0
        self.state = ""
        self._capture = self._open(address)
        if not self._capture.isOpened():
            self._capture.release()
            raise SourceError(f"cannot open {self.name}: {_remedy(address)}")
        # Read once: from another thread, the question would meet a capture that is being read.
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate_hz = rate if 1 <= rate <= 1000 else None

    @property
    def name(self) -> str:
        """The address without passwords and keys."""
        if isinstance(self.address, int):
            return f"camera {self.address}"
        return without_secrets(self.address)

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames as they come, until ``stop``."""
        index, first_s = 0, None
        while not self._stop.is_set():
            image = self._read()
            now = self._clock()
            if image is None:
                self._reconnect()
                continue
            if self._attempts:
                self.reconnects += 1
                self._attempts, self.state = 0, ""
                _log.warning("%s: the picture is back", self.name)
            first_s = now if first_s is None else first_s
            yield Frame(index, now - first_s, now, Picture.from_bgr(image))
            index += 1

    def stop(self) -> None:
        """Make the iteration end, also while it waits to reconnect."""
        self._stop.set()

    def close(self) -> None:
        """Release the camera."""
        self._stop.set()
        self._capture.release()

    def _read(self) -> ImageU8 | None:
        try:
            ok, image = self._capture.read()
        except cv2.error:  # some drivers raise where others return nothing
            return None
        return image if ok and image is not None else None

    def _reconnect(self) -> None:
        """Wait, then open the address once; the waits grow until a frame comes again."""
        self._capture.release()
        wait_s = _BACK_OFF_S[min(self._attempts, len(_BACK_OFF_S) - 1)]
        self._attempts += 1
        self.state = f"no picture: reconnecting, attempt {self._attempts}"
        if self._attempts == 1:
            _log.warning("%s: no picture; reconnecting", self.name)
        if not self._wait(wait_s):
            self._capture = self._open(self.address)


def without_secrets(address: str) -> str:
    """Return what may be shown of an address: no user, password, query or key in its path."""
    scheme, mark, rest = address.partition("://")
    if not mark:
        return address
    authority, tail = re.fullmatch(r"([^/?#]*)(.*)", rest, re.DOTALL).groups()  # type: ignore[union-attr]
    if "@" in tail:  # the password may hold an unescaped / ? or #: no part is known to be public
        return f"{scheme}://***"
    host = authority.rpartition("@")[2]
    # Whole parts of the path, up to the first that looks like a setting (user=admin&pwd=...).
    path = re.match(r"(?:/[^/?#;=&]*(?![^/?#]))*", tail)
    return f"{scheme}://{host}{path[0] if path else ''}"


def is_address(text: str) -> bool:
    """Return whether a source's text is a URL rather than the name of a file."""
    return re.match(r"^[a-z][a-z0-9+.-]+://", text, re.IGNORECASE) is not None


def _open_capture(address: str | int, size_wh: tuple[int, int] | None) -> Capture:
    _silence_libraries()
    if isinstance(address, str) and is_address(address):
        limits = [
            cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
            _OPEN_TIMEOUT_MS,
            cv2.CAP_PROP_READ_TIMEOUT_MSEC,
            _READ_TIMEOUT_MS,
        ]
        return cv2.VideoCapture(address, cv2.CAP_FFMPEG, limits)
    capture = cv2.VideoCapture(address)
    if capture.isOpened():
        # MJPG before the size: uncompressed, many cameras give 5 frames a second at 1080p.
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        if size_wh is not None:
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, size_wh[0])
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size_wh[1])
        with contextlib.suppress(cv2.error):
            capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    return capture


def _silence_libraries() -> None:
    """Keep OpenCV and its FFmpeg from writing to stderr: what they write may hold the address."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # read when it opens its first stream
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def _remedy(address: str | int) -> str:
    if isinstance(address, str) and is_address(address):
        return "nothing answers there, or it is no video stream"
    return (
        "there is no such camera, another program holds it, or this user may not read it; "
        '"camstream doctor" lists the cameras'
    )
