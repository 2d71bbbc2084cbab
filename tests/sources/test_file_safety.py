"""Never broken: whatever interrupts it, nothing is lost and what is there plays."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clips import Video, make, read

COMMAND = [sys.executable, "-P", "-m", "camstream", "annotate", "--device", "cpu"]
# Slow enough to be interrupted: the encoder's slowest preset on a larger picture.
LONG = Video(frames=600, size_wh=(640, 352), options={"preset": "ultrafast"})
SLOW = ["--encoder-preset", "veryslow"]


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("clips") / "long.mp4", LONG, audio=["aac"])


def start(
    arguments: list[str | Path], preexec: Callable[[], None] | None = None
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=preexec,
    )


def wait_for_bytes(process: subprocess.Popen[str], folder: Path, count: int) -> Path:
    """Wait until the unfinished file holds so many bytes."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        for path in folder.glob("*.partial-*.mp4"):
            if path.stat().st_size >= count:
                return path
        time.sleep(0.02)
    raise AssertionError(f"ended or too slow: {process.poll()}")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_finishes_a_playable_file(
    number: signal.Signals, code: int, long_clip: Path, tiny_path: Path, tmp_path: Path
) -> None:
    output, records, stats = (tmp_path / name for name in ("o.mp4", "r.jsonl", "s.json"))
    sides: list[str | Path] = ["--records", records, "--stats", stats]
    process = start([long_clip, "-o", output, "-m", tiny_path, *SLOW, *sides])
    wait_for_bytes(process, tmp_path, 20_000)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in err
    printed = [line for line in err.splitlines() if "stopped at" in line]
    assert len(printed) == 1
    seen = read(output)
    assert 0 < len(seen.frames) < LONG.frames
    assert seen.numbers == list(range(len(seen.frames)))
    end_s = float(seen.times_s[-1])
    assert f"stopped at {end_s:.1f} s" in printed[0]
    sound = seen.packets[0][2]
    assert sound == read(long_clip).packets[0][2][: len(sound)]
    assert abs(float(sound[-1][0]) - end_s) < 0.05
    lines = [json.loads(line) for line in records.read_text().splitlines()]
    assert [line["index"] for line in lines] == seen.numbers
    assert json.loads(stats.read_text())["frames_out"] == len(seen.frames)
    assert {path.name for path in tmp_path.iterdir()} == {"o.mp4", "r.jsonl", "s.json"}
    assert f"{len(seen.frames)} frames" in out


def test_what_was_written_before_sigkill_plays(
    long_clip: Path, tiny_path: Path, tmp_path: Path
) -> None:
    process = start([long_clip, "-o", tmp_path / "o.mp4", "-m", tiny_path, *SLOW])
    partial = wait_for_bytes(process, tmp_path, 40_000)
    process.kill()
    process.communicate(timeout=60)
    assert not (tmp_path / "o.mp4").exists()
    seen = read(partial)
    assert_plays_to_a_cut(seen.numbers)
    assert len(seen.packets[0][2]) > 15


def assert_plays_to_a_cut(numbers: list[int]) -> None:
    """At the cut, pictures may be missing that were to be shown before the last one that is there."""
    assert len(numbers) >= 14
    most = 8  # pictures in a row that refer to a later one, with the slowest preset
    assert numbers[:-most] == list(range(len(numbers) - most))
    assert numbers == sorted(set(numbers))
    assert numbers[-1] < len(numbers) + most


def run_on_a_full_disk(arguments: list[str | Path], limit: int) -> str:
    """Run with files of so many bytes at most; returns the one line that it says."""

    def shrink_disk() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    _, err = (process := start(arguments, shrink_disk)).communicate(timeout=60)
    assert process.returncode == 1
    errors = [line for line in err.splitlines() if line.startswith("camstream:")]
    assert len(errors) == 1
    assert "cannot write" in errors[0]
    assert "Traceback" not in err
    return errors[0]


@pytest.mark.parametrize("limit", [0, 60_000])
def test_a_full_disk_is_one_line_and_what_was_written_is_kept(
    limit: int, long_clip: Path, tiny_path: Path, tmp_path: Path
) -> None:
    output, records = tmp_path / "o.mp4", tmp_path / "r.jsonl"
    line = run_on_a_full_disk(
        [long_clip, "-o", output, "-m", tiny_path, "--records", records], limit
    )
    if limit == 0:
        assert list(tmp_path.iterdir()) == []
        return
    assert {path.name for path in tmp_path.iterdir()} == {"o.mp4", "r.jsonl"}
    assert "what was made before is kept: o.mp4" in line
    seen = read(output)
    assert_plays_to_a_cut(seen.numbers)
    lines = [json.loads(text) for text in records.read_text().splitlines()]
    assert [one["index"] for one in lines] == list(range(len(lines)))


def test_a_full_disk_leaves_the_file_that_was_there(
    long_clip: Path, tiny_path: Path, tmp_path: Path
) -> None:
    (tmp_path / "o.mp4").write_bytes(b"precious")
    line = run_on_a_full_disk(
        [long_clip, "-o", tmp_path / "o.mp4", "-m", tiny_path, "--overwrite"], 30_000
    )
    assert "kept: o.interrupted.mp4" in line
    assert (tmp_path / "o.mp4").read_bytes() == b"precious"
    assert read(tmp_path / "o.interrupted.mp4").numbers[:3] == [0, 1, 2]


def test_the_temporary_name_is_beside_the_target(
    long_clip: Path, tiny_path: Path, tmp_path: Path
) -> None:
    (tmp_path / "o.mp4").write_bytes(b"precious")
    command: list[str | Path]
    command = [long_clip, "-o", tmp_path / "o.mp4", "-m", tiny_path, "--overwrite", *SLOW]
    process = start(command)
    partial = wait_for_bytes(process, tmp_path, 5_000)
    assert partial.parent == tmp_path
    assert partial.stat().st_dev == tmp_path.stat().st_dev
    assert (tmp_path / "o.mp4").read_bytes() == b"precious"
    process.terminate()
    process.communicate(timeout=60)
    assert read(tmp_path / "o.mp4").numbers[:3] == [0, 1, 2]
    assert not partial.exists()
