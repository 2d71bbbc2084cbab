"""What files of annotated pictures have in common: videos, GIFs and photos."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path

import av

from camstream.errors import SinkError
from camstream.frame import Annotated
from camstream.picture import Picture
from camstream.sinks.atomic_file import AtomicFile


class PictureFile(ABC):
    """A file that pictures are written into; it gets its name when it is whole.

    Attributes:
        target: The file's name after ``finish``.
        warnings: What could not be kept, one line each.
        frames: Number of pictures written.
        is_whole: False: the run ends before its input; sound is cut where the picture ends.
    """

    def __init__(
        self,
        target: Path,
        *,
        overwrite: bool = False,
        inputs: Sequence[Path] = (),
        once: bool = False,
    ) -> None:
        """Prepare a file.

        Args:
            target: Its suffix says of which kind it is.
            overwrite: Whether an existing file may be replaced.
            inputs: Files that must never be replaced.
            once: The run cannot be repeated, see ``AtomicFile``.

        Raises:
            SinkError: It may not be written.
        """
        self._atomic_file = AtomicFile(target, overwrite=overwrite, inputs=inputs, once=once)
        self.target = target
        self.warnings: list[str] = []
        self.frames = 0
        self.is_whole = True
        # An encoder that is asked to go on or to end after an error of the muxer may crash.
        self._has_failed = False

    def write(self, annotated: Annotated) -> None:
        """Write an annotated frame's picture, see ``write_picture``."""
        self.write_picture(annotated.picture)

    @abstractmethod
    def write_picture(self, picture: Picture) -> None:
        """Write a picture; raises SinkError where that fails."""

    def finish(self) -> None:
        """Write what is left, close the file and give it its name.

        Raises:
            SinkError: It cannot be written, or there was not one picture.
        """
        with self._writing():
            self._end()
        if not self.frames:
            self.discard()
            raise SinkError(f"{self.target} was not written: there was not one frame")
        self._atomic_file.commit()

    def keep(self) -> Path | None:
        """Keep what was written before an error, under the target's name or one beside it.

        Returns:
            The file's name; None where nothing of it can be shown, then nothing is left.
        """
        if self._atomic_file.is_done:
            return None
        with contextlib.suppress(SinkError):
            if self._rescue():
                return self._atomic_file.keep()
        self.discard()
        return None

    def discard(self) -> None:
        """Close and remove the file."""
        # The file is removed anyway, and the first error is already being raised.
        with contextlib.suppress(av.error.FFmpegError, OSError):
            self._close()
        self._atomic_file.discard()

    @abstractmethod
    def _end(self) -> None:
        """Write what is left, and close the file."""

    @abstractmethod
    def _rescue(self) -> bool:
        """Make the best of the file after an error; returns whether it can be shown."""

    @abstractmethod
    def _close(self) -> None:
        """Close the file as it is."""

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Turn the errors of libraries and of the system into one that names the file."""
        with self._atomic_file.writing():
            try:
                yield
            except (av.error.FFmpegError, OSError, ValueError) as error:
                self._has_failed = True
                reason = getattr(error, "strerror", None) or str(error)
                raise SinkError(f"cannot write {self.target}: {reason}") from error
