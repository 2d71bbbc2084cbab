"""A long live run against a camera that fails all the time: python -m tests.benchmarks.soak

A server on the loopback address sends MJPEG and, every few seconds, fails: cuts the connection, refuses
new ones, stalls, sends garbage, changes the picture's size, also to odd ones. ``camstream live``
records all of it. At steps its memory, threads and descriptors are read (Linux); at the end their
slope is printed, and the recording and the records are read back. The recording is Matroska: the muxer of mp4
keeps the file's index in memory until the end, 88 bytes a frame, 5 MB an hour at 15 frames a second.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random

import av
import cv2
import numpy as np

from tests.clips import numbered

_SLOPE_MB = 1.0  # wanted, an hour
_MINUTE_S = 60.0
_WARM_UP = 0.25  # part of the run before the slope is measured
_RATE_HZ = 15.0
_SIZES_WH = ((640, 480), (320, 240), (1280, 720), (321, 241), (641, 359))
_FAULTS = ("cut", "refuse", "stall", "garbage", "half", "empty", "size", "size")


class FailingCamera:
    """What the server sends, and how it fails.

    Attributes:
        counts: How often it failed, by kind.
        sent: How many pictures it sent.
    """

    def __init__(self, seed: int) -> None:
        self.counts: Counter[str] = Counter()
        self.sent = 0
        self.ended = threading.Event()
        self._random = Random(seed)
        self._refuses_until = 0.0
        self._size = 0
        self._jpegs = [
            [cv2.imencode(".jpg", numbered(n, size))[1].tobytes() for n in range(30)]
            for size in _SIZES_WH
        ]

    @property
    def refuses(self) -> bool:
        """Whether new connections get an error now."""
        return time.monotonic() < self._refuses_until

    def parts(self) -> Iterator[bytes]:
        """Give the bodies of one connection's parts until it is to be cut."""
        due = time.monotonic()
        fails_at = due + self._random.uniform(3, 12)
        while not self.ended.is_set():
            due = max(due + 1 / _RATE_HZ, time.monotonic() - 1)
            self.ended.wait(max(0.0, due - time.monotonic()))
            jpeg = self._jpegs[self._size][self.sent % 30]
            if time.monotonic() >= fails_at:
                fault = self._random.choice(_FAULTS)
                self.counts[fault] += 1
                fails_at = time.monotonic() + self._random.uniform(3, 12)
                if fault in ("cut", "refuse"):
                    self._refuses_until = time.monotonic() + (5 if fault == "refuse" else 0)
                    return
                jpeg = self._faulty(fault, jpeg)
            self.sent += 1
            yield jpeg

    def _faulty(self, fault: str, jpeg: bytes) -> bytes:
        match fault:
            case "stall":
                self.ended.wait(self._random.uniform(1, 9))
            case "garbage":
                return self._random.randbytes(self._random.randrange(1, 100_000))
            case "half":
                return jpeg[: self._random.randrange(len(jpeg))]
            case "empty":
                return b""
            case "size":
                self._size = self._random.randrange(len(_SIZES_WH))
        return jpeg


@contextmanager
def serve(camera: FailingCamera) -> Iterator[str]:
    """Serve a camera; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if camera.refuses:
                self.send_error(503)
                return
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            try:
                for part in camera.parts():
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(part)}\r\n\r\n"
                    self.wfile.write(head.encode() + part + b"\r\n")
                    self.wfile.flush()
            except OSError:
                pass  # the client hung up

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/stream.mjpg"
    finally:
        camera.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass(frozen=True, slots=True)
class Sample:
    """What a process holds at one moment: seconds since its start, MB, counts."""

    at_s: float
    memory_mb: float
    threads: int
    descriptors: int


def sample(pid: int, started: float) -> Sample:
    """Read what a process holds (Linux)."""
    values = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    memory_mb = int(values["VmRSS"].split()[0]) / 1000
    descriptors = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return Sample(time.monotonic() - started, memory_mb, int(values["Threads"]), descriptors)


def slope_mb(samples: list[Sample]) -> float:
    """Give the growth of memory after the warm-up, MB an hour: a line through what is least each minute.

    Live gives spare memory back twice a minute; what lies between is no growth.
    """
    least: dict[int, Sample] = {}
    for one in samples:
        if one.at_s >= _WARM_UP * samples[-1].at_s:
            before = least.setdefault(int(one.at_s // _MINUTE_S), one)
            if one.memory_mb < before.memory_mb:
                least[int(one.at_s // _MINUTE_S)] = one
    hours, memory = zip(*((one.at_s / 3600, one.memory_mb) for one in least.values()), strict=True)
    return float(np.polyfit(hours, memory, 1)[0])


def watch(process: subprocess.Popen[str], seconds: float) -> list[Sample]:
    """Read and print what the process holds, until it ends."""
    started, samples = time.monotonic(), []
    step_s = min(10.0, seconds / 30)
    while process.poll() is None and time.monotonic() < started + seconds + 60:
        time.sleep(step_s)
        try:
            samples.append(sample(process.pid, started))
        except (OSError, KeyError):  # it has just ended
            break
        if len(samples) % max(1, round(seconds / 12 / step_s)) == 0:
            now = samples[-1]
            print(
                f"{now.at_s:6.0f} s: {now.memory_mb:6.1f} MB, {now.threads} threads, "
                f"{now.descriptors} descriptors",
                flush=True,
            )
    return [one for one in samples if one.at_s < seconds - step_s]


def read_back(folder: Path, video: str) -> str:
    """Read the outputs; says how much is in them."""
    with av.open(str(folder / video)) as container:
        frames = sum(1 for _ in container.decode(video=0))
    lines = (folder / "seen.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    sizes = {tuple(record["size_wh"]) for record in records}
    return f"{frames} frames recorded, {len(records)} records of {len(sizes)} sizes"


def main() -> int:
    """Run it; 1 where something grows or ends too early."""
    parser = argparse.ArgumentParser(description="Measure a long live run with faults.")
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", default="efficientnet_lite0")
    parser.add_argument("--video", default="seen.mkv", help="an mp4 holds its index, 88 B a frame")
    arguments = parser.parse_args()
    camera = FailingCamera(arguments.seed)
    with serve(camera) as url, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [sys.executable, "-m", "camstream", "live", url, "--no-window"]
        command += ["--seconds", f"{arguments.seconds}", "-m", arguments.model]
        command += ["-o", str(folder / arguments.video), "--records", str(folder / "seen.jsonl")]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            try:
                samples = watch(process, arguments.seconds)
            finally:
                process.terminate()
            printed, _ = process.communicate(timeout=60)
        lines = printed.splitlines()
        print("\n".join(lines[-3:]))
        print(f"exit code {process.returncode}; {read_back(folder, arguments.video)}")
    print(f"{camera.sent} pictures sent; faults: {dict(sorted(camera.counts.items()))}")
    late = [one for one in samples if one.at_s >= _WARM_UP * samples[-1].at_s]
    threads = sorted({one.threads for one in late})
    descriptors = sorted({one.descriptors for one in late})
    slope = slope_mb(samples)
    print(
        f"memory {slope:+.2f} MB an hour (wanted <= {_SLOPE_MB:g}) over {late[-1].at_s:.0f} s, "
        f"{late[0].memory_mb:.1f} to {late[-1].memory_mb:.1f} MB; threads {threads}; "
        f"descriptors {descriptors}"
    )
    is_well = process.returncode == 0 and slope <= _SLOPE_MB and "Traceback" not in printed
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main())
