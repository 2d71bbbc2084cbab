"""Sources that go on by themselves: cameras, network streams, screens; opened again when they stop."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator

from camstream.address import is_address, shown
from camstream.errors import SourceError
from camstream.frame import Frame
from camstream.sources.back_off import BackOff
from camstream.sources.camera import CameraCapture
from camstream.sources.capture import Capture, Taken
from camstream.sources.screen import PREFIX, ScreenCapture
from camstream.sources.stream import StandardInput, StreamCapture
from camstream.sources.worker import Abandoned, Worker

_log = logging.getLogger(__name__)

STDIN = "-"  # how programs that are piped into each other name it
# A clip whose pictures come later than this, or are due so much later, goes on from there: to
# catch up would be a film that runs too fast.
_LATE_S = 0.5
_EARLY_S = 10.0


class LiveSource:
    """A camera, a stream or a screen, opened again when it stops; what has an end, ends.

    The first opening must succeed, so that a wrong address is an error and not an endless wait.
    The device is touched by one thread alone, which is left behind where it does not return.

    Attributes:
        address: The camera's number, device, URL ... as it was given.
        rate_hz: Frames a second that the device reports; None where it reports none, or a value
            outside 1 to 1000.
        state: Empty while frames come, else which attempt to reconnect is running.
        next_try_s: When the next attempt begins, by ``clock``; None while none is waited for.
        reconnects: How often frames came again after they had stopped.
    """

    is_live = True

    def __init__(
        self,
        address: str | int,
        *,
        size_wh: tuple[int, int] | None = None,
        waiting: Callable[[float], None] | None = None,
        opened_by: Callable[[], Capture] | None = None,
        clock: Callable[[], float] = time.perf_counter,
        wait: Callable[[float], bool] | None = None,
        back_off: BackOff | None = None,
    ) -> None:
        """Open a camera or a stream.

        Args:
            address: See ``open_capture``.
            size_wh: Width and height to ask a camera for; None leaves the choice to the camera.
            waiting: Called about every tenth of a second while it is being opened, with the
                seconds so far; what it raises ends the opening.
            opened_by: Opens it, or raises SourceError; None: ``open_capture``.
            clock: Returns seconds, monotonic; a parameter for tests.
            wait: Waits for so many seconds, returns True as soon as ``stop`` was called; a
                parameter for tests.
            back_off: How long it waits before each attempt; a parameter for tests.

        Raises:
            SourceError: It cannot be opened.
        """
        self.address = address
        self._open = opened_by or (lambda: open_capture(address, size_wh))
        self._clock = clock
        self._stop = threading.Event()
        self._wait = wait or self._stop.wait
        self._back_off = back_off or BackOff()
        self.next_try_s: float | None = None
        self._attempts = 0  # to reconnect, since the last frame
        self._began_s: float | None = None
        self._behind_s: float | None = None  # clock minus media time
        self._media_s = 0.0  # of the last frame
        self._shift_s = 0.0  # added to media times, since a stream that comes back begins at 0
        self.reconnects = 0
        self.state = ""
        self._capture: Capture | None = None
        self._worker = Worker("camstream-device")
        try:
            self._worker.call(self._open_again, waiting=waiting)
        except BaseException:
            self.close()
            raise
        rate = self._capture.rate_hz if self._capture is not None else None
        self.rate_hz = rate if rate is not None and 1 <= rate <= 1000 else None

    @property
    def name(self) -> str:
        """The address without passwords and keys."""
        return StandardInput.name if self.address == STDIN else shown(self.address)

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames as they come, until ``stop`` or the end.

        Raises:
            SourceError: A clip breaks off.
        """
        index = 0
        while not self._stop.is_set():
            try:
                taken = self._worker.call(self._read)
                if taken is None:
                    self._reconnect()
                    continue
            except (Abandoned, EOFError):
                return
            if self._attempts:
                self._is_back(taken)
            if self._is_stopped_before(taken.media_s):
                return
            now = self._clock()
            self._began_s = now if self._began_s is None else self._began_s
            media_s = now - self._began_s
            if taken.media_s is not None:
                media_s = taken.media_s + self._shift_s
            self._media_s = media_s
            yield Frame(index, media_s, now, taken.picture)
            index += 1

    def stop(self) -> None:
        """Make the iteration end at once, whatever it waits for."""
        self._stop.set()
        self._worker.stop()

    def close(self) -> None:
        """Release the device, as soon as a read of it that is under way returns."""
        self._stop.set()
        self._worker.close(self._release)

    def _is_back(self, taken: Taken) -> None:
        self.reconnects += 1
        self._attempts, self.state = 0, ""
        self._back_off.reset()
        _log.warning("%s: the picture is back", self.name)
        if taken.media_s is not None and self._behind_s is not None:
            without_s = self._clock() - self._behind_s - self._media_s
            self._shift_s = self._media_s + max(0.0, without_s) - taken.media_s
            self._behind_s = None

    def _is_stopped_before(self, media_s: float | None) -> bool:
        """Wait until a picture's time has come; returns True where ``stop`` came first."""
        if media_s is None:
            return False
        media_s += self._shift_s
        now = self._clock()
        ahead_s = 0.0 if self._behind_s is None else self._behind_s + media_s - now
        if self._behind_s is None or not -_LATE_S <= ahead_s <= _EARLY_S:
            self._behind_s, ahead_s = now - media_s, 0.0
        return ahead_s > 0 and self._wait(ahead_s)

    def _reconnect(self) -> None:
        """Wait, then open it once; the waits grow until a frame comes again."""
        self._worker.call(self._release)
        wait_s = self._back_off.next_s()
        self.next_try_s = self._clock() + wait_s
        self._attempts += 1
        self.state = f"no picture: reconnecting, attempt {self._attempts}"
        if self._attempts == 1:
            _log.warning("%s: no picture; reconnecting", self.name)
        is_stopped = self._wait(wait_s)
        self.next_try_s = None
        if not is_stopped:
            try:
                self._worker.call(self._open_again)
            except SourceError as error:
                _log.info("%s", error)  # it may be there at the next attempt

    # The rest runs in the worker's thread.

    def _open_again(self) -> None:
        self._capture = self._open()

    def _read(self) -> Taken | None:
        return None if self._capture is None else self._capture.read()

    def _release(self) -> None:
        if self._capture is not None:
            self._capture.release()
        self._capture = None


def open_capture(address: str | int, size_wh: tuple[int, int] | None = None) -> Capture:
    """Open a camera, a stream, a screen or the standard input.

    Args:
        address: As ``camstream.sources.open_source`` takes it.
        size_wh: Width and height to ask a camera for.

    Raises:
        SourceError: It cannot be opened.
        SetupError: Something is not installed.
        UsageError: It is no address.
    """
    if address == STDIN:
        return StreamCapture(StandardInput())
    if isinstance(address, str) and address.startswith(PREFIX):
        return ScreenCapture(address)
    if isinstance(address, str) and is_address(address):
        return StreamCapture(address)
    return CameraCapture(address, size_wh)
