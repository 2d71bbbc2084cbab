"""Several sources one after the other, as one: a list, a folder or a glob of clips."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from camstream.address import shown
from camstream.errors import CamstreamError, SourceError
from camstream.frame import Frame
from camstream.stages import Source, status_of

_log = logging.getLogger(__name__)

_BETWEEN_S = 0.04  # from the last frame of a source to the first one of the next


class SequenceSource:
    """Opens one source after the other; one that cannot be read is left out with a warning.

    Attributes:
        name: Of the source that is read now.
        rate_hz: Its nominal rate, None where unknown.
        state: What it says of itself.
        reconnects: How often it was opened again.
        failed: How many sources could not be opened, or not be read to their ends.
    """

    is_live = True

    def __init__(
        self, sources: Sequence[str | Path], open_one: Callable[[str | Path], Source]
    ) -> None:
        """Open the first source that can be opened.

        Args:
            sources: At least one, see ``camstream.sources.inputs.expand``.
            open_one: Opens one, played at its own speed.

        Raises:
            SourceError: None can be opened.
        """
        self._left = list(sources)
        self._open_one = open_one
        self._is_stopped = False
        self._lock = threading.Lock()
        self.failed = 0
        self._current: Source | None = None
        self._last: CamstreamError | None = None
        if not self._advance():
            raise self._last or SourceError("there is no source to read")

    @property
    def name(self) -> str:
        return "" if self._current is None else self._current.name

    @property
    def rate_hz(self) -> float | None:
        return None if self._current is None else status_of(self._current).rate_hz

    @property
    def state(self) -> str:
        return "" if self._current is None else status_of(self._current).state

    @property
    def reconnects(self) -> int:
        return 0 if self._current is None else status_of(self._current).reconnects

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames of all, with indices and times that go on."""
        index, begins_s = 0, 0.0
        while self._current is not None and not self._is_stopped:
            ends_s = begins_s
            try:
                for frame in self._current:
                    ends_s = begins_s + frame.pts_s + _BETWEEN_S
                    yield Frame(index, begins_s + frame.pts_s, frame.captured_s, frame.picture)
                    index += 1
            except CamstreamError as error:
                self._tell(error)
            begins_s = ends_s
            if self._is_stopped or not self._advance():
                return

    def pause(self, paused: bool) -> None:
        """Pause or resume what is read now, where it can be."""
        pause = getattr(self._current, "pause", None)
        if pause is not None:
            pause(paused)

    def stop(self) -> None:
        """End the iteration, also of the source that is read now."""
        with self._lock:
            self._is_stopped = True
            if self._current is not None:
                self._current.stop()

    def close(self) -> None:
        """Close the source that is read now."""
        self.stop()
        if self._current is not None:
            self._current.close()

    def _advance(self) -> bool:
        """Open the next source; returns False where there is none any more."""
        if self._current is not None:
            self._current.close()
        while self._left and not self._is_stopped:
            source = self._left.pop(0)
            try:
                opened = self._open_one(source)
            except CamstreamError as error:
                self._tell(error)
                continue
            with self._lock:
                self._current = opened
                if self._is_stopped:
                    opened.stop()
            _log.info("now %s", shown(source))
            return True
        return False

    def _tell(self, error: CamstreamError) -> None:
        self.failed += 1
        self._last = error
        _log.warning("%s", error)
