"""A crash of a decoder, which ends the process at once, is one line that names the file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from camstream.crash import line_of
from tests.clips import Video, make

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")

# A crash in the third frame of the file that is called so, in the thread that decodes.
CRASHING = """
import ctypes, itertools, sys
from camstream.sources.file import FileSource
whole = FileSource.__iter__
def damaged(source):
    for frame in whole(source):
        if "bad" in source.name and frame.index == 2:
            ctypes.string_at(0)
        yield frame
FileSource.__iter__ = damaged
from camstream.commands import main
main()
"""
SMALL = Video(frames=8, size_wh=(64, 48), options={"preset": "ultrafast"})


def run_crashing(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-c", CRASHING, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=60)


def test_a_crash_in_live_names_the_source(tiny_path: Path, tmp_path: Path) -> None:
    make(tmp_path / "bad.mp4", SMALL)
    done = run_crashing("live", "bad.mp4", "--no-window", "-m", tiny_path, cwd=tmp_path)
    assert done.returncode == -signal.SIGSEGV
    assert done.stderr.count("a library crashed at bad.mp4 (Segmentation fault)") == 1
    assert "Current thread" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_an_end_by_a_signal_is_no_crash_and_leaves_no_process(number: signal.Signals) -> None:
    code = (
        "import sys, time\nfrom camstream import crash\ncrash.watch()\n"
        "crash.working_on('a.mp4')\nprint('ready', flush=True)\ntime.sleep(60)\n"
    )
    command = [sys.executable, "-P", "-c", code]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert len(children) == 1
        process.send_signal(number)
        assert process.stderr.read() == ""  # ends only when the second process has ended, too
    assert process.returncode == -number
    deadline = time.monotonic() + 5
    while Path(f"/proc/{children[0]}").exists() and time.monotonic() < deadline:
        state = Path(f"/proc/{children[0]}/stat")
        if state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z":
            break  # ended; whoever adopted it has not looked yet
        time.sleep(0.02)
    else:
        assert not Path(f"/proc/{children[0]}").exists()


def test_the_line_is_safe_and_says_what_crashed() -> None:
    crash = b"Fatal Python error: Aborted\n\nCurrent thread 0x1:\n  File 'x'\n"
    assert line_of(b"") == line_of(b"work a.mp4\n") == ""
    assert line_of(b"work a.mp4\nwork b.mp4\n" + crash).startswith(
        "camstream: a library crashed at b.mp4 (Aborted), "
    )
    assert line_of(crash).startswith("camstream: a library crashed at its start (Aborted), ")
    assert "\x1b" not in line_of(b"work \x1b[31mred\n" + crash)
    assert line_of(crash).count("\n") == 1
