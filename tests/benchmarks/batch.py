"""Many files in children: speed, kills, damaged clips, and 10,000 that are done.

    python -m tests.benchmarks.batch speed --files 40 --clip ../shared/data/videos/cat_white_persian.mp4
    python -m tests.benchmarks.batch kills --moments 20
    python -m tests.benchmarks.batch mutated --bad 300 --good 100
    python -m tests.benchmarks.batch done --files 10000

Each prints figures and a verdict, and ends with 1 where something was lost.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import av
import psutil

from camstream.batch.store import Store
from camstream.batch.task import Stamp, Task
from camstream.testing import write_tiny_model
from tests.clips import Video, make
from tests.fuzz.mutate_bytes import mutate

PROGRAM = [sys.executable, "-P", "-m", "camstream", "annotate"]

# What ``camstream annotate`` was before: one model, one file after the other, in one process.
ONE_PROCESS = """
import sys, time
from pathlib import Path
import cv2, camstream
cv2.setNumThreads(1)
model = camstream.load_model(sys.argv[3])
for path in sorted(Path(sys.argv[1]).iterdir()):
    out = Path(sys.argv[2]) / f"{path.stem}.cam.mp4"
    camstream.annotate(path, out, model=model, records=out.with_name(f"{path.stem}.jsonl"))
"""


def annotate(folder: Path, out: Path, model: str, *more: str) -> list[str]:
    """The command for a folder of clips."""
    return [*PROGRAM, str(folder), "-o", str(out), "-m", model, "--records", str(out), *more]


def timed(command: list[str]) -> float:
    """Run a command; returns seconds."""
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def cut(clip: Path, target: Path, frames: int) -> None:
    """Copy the first packets of a clip, without encoding them anew."""
    with av.open(str(clip)) as source, av.open(str(target), "w") as copy:
        stream = source.streams.video[0]
        out = copy.add_stream_from_template(stream)
        for number, packet in enumerate(source.demux(stream)):
            if packet.dts is None or number >= frames:
                break
            packet.stream = out
            copy.mux(packet)


def speed(arguments: argparse.Namespace, top: Path) -> bool:
    """The pool against one process; each way is measured with few and with many files.

    The difference is the time of the files alone, without the start of processes and models.
    """
    folders = {}
    for count in (arguments.files // 4, arguments.files):
        folders[count] = top / f"in{count}"
        folders[count].mkdir()
        for number in range(count):
            path = folders[count] / f"c{number:03}.mp4"
            if arguments.clip:
                cut(arguments.clip, path, arguments.frames)
            else:
                make(path, Video(frames=arguments.frames, size_wh=(640, 360)))
    ways = {"one process": 0, "pool -j 1": 1, "pool -j 2": 2, "pool -j 3": 3}
    rates: dict[str, float] = {}
    a_file: dict[str, float] = {}
    for name, jobs in ways.items():
        seconds = {}
        for count, folder in folders.items():
            out = top / f"{name}{count}"
            out.mkdir()
            one = [sys.executable, "-P", "-c", ONE_PROCESS, str(folder), str(out), arguments.model]
            many = annotate(folder, out, arguments.model, "-j", str(jobs))
            seconds[count] = timed(many if jobs else one)
        few, most = sorted(folders)
        a_file[name] = (seconds[most] - seconds[few]) / (most - few)
        rates[name] = 60 * most / seconds[most]
        start_s = seconds[most] - most * a_file[name]
        print(
            f"{name:12} {rates[name]:6.1f} files a minute, all told; {a_file[name]:.3f} s a file and "
            f"{start_s:.2f} s to start",
            flush=True,
        )
    overhead = a_file["pool -j 1"] - a_file["one process"]
    print(
        f"two children / one process: {a_file['one process'] / a_file['pool -j 2']:.2f} times the "
        f"files (wanted 1.6), {rates['pool -j 2'] / rates['one process']:.2f} with the start; a warm "
        f"child costs {overhead:+.3f} s a file (wanted 0.3 at most)"
    )
    return overhead <= 0.3


def contents(out: Path) -> dict[str, bytes]:
    """Every output of a folder."""
    return {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}


def killed(
    command: list[str], after_s: float, victim: Callable[[psutil.Process], psutil.Process | None]
) -> bool:
    """Run a command and kill one of its processes; returns whether there was one to kill."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            process.wait(after_s)
        except subprocess.TimeoutExpired:
            one = victim(psutil.Process(process.pid))
            if one is not None:
                one.send_signal(signal.SIGKILL)
            process.wait()
            return one is not None
    return False


def worker_of(random: Random) -> Callable[[psutil.Process], psutil.Process | None]:
    """Choose one of the children that work."""

    def choose(driver: psutil.Process) -> psutil.Process | None:
        found = []
        for child in driver.children():
            try:
                if "camstream.batch.worker" in child.cmdline():
                    found.append(child)
            except psutil.Error:
                continue
        return random.choice(found) if found else None

    return choose


def kills(arguments: argparse.Namespace, top: Path) -> bool:
    """SIGKILL of a child, and of the driver; the next run must end with what an undisturbed one has."""
    random = Random(arguments.seed)
    folder = top / "in"
    folder.mkdir()
    for number in range(arguments.files):
        frames = random.randrange(40, 200)
        make(folder / f"c{number:02}.mp4", Video(frames=frames, size_wh=(320, 192)), audio=["aac"])
    model = str(write_tiny_model(top / "tiny.onnx"))
    whole_s = timed(annotate(folder, top / "whole", model))
    wanted = contents(top / "whole")
    print(f"an undisturbed run over {arguments.files} files: {whole_s:.1f} s", flush=True)
    wrong = 0
    for way in ("worker", "driver"):
        hits = repeated = lost = 0
        for number in range(arguments.moments):
            out = top / f"{way}{number}"
            command = annotate(folder, out, model)
            victim = worker_of(random) if way == "worker" else lambda driver: driver
            hits += killed(command, random.uniform(0.3, whole_s), victim)
            before = {
                path.name: path.stat().st_mtime_ns
                for path in (out.iterdir() if out.is_dir() else ())
                if path.name.endswith(".cam.mp4")
            }
            subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            again = sum((out / name).stat().st_mtime_ns != mtime for name, mtime in before.items())
            repeated = max(repeated, again)
            got = contents(out)
            lost += got != wanted
            if got != wanted:
                print(f"  {way} {number}: {sorted(wanted.keys() ^ got.keys())}, wrong", flush=True)
        print(
            f"{way}: killed at {hits} of {arguments.moments} random moments; after the next run "
            f"{arguments.moments - lost} times every output is byte for byte that of an undisturbed "
            f"run; finished files done anew: {repeated} at most"
        )
        wrong += lost
    return wrong == 0


def mutated(arguments: argparse.Namespace, top: Path) -> bool:
    """Damaged clips among good ones: the good ones are done, each bad one has a line or a result."""
    random = Random(arguments.seed)
    folder, out = top / "in", top / "out"
    folder.mkdir()
    model = str(write_tiny_model(top / "tiny.onnx"))
    kinds = []
    for suffix, codec in ((".mp4", "libx264"), (".mkv", "libvpx-vp9"), (".avi", "mpeg4")):
        small = Video(frames=12, size_wh=(160, 96), codec=codec)
        kinds.append(make(top / f"good{suffix}", small))
    for number in range(arguments.good):
        kind = kinds[number % 3]
        (folder / f"good{number:03}{kind.suffix}").write_bytes(kind.read_bytes())
    for number in range(arguments.bad):
        kind = kinds[number % 3]
        (folder / f"bad{number:03}{kind.suffix}").write_bytes(mutate(kind.read_bytes(), random))
    limits = ("--file-timeout", "60", "--file-memory", "2")
    done = subprocess.run(
        annotate(folder, out, model, *limits), capture_output=True, text=True, check=False
    )
    notes = [json.loads(path.read_text()) for path in out.glob(".camstream/done/*/*.json")]
    states = {Path(note["source"]).name: note for note in notes}
    good = sum(note["state"] == "done" for name, note in states.items() if name[0] == "g")
    bad = {name: note for name, note in states.items() if name[0] == "b"}
    failed = {name: note["problem"] for name, note in bad.items() if note["problem"]}
    one_line = all("\n" not in line for line in failed.values())
    died = sum("SIG" in line or "file-" in line for line in failed.values())
    left = [path for path in out.iterdir() if "partial" in path.name]
    print(
        f"{good} of {arguments.good} good clips done; of {len(bad)} damaged ones {len(failed)} have a "
        f"line ({died} of a crash or a limit), the others play to their end; exit code "
        f"{done.returncode}, {len(left)} partial files, traceback: {'Traceback' in done.stderr}"
    )
    return (
        good == arguments.good
        and len(bad) == arguments.bad
        and one_line
        and not left
        and "Traceback" not in done.stderr
    )


def done(arguments: argparse.Namespace, top: Path) -> bool:
    """How long a run takes in which all was done before; inputs, outputs and notes are made up."""
    folder, out = top / "in", top / "out"
    folder.mkdir()
    out.mkdir()
    model = str(write_tiny_model(top / "tiny.onnx"))
    for number in range(arguments.files):
        (folder / f"c{number:05}.mp4").touch()
    # One real note tells what the options are, which the made ones then share.
    make(folder / "c00000.mp4", Video(frames=2))
    first = annotate(folder / "*0.mp4", out, model)
    first[first.index(str(folder / "*0.mp4"))] = str(folder / "c0000[0-1].mp4")
    subprocess.run(first, capture_output=True, check=False)
    store = Store(out / ".camstream")
    real: dict[str, Any] = next(
        note
        for path in store.folder.glob("done/*/*.json")
        if (note := json.loads(path.read_text()))["state"] == "done"
    )
    for number in range(arguments.files):
        source = folder / f"c{number:05}.mp4"
        outputs = (out / f"{source.stem}.cam.mp4", out / f"{source.stem}.jsonl")
        for path in outputs:
            path.touch()
        stamp = Stamp.of(source)
        task = Task(source=str(source), outputs=outputs, stamp=stamp, model_sha256="")
        task.__dict__["recipe"] = real["recipe"]
        store.done(task)
    started = time.perf_counter()
    run = subprocess.run(annotate(folder, out, model), capture_output=True, text=True, check=False)
    took_s = time.perf_counter() - started
    print(
        f"{run.stderr.strip()}: {took_s:.2f} s (wanted: 5 s for 10,000), exit code {run.returncode}"
    )
    return run.returncode == 0 and f"{arguments.files} of {arguments.files} files" in run.stderr


def main() -> int:
    """Measure; 1 where something is wrong."""
    parser = argparse.ArgumentParser(description="Measure and disturb runs over many files.")
    parser.add_argument("what", choices=("speed", "kills", "mutated", "done"))
    parser.add_argument("--files", type=int, help="40 for speed, 12 for kills, 10000 for done")
    parser.add_argument("--frames", type=int, default=60, help="of each clip, for speed")
    parser.add_argument("--clip", type=Path, help="cut the clips from this one, for speed")
    parser.add_argument("--model", default="efficientnet_lite0", help="for speed")
    parser.add_argument("--moments", type=int, default=20, help="of each kind, for kills")
    parser.add_argument("--bad", type=int, default=300)
    parser.add_argument("--good", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    ways = {"speed": speed, "kills": kills, "mutated": mutated, "done": done}
    if arguments.files is None:
        arguments.files = {"speed": 40, "kills": 12, "done": 10_000}.get(arguments.what, 0)
    if arguments.clip is not None:
        arguments.clip = arguments.clip.absolute()
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as name:
        is_well = ways[arguments.what](arguments, Path(name))
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main())
