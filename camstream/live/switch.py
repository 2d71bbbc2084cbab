"""Several sources, one after the other, as one: another can be opened while a session runs."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue

from camstream.errors import CamstreamError
from camstream.frame import Frame
from camstream.stages import Source, SourceStatus, status_of

_GAP_S = 1.0  # of media time between two sources
_JOIN_S = 2.0


class SwitchingSource:
    """A source that goes on with another one when that was opened.

    Indices and times go on, too: they grow over all sources. Where the other cannot be opened,
    nothing changes.

    Attributes:
        current: The source whose frames come.
        is_live: Whether the first one is.
    """

    def __init__(self, source: Source, open_source: Callable[[str], Source] | None = None) -> None:
        """Begin with a source, which is closed together with this one.

        Args:
            source: The first.
            open_source: Opens another live one by its address; None: there is no other.
        """
        self.current = source
        self.is_live = source.is_live
        self._open_source = open_source
        self._lock = threading.Lock()
        self._next: Source | None = None
        self._is_stopped = False
        self._opening: threading.Thread | None = None
        self._told: SimpleQueue[str] = SimpleQueue()

    @property
    def name(self) -> str:
        """Of the current one."""
        return self.current.name

    @property
    def status(self) -> SourceStatus:
        """Of the current one."""
        return status_of(self.current)

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames of each source until the last one ends."""
        index, pts_s = -1, 0.0
        while True:
            base, base_s = index + 1, (pts_s + _GAP_S if index >= 0 else 0.0)
            first_s: float | None = None
            try:
                for frame in self.current:
                    first_s = (frame.pts_s if base_s else 0.0) if first_s is None else first_s
                    index, pts_s = base + frame.index, base_s + frame.pts_s - first_s
                    yield dataclasses.replace(frame, index=index, pts_s=pts_s)
            except CamstreamError:
                if self._next is None:  # else it was stopped, or failed just now
                    raise
            if not self._go_on():
                return

    def _go_on(self) -> bool:
        """Take the source that was opened; returns False where there is none."""
        with self._lock:
            if self._next is None or self._is_stopped:
                return False
            old, self.current, self._next = self.current, self._next, None
        old.close()
        return True

    def switch(self, address: str) -> str:
        """Open another source in a thread of its own, then go on with it.

        Returns:
            A message for the user; what came of it is told by ``poll``.
        """
        if self._open_source is None:
            return "this run cannot open another source"
        if self._opening is not None and self._opening.is_alive():
            return "another source is being opened already"
        self._opening = threading.Thread(
            target=self._open, args=(self._open_source, address), name="camstream-open", daemon=True
        )
        self._opening.start()
        return "opening ..."

    def poll(self) -> list[str]:
        """Return what came of opening sources since the last call."""
        return [self._told.get_nowait() for _ in range(self._told.qsize())]

    def stop(self) -> None:
        """Make the iteration end."""
        with self._lock:
            self._is_stopped = True
            self.current.stop()

    def close(self) -> None:
        """Close all of them."""
        self.stop()
        if self._opening is not None:
            self._opening.join(_JOIN_S)
        with self._lock:
            waiting, self._next = self._next, None
        for source in (waiting, self.current):
            if source is not None:
                source.close()

    def _open(self, open_source: Callable[[str], Source], address: str) -> None:
        try:
            source = open_source(address)
        except CamstreamError as error:
            self._told.put(str(error))
            return
        with self._lock:
            if not self._is_stopped:
                self._next = source
                self.current.stop()
                self._told.put(f"now: {source.name}")
                return
        source.close()
