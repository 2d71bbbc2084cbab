"""Measures the page: python tests/benchmarks/web.py [--seconds 20] [--only lag cpu first cuts]

The page itself runs in headless Chromium (--chromium, driven by Playwright). A made source of
1280 x 720 at 30 frames a second draws a number into each frame; a script reads it back from the canvas
that the page has painted, so that the lag is the true one, from the frame's capture to its painting.

lag    capture to painting, alone and with a second viewer beside it that is held to 1 Mbit/s
cpu    processor time of the process of camstream with 1 viewer and with 10, which take each picture
       in a process of their own
first  from the page (its DOM is there) to its first picture, 20 times
cuts   the server goes away and comes back 20 times, then the source does: how often the page has pictures again

Nobody else should use the machine: two cores are not many for camstream, a source and a browser.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from camstream.frame import Frame
from camstream.live.session import LiveSession
from camstream.models import zoo
from camstream.models.session import Model
from camstream.picture import Picture
from camstream.testing import FakeSource
from camstream.web.place import Place
from camstream.web.server import WebServer
from tests.mjpeg import draw_number

_WH = (1280, 720)
_RATE_HZ = 30.0
_CYCLE = 64  # numbers repeat after 2.1 s
_CUTS = 20
_BITS, _CELL_PX = 20, 8  # of ``tests.mjpeg.draw_number``
_LIMIT_BYTES_S = 125_000  # 1 Mbit/s

# Reads the number of each picture that is painted onto a canvas, once the browser has shown it.
_PROBE = """
(() => {
  const seen = (window.__seen = []);
  const original = CanvasRenderingContext2D.prototype.drawImage;
  CanvasRenderingContext2D.prototype.drawImage = function (...values) {
    original.apply(this, values);
    const strip = this.getImageData(0, this.canvas.height - CELL / 2, BITS * 2 * CELL, 1).data;
    let number = 0;
    for (let bit = 0; bit < BITS; bit++) {
      const at = (cell) => strip[(bit * 2 * CELL + cell * CELL + CELL / 2) * 4 + 1];
      if (at(0) > at(1)) number += 2 ** bit;
    }
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => seen.push([number, performance.timeOrigin + performance.now()]);
    requestAnimationFrame(() => port2.postMessage(0)); // after the frame in which it is shown
  };
})();
""".replace("BITS", str(_BITS)).replace("CELL", str(_CELL_PX))


class Numbered:
    """A source that makes numbered frames.

    Attributes:
        captured_ms: Times at which frames were captured, milliseconds since 1970, by number.
        is_up: False: no frame comes, and the source says so.
    """

    def __init__(self) -> None:
        noise = np.random.default_rng(0).integers(0, 255, (36, 64, 3), np.uint8)
        ground = cv2.resize(noise, _WH, interpolation=cv2.INTER_CUBIC)
        self._pictures = []
        for number in range(_CYCLE):
            image = np.roll(ground, number * 8, axis=1).astype(np.uint8)
            draw_number(image, number)
            self._pictures.append(Picture.from_bgr(image).yuv420())
        self.captured_ms: list[list[float]] = [[] for _ in range(_CYCLE)]
        self.is_up = True

    def source(self) -> FakeSource:
        return FakeSource(self._frames, is_live=True)

    def _frames(self, source: FakeSource) -> Iterator[Frame]:
        due = time.perf_counter()
        index = 0
        while True:
            due = max(due + 1 / _RATE_HZ, time.perf_counter() - 0.1)
            if source.stopped.wait(max(0.0, due - time.perf_counter())):
                return
            source.state = "" if self.is_up else "no picture: reconnecting, attempt 1"
            if not self.is_up:
                continue
            number = index % _CYCLE
            self.captured_ms[number].append(time.time() * 1e3)
            yield Frame(index, index / _RATE_HZ, time.perf_counter(), self._pictures[number])
            index += 1

    def lags_ms(self, seen: Sequence[tuple[int, float]]) -> list[float]:
        """The age of each number that was seen, of pictures that were new."""
        lags, last = [], -1
        for number, at_ms in seen:
            before = [one for one in self.captured_ms[number % _CYCLE] if one <= at_ms]
            if number != last and before:
                lags.append(at_ms - before[-1])
            last = number
        return lags


class Run:
    """A session and its server, which can be cut."""

    def __init__(self, model: Model) -> None:
        self.numbered = Numbered()
        self.server = WebServer(Place("127.0.0.1", 0))
        self._ended = threading.Event()
        self._session = LiveSession(
            self.numbered.source(),
            model.infer,
            model.info,
            device=model.device,
            watch=lambda state: self.server.hub.see(state),
            stop=self._ended.is_set,
        )
        self._thread = threading.Thread(target=self._session.run, daemon=True)
        self.link = self.server.link()

    def start(self) -> None:
        self.server.attach(self._session)
        self.server.start()
        self._thread.start()

    def cut_server(self) -> None:
        """Take the server away for a moment, and let another one begin at the same place."""
        place = self.server.place
        self.server.stop()
        time.sleep(0.3)
        server = WebServer(place)
        server.attach(self._session)
        server.start()
        self.server = server

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()
        self.server.stop()


@contextlib.contextmanager
def running(model: Model) -> Iterator[Run]:
    run = Run(model)
    run.start()
    try:
        yield run
    finally:
        run.stop()


async def _look(address: str) -> None:
    """Take each picture of a server, and acknowledge it at once."""
    from websockets.asyncio.client import connect

    async with connect(address, max_size=None, compression=None) as socket:
        async for taken in socket:
            if isinstance(taken, bytes):
                number = int.from_bytes(taken[:4], "big")
                await socket.send(json.dumps({"type": "ack", "picture": number}))


async def _look_slowly(port: int) -> None:
    """Be a viewer behind a line of 1 Mbit/s: an own one, as Chromium slows no sockets."""

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", port, limit=4096)

        async def copy(a: asyncio.StreamReader, b: asyncio.StreamWriter, rate: float) -> None:
            while data := await a.read(4096):
                b.write(data)
                await b.drain()
                await asyncio.sleep(len(data) / rate)

        await asyncio.gather(
            copy(reader, there_writer, 1e9), copy(there_reader, writer, _LIMIT_BYTES_S)
        )

    relaying = await asyncio.start_server(relay, "127.0.0.1", 0)
    await _look(f"ws://127.0.0.1:{relaying.sockets[0].getsockname()[1]}/live")


@contextlib.contextmanager
def viewers(link: str, count: int, *, slow: bool = False) -> Iterator[None]:
    """Let viewers look in a process of their own while the body runs."""
    command = [sys.executable, __file__, "--look", link, str(count), *(["--slow"] if slow else [])]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "looking\n"
        time.sleep(2)
        assert child.poll() is None
        yield
    finally:
        child.kill()
        child.wait()


async def look(link: str, count: int, *, slow: bool) -> None:
    address = link.replace("http", "ws") + "live"
    print("looking", flush=True)
    port = int(link.rstrip("/").rpartition(":")[2])
    await asyncio.gather(*(_look_slowly(port) if slow else _look(address) for _ in range(count)))


@contextlib.contextmanager
def browser(chromium: str) -> Iterator[Any]:
    """Start a headless Chromium; yields a function that opens a page."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        context = started.new_context(viewport={"width": 1400, "height": 900})
        context.add_init_script(_PROBE)
        try:
            yield context.new_page
        finally:
            started.close()


def _seen(page: Any) -> list[tuple[int, float]]:
    return [tuple(one) for one in page.evaluate("window.__seen.splice(0)")]


def _wait_for_picture(page: Any) -> None:
    """Poll: what Playwright would wait with is eval in the page, which its policy forbids."""
    deadline = time.perf_counter() + 30
    while not page.evaluate("window.__seen.length"):
        assert time.perf_counter() < deadline, "no picture was painted"
        page.wait_for_timeout(20)


def _said(lags_ms: Sequence[float], seconds: float) -> str:
    if not lags_ms:
        return "no picture was painted"
    p50, p95 = np.percentile(lags_ms, (50, 95))
    rate = len(lags_ms) / seconds
    return f"p50 {p50:.1f} ms, p95 {p95:.1f} ms, {rate:.1f} pictures a second"


def measure_lag(model: Model, chromium: str, seconds: float) -> None:
    with running(model) as run, browser(chromium) as open_page:
        page = open_page()
        page.goto(run.link)
        page.wait_for_timeout(3000)
        for name, slow in (("alone", False), ("beside a viewer held to 1 Mbit/s", True)):
            with viewers(run.link, 1, slow=True) if slow else contextlib.nullcontext():
                _seen(page)
                page.wait_for_timeout(seconds * 1e3)
                lags = run.numbered.lags_ms(_seen(page))
                print(f"lag, capture to painting, {name}: {_said(lags, seconds)} (wanted 40, 80)")


def measure_cpu(model: Model, seconds: float) -> None:
    """Compare in turns, so that a machine that slows down is no difference."""
    spent: dict[int, list[float]] = {1: [], 10: []}
    encoded: dict[int, int] = {1: 0, 10: 0}
    with running(model) as run:
        for count in (1, 10, 1, 10):
            with viewers(run.link, count):
                pictures, begun = run.server.hub.encoded, time.process_time()
                time.sleep(seconds / 2)
                spent[count].append(time.process_time() - begun)
                encoded[count] += run.server.hub.encoded - pictures
    one, ten = (sum(spent[count]) for count in (1, 10))
    print(
        f"processor time: 10 viewers / 1 viewer = {ten / one:.3f} (wanted 1.15); "
        f"{one / seconds:.2f} and {ten / seconds:.2f} of a core, "
        f"{encoded[1] / seconds:.1f} and {encoded[10] / seconds:.1f} pictures a second encoded"
    )


def measure_first(model: Model, chromium: str) -> None:
    waits = []
    with running(model) as run, browser(chromium) as open_page:
        time.sleep(1)
        for _ in range(20):
            page = open_page()
            page.goto(run.link)
            _wait_for_picture(page)
            waits.append(
                page.evaluate(
                    "window.__seen[0][1] - performance.timeOrigin"
                    " - performance.getEntriesByType('navigation')[0].domInteractive"
                )
            )
            page.close()
    p50, most = np.median(waits), max(waits)
    print(f"first picture after the page: median {p50:.0f} ms, longest {most:.0f} ms (wanted 300)")


def measure_cuts(model: Model, chromium: str) -> None:
    def comes_back(page: Any) -> float | None:
        begun = time.perf_counter()
        _seen(page)
        while time.perf_counter() - begun < 30:
            page.wait_for_timeout(20)
            if len(_seen(page)) >= 2:
                return time.perf_counter() - begun
        return None

    with running(model) as run, browser(chromium) as open_page:
        page = open_page()
        page.goto(run.link)
        _wait_for_picture(page)
        for what in ("server", "source"):
            backs = []
            for _ in range(_CUTS):
                if what == "server":
                    run.cut_server()
                else:
                    run.numbered.is_up = False
                    page.wait_for_timeout(1500)
                    run.numbered.is_up = True
                backs.append(comes_back(page))
            came = [one for one in backs if one is not None]
            longest = f", longest {max(came):.1f} s" if came else ""
            print(f"cuts of the {what}: {len(came)} of {_CUTS} times back by itself{longest}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--seconds", type=float, default=20.0, help="of each measurement of lag and cpu"
    )
    parts = ("lag", "cpu", "first", "cuts")
    parser.add_argument("--only", nargs="+", choices=parts, default=parts)
    parser.add_argument("--chromium", default="/usr/bin/chromium", metavar="FILE")
    parser.add_argument("--look", nargs=2, metavar=("LINK", "COUNT"), help=argparse.SUPPRESS)
    parser.add_argument("--slow", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.look:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(look(asked.look[0], int(asked.look[1]), slow=asked.slow))
        return
    cv2.setNumThreads(1)
    model = zoo.load_model(device="cpu")
    if "lag" in asked.only:
        measure_lag(model, asked.chromium, asked.seconds)
    if "cpu" in asked.only:
        measure_cpu(model, asked.seconds)
    if "first" in asked.only:
        measure_first(model, asked.chromium)
    if "cuts" in asked.only:
        measure_cuts(model, asked.chromium)


if __name__ == "__main__":
    main()
