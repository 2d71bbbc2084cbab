"""Locks where a system has other ones or none, and what killed workers leave in the temporary folder."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from camstream.archive import layout, locks
from camstream.archive.storage import open_folder
from camstream.archive.tasks import own_folder, tidy
from camstream.errors import SinkError

# A worker that is in the middle of a video when it is killed.
WORKER = """
import sys, time
from camstream.archive.storage import open_folder
with open_folder("memory://seen").scratch() as scratch:
    (scratch / "input.mp4").write_bytes(b"video")
    print(scratch, flush=True)
    time.sleep(60)
"""


class Windows:
    """The module msvcrt, of one file: a region that another descriptor has is refused."""

    LK_NBLCK = 2

    def __init__(self) -> None:
        self.held: dict[tuple[int, int], int] = {}

    def locking(self, fd: int, mode: int, size: int) -> None:
        assert (mode, size) == (self.LK_NBLCK, 1)
        status = os.fstat(fd)
        holder = self.held.setdefault((status.st_dev, status.st_ino), fd)
        if holder != fd:
            raise PermissionError(errno.EACCES, "Permission denied")


def test_one_run_writes_an_archive_on_windows_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "fcntl", None)
    monkeypatch.setattr(locks, "msvcrt", Windows())
    with own_folder(str(tmp_path)) as is_alone:
        assert is_alone
        second = own_folder(str(tmp_path))
        with pytest.raises(SinkError, match="another run is writing this archive"):
            second.__enter__()


def refuse(*_: object) -> None:
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))


@pytest.mark.parametrize(
    "fake", [None, SimpleNamespace(flock=refuse, LOCK_EX=2, LOCK_NB=4)], ids=["no module", "ENOLCK"]
)
def test_without_locks_nothing_of_another_run_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fake: object
) -> None:
    monkeypatch.setattr(locks, "fcntl", fake)
    monkeypatch.setattr(locks, "msvcrt", None)
    parts = tmp_path / layout.parts_name("0f" * 32)
    parts.mkdir(parents=True)
    table = parts / "00000.parquet"
    table.touch()
    with own_folder(str(tmp_path)) as is_alone, open_folder(str(tmp_path)).scratch() as theirs:
        assert not is_alone
        tidy(str(tmp_path), [], is_alone=is_alone)
        assert theirs.exists()
        assert table.exists()
        for path in (theirs, parts, table):
            os.utime(path, (1e9, 1e9))
        table.touch()
        tidy(str(tmp_path), [], is_alone=is_alone)
        assert not theirs.exists()
        assert table.exists()
        os.utime(table, (1e9, 1e9))
        tidy(str(tmp_path), [], is_alone=is_alone)
        assert not parts.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="a signal of Unix")
def test_what_a_killed_worker_left_in_the_temporary_folder_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("fsspec")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    other = tmp_path / "camstream-work-thesis"
    other.mkdir()
    with subprocess.Popen([sys.executable, "-c", WORKER], stdout=subprocess.PIPE, text=True) as one:
        assert one.stdout is not None
        left = Path(one.stdout.readline().strip())
        assert (left / "input.mp4").exists()
        with open_folder("memory://seen").scratch() as own:
            open_folder("memory://seen")
            assert left.exists()  # it is at work, as this one is
            assert own.exists()
            one.send_signal(signal.SIGKILL)
            one.wait()
            open_folder("memory://seen")
            assert not left.exists()
            assert own.exists()
    assert list(tmp_path.iterdir()) == [other]
