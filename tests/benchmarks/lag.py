"""Measures the live view's lag: python tests/benchmarks/lag.py [--seconds 60] [--window]

A camera of a process of its own serves MJPEG over HTTP on the loopback address, 1280 x 720 at
30 frames a second, with a number in each picture. The numbers are read from the pictures that
are shown, so that the lag is the true one: from the moment the camera sends a picture until it is
on the screen (with --window) or handed to it. Once with the model at its own speed, once slowed
to 5 frames a second.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from camstream.frame import Frame, Prediction
from camstream.live.outputs import RunLimits
from camstream.live.session import LiveSession
from camstream.models import zoo
from camstream.models.session import Model
from camstream.picture import ImageU8
from camstream.sinks.window import Window
from camstream.sources.live import LiveSource
from camstream.testing import FakeDisplay

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.mjpeg import read_number, serve

_CYCLE = 256  # numbers repeat after 8.5 s
_RATE_HZ = 30.0
_MEDIAN_MS, _P95_MS, _GROWTH_MS = 40.0, 80.0, 5.0


class Probe(FakeDisplay):
    """A display that reads the number in each picture as it is shown, in a window or nowhere."""

    def __init__(self, window: Window | None) -> None:
        super().__init__()
        self.displayed: list[tuple[int, float]] = []
        self._window = window
        self._number: int | None = None

    def show(self, image: ImageU8) -> None:
        self._number = read_number(image)
        if self._window is not None:
            self._window.show(image)

    def key(self) -> str | None:
        key = self._window.key() if self._window is not None else None  # this is when it is drawn
        if self._number is not None and (
            not self.displayed or self.displayed[-1][0] != self._number
        ):
            self.displayed.append((self._number, time.perf_counter()))
        return key

    def close(self) -> None:
        if self._window is not None:
            self._window.close()


def _serve_until_told() -> None:
    """What the camera's process does: the URL first, and when each picture was sent at the end."""
    sample = Path(__file__).parents[2] / "videos" / "sample.mp4"
    _, picture = cv2.VideoCapture(str(sample)).read()
    with serve(np.asarray(picture, np.uint8), _RATE_HZ, prepared=_CYCLE) as camera:
        print(camera.url, flush=True)
        sys.stdin.read()
        print(json.dumps(list(camera.sent_at.values())), flush=True)


@contextmanager
def _camera() -> Iterator[tuple[str, Callable[[], list[float]]]]:
    command = [sys.executable, "-P", __file__, "--serve"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def sent_at() -> list[float]:
            stdin.close()
            times: list[float] = json.loads(stdout.readline())
            return times

        yield stdout.readline().strip(), sent_at


def lags_ms(displayed: list[tuple[int, float]], sent_at: list[float]) -> np.ndarray:
    """Give the time from sent to shown of each picture; (n,) milliseconds."""
    sent = np.array(sent_at)
    lags = []
    for number, at in displayed:
        candidates = sent[number::_CYCLE]
        lags.append(at - candidates[candidates <= at].max())
    return np.array(lags) * 1e3


def measure(name: str, model: Model, slow_s: float, seconds: float, *, window: bool) -> bool:
    """Watch for some seconds, print what was measured; True where it is as wanted."""

    def infer(frame: Frame, *, classes: Sequence[int] | None = None) -> Prediction:
        started = time.perf_counter()
        prediction = model.infer(frame, classes=classes)
        rest_s = slow_s - (time.perf_counter() - started)
        if rest_s <= 0:
            return prediction
        time.sleep(rest_s)
        return dataclasses.replace(prediction, infer_ms=slow_s * 1e3)

    probe = Probe(Window("lag") if window else None)
    with _camera() as (url, sent_at):
        session = LiveSession(
            LiveSource(url),
            infer,
            model.info,
            device=model.device,
            display=probe,
            limits=RunLimits(seconds=seconds),
        )
        stats = session.run()
        sent = sent_at()
    lags = lags_ms(probe.displayed, sent)[30:]  # the first second: fonts, the first window
    quarter = len(lags) // 4
    growth = float(np.median(lags[-quarter:]) - np.median(lags[:quarter]))
    times = [at for _, at in probe.displayed]
    median, p95 = np.percentile(lags, (50, 95))
    rate_hz = (len(times) - 1) / (times[-1] - times[0])
    print(
        f"{name}: lag median {median:.1f} ms (wanted < {_MEDIAN_MS:.0f}), p95 {p95:.1f} ms "
        f"(< {_P95_MS:.0f}), growth {growth:+.1f} ms (< {_GROWTH_MS:.0f}) in {seconds:g} s; "
        f"shown {rate_hz:.1f} of {_RATE_HZ:g} pictures a second, {stats.frames_dropped} dropped, "
        f"{stats.frames_mapped} looked at"
    )
    for stage, value in stats.stages_ms.items():
        print(f"    {stage:9s} {value.p50:6.1f} ms (p95 {value.p95:.1f})")
    return bool(median < _MEDIAN_MS and p95 < _P95_MS and growth < _GROWTH_MS)


def main() -> int:
    """Run both measurements."""
    parser = argparse.ArgumentParser(description="Measure the live view's lag.")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--window", action="store_true", help="show it in a real window")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        _serve_until_told()
        return 0
    cv2.setNumThreads(1)
    model = zoo.load_model(device="cpu")
    as_wanted = [
        measure(name, model, slow_s, arguments.seconds, window=arguments.window)
        for name, slow_s in (("own speed", 0.0), ("slowed to 5/s", 0.2))
    ]
    return 0 if all(as_wanted) else 1


if __name__ == "__main__":
    sys.exit(main())
