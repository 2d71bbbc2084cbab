"""A file played at its own speed, as if it were a camera."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from camstream.frame import Frame
from camstream.stages import Source, status_of


class PacedSource:
    """Yields the frames of a source when their time has come, as a live source would.

    Attributes:
        name: The name of the source.
        rate_hz: The nominal rate of the source, None where unknown.
    """

    is_live = True

    def __init__(
        self,
        source: Source,
        *,
        clock: Callable[[], float] = time.perf_counter,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        """Take over a source, which is stopped and closed together with this one.

        Args:
            source: Usually a file.
            clock: Returns seconds, monotonic; a parameter for tests.
            wait: Waits for so many seconds, returns True as soon as ``stop`` was called; a
                parameter for tests.
        """
        self._source = source
        self._clock = clock
        self._stop = threading.Event()
        self._wait = wait or self._stop.wait
        self._was_paused = False
        self._is_running = threading.Event()
        self._is_running.set()
        self.name = source.name
        self.rate_hz = status_of(source).rate_hz

    def __iter__(self) -> Iterator[Frame]:
        """Yield each frame when its time has come; frames that are late follow at once."""
        behind_s: float | None = None  # clock minus media time
        for frame in self._source:
            self._is_running.wait()
            if self._was_paused or behind_s is None:
                self._was_paused = False
                behind_s = self._clock() - frame.pts_s
            if self._wait(max(0.0, behind_s + frame.pts_s - self._clock())):
                return
            yield Frame(frame.index, frame.pts_s, self._clock(), frame.picture)

    def pause(self, paused: bool) -> None:
        """Pause or resume; after a pause the next frame follows without a jump in time."""
        if paused:
            self._was_paused = True
            self._is_running.clear()
        else:
            self._is_running.set()

    def stop(self) -> None:
        """Make the iteration end, also while it is paused."""
        self._stop.set()
        self._is_running.set()
        self._source.stop()

    def close(self) -> None:
        """Close the source."""
        self.stop()
        self._source.close()
