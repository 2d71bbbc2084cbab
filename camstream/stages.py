"""The stages that a program can replace by its own: what each must be able to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from camstream.frame import Annotated, Frame, Prediction
from camstream.picture import ImageU8


class Source(Protocol):
    """A stream of frames. Iterated in one thread; ``stop`` and ``close`` may come from another.

    Attributes:
        name: What to call it in a message, without secrets.
        is_live: Live sources do not wait: the newest frame counts. Others give every frame.
        rate_hz: Nominal frames a second, None where unknown.
        frame_count: Frames expected, None where unknown.
        state: Empty while frames come, otherwise what is going on ("reconnecting ...").
        reconnects: How often the source was opened again.
    """

    @property
    def name(self) -> str: ...
    @property
    def is_live(self) -> bool: ...
    @property
    def rate_hz(self) -> float | None: ...
    @property
    def frame_count(self) -> int | None: ...
    @property
    def state(self) -> str: ...
    @property
    def reconnects(self) -> int: ...

    def __iter__(self) -> Iterator[Frame]:
        """Give the frames; raises SourceError where they cannot be read."""
        ...

    def stop(self) -> None:
        """Make the iteration end soon, also while it waits."""
        ...

    def close(self) -> None:
        """Let go of the file or device. May be called twice."""
        ...


class Infer(Protocol):
    """A model as the pipeline needs it: frame in, prediction with the maps of classes out."""

    def __call__(self, frame: Frame, *, classes: Sequence[int] | None = None) -> Prediction: ...


class Sink(Protocol):
    """Takes annotated frames, one after the other; then one of ``finish`` and ``discard``."""

    def write(self, annotated: Annotated) -> None:
        """Take one frame; raises SinkError where it cannot be kept."""
        ...

    def finish(self) -> None:
        """Complete what was written; raises SinkError where that fails."""
        ...

    def discard(self) -> None:
        """Leave nothing behind, after an error."""
        ...


class Display(Protocol):
    """Where a live session shows its pictures, and where keys come from."""

    def show(self, image: ImageU8) -> None:
        """Show an image, (H, W, 3) uint8 BGR."""
        ...

    def key(self) -> str | None:
        """Take a key that was pressed: a character, a name such as "escape", or None."""
        ...

    @property
    def is_open(self) -> bool:
        """Whether the user has not closed it; also before the first image."""
        ...

    def close(self) -> None:
        """Close it. May be called twice."""
        ...
