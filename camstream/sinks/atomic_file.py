"""A file that gets its name only when it is complete."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from camstream.errors import SinkError

_PARTIAL = re.compile(r"\.partial-\d+$")


def is_partial(path: Path) -> bool:
    """Return whether a file's name is that of a file being written, or left by a killed run."""
    return _PARTIAL.search(path.stem) is not None


class AtomicFile:
    """A file under a temporary name beside its target.

    Attributes:
        target: The name after ``commit``.
        path: The name until then: "clip.partial-1234.mp4" for "clip.mp4".
    """

    def __init__(
        self, target: Path, *, overwrite: bool = False, inputs: Sequence[Path] = ()
    ) -> None:
        """Check that the target may be written; creates nothing.

        Args:
            target: The file to be.
            overwrite: Whether an existing file may be replaced.
            inputs: Files that must never be replaced.

        Raises:
            SinkError: The target may not be written.
        """
        self.target = target
        self.path = target.with_name(f"{target.stem}.partial-{os.getpid()}{target.suffix}")
        if target.is_dir():
            raise SinkError(f"cannot write {target}: it is a folder")
        if target.exists():
            if not target.is_file():
                raise SinkError(f"cannot write {target}: it is no ordinary file")
            if any(source.exists() and target.samefile(source) for source in inputs):
                raise SinkError(f"cannot write {target}: it is the input; give another output")
            if not overwrite:
                raise SinkError(
                    f"{target} exists already; give another output, or replace it",
                    option="overwrite",
                )
        folder = target.parent
        if not folder.is_dir():
            raise SinkError(f"cannot write {target}: there is no folder {folder}")
        if not os.access(folder, os.W_OK):
            raise SinkError(f"cannot write {target}: no permission to write into {folder}")

    def commit(self) -> None:
        """Give the file its name, in one step."""
        try:
            self.path.replace(self.target)
        except OSError as error:
            raise SinkError(f"cannot write {self.target}: {error.strerror}") from error

    def discard(self) -> None:
        """Remove the temporary file, if it is there."""
        self.path.unlink(missing_ok=True)


def check_apart(inputs: Sequence[Path], outputs: Sequence[Path]) -> None:
    """Check that no output is written twice or over an input.

    Raises:
        SinkError: An output is also an input, or two outputs are one file.
    """
    taken = {path.resolve() for path in inputs}
    done: set[Path] = set()
    for path in outputs:
        if path.resolve() in taken:
            raise SinkError(f"cannot write {path}: it is an input; give another output")
        if path.resolve() in done:
            raise SinkError(f"several outputs would be written to {path}; give them other names")
        done.add(path.resolve())
