"""Several sinks as one: what fails does not cost the others."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from camstream.errors import CamstreamError, SinkError
from camstream.frame import Annotated
from camstream.stages import Sink


class SinkGroup:
    """Gives every frame to each sink; one that fails gets no more, and is kept as it is.

    Attributes:
        sinks: All of them.
        frames: Number of frames written.
    """

    def __init__(self, sinks: Sequence[Sink]) -> None:
        """Put sinks together.

        Args:
            sinks: May grow until the first frame.
        """
        self.frames = 0
        self.sinks = sinks
        self._failed: dict[int, SinkError] = {}
        self._is_done = False

    def write(self, annotated: Annotated) -> None:
        """Write one frame.

        Raises:
            SinkError: The last sink has failed; the error is that of the first.
        """
        for place, sink in enumerate(self.sinks):
            if place in self._failed:
                continue
            try:
                sink.write(annotated)
            except SinkError as error:
                self._failed[place] = error
        if self._failed and len(self._failed) == len(self.sinks):
            raise next(iter(self._failed.values()))
        self.frames += 1

    def finish(self) -> None:
        """Finish each sink, also where another fails; those that failed are kept as they are.

        Raises:
            SinkError: One has failed, now or before: the first error, and what is kept.
        """
        self._is_done = True
        errors = dict(self._failed)
        kept: list[Path] = []
        for place, sink in enumerate(self.sinks):
            if place in self._failed:
                kept += _keep(sink, has_failed=True)
                continue
            try:
                sink.finish()
            except SinkError as error:
                errors[place] = error
                kept += _keep(sink, has_failed=True)
        if errors:
            first = errors[min(errors)]
            say_kept(first, kept)
            if len(errors) < len(self.sinks):
                first.args = (f"{first}; the other outputs are complete",)
            raise first

    def keep(self) -> list[Path]:
        """Keep what was made before an error of the run, unless it is finished.

        Returns:
            The files.
        """
        if self._is_done:
            return []
        self._is_done = True
        return [
            path
            for place, sink in enumerate(self.sinks)
            for path in _keep(sink, has_failed=place in self._failed)
        ]

    def discard(self) -> None:
        """Remove what was written."""
        for sink in self.sinks:
            sink.discard()


def say_kept(error: BaseException, kept: Sequence[Path]) -> None:
    """Add to an error what was kept in spite of it."""
    if not kept:
        return
    text = f"what was made before is kept: {', '.join(path.name for path in kept)}"
    if isinstance(error, CamstreamError):
        error.args = (f"{error}; {text}",)
    else:
        error.add_note(text)


def _keep(sink: Sink, *, has_failed: bool) -> list[Path]:
    """Keep what a sink has made; a sink that cannot do that is finished, or else discarded."""
    keep = getattr(sink, "keep", None)
    with contextlib.suppress(SinkError):
        if keep is not None:
            kept = keep()
            return kept if isinstance(kept, list) else [] if kept is None else [kept]
        if not has_failed:
            sink.finish()
            return []
    sink.discard()
    return []
