"""Archives under kill -9, Ray against the pool, and where more workers stop to help.

    python -m tests.benchmarks.archive kills --who worker --moments 20            # in the pool
    python -m tests.benchmarks.archive kills --who driver --moments 20 --ray
    python -m tests.benchmarks.archive kills --who cluster --moments 20 --ray
    python -m tests.benchmarks.archive engines --clips 12 --seconds 12
    python -m tests.benchmarks.archive scale --videos 2000
    python -m tests.benchmarks.archive cost ../shared/data/videos/intel_bottle.mp4
    python -m tests.benchmarks.archive ways                                # Ray's actors or Ray Data

``kills`` ends processes at random moments, runs the same command again until it is through, and
compares the archive, row by row, with that of an undisturbed run. ``engines`` does the same clips in a
pool and on a local cluster. ``scale`` measures what the one process that hands out the work does for a
video, and simulates so many workers. ``cost`` tells the seconds of one core for an hour of video.
"""

from __future__ import annotations

import argparse
import heapq
import importlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from camstream.archive.options import LookOptions, WorkerOptions
from camstream.archive.tasks import find_videos, message_of, plan_archive, task_of
from camstream.archive.work import ArchiveWork
from camstream.batch.store import Store
from camstream.testing import write_tiny_model
from tests.archive import clips, sets

_MOST_STARTS = 5


class Watched:
    """A run of the command, whose processes may be killed."""

    def __init__(self, arguments: Sequence[str], log: Path) -> None:
        command = [sys.executable, "-m", "camstream", "archive", *arguments]
        with log.open("a") as to:
            self._process = subprocess.Popen(
                command, stdout=to, stderr=subprocess.STDOUT, start_new_session=True
            )

    @property
    def code(self) -> int | None:
        return self._process.poll()

    def wait(self, timeout_s: float = 600) -> int:
        return self._process.wait(timeout_s)

    def others(self) -> list[psutil.Process]:
        """All processes below it."""
        try:
            return psutil.Process(self._process.pid).children(recursive=True)
        except psutil.Error:
            return []

    def workers(self) -> list[psutil.Process]:
        """Those that look at videos."""
        return [one for one in self.others() if _is_worker(one)]

    def kill(self, who: str) -> int:
        """Kill; returns how many processes."""
        if who == "worker":
            chosen = random.sample(found, 1) if (found := self.workers()) else []
        else:
            chosen = self.others()
            if who == "driver":
                chosen = [psutil.Process(self._process.pid)] if self.code is None else []
        for one in chosen:
            try:
                one.send_signal(signal.SIGKILL)
            except psutil.Error:
                continue
        return len(chosen)


def _is_worker(process: psutil.Process) -> bool:
    try:
        words = " ".join(process.cmdline())
    except psutil.Error:
        return False
    return "camstream.batch.worker" in words or "ray::Worker" in words


def stamps(target: Path) -> dict[str, int]:
    """When each video's row was written."""
    return {path.name: path.stat().st_mtime_ns for path in (target / "videos").glob("*.parquet")}


def make_clips(folder: Path, count: int) -> Path:
    """Short clips, two that are cut into parts, and one that is none."""
    folder.mkdir(parents=True)
    clips.write(folder / "long.mp4", frames=600, g="15", bf="3", x264_params="open-gop=1")
    clips.write_uneven(folder / "uneven.mkv", frames=300)
    first = clips.write(folder / "c000.mp4", frames=120, g="30")
    for number in range(1, count):
        shutil.copy(first, folder / f"c{number:03d}.mp4")
    (folder / "bad.mp4").write_bytes(b"no video at all")
    return folder


def kills(arguments: argparse.Namespace) -> None:
    """Kill at random moments, and compare."""
    chance = random.Random(arguments.seed)
    random.seed(arguments.seed)
    work = Path(arguments.work or tempfile.mkdtemp(prefix="camstream-kills-"))
    videos = make_clips(work / "videos", arguments.clips)
    model = write_tiny_model(work / "tiny.onnx", background="dark", dark_bias=200)
    common = [str(videos), "--model", str(model), "--rate-hz", "10", "--jobs", "2"]
    common += ["--part-minutes", "0.05", *(["--ray", "local"] if arguments.ray else [])]
    reference, log = work / "reference", work / "log.txt"
    begun_s = time.monotonic()
    Watched([*common, "-o", str(reference)], log).wait()
    whole_s = time.monotonic() - begun_s
    wanted, rows = sets.videos(reference), sets.records(reference)
    print(
        f"undisturbed: {whole_s:.1f} s, {len(wanted)} videos, {sum(map(len, rows.values()))} rows"
    )
    lost = doubled = wrong = untidy = repeated = killed = starts = 0
    for moment in range(arguments.moments):
        target = work / f"seen{moment}"
        at_s = chance.uniform(0.05, 1.0) * whole_s
        run = Watched([*common, "-o", str(target)], log)
        begun_s = time.monotonic()
        while run.code is None and time.monotonic() - begun_s < at_s:
            time.sleep(0.01)
        done = run.kill(arguments.who)
        while not done and run.code is None:  # there is no worker yet
            time.sleep(0.01)
            done = run.kill(arguments.who)
        killed += done
        before = stamps(target)
        run.wait()
        for other in run.others():
            other.kill()
        for _ in range(_MOST_STARTS):
            after = stamps(target)
            if (
                after.keys() >= {f"{name}.parquet" for name in wanted}
                and run.code is not None
                and run.code >= 0
            ):
                break
            starts += 1
            run = Watched([*common, "-o", str(target)], log)
            run.wait()
        after = stamps(target)
        repeated += sum(after.get(name) != stamp for name, stamp in before.items())
        try:
            found = sets.records(target)
        except AssertionError:
            doubled += 1
            continue
        lost += len(rows.keys() - found.keys())
        doubled += len(found.keys() - rows.keys())
        wrong += sum(found.get(name) != rows[name] for name in rows)
        wrong += sets.videos(target) != wanted
        untidy += not sets.is_tidy(target)
        print(f"{moment + 1}: killed at {at_s:.1f} s, had {len(before)} videos", flush=True)
        shutil.rmtree(target)
    engine = "Ray" if arguments.ray else "pool"
    print(
        f"{engine}, kill -9 of a {arguments.who} at {arguments.moments} moments: {killed} processes "
        f"killed, {starts} starts more; {lost} videos lost, {doubled} doubled, {wrong} different from "
        f"the undisturbed run, {repeated} finished ones done again, {untidy} untidy"
    )
    if not arguments.work:
        shutil.rmtree(work)


def engines(arguments: argparse.Namespace) -> None:
    """The same clips by the pool and by Ray, one after the other, several times."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        folder = work / "videos"
        folder.mkdir()
        first = folder / "c0.mp4"
        clips.write(
            first,
            frames=int(30 * arguments.seconds),
            size_wh=(1280, 720),
            g="60",
            preset="ultrafast",
        )
        for number in range(1, arguments.clips):
            shutil.copy(first, folder / f"c{number}.mp4")
        common = [str(folder), "--rate-hz", str(arguments.rate_hz), "--jobs", str(arguments.jobs)]
        took: dict[str, list[float]] = {"pool": [], "ray": []}
        for turn in range(arguments.turns):
            for engine, more in (("pool", []), ("ray", ["--ray", "local"])):
                target = work / f"{engine}{turn}"
                begun_s = time.monotonic()
                code = Watched([*common, *more, "-o", str(target)], work / "log.txt").wait()
                whole_s = time.monotonic() - begun_s
                busy_s = _busy_s(target)
                took[engine].append(busy_s)
                print(
                    f"{engine}: {whole_s:.1f} s, first to last video {busy_s:.1f} s (exit {code})"
                )
        pool, ray = min(took["pool"]), min(took["ray"])
        print(
            f"{arguments.clips} clips of {arguments.seconds:g} s, 720p, {arguments.jobs} workers: "
            f"Ray / pool = {ray / pool:.3f} from the first video's end to the last one's (wanted 1.05)"
        )


def _busy_s(target: Path) -> float:
    """From the end of the first video to that of the last one: without the start of an engine."""
    times = sorted(stamps(target).values())
    return (times[-1] - times[0]) / 1e9


def scale(arguments: argparse.Namespace) -> None:
    """Measure what one process does for each video, and simulate workers."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        folder, target = work / "videos", work / "seen"
        folder.mkdir()
        first = clips.write(work / "c.mp4", frames=300)
        for number in range(arguments.videos):
            os.link(first, folder / f"c{number:06d}.mp4")
        (target / "videos").mkdir(parents=True)
        with timed("finding and planning", arguments.videos) as plan_s:
            videos = find_videos([str(folder)])
            tasks = [task_of(video, str(target), LookOptions(), "0" * 64) for video in videos]
            store = Store(target)
            plan_archive(tasks, store, str(target), retry_failed=False, anew=False)
        with timed("notes (begun, done)", arguments.videos) as note_s:
            for task in tasks:
                store.begin(task)
                store.done(task, {"files": {"records/day=2026-11-28/0.parquet": 0}, "frames": 20})
        (target / "records" / "day=2026-11-28").mkdir(parents=True)
        (target / "records" / "day=2026-11-28" / "0.parquet").touch()
        with timed("planning when all is done", arguments.videos):
            plan_archive(tasks, store, str(target), retry_failed=False, anew=False)
        work_s = _work_s(work, first)
        footer_s = _footer_s(work / "real" / "records")
    serial_s = sum(note_s)
    print(
        f"a worker takes {work_s * 1e3:.0f} ms for a clip of 10 s; a footer {footer_s * 1e3:.2f} ms"
    )
    for length_s, label in ((10.0, "clips of 10 s"), (600.0, "parts of 10 minutes")):
        task_s = work_s * length_s / 10
        print(
            f"{label}: {task_s:.2f} s of a worker each, {serial_s * 1e3:.2f} ms of the one process"
        )
        for workers in (1, 2, 4, 8, 64, 1024):
            rate = simulate(
                workers, task_s=task_s, serial_s=serial_s, tasks=max(2000, 20 * workers)
            )
            ideal = workers / task_s
            hours = rate * length_s
            print(
                f"  {workers:5} workers: {rate:9.1f} tasks/s, {100 * rate / ideal:5.1f} % of ideal, "
                f"{hours:9.1f} hours of video an hour"
            )
    print(
        f"1,000,000 videos: {sum(plan_s) * 1e6 / 3600:.2f} h of planning, footers "
        f"{footer_s * 1e6 / 3600:.2f} h for one who reads them all one after the other"
    )


@contextmanager
def timed(what: str, count: int) -> Iterator[list[float]]:
    """Measure the body; the list has the seconds a video afterwards."""
    found: list[float] = []
    begun_s = time.perf_counter()
    yield found
    found.append((time.perf_counter() - begun_s) / count)
    print(f"{what}: {found[0] * 1e3:.3f} ms a video, {found[0] * 10_000:.2f} s for 10,000")


def _work_s(work: Path, clip: Path) -> float:
    """Seconds that one worker, with one thread, takes for a video."""
    target = work / "real"
    target.mkdir()
    options = WorkerOptions(look=LookOptions(), target=str(target), threads=1, part_s=0)
    worker = ArchiveWork(options)
    (video,) = find_videos([str(clip)])
    message = message_of(task_of(video, str(target), LookOptions(), ""), video) | {"step": "video"}
    took = []
    for _ in range(5):
        begun_s = time.perf_counter()
        worker.run(message, _Alone())
        took.append(time.perf_counter() - begun_s)
    return min(took)


class _Alone:
    def progress(self, done: int, total: int | None = None, label: str = "") -> None:
        pass

    def is_stopped(self) -> bool:
        return False


def _footer_s(folder: Path) -> float:
    import pyarrow.parquet as pq

    (path,) = folder.glob("*/*.parquet")
    begun_s = time.perf_counter()
    for _ in range(200):
        pq.ParquetFile(path).close()
    return (time.perf_counter() - begun_s) / 200


def simulate(workers: int, *, task_s: float, serial_s: float, tasks: int) -> float:
    """Return tasks a second: a task ends, one process notes it and gives the next one away."""
    chance = random.Random(1)
    free_s = 0.0  # when the one process has time
    ends = [(0.0, number) for number in range(workers)]
    heapq.heapify(ends)
    for _ in range(tasks):
        end_s, number = heapq.heappop(ends)
        free_s = max(free_s, end_s) + serial_s
        heapq.heappush(ends, (free_s + task_s * chance.uniform(0.7, 1.3), number))
    return tasks / max(end_s for end_s, _ in ends)


def cost(arguments: argparse.Namespace) -> None:
    """Seconds of processor for an hour of video, by kind."""
    with tempfile.TemporaryDirectory() as name:
        for rate_hz in (one or None for one in arguments.rate_hz):
            look = LookOptions(rate_hz=rate_hz)
            target = Path(name) / f"at{rate_hz}"
            target.mkdir()
            options = WorkerOptions(look=look, target=str(target), model=arguments.model, threads=1)
            worker = ArchiveWork(options)
            for video in find_videos(arguments.videos):
                message = message_of(task_of(video, str(target), look, ""), video)
                used_s, begun_s = time.process_time(), time.perf_counter()
                result = worker.run(message | {"step": "video", "uncut": ""}, _Alone())
                used_s, wall_s = time.process_time() - used_s, time.perf_counter() - begun_s
                (row,) = [
                    one for one in sets.videos(target).values() if one["path"] == video.source
                ]
                size = sum(path.stat().st_size for path in target.rglob(f"{video.id}.parquet"))
                hours = result["duration_s"] / 3600
                print(
                    f"{Path(video.source).name} {row['width']}x{row['height']}, "
                    f"{row['video_rate_hz']:.1f} frames/s, looked at {rate_hz or 'every'}: "
                    f"{used_s / hours:.0f} s of processor and {wall_s / hours:.0f} s an hour of video, "
                    f"{size / hours / 1e6:.2f} MB, {result['frames'] / hours:.0f} rows"
                )


class _Sleeper:
    """An actor for ``ways``: a task takes a fixed time."""

    def run(self, seconds: float) -> float:
        time.sleep(seconds)
        return time.time()

    def __call__(self, row: dict[str, float]) -> dict[str, float]:
        """Do the same for a row of Ray Data."""
        return {"ended": self.run(row["seconds"])}


def ways(arguments: argparse.Namespace) -> None:
    """Actors against Ray Data: what each adds to tasks of a fixed time, and when results come."""
    ray: Any = importlib.import_module("ray")
    importlib.import_module("ray.data")

    ray.init(address="local", include_dashboard=False, log_to_driver=False, logging_level="error")
    count, seconds, workers = arguments.tasks, arguments.seconds, 2
    ideal_s = count * seconds / workers
    for _ in range(2):  # the first time also starts processes
        begun_s = time.time()
        actors = [ray.remote(_Sleeper).remote() for _ in range(workers)]
        pending = {actor.run.remote(seconds): actor for actor in actors}
        left, first_s = count - workers, 0.0
        while pending:
            ready, _ = ray.wait(list(pending), num_returns=1)
            first_s = first_s or time.time() - begun_s
            actor = pending.pop(ready[0])
            if left:
                left -= 1
                pending[actor.run.remote(seconds)] = actor
        print(_way("actors", time.time() - begun_s, first_s, ideal_s))
        del actors, actor
        begun_s, first_s = time.time(), 0.0
        ray.data.DataContext.get_current().enable_progress_bars = False
        rows = ray.data.from_items([{"seconds": seconds}] * count, override_num_blocks=count)
        for _ in rows.map(_Sleeper, concurrency=workers).iter_rows():
            first_s = first_s or time.time() - begun_s
        print(_way("Ray Data", time.time() - begun_s, first_s, ideal_s))
    ray.shutdown()


def _way(name: str, whole_s: float, first_s: float, ideal_s: float) -> str:
    return f"{name}: {whole_s:.2f} s ({whole_s / ideal_s:.3f} of ideal), first result at {first_s:.2f} s"


def main() -> None:
    """Run one of them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    kinds = parser.add_subparsers(required=True)
    one = kinds.add_parser("kills")
    one.add_argument("--who", choices=("worker", "driver", "cluster"), default="worker")
    one.add_argument("--moments", type=int, default=20)
    one.add_argument("--ray", action="store_true", help="on a local cluster instead of the pool")
    one.add_argument("--clips", type=int, default=30)
    one.add_argument("--seed", type=int, default=1)
    one.add_argument("--work", help="an empty folder that is kept, with the log")
    one.set_defaults(run=kills)
    two = kinds.add_parser("engines")
    two.add_argument("--clips", type=int, default=12)
    two.add_argument("--seconds", type=float, default=12)
    two.add_argument("--rate-hz", type=float, default=10)
    two.add_argument("--jobs", type=int, default=2)
    two.add_argument("--turns", type=int, default=2)
    two.set_defaults(run=engines)
    three = kinds.add_parser("scale")
    three.add_argument("--videos", type=int, default=2000)
    three.set_defaults(run=scale)
    four = kinds.add_parser("cost")
    four.add_argument("videos", nargs="+", help="real videos")
    four.add_argument("--rate-hz", type=float, nargs="+", default=[0, 10, 2, 0.5])
    four.add_argument("--model", default="efficientnet_lite0")
    four.set_defaults(run=cost)
    five = kinds.add_parser("ways", help="needs ray[data]")
    five.add_argument("--tasks", type=int, default=100)
    five.add_argument("--seconds", type=float, default=0.2)
    five.set_defaults(run=ways)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
