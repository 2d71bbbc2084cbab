"""Measures several cameras through one model: python -m tests.benchmarks.cameras PART [options]

    many        how many cameras a network carries: maps a second of each, the spread between them,
                their lag, and the processor time of this program (not of the cameras)
    neighbours  what a dead camera and one twenty times too slow change for the others
    cuts        each of four streams is cut again and again: does each come back, and does
                memory stay flat? (--cuts 20, or --minutes 20)

The cameras are one process of their own, which serves MJPEG of 1280 x 720 at 30 pictures a second over
HTTP on the loopback address, encoded beforehand; it takes about a tenth of a core for four. With
--made, pictures are made in this process instead, and nothing is decoded. No window is shown.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import itertools
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from camstream.frame import Frame
from camstream.graph.add_cam import Overrides, add_cam_to_file
from camstream.graph.quantize import Precision
from camstream.live import actions
from camstream.live.outputs import RunLimits
from camstream.live.rack import Looking
from camstream.live.state import LiveState
from camstream.live.wall import WallSession
from camstream.models import together, zoo
from camstream.models.session import Model
from camstream.picture import Picture
from camstream.sources.play import open_live
from camstream.stages import Source
from camstream.stats import RunStats
from camstream.testing import FakeSource
from tests.mjpeg import serve

_ROOT = Path(__file__).parents[2]
_WH = (1280, 720)
_RATE_HZ = 30.0
_SLOW_HZ = _RATE_HZ / 20
_CYCLE = 60  # pictures encoded beforehand
_DEAD = "http://127.0.0.1:9/dead.mjpg"  # the port on which nothing answers
_WANTED_HZ = 25.0
_WARM_S = 3.0  # not counted: opening, first pictures


def _picture() -> NDArray[np.uint8]:
    _, image = cv2.VideoCapture(str(_ROOT / "videos" / "sample.mp4")).read()
    return np.asarray(cv2.resize(np.asarray(image), _WH), np.uint8)


def _serve(rates: Sequence[float]) -> None:
    """What the cameras' process does: the URLs first, then "down K" and "up K" until the end."""
    image = _picture()
    with contextlib.ExitStack() as stack:
        cameras = [
            stack.enter_context(serve(np.roll(image, n * 97, axis=1), rate, prepared=_CYCLE))
            for n, rate in enumerate(rates)
        ]
        for camera in cameras:
            print(camera.url, flush=True)
        for line in sys.stdin:
            what, number = line.split()
            cameras[int(number)].is_up = what == "up"


class Cameras:
    """The cameras' process.

    Attributes:
        urls: Where each is.
    """

    def __init__(self, rates: Sequence[float]) -> None:
        command = [sys.executable, "-m", "tests.benchmarks.cameras", "serve"]
        self._process = subprocess.Popen(
            [*command, *map(str, rates)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=_ROOT,
        )
        assert self._process.stdout is not None
        self.urls = [self._process.stdout.readline().strip() for _ in rates]

    def tell(self, what: str, number: int) -> None:
        """Take a camera from its clients ("down"), or let it serve again ("up")."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{what} {number}\n")
        self._process.stdin.flush()

    def __enter__(self) -> Cameras:
        return self

    def __exit__(self, *_: object) -> None:
        with self._process:
            assert self._process.stdin is not None
            self._process.stdin.close()


def _opened(address: str, waiting: Callable[[float], None]) -> Source:
    if not address.startswith("rtsp://made/"):
        return open_live([address], waiting=waiting)
    picture = Picture.from_bgr(_picture())

    def frames(source: FakeSource) -> Iterator[Frame]:
        due = time.perf_counter()
        for index in itertools.count():
            due += 1 / _RATE_HZ
            if source.stopped.wait(max(0.0, due - time.perf_counter())):
                return
            yield Frame(index, index / _RATE_HZ, time.perf_counter(), picture)

    return FakeSource(frames, is_live=True)


@dataclass(frozen=True, slots=True)
class Run:
    """What a run measured, after its first seconds.

    Attributes:
        maps_hz: Maps a second of each camera.
        lags_ms: Median and 95th percentile of each camera's lag, milliseconds.
        cores: Processor time of this program over time.
        stats: Of the whole run.
    """

    maps_hz: list[float]
    lags_ms: list[tuple[float, float]]
    cores: float
    stats: RunStats


def run(addresses: Sequence[str], model: Model, seconds: float, workers: int | None = None) -> Run:
    """Look at cameras for some seconds."""
    looking = Looking.through(model)
    if workers is not None:
        looking = dataclasses.replace(looking, workers=workers)
    session = WallSession(
        addresses,
        looking,
        open_camera=_opened,
        limits=RunLimits(seconds=_WARM_S + seconds),
    )
    begun: list[tuple[float, float, list[int]]] = []

    def begin() -> None:
        counts = [camera.figures.seen for camera in session.rack.cameras]
        begun.append((time.perf_counter(), time.process_time(), counts))

    timer = threading.Timer(_WARM_S, begin)
    timer.start()
    stats = session.run()
    timer.join()
    at_s, cpu_s, counts = begun[0]
    took_s = time.perf_counter() - at_s
    maps = [
        ((one.frames_mapped or 0) - before) / took_s
        for one, before in zip(stats.cameras, counts, strict=True)
    ]
    lags = [one.stages_ms["lag"] for one in stats.cameras if "lag" in one.stages_ms]
    cores = (time.process_time() - cpu_s) / took_s
    return Run(maps, [(lag.p50, lag.p95) for lag in lags], cores, stats)


def models(names: Sequence[str], folder: Path) -> Iterator[tuple[str, Model]]:
    """Open the networks; "int8" is the default one with 8-bit weights, made on the spot."""
    for name in names:
        if name != "int8":
            yield name, zoo.load_model(name, device="cpu")
            continue
        lower = folder / "int8.onnx"
        precision = Precision("int8", _ROOT / "videos" / "people.mp4")
        full = zoo.load_model(device="cpu").path
        add_cam_to_file(full, lower, Overrides(), precision=precision, progress=lambda _: None)
        yield name, Model(lower, device="cpu")


def many(
    counts: Sequence[int],
    names: Sequence[str],
    seconds: float,
    *,
    made: bool,
    workers: int | None = None,
) -> None:
    """Print what each network does for each number of cameras."""
    with tempfile.TemporaryDirectory() as folder:
        for name, model in models(names, Path(folder)):
            carried = 0
            for count in counts:
                with contextlib.ExitStack() as stack:
                    if made:
                        addresses = [f"rtsp://made/{n}" for n in range(count)]
                    else:
                        addresses = stack.enter_context(Cameras([_RATE_HZ] * count)).urls
                    found = run(addresses, model, seconds, workers)
                rates = np.array(found.maps_hz)
                carried = count if rates.min() >= _WANTED_HZ else carried
                print(
                    f"{name}, {count} {'made' if made else 'MJPEG'} cameras: {rates.mean():.1f} maps/s "
                    f"each (least {rates.min():.1f}), {rates.sum():.0f} together; spread "
                    f"{np.ptp(rates) / rates.mean():.1%} (CV {rates.std() / rates.mean():.2%}); lag "
                    f"{np.median([p50 for p50, _ in found.lags_ms]):.0f} ms, p95 "
                    f"{max(p95 for _, p95 in found.lags_ms):.0f} ms; {found.cores:.2f} cores; a map "
                    f"takes {found.stats.stages_ms['infer'].p50:.1f} ms",
                    flush=True,
                )
            print(f"{name}: {carried} cameras of {list(counts)} with >= {_WANTED_HZ:g} maps/s each")


def neighbours(seconds: float, rounds: int, name: str) -> None:
    """Print the lag of three cameras alone, and beside a dead one and a very slow one, in turns."""
    model = zoo.load_model(name, device="cpu")
    found: dict[str, list[float]] = {"alone": [], "beside": []}
    with Cameras([_RATE_HZ] * 3 + [_SLOW_HZ]) as cameras:
        ways = {"alone": cameras.urls[:3], "beside": [*cameras.urls, _DEAD]}
        for _ in range(rounds):
            for way, addresses in ways.items():
                lags = run(addresses, model, seconds).lags_ms[:3]
                found[way].append(float(np.mean([p95 for _, p95 in lags])))
    alone, beside = (float(np.median(values)) for values in found.values())
    print(
        f"p95 lag of three cameras, {rounds} rounds of {seconds:g} s in turns: alone {alone:.1f} ms, "
        f"beside a dead one and one of {_SLOW_HZ:g} pictures a second {beside:.1f} ms: "
        f"{beside - alone:+.1f} ms (wanted < 5)"
    )


def cuts(count: int, minutes: float, name: str) -> bool:
    """Cut each of four streams so often, or for so long; print how often they came back."""
    model = zoo.load_model(name, device="cpu")
    readings: list[tuple[float, float, int]] = []
    done = [0, 0, 0, 0]
    with Cameras([_RATE_HZ] * 4) as cameras:
        session = WallSession(
            cameras.urls,
            Looking.through(model),
            watch=lambda _: None,
        )

        def all_live(state: LiveState) -> bool:
            return all(camera.state == "live" for camera in state.cameras)

        def steer() -> None:
            begun = time.monotonic()
            for turn in itertools.count():
                is_over = time.monotonic() - begun > minutes * 60 if minutes else turn >= count
                if is_over:
                    break
                for number in range(4):
                    _until(lambda: all_live(session.state))
                    cameras.tell("down", number)
                    _until(lambda n=number: session.state.cameras[n].state == "lost")  # type: ignore[misc]
                    cameras.tell("up", number)
                    done[number] += 1
                readings.append((time.monotonic() - begun, _memory_mb(), threading.active_count()))
            _until(lambda: all_live(session.state))
            session.do(actions.Quit())

        thread = threading.Thread(target=steer)
        thread.start()
        stats = session.run()
        thread.join()
    back = [one.reconnects for one in stats.cameras]
    print(f"{sum(done)} cuts of four streams: {sum(back)} reconnects {back}")
    half = len(readings) // 2
    for begin_s, memory, threads in readings[:: max(1, len(readings) // 8)]:
        print(f"    after {begin_s:5.0f} s: {memory:.0f} MB, {threads} threads")
    if half:
        first, last = (
            np.median([one[1] for one in part]) for part in (readings[:half], readings[half:])
        )
        print(
            f"memory, median of the halves: {first:.0f} MB, {last:.0f} MB ({last - first:+.0f} MB)"
        )
    return back == done


def _until(condition: Callable[[], bool], limit_s: float = 120.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("a camera did not come back in time")
        time.sleep(0.05)


def _memory_mb() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return float("nan")


def batches(device: str) -> None:
    """Print what a frame costs in a call with others, and what would be chosen on a GPU."""
    model = Model(zoo.find_model().path, device=device)
    alone_ms = together.seconds(model, 1) * 1e3
    for size in (1, *together.SIZES):
        each_ms = together.seconds(model, size) / size * 1e3
        print(f"{size} in a call: {each_ms:.2f} ms each, {each_ms / alone_ms:.2f} of one alone")
    print(f"on {model.device}: {together.best_batch(model)} frames at a time")


def main() -> int:
    """Run one part."""
    if sys.argv[1:2] == ["serve"]:
        _serve([float(rate) for rate in sys.argv[2:]])
        return 0
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=["many", "neighbours", "cuts", "batches"])
    parser.add_argument("--cameras", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--models", nargs="+", default=[zoo.DEFAULT_MODEL, "int8", "person"])
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--device", default="auto", help="of batches")
    parser.add_argument("--made", action="store_true", help="sources made in this process")
    parser.add_argument("--workers", type=int, help="threads that look; default: a core each")
    parser.add_argument("--rounds", type=int, default=3, help="of neighbours")
    parser.add_argument("--cuts", type=int, default=20, help="of each stream")
    parser.add_argument("--minutes", type=float, default=0, help="cut for so long instead")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    if given.part == "many":
        many(
            given.cameras,
            given.models,
            given.seconds,
            made=given.made,
            workers=given.workers,
        )
    elif given.part == "neighbours":
        neighbours(given.seconds, given.rounds, given.models[0])
    elif given.part == "batches":
        batches(given.device)
    else:
        return 0 if cuts(given.cuts, given.minutes, given.models[0]) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
