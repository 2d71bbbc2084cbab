"""Names of files being written: not guessable, not written through, cleaned up after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from camstream.errors import SinkError
from camstream.sinks import temporary
from camstream.sinks.atomic_file import AtomicFile

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="locks and links as POSIX has them")

_WRITER = """
import sys, time
from pathlib import Path
from camstream.sinks.atomic_file import AtomicFile
file = AtomicFile(Path(sys.argv[1]), once=sys.argv[2] == "live")
file.path.write_bytes(b"half" if len(sys.argv) < 4 else b"")
print(file.path, flush=True)
time.sleep(60)
"""


def start_writer(target: Path, *options: str) -> tuple[subprocess.Popen[str], Path]:
    """Start a process that writes a file and waits to be killed."""
    command = [sys.executable, "-c", _WRITER, str(target), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)


def write(target: Path) -> None:
    file = AtomicFile(target)
    file.path.write_bytes(b"whole")
    file.commit()


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_next_run_removes_what_a_killed_one_left_and_nothing_of_a_living_one(
    tmp_path: Path,
) -> None:
    process, partial = start_writer(tmp_path / "a.mp4", "again")
    try:
        write(tmp_path / "b.mp4")
        assert names(tmp_path) == {"b.mp4", partial.name}
        assert partial.read_bytes() == b"half"
    finally:
        kill(process)
    write(tmp_path / "c.mp4")
    assert names(tmp_path) == {"b.mp4", "c.mp4"}


def test_what_cannot_be_made_again_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for options in (["live", "empty"], ["live"], ["live"]):
        process, partial = start_writer(tmp_path / "a.mp4", *options)
        kill(process)
        assert partial.exists()
    write(tmp_path / "a.mp4")
    assert names(tmp_path) == {"a.mp4", "a.interrupted.mp4", "a.interrupted-2.mp4"}
    assert (tmp_path / "a.interrupted.mp4").read_bytes() == b"half"
    assert "kept as a.interrupted-2.mp4" in caplog.text


def test_files_with_similar_names_are_left_alone(tmp_path: Path) -> None:
    alike = {"a.partial-view.mp4", "a.partial-123.mp4", "a.partial-0123456789zz.mp4"}
    for name in alike:
        (tmp_path / name).touch()
    write(tmp_path / "b.mp4")
    assert names(tmp_path) == {*alike, "b.mp4"}


def test_a_link_is_neither_followed_nor_removed_with_what_it_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    precious = tmp_path / "precious.txt"
    precious.write_bytes(b"precious")
    words = iter(["0" * 12, "1" * 12])
    monkeypatch.setattr(temporary.secrets, "token_hex", lambda _: next(words))
    (tmp_path / f"a.partial-{'0' * 12}.mp4").symlink_to(precious)
    with (
        pytest.raises(SinkError, match=r"cannot write .*a\.mp4"),
        (file := AtomicFile(tmp_path / "a.mp4")).writing(),
    ):
        file.path.write_bytes(b"written through")
    assert precious.read_bytes() == b"precious"


def test_no_two_temporary_names_are_alike_and_none_tells_the_process(tmp_path: Path) -> None:
    files = [AtomicFile(tmp_path / "a.mp4") for _ in range(20)]
    seen = {file.path.name for file in files}
    assert len(seen) == 20
    assert not any(f"-{os.getpid()}." in name for name in seen)
    for file in files:
        file.discard()
    assert names(tmp_path) == set()


def test_checking_creates_nothing(tmp_path: Path) -> None:
    AtomicFile(tmp_path / "a.mp4")
    assert names(tmp_path) == set()


@pytest.mark.parametrize("taken", [False, True])
def test_a_file_system_without_links(
    taken: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    file = AtomicFile(tmp_path / "a.mp4")
    file.path.write_bytes(b"mine")
    if taken:
        (tmp_path / "a.mp4").write_bytes(b"theirs")
        with pytest.raises(SinkError, match="another run"):
            file.commit()
        assert (tmp_path / "a.mp4").read_bytes() == b"theirs"
        assert (tmp_path / "a.interrupted.mp4").read_bytes() == b"mine"
    else:
        file.commit()
        assert (tmp_path / "a.mp4").read_bytes() == b"mine"
        assert names(tmp_path) == {"a.mp4"}


def test_a_file_system_without_locks_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(temporary.fcntl, "flock", no_locks)
    left = tmp_path / "a.partial-0123456789ab.mp4"
    left.write_bytes(b"perhaps of a living run")
    write(tmp_path / "b.mp4")
    assert names(tmp_path) == {left.name, "b.mp4"}
