"""A file that gets its name only when it is complete.

Until then it has a temporary name beside its target, which nobody can guess, and is locked: a run
removes what killed runs left in the folders that it writes to, and never the file of a living one.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from camstream.errors import SinkError
from camstream.sinks import temporary

is_partial = temporary.is_partial


class AtomicFile:
    """A file under a temporary name beside its target.

    Attributes:
        target: The name after ``commit``.
        is_done: Whether it has got a name, or was removed.
    """

    def __init__(
        self,
        target: Path,
        *,
        overwrite: bool = False,
        inputs: Sequence[Path] = (),
        once: bool = False,
    ) -> None:
        """Check that the target may be written; creates nothing.

        Args:
            target: The file to be.
            overwrite: Whether an existing file may be replaced.
            inputs: Files that must never be replaced: what the run reads.
            once: What is written cannot be made again (a live run): the file of a killed run is
                kept under another name by the next one, and not removed.

        Raises:
            SinkError: The target may not be written.
        """
        self.target = target
        self.is_done = False
        self._overwrite = overwrite
        self._once = once
        self._temporary: temporary.TemporaryFile | None = None
        with plain_reasons(target):
            _check(target, overwrite=overwrite, inputs=inputs)

    @property
    def path(self) -> Path:
        """The name until ``commit``; the file is there, empty, from the first use of this on.

        Raises:
            OSError: It cannot be created.
        """
        return self._file().path

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Turn what goes wrong in the body into a line about the target.

        Raises:
            SinkError: The body could not write.
        """
        with plain_reasons(self.target):
            yield

    def commit(self) -> None:
        """Give the file its name, in one step.

        Raises:
            SinkError: That is impossible, or another run has made a file of that name in the
                meantime; then this one is kept under another name.
        """
        with self.writing():
            made = self._file()
            try:
                made.rename(self.target, overwrite=self._overwrite)
                self._temporary, self.is_done = None, True
            except FileExistsError as error:
                self._temporary, self.is_done = None, True
                kept = made.rename_beside(self.target)
                raise SinkError(
                    f"{self.target} was made by another run in the meantime and is left alone; "
                    f"this run's is {kept.name}"
                ) from error

    def keep(self) -> Path:
        """Give what a failed run made a name: the target's, or where that is taken another.

        Returns:
            Its name now.

        Raises:
            SinkError: That is impossible.
        """
        with self.writing():
            made, self._temporary, self.is_done = self._file(), None, True
            try:
                made.rename(self.target, overwrite=False)
            except FileExistsError:
                return made.rename_beside(self.target)
            return self.target

    def discard(self) -> None:
        """Remove the temporary file, if it is there."""
        made, self._temporary, self.is_done = self._temporary, None, True
        if made is not None:
            with contextlib.suppress(OSError):
                made.remove()

    def _file(self) -> temporary.TemporaryFile:
        if self._temporary is None:
            with contextlib.suppress(OSError):
                temporary.tidy(self.target.parent)
            self._temporary = temporary.TemporaryFile(self.target, live=self._once)
        return self._temporary


@contextlib.contextmanager
def plain_reasons(target: Path) -> Iterator[None]:
    """Say in one line why a file cannot be written.

    Raises:
        SinkError: The body met an error of the system, or a name that no file can have.
    """
    try:
        yield
    except SinkError:
        raise
    except OSError as error:
        raise SinkError(f"cannot write {target}: {error.strerror or error}") from error
    except UnicodeError as error:
        raise SinkError(f"cannot write {target}: no file can have this name") from error


def _check(target: Path, *, overwrite: bool, inputs: Sequence[Path]) -> None:
    if target.is_dir():
        raise SinkError(f"cannot write {target}: it is a folder")
    if target.exists():
        if not target.is_file():
            raise SinkError(f"cannot write {target}: it is no ordinary file")
        if any(source.exists() and target.samefile(source) for source in inputs):
            raise SinkError(f"cannot write {target}: it is the input; give another output")
        if not overwrite:
            raise SinkError(
                f"{target} exists already; give another output, or replace it", option="overwrite"
            )
    folder = target.parent
    if not folder.is_dir():
        raise SinkError(f"cannot write {target}: there is no folder {folder}")
    if not os.access(folder, os.W_OK):
        raise SinkError(f"cannot write {target}: no permission to write into {folder}")
    if len(os.fsencode(target.name)) > temporary.longest_name(folder):
        raise SinkError(f"cannot write {target}: {os.strerror(errno.ENAMETOOLONG)}")


def check_apart(inputs: Sequence[Path], outputs: Sequence[Path]) -> None:
    """Check that no output is written twice or over an input.

    Raises:
        SinkError: An output is also an input, or two outputs are one file.
    """
    folders: dict[str, str] = {}
    taken = {real_path(path, folders) for path in inputs}
    done: set[str] = set()
    for path in outputs:
        resolved = real_path(path, folders)
        if resolved in taken:
            raise SinkError(f"cannot write {path}: it is an input; give another output")
        if resolved in done:
            raise SinkError(f"several outputs would be written to {path}; give them other names")
        done.add(resolved)


def real_path(path: Path, folders: dict[str, str]) -> str:
    """Return a file's real path; ``folders`` keeps those of folders, since files share them."""
    try:
        text = os.fspath(path)  # methods of Path take ten times as long, and there are thousands
        folder, name = os.path.split(text)
        # Of a name that is too long this says False: the error belongs to its own file.
        if name in ("", ".", "..") or os.path.islink(text):  # noqa: PTH114
            return str(path.resolve())
        if folder not in folders:
            folders[folder] = str(Path(folder).resolve())
        return os.path.join(folders[folder], name)  # noqa: PTH118
    except (OSError, UnicodeError):
        with plain_reasons(path):
            raise
