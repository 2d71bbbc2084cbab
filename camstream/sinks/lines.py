"""A text file to which whole lines are added, each on the disk before the next."""

from __future__ import annotations

import contextlib
import csv
import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from camstream.sinks.atomic_file import AtomicFile


class LinesFile:
    """A file in UTF-8 that never holds a cut line: after SIGKILL and on a full disk neither.

    Attributes:
        target: Its name after ``finish``.
    """

    def __init__(
        self,
        target: Path,
        *,
        overwrite: bool,
        inputs: Sequence[Path] = (),
        once: bool = False,
    ) -> None:
        """Create the file, see ``AtomicFile``.

        Raises:
            SinkError: It cannot be written.
        """
        self.target = target
        self._atomic_file = AtomicFile(target, overwrite=overwrite, inputs=inputs, once=once)
        self._size = 0
        with self._atomic_file.writing():
            self._raw = self._atomic_file.path.open("r+b", buffering=0)

    def add(self, text: str) -> None:
        """Add lines, all of them or none.

        Raises:
            SinkError: They cannot be written.
        """
        with self._atomic_file.writing():
            # A label may hold half a surrogate, which UTF-8 has no bytes for.
            left = memoryview(text.encode("utf-8", "backslashreplace"))
            size = self._size + len(left)
            try:
                while left:
                    left = left[self._raw.write(left) or 0 :]
            except OSError:
                with contextlib.suppress(OSError):
                    self._raw.truncate(self._size)
                    self._raw.seek(0, os.SEEK_END)
                raise
            self._size = size

    def finish(self) -> None:
        """Close the file and give it its name.

        Raises:
            SinkError: That is impossible.
        """
        self._close()
        self._atomic_file.commit()

    def keep(self) -> Path | None:
        """Close the file after an error and give it a name; without a line it is removed.

        Returns:
            The name.

        Raises:
            SinkError: That is impossible.
        """
        if not self._size or self._atomic_file.is_done:
            self.discard()
            return None
        self._close()
        return self._atomic_file.keep()

    def discard(self) -> None:
        """Close and remove the file, unless it is finished."""
        with contextlib.suppress(OSError):
            self._raw.close()
        self._atomic_file.discard()

    def _close(self) -> None:
        with self._atomic_file.writing():
            self._raw.close()


def to_csv(rows: Iterable[Iterable[object]]) -> str:
    """Return rows as lines of CSV that end with a bare newline."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
