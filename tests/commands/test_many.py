"""``camstream annotate`` of many files: children, what goes wrong in one, and going on after an end."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from typer.testing import CliRunner

import camstream
from camstream.batch.annotating import Summary
from camstream.commands import app, many
from tests.clips import Video, make, read
from tests.disks import small_disk
from tests.fuzz.mutate_bytes import mutate

SMALL = Video(frames=8, size_wh=(64, 48), options={"preset": "ultrafast"})
LONG = 300  # frames
PROGRAM = [sys.executable, "-P", "-m", "camstream"]

# Python runs this at the start of every child: a crash in the third frame of a file that is called
# "crash", in the thread that decodes; a file that is called "endless" never gives it.
DAMAGE = """
import ctypes, sys, time
if "camstream.batch.worker" in " ".join(sys.orig_argv):
    from camstream.sources.file import FileSource
    whole = FileSource.__iter__
    def damaged(source):
        for frame in whole(source):
            if "crash" in source.name and frame.index == 2:
                ctypes.string_at(0)
            while "endless" in source.name and frame.index == 2:
                time.sleep(0.1)
            yield frame
    FileSource.__iter__ = damaged
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_path: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "tiny.onnx").write_bytes(tiny_path.read_bytes())
    (tmp_path / "in").mkdir()
    return tmp_path


def run(*arguments: str | Path, code: int = 0) -> tuple[list[str], list[str]]:
    """Annotate, and return the lines of stdout and stderr without that of the device."""
    done = CliRunner().invoke(app, ["annotate", *map(str, arguments), "-m", "tiny.onnx"])
    assert done.exit_code == code, done.output
    said = [line for line in done.stderr.splitlines() if not line.startswith("tiny on ")]
    return done.stdout.splitlines(), said


def notes(folder: Path) -> list[dict[str, Any]]:
    """What is noted in a folder of outputs, by the inputs' names."""
    found = [json.loads(path.read_text()) for path in (folder / ".camstream").glob("done/*/*.json")]
    return sorted(found, key=lambda note: str(note["source"]))


def partials(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if "partial" in path.name]


def test_outputs_are_those_of_this_process_bit_for_bit_and_are_made_once(here: Path) -> None:
    for name in "abc":
        make(here / "in" / f"{name}.mp4", SMALL, audio=["aac"])
    command = ("in", "-o", "out", "--records", "out", "--maps", "out", "--presence", "out")
    printed, said = run(*command)
    assert sorted(line.split(": ")[0] for line in printed) == [
        f"in/{name}.mp4 -> out/{name}.cam.mp4" for name in "abc"
    ]
    assert said == []
    for name in "abc":
        alone = here / "alone"
        alone.mkdir(exist_ok=True)
        camstream.annotate(
            f"in/{name}.mp4",
            alone / f"{name}.cam.mp4",
            model="tiny.onnx",
            records=alone / f"{name}.jsonl",
            maps=alone / f"{name}.npz",
            presence=alone / f"{name}.presence.csv",
        )
        for path in alone.iterdir():
            assert (here / "out" / path.name).read_bytes() == path.read_bytes(), path.name

    times = {path: path.stat().st_mtime_ns for path in (here / "out").glob("*.*") if path.is_file()}
    assert run(*command) == ([], ["3 of 3 files were done before (--overwrite does them anew)"])
    make(here / "in" / "b.mp4", Video(frames=5, size_wh=(64, 48)))
    make(here / "in" / "d.mp4", SMALL)
    printed, said = run(*command)
    assert sorted(line.split(",")[0] for line in printed) == [
        "in/b.mp4 -> out/b.cam.mp4: 5 frames",
        "in/d.mp4 -> out/d.cam.mp4: 8 frames",
    ]
    assert said == ["2 of 4 files were done before (--overwrite does them anew)"]
    changed = {path.name for path, before in times.items() if path.stat().st_mtime_ns != before}
    assert changed == {"b.cam.mp4", "b.jsonl", "b.npz", "b.presence.csv"}


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
def test_what_goes_wrong_in_one_file_costs_that_file(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "sitecustomize.py").write_text(DAMAGE)
    search = [str(here), *filter(None, [os.environ.get("PYTHONPATH")])]
    for name in ("a", "crash", "endless", "b"):
        make(here / "in" / f"{name}.mp4", SMALL)
    (here / "in" / "no video.mp4").write_bytes(b"no video")
    command = ("in", "-o", "out", "--file-timeout", "6", "-j", "2")
    with monkeypatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(search))
        printed, said = run(*command, code=1)
    assert sorted(line.split(":")[0] for line in printed) == [
        "in/a.mp4 -> out/a.cam.mp4",
        "in/b.mp4 -> out/b.cam.mp4",
    ]
    crash = "in/crash.mp4: a library crashed (SIGSEGV), most likely because the file is damaged"
    endless = "in/endless.mp4: it took longer than 6 s (--file-timeout)"
    end = said.index("camstream: 3 of 5 inputs failed:")
    assert f"  note: {crash}; it is tried once more" in said[:end]
    assert {f"camstream: {crash}", f"camstream: {endless}"} < set(said[:end])
    assert len(said[:end]) == 4
    assert said[end + 1 : end + 3] == [f"camstream: {crash}", f"camstream: {endless}"]
    assert said[end + 3].startswith("camstream: in/no video.mp4: cannot read in/no video.mp4 as")
    assert {path.name for path in (here / "out").iterdir()} == {
        ".camstream",
        "a.cam.mp4",
        "b.cam.mp4",
    }
    failed = (here / "out" / ".camstream" / "failed.jsonl").read_text().splitlines()
    assert [json.loads(line)["tries"] for line in failed] == [2, 1, 1]
    # Without what was wrong: two of them have a second try, and the third when it is asked for.
    printed, said = run(*command, code=1)
    assert [line.split(":")[0] for line in printed] == ["in/endless.mp4 -> out/endless.cam.mp4"]
    assert said[:2] == [
        "2 of 5 files were done before (--overwrite does them anew)",
        "1 of 5 failed twice before (--retry-failed tries them again)",
    ]
    assert said[-3] == "camstream: 2 of 5 inputs failed:"
    make(here / "in" / "no video.mp4", SMALL)  # it is mended: what failed before does not count
    printed, said = run(*command, "--retry-failed")
    assert len(printed) == 2
    assert said == ["3 of 5 files were done before (--overwrite does them anew)"]
    assert not (here / "out" / ".camstream" / "failed.jsonl").read_text()


@pytest.fixture(scope="module")
def long_clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips that take some seconds each, also where one child begins a second late."""
    folder = tmp_path_factory.mktemp("long")
    size = Video(frames=LONG, size_wh=(160, 96), options={"preset": "ultrafast"})
    for name in ("a.mp4", "b.mp4"):
        make(folder / name, size)
    return folder


def begun(folder: Path) -> bool:
    """Whether two files are being written."""
    return folder.is_dir() and len([path for path in partials(folder) if path.stat().st_size]) == 2


def interrupt(command: list[str], folder: Path, number: signal.Signals) -> tuple[int, str, float]:
    """Send a signal when two files are being written; returns code, stderr and how long it took."""
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while not begun(folder):
            assert process.poll() is None
            time.sleep(0.02)
        children = psutil.Process(process.pid).children()
        asked = time.monotonic()
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
        took_s = time.monotonic() - asked
    _, alive = psutil.wait_procs(children, timeout=2)
    assert not [one for one in alive if one.status() != psutil.STATUS_ZOMBIE]
    return process.returncode, said, took_s


@pytest.mark.skipif(
    sys.platform != "linux", reason="signals, and children that end with a killed parent"
)
def test_ctrl_c_and_a_kill_lose_nothing(here: Path, long_clips: Path) -> None:
    command = [*PROGRAM, "annotate", str(long_clips), "-o", "out", "-m", "tiny.onnx", "-j", "2"]
    out = here / "out"
    code, said, took_s = interrupt(command, out, signal.SIGINT)
    assert code == 130
    assert took_s < 2.5
    assert said.count("plays up to there") == 2
    assert "2 of 2 files are not done; the same command goes on from here" in said
    assert partials(out) == []
    assert 0 < len(read(out / "a.cam.mp4").numbers) < LONG
    code, _, _ = interrupt(command, out, signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert len(partials(out)) == 2
    printed, said_lines = run(long_clips, "-o", "out")
    assert len(printed) == 2
    assert said_lines == []
    assert partials(out) == []
    for name in ("a", "b"):
        assert read(out / f"{name}.cam.mp4").numbers == list(range(LONG))
    assert [note["state"] for note in notes(out)] == ["done", "done"]


def test_mutated_clips_cost_nothing_but_themselves(here: Path) -> None:
    rng = random.Random(7)
    make(here / "in" / "good0.mp4", SMALL, audio=["aac"])
    content = (here / "in" / "good0.mp4").read_bytes()
    for number in range(1, 10):
        (here / "in" / f"good{number}.mp4").write_bytes(content)
    for number in range(30):
        (here / "in" / f"bad{number:02}.mp4").write_bytes(mutate(content, rng))
    printed, said = run("in", "-o", "out", "--file-timeout", "20", code=1)
    done = {line.split(" -> ")[0] for line in printed}
    assert {f"in/good{number}.mp4" for number in range(10)} <= done
    end = next(at for at, line in enumerate(said) if line.endswith("of 40 inputs failed:"))
    failed = [
        line.split(": ")[1] for line in said[end + 1 :] if not line.startswith("camstream: and")
    ]
    assert failed
    assert all(name.startswith("in/bad") for name in failed)
    told = json_lines(here / "out" / ".camstream" / "failed.jsonl")
    damaged = {note["source"] for note in notes(here / "out") if note["state"] == "done"}
    assert {Path(line["input"]) for line in told} | {Path(name) for name in damaged} == set(
        (here / "in").iterdir()
    )
    assert all("\n" not in line["error"] and line["error"] for line in told)
    assert partials(here / "out") == []


def json_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_an_input_that_vanishes_and_comes_back(here: Path) -> None:
    for name in "ab":
        make(here / "in" / f"{name}.mp4", SMALL)
    hidden = (here / "in" / "b.mp4").rename(here / "b.mp4")
    command = ("in/a.mp4", "in/b.mp4", "-o", "out")
    _, said = run(*command, code=1)
    assert said[-1] == "camstream: in/b.mp4: cannot read in/b.mp4: there is no such file"
    hidden.rename(here / "in" / "b.mp4")
    printed, said = run(*command)
    assert [line.split(":")[0] for line in printed] == ["in/b.mp4 -> out/b.cam.mp4"]


@pytest.mark.skipif(sys.platform == "win32" or os.getuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written_is_one_line(here: Path) -> None:
    for name in "ab":
        make(here / "in" / f"{name}.mp4", SMALL)
    (here / "out").mkdir(mode=0o500)
    _, said = run("in", "-o", "out", code=1)
    assert said == [
        "camstream: cannot make the folder out/.camstream/done: Permission denied; 2 of 2 files are "
        "not done: run it again later"
    ]


def test_a_disk_that_gets_full_or_read_only_is_said_and_the_next_run_goes_on(here: Path) -> None:
    large = Video(frames=40, size_wh=(320, 192), options={"preset": "ultrafast"})
    for name in "abc":
        make(here / "in" / f"{name}.mp4", large)
    camstream.annotate("in/a.mp4", "alone.mp4", model="tiny.onnx")
    whole = (here / "alone.mp4").stat().st_size
    with small_disk(here / "out", size=10_000_000) as disk:
        disk.leave(whole * 3 // 2 + 16_000)  # notes
        printed, said = run("in", "-o", "out", "-j", "1", code=1)
        assert [line.split(":")[0] for line in printed] == ["in/a.mp4 -> out/a.cam.mp4"], said
        assert any("No space left on device" in line for line in said)
        assert said[-1].endswith("2 of 3 files are not done: run it again later")
        assert not any("Traceback" in line or "mistake" in line for line in said)
        assert not [path for path in (here / "out").rglob("*") if "partial" in path.name]
        disk.empty()
        disk.set_read_only(True)
        _, said = run("in", "-o", "out", "-j", "1", code=1)
        assert "Read-only file system" in said[-1] or "no permission to write" in said[-1]
        assert said[-1].endswith("2 of 3 files are not done: run it again later")
        disk.set_read_only(False)
        printed, said = run("in", "-o", "out", "-j", "1")
        assert len(printed) == 2
        assert said == ["1 of 3 files were done before (--overwrite does them anew)"]
        assert (here / "out" / "a.cam.mp4").read_bytes() == (here / "alone.mp4").read_bytes()
        assert [note["state"] for note in notes(here / "out")] == ["done"] * 3


def test_an_input_that_vanishes_during_the_run(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abc":
        make(here / "in" / f"{name}.mp4", SMALL)
    hidden = here / "b.mp4"
    real = many.tell

    def tell(source: Path | str, summary: Summary) -> None:
        if not hidden.exists():
            (here / "in" / "b.mp4").rename(hidden)
        real(source, summary)

    with monkeypatch.context() as patch:
        patch.setattr(many, "tell", tell)
        printed, said = run("in", "-o", "out", "-j", "1", code=1)
    assert len(printed) == 2
    assert said[-1] == "camstream: in/b.mp4: cannot read in/b.mp4: there is no such file"
    hidden.rename(here / "in" / "b.mp4")
    printed, said = run("in", "-o", "out")
    assert [line.split(":")[0] for line in printed] == ["in/b.mp4 -> out/b.cam.mp4"]
    assert said == ["2 of 3 files were done before (--overwrite does them anew)"]


def test_options_of_a_batch_are_checked(here: Path) -> None:
    make(here / "in" / "a.mp4", SMALL)
    make(here / "in" / "b.mp4", SMALL)
    _, said = run("in", "-o", "out", "--classes", "no such thing", code=2)
    assert len(said) == 1
    assert not (here / "out" / ".camstream").exists()
    assert run("in", "-j", "0", code=2)[1][0].startswith("camstream: invalid value for '--jobs'")
