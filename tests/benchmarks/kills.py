"""Kills runs at random moments and looks at what is left: python -m tests.benchmarks.kills [--kills 100]

Half of the runs are ``camstream annotate``, half ``camstream live -o``, each with records; SIGKILL lets
no program clean up. What was being written for a second must play, and hold the pictures up to the
last second; records are whole lines; a later run removes what an earlier one left.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random

import av

from camstream.testing import write_tiny_model
from tests.benchmarks.soak import FailingCamera, serve
from tests.clips import Video, make

_GRACE_S = 1.0  # a file that is younger need not hold anything
_LATEST_S = 6.0


@dataclass(frozen=True, slots=True)
class Left:
    """What a killed run left.

    Attributes:
        age_s: How long its video had been there; 0 where it had not been begun.
        frames: How many pictures of it can be decoded; -1: it cannot be opened.
        lost_s: Media time between the last picture and the last record, seconds.
        records: How many there are.
        are_whole: Whether each of their lines is whole.
        stale: How many unfinished files of earlier runs were there although it had begun its own.
    """

    age_s: float
    frames: int
    lost_s: float
    records: int
    are_whole: bool
    stale: int

    @property
    def is_well(self) -> bool:
        """Whether this is as wanted."""
        played = self.age_s < _GRACE_S or (self.frames > 0 and self.lost_s <= _GRACE_S)
        return played and self.are_whole and self.stale == 0


def partials(folder: Path) -> set[Path]:
    """Unfinished files, whatever they are called: those that are not the outputs' own names."""
    return {path for path in folder.iterdir() if "partial" in path.name}


def kill_one(command: list[str], folder: Path, after_s: float, *, writing: bool) -> Left:
    """Run a command in a folder, kill it, and look.

    Args:
        command: What is run.
        folder: Where, with what earlier runs left.
        after_s: When it is killed, seconds.
        writing: Whether time counts from when its video was begun, not from the process's start.
    """
    earlier = partials(folder)
    begun_s = None
    started = time.monotonic()
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        while process.poll() is None:
            since = started if not writing else begun_s
            if since is not None and time.monotonic() >= since + after_s:
                break
            if begun_s is None and any(one.suffix == ".mp4" for one in partials(folder) - earlier):
                begun_s = time.monotonic()
            time.sleep(0.01)
        process.kill()
    age_s = 0.0 if begun_s is None else time.monotonic() - begun_s
    new = partials(folder) - earlier
    videos = [path for path in new if path.suffix == ".mp4"]
    frames, last_s = play(videos[0]) if videos else (0, 0.0)
    lines = [line for path in new if path.suffix == ".jsonl" for line in read_lines(path)]
    are_whole = all(line.endswith("\n") and is_json(line) for line in lines)
    times = [json.loads(line)["pts_s"] for line in lines if is_json(line)]
    lost_s = max(0.0, times[-1] - last_s) if times else 0.0
    stale = len(earlier & partials(folder)) if new else 0
    return Left(age_s, frames, lost_s, len(lines), are_whole, stale)


def play(path: Path) -> tuple[int, float]:
    """Decode a video; returns the number of its pictures and the time of the last one, seconds."""
    frames, last_s = 0, 0.0
    try:
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                frames, last_s = frames + 1, frame.time or 0.0
    except (av.FFmpegError, IndexError):
        return frames or -1, last_s
    return frames, last_s


def read_lines(path: Path) -> list[str]:
    """Give a file's lines with their ends."""
    return path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)


def is_json(line: str) -> bool:
    """Whether a line is a whole value."""
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def main() -> int:
    """Kill; 1 where something was lost."""
    parser = argparse.ArgumentParser(description="Kill runs at random moments.")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    random = Random(arguments.seed)
    camera = FailingCamera(arguments.seed)
    left: list[Left] = []
    with tempfile.TemporaryDirectory() as name, serve(camera) as url:
        top = Path(name)
        model = write_tiny_model(top / "tiny.onnx")
        video = Video(frames=4000, size_wh=(640, 352), options={"preset": "ultrafast"})
        clip = make(top / "long.mp4", video, audio=["aac"])
        program = [sys.executable, "-m", "camstream"]
        outputs = ["-o", "o.mp4", "--records", "r.jsonl", "-m", str(model), "--overwrite"]
        ways = {
            "annotate": [*program, "annotate", str(clip), *outputs],
            "live": [*program, "live", url, "--no-window", *outputs],
        }
        for way in ways:
            (top / way).mkdir()
        for number in range(arguments.kills):
            way = ("annotate", "live")[number % 2]
            after_s, writing = random.uniform(0.05, _LATEST_S), random.random() < 0.8
            left.append(kill_one(ways[way], top / way, after_s, writing=writing))
            mark = "" if left[-1].is_well else "  <- WRONG"
            print(
                f"{number:3} {way:8} killed {after_s:.2f} s after its {('start', 'first byte')[writing]}: {left[-1]}{mark}",
                flush=True,
            )
        after = 0
        for way, more in {"annotate": [], "live": ["--frames", "20"]}.items():
            if way == "annotate":
                make(clip, Video(frames=30, options={"preset": "ultrafast"}))
            done = subprocess.run(
                [*ways[way], *more], cwd=top / way, capture_output=True, timeout=120
            )
            after += len(partials(top / way)) + (done.returncode != 0)
    old = [one for one in left if one.age_s >= _GRACE_S]
    print(
        f"{len(left)} kills, {len(old)} of them after {_GRACE_S:g} s of writing: "
        f"{sum(one.frames > 0 for one in old)} play, the latest picture at most "
        f"{max((one.lost_s for one in old), default=0):.2f} s before the latest record; records whole "
        f"in {sum(one.are_whole for one in left)} of {len(left)}; {after} files left after the next "
        f"whole runs; {sum(not one.is_well for one in left)} wrong"
    )
    return 0 if all(one.is_well for one in left) and after == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
