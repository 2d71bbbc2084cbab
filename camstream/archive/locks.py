"""Locks that end with their process, however that ends; and temporary folders that are locked so."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from camstream.sinks.atomic_file import plain_reasons

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]
try:
    import msvcrt
except ImportError:  # all others
    msvcrt = None  # type: ignore[assignment]

_PREFIX, _SUFFIX = "camstream-work-", ".lock"


def lock(fd: int) -> bool | None:
    """Lock an open file until it is closed.

    Returns:
        Whether it is locked now: False, another process has it; None, there are no locks here.
    """
    try:
        if fcntl is not None:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        elif msvcrt is not None:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]
        else:
            return None
    except (BlockingIOError, PermissionError):  # so say Unix and Windows that another has it
        return False
    except OSError:  # a file system without locks
        return None
    return True


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """Give a temporary folder; that of a process that is killed is removed by ``sweep``.

    Raises:
        SinkError: It cannot be made.
    """
    top = Path(tempfile.gettempdir())
    with plain_reasons(top):
        fd, name = _locked_file()
    folder = Path(name.removesuffix(_SUFFIX))
    try:
        with plain_reasons(folder):
            folder.mkdir(mode=0o700)
        yield folder
    finally:
        _remove(folder)
        os.close(fd)
        _remove(folder)  # Windows removes no open file


def sweep() -> None:
    """Remove temporary folders of processes that are gone; what is not ours to remove stays."""
    top = Path(tempfile.gettempdir())
    with contextlib.suppress(OSError):
        for path in [*top.glob(f"{_PREFIX}*{_SUFFIX}")]:
            with contextlib.suppress(OSError):
                fd = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
                folder = path.with_suffix("")
                try:
                    is_left = lock(fd) is True
                    if is_left:
                        _remove(folder)
                finally:
                    os.close(fd)
                if is_left:
                    _remove(folder)


def _locked_file() -> tuple[int, str]:
    """Make a file and lock it; between the two, another process may take it for one that is left."""
    while True:
        fd, name = tempfile.mkstemp(prefix=_PREFIX, suffix=_SUFFIX)
        if lock(fd) is not False and (fcntl is None or os.fstat(fd).st_nlink):
            return fd, name
        os.close(fd)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        folder.with_name(f"{folder.name}{_SUFFIX}").unlink()
