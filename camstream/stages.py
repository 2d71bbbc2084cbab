"""The stages that a program can replace by its own, and what each of them must be able to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from camstream.frame import Annotated, Frame, Prediction

if TYPE_CHECKING:
    from camstream.picture import ImageU8  # takes a tenth of a second, for PyAV


class Source(Protocol):
    """A stream of frames. One thread iterates; ``stop`` and ``close`` may be called from another.

    A source may also have the attributes of ``SourceStatus``; each of them is optional.

    Attributes:
        name: What messages call the source, without passwords or keys.
        is_live: True: only the newest frame counts, and frames are dropped where the model is
            slower (a camera). False: every frame is processed (a file).
    """

    @property
    def name(self) -> str: ...
    @property
    def is_live(self) -> bool: ...

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames in order; raises SourceError where they cannot be read."""
        ...

    def stop(self) -> None:
        """Make the iteration end soon, also while it waits for a frame."""
        ...

    def close(self) -> None:
        """Release the file or device. May be called twice; nothing is read afterwards."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStatus:
    """What a source may report about itself, with the values for a source that does not.

    Attributes:
        rate_hz: Nominal frames a second, None where unknown.
        state: Empty while frames come, otherwise what happens instead ("reconnecting ...").
        reconnects: How often the source was opened again.
        next_try_s: When it is tried again, ``time.perf_counter()``; None while it is not waited for.
    """

    rate_hz: float | None = None
    state: str = ""
    reconnects: int = 0
    next_try_s: float | None = None


def status_of(source: Source) -> SourceStatus:
    """Read the optional attributes of a source as they are now."""
    names = SourceStatus.__dataclass_fields__
    return SourceStatus(**{name: getattr(source, name) for name in names if hasattr(source, name)})


class Infer(Protocol):
    """A model as the pipeline needs it: frame in, prediction with the maps of classes out."""

    def __call__(self, frame: Frame, *, classes: Sequence[int] | None = None) -> Prediction: ...


class Sink(Protocol):
    """Takes annotated frames in order; then one of ``finish`` and ``discard`` is called.

    After an error of ``write`` no frame follows. A sink may also have ``keep()``: where a run fails
    before its end, it is called to keep what was made, and returns the file's path, or None. A
    sink without it is finished where the failure is another's, and discarded where it is its own.
    """

    def write(self, annotated: Annotated) -> None:
        """Take one frame; raises SinkError where it cannot be written."""
        ...

    def finish(self) -> None:
        """Complete what was written; raises SinkError where that fails."""
        ...

    def discard(self) -> None:
        """Leave nothing behind, after an error. What is finished already stays."""
        ...


class Display(Protocol):
    """Where a live session shows its pictures, and where keys and clicks come from.

    Attributes:
        title: What its title bar says; the session sets it.
    """

    title: str

    def size_wh(self, picture_wh: tuple[int, int]) -> tuple[int, int]:
        """Return the size of the image to show next, pixels: what there is room for.

        Args:
            picture_wh: Of the picture that comes; only before the first image may it decide.
        """
        ...

    def show(self, image: ImageU8) -> None:
        """Show an image, (H, W, 3) uint8 BGR; raises SinkError where there is no window."""
        ...

    def key(self) -> str | None:
        """Return the next key that was pressed, a character or a name ("escape"), or None."""
        ...

    def click(self) -> tuple[float, float] | None:
        """Return the next click, 0 to 1 of the width and height of the image, or None."""
        ...

    @property
    def is_fullscreen(self) -> bool:
        """Whether it fills the screen."""
        ...

    def set_fullscreen(self, on: bool) -> None:
        """Fill the screen, or not any more."""
        ...

    @property
    def is_open(self) -> bool:
        """Whether the user has not closed it; also before the first image."""
        ...

    def close(self) -> None:
        """Remove it from the screen."""
        ...
