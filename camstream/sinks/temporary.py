"""Names of files that are being written, and what becomes of those that a killed run left.

"clip.mp4" is "clip.partial-3f9a01c2d4e5.mp4" until it is complete, or "clip.partial-live-....mp4" where
it is of a live run. Its writer holds a lock on it, which ends with the process however that ends: so
a later run sees which files nobody writes any more. It removes them, except that those of live runs,
which cannot be made again, become "clip.interrupted.mp4".
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows, where an open file can be neither removed nor renamed
    fcntl = None  # type: ignore[assignment]

_log = logging.getLogger(__name__)

_PARTIAL = re.compile(r"\.partial-(?P<live>live-)?[0-9a-f]{12}$")
_PARTIAL_BEFORE = re.compile(r"\.partial-\d+$")  # of camstream 0.2: it named the process
_LONGEST_SUFFIX = 16
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV)
_IS_WINDOWS = os.name == "nt"


def is_partial(path: Path) -> bool:
    """Return whether a file's name is that of a file being written, or left by a killed run."""
    stem = path.stem
    return bool(_PARTIAL.search(stem) or _PARTIAL_BEFORE.search(stem))


class TemporaryFile:
    """An empty file beside its target, made by this process alone and locked.

    Attributes:
        path: Where it is.
    """

    def __init__(self, target: Path, *, live: bool) -> None:
        """Create it.

        Args:
            target: The file to be.
            live: Whether it cannot be made again.

        Raises:
            OSError: It cannot be created.
        """
        for _ in range(8):
            word = f".partial-{'live-' if live else ''}{secrets.token_hex(6)}"
            self.path = _beside(target, word)
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
            self._fd = os.open(self.path, flags, 0o666)
            # Between the two lines above and below, another run may have taken it for abandoned.
            if _lock(self._fd) and (_IS_WINDOWS or os.fstat(self._fd).st_nlink > 0):
                return
            self.release()
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    def rename(self, target: Path, *, overwrite: bool) -> None:
        """Give it another name, and release it.

        Raises:
            FileExistsError: Something has that name, and ``overwrite`` is false.
            OSError: That is impossible.
        """
        if _IS_WINDOWS:
            self.release()
        if overwrite:
            self.path.replace(target)
        else:
            _rename_new(self.path, target)
        self.release()

    def rename_beside(self, target: Path) -> Path:
        """Give it a name like another file's, and release it; returns the name."""
        if _IS_WINDOWS:
            self.release()
        kept = _rename_interrupted(self.path, target)
        self.release()
        return kept

    def remove(self) -> None:
        """Remove it, if it is there."""
        if _IS_WINDOWS:
            self.release()
        self.path.unlink(missing_ok=True)
        self.release()

    def release(self) -> None:
        """End the lock."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def tidy(folder: Path) -> None:
    """Remove what killed runs left in a folder; what cannot be made again gets a name.

    Raises:
        OSError: The folder cannot be read.
    """
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if ".partial-" in entry.name]
    for path in (folder / name for name in names):
        found = _PARTIAL.search(path.stem)
        if not found:
            continue
        # What vanishes or is not ours to remove is left to others.
        with contextlib.suppress(OSError), _abandoned(path) as is_abandoned:
            if not is_abandoned:
                continue
            if found["live"] and path.stat().st_size and path.stat().st_nlink == 1:
                target = path.with_name(path.stem[: found.start()] + path.suffix)
                kept = _rename_interrupted(path, target)
                _log.warning("%s was left by a run that was killed: kept as %s", path, kept.name)
            else:
                path.unlink()


def longest_name(folder: Path) -> int:
    """Return how many bytes a name in a folder may have."""
    try:
        return os.pathconf(folder, "PC_NAME_MAX")
    except (AttributeError, OSError, ValueError):
        return 255


def _beside(target: Path, word: str) -> Path:
    """Put a word between a file's name and its suffix, cut so that the file system takes it."""
    suffix = target.suffix if len(target.suffix) <= _LONGEST_SUFFIX else ""
    stem = target.name.removesuffix(suffix)
    longest = longest_name(target.parent) - len(os.fsencode(word + suffix))
    while len(os.fsencode(stem)) > longest:
        stem = stem[:-1]
    return target.with_name(stem + word + suffix)


def _rename_interrupted(path: Path, target: Path) -> Path:
    number = 1
    while True:
        kept = _beside(target, f".interrupted{f'-{number}' if number > 1 else ''}")
        try:
            _rename_new(path, kept)
        except FileExistsError:
            number += 1
        else:
            return kept


def _rename_new(path: Path, target: Path) -> None:
    """Rename a file where nothing has the new name, in one step.

    Raises:
        FileExistsError: Something has it.
        OSError: That is impossible.
    """
    if _IS_WINDOWS:
        path.rename(target)  # there it replaces nothing
        return
    try:
        os.link(path, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # A file system without links: take the name by an empty file, and replace that.
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        path.replace(target)
    else:
        path.unlink()


def _lock(fd: int) -> bool:
    """Lock a file until its descriptor is closed; returns False where another process has."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks; then nothing counts as abandoned
        return True
    return True


@contextlib.contextmanager
def _abandoned(path: Path) -> Iterator[bool]:
    """Yield whether nobody writes a file any more; nobody else touches it meanwhile."""
    if fcntl is None:
        yield True
        return
    fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(fd)
