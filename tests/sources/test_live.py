"""Live sources that stop and come back, end, hang, and play by their own times."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from camstream.errors import SourceError
from camstream.picture import Picture
from camstream.sources import open_source
from camstream.sources.back_off import BackOff
from camstream.sources.capture import Taken
from camstream.sources.live import LiveSource

URL = "rtsp://user:s3cret@camera.local:554/stream"
PICTURE = Picture.from_bgr(np.zeros((8, 8, 3), np.uint8))
Read = Taken | BaseException | None
GOOD: Read = Taken(PICTURE)
BAD: Read = None
CLOSED = SourceError("cannot open it: nothing answers there")


class FakeCapture:
    """Plays a list of reads; then it gives no picture any more."""

    def __init__(self, reads: list[Read], *, rate_hz: float | None = 25.0) -> None:
        self.rate_hz = rate_hz
        self.released = 0
        self.threads: set[int] = set()
        self._reads = list(reads)

    def read(self) -> Taken | None:
        assert not self.released, "read after release"
        self.threads.add(threading.get_ident())
        read = self._reads.pop(0) if self._reads else BAD
        if isinstance(read, BaseException):
            raise read
        return read

    def release(self) -> None:
        self.threads.add(threading.get_ident())
        self.released += 1


class Bench:
    """A LiveSource over fake captures, with a clock that only its waits move.

    Attributes:
        opened: Every capture, in order.
        waits: How long each wait was.
    """

    def __init__(self, *captures: list[Read] | SourceError) -> None:
        self.opened: list[FakeCapture] = []
        self.waits: list[float] = []
        self.now = 100.0
        self.on_wait: Callable[[], bool] = lambda: False
        self._captures = list(captures)
        self.source = LiveSource(
            URL,
            opened_by=self._open,
            clock=lambda: self.now,
            wait=self._wait,
            back_off=BackOff(chance=lambda: 0.5),
        )

    def _open(self) -> FakeCapture:
        reads = self._captures.pop(0)
        if isinstance(reads, SourceError):
            raise reads
        self.opened.append(FakeCapture(reads))
        return self.opened[-1]

    def _wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        self.now += seconds
        return self.on_wait()


@pytest.fixture
def make_bench() -> Iterator[Callable[..., Bench]]:
    """Makes benches, and closes their sources."""
    made: list[Bench] = []

    def make(*captures: list[Read] | SourceError) -> Bench:
        made.append(Bench(*captures))
        return made[-1]

    yield make
    for one in made:
        one.source.close()


Make = Callable[..., Bench]


def test_it_is_opened_again_with_growing_waits(make_bench: Make) -> None:
    bench = make_bench([GOOD, GOOD], CLOSED, CLOSED, [GOOD])
    frames = iter(bench.source)
    assert [next(frames).index, next(frames).index] == [0, 1]
    assert bench.source.state == ""
    states = []
    bench.on_wait = lambda: states.append(bench.source.state) or False  # type: ignore[func-returns-value]
    back = next(frames)
    assert back.index == 2
    assert bench.waits == [0.5, 1.0, 2.0]
    assert states == [f"no picture: reconnecting, attempt {n}" for n in (1, 2, 3)]
    assert bench.source.state == ""
    assert bench.source.reconnects == 1
    assert back.pts_s == pytest.approx(3.5)  # the time without a picture is there
    assert [capture.released for capture in bench.opened] == [1, 0]


def test_a_stream_that_opens_without_pictures_is_not_hammered(make_bench: Make) -> None:
    """A server that accepts and hangs up must not be asked twice a second for ever."""
    bench = make_bench([GOOD], *[[] for _ in range(7)], [GOOD], [GOOD])
    frames = iter(bench.source)
    next(frames)
    next(frames)
    assert bench.waits == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert bench.source.reconnects == 1
    next(frames)
    assert bench.waits[8:] == [0.5]  # a picture came: the next outage begins anew
    assert bench.source.reconnects == 2


def test_stop_ends_the_wait_and_nothing_is_opened_any_more(make_bench: Make) -> None:
    bench = make_bench([GOOD])
    frames = iter(bench.source)
    next(frames)

    def stop() -> bool:
        bench.source.stop()
        return True

    bench.on_wait = stop
    assert list(frames) == []
    assert len(bench.opened) == 1


def test_stop_wakes_a_real_wait() -> None:
    source = LiveSource(URL, opened_by=lambda: FakeCapture([GOOD]))
    waiting = threading.Event()

    def run() -> None:
        for _ in source:
            waiting.set()

    thread = threading.Thread(target=run)
    thread.start()
    assert waiting.wait(10)
    source.stop()
    thread.join(10)
    assert not thread.is_alive()
    source.close()


def test_one_thread_alone_touches_the_device(make_bench: Make) -> None:
    """Asked by another thread while it is read and released, OpenCV ended the process."""
    bench = make_bench([GOOD], [GOOD])
    frames = iter(bench.source)
    next(frames)
    assert bench.source.rate_hz == 25.0
    next(frames)
    bench.source.close()
    (one,) = set.union(*(capture.threads for capture in bench.opened))
    assert one != threading.get_ident()
    assert [capture.released for capture in bench.opened] == [1, 1]


def test_outage_is_logged_without_the_password(
    make_bench: Make, caplog: pytest.LogCaptureFixture
) -> None:
    frames = iter(make_bench([GOOD], CLOSED, [GOOD]).source)
    next(frames)
    next(frames)
    assert [record.message for record in caplog.records] == [
        "rtsp://camera.local:554/stream: no picture; reconnecting",
        "rtsp://camera.local:554/stream: the picture is back",
    ]


def test_what_cannot_be_opened_at_first_is_an_error(make_bench: Make) -> None:
    with pytest.raises(SourceError, match="nothing answers there"):
        make_bench(CLOSED)


@pytest.mark.parametrize(
    ("reported", "rate_hz"), [(25.0, 25.0), (0.0, None), (90_000.0, None), (None, None)]
)
def test_rates_that_make_no_sense_are_unknown(
    reported: float | None, rate_hz: float | None
) -> None:
    source = LiveSource(0, opened_by=lambda: FakeCapture([], rate_hz=reported))
    source.close()
    assert source.rate_hz == rate_hz


def at(media_s: float) -> Taken:
    return Taken(PICTURE, media_s)


def test_what_has_an_end_ends(make_bench: Make) -> None:
    """It was opened again and again, and replayed for ever."""
    bench = make_bench([at(0), at(0.04), EOFError()])
    assert [frame.pts_s for frame in bench.source] == [0, 0.04]
    assert len(bench.opened) == 1
    assert bench.source.reconnects == 0


def test_a_clip_that_breaks_off_is_an_error(make_bench: Make) -> None:
    frames = iter(make_bench([at(0), SourceError("it breaks off")]).source)
    next(frames)
    with pytest.raises(SourceError, match="it breaks off"):
        next(frames)


def test_pictures_with_times_are_shown_at_their_times(make_bench: Make) -> None:
    """However they come: a playlist's in bursts, a file's as fast as the line."""
    bench = make_bench([at(0), at(0.04), at(0.08), at(1.0), EOFError()])
    frames = [(frame.captured_s, frame.pts_s) for frame in bench.source]
    assert [captured_s for captured_s, _ in frames] == pytest.approx([100, 100.04, 100.08, 101])
    assert [pts_s for _, pts_s in frames] == [0, 0.04, 0.08, 1.0]


def test_after_a_stall_a_clip_goes_on_at_its_own_speed(make_bench: Make) -> None:
    bench = make_bench([at(n / 10) for n in range(40)])
    seen = []
    for frame in bench.source:
        seen.append(frame.captured_s)
        if frame.index == 9:
            bench.now += 5
        if frame.index == 39:
            break
    steps = np.diff(seen)
    assert steps[9] == pytest.approx(5)
    assert np.delete(steps, 9) == pytest.approx(0.1)


def test_a_playlist_that_comes_back_has_growing_times(make_bench: Make) -> None:
    bench = make_bench([at(0), at(0.1)], [at(0), at(0.1)])
    frames = iter(bench.source)
    times = [next(frames).pts_s for _ in range(4)]
    assert times == pytest.approx([0, 0.1, 0.6, 0.7])  # half a second until it is opened again


class HangingCapture(FakeCapture):
    """Gives one picture and then hangs, as a server does that says nothing more."""

    def __init__(self, reads: list[Read]) -> None:
        super().__init__(reads)
        self.is_hanging, self.goes_on = threading.Event(), threading.Event()

    def read(self) -> Taken | None:
        if not self._reads:
            self.is_hanging.set()
            self.goes_on.wait(10)
        return super().read()


def test_stop_does_not_wait_for_a_read_that_hangs() -> None:
    capture = HangingCapture([GOOD])
    source = LiveSource(URL, opened_by=lambda: capture)
    taken: list[int] = []
    thread = threading.Thread(target=lambda: taken.extend(f.index for f in source))
    thread.start()
    assert capture.is_hanging.wait(10)
    started = time.monotonic()
    source.stop()
    thread.join(10)
    source.close()
    assert time.monotonic() - started < 1
    assert taken == [0]
    assert capture.released < 1  # not under the read
    capture.goes_on.set()
    deadline = time.monotonic() + 5
    while not capture.released and time.monotonic() < deadline:
        time.sleep(0.01)
    assert capture.released == 1


def test_an_opening_that_hangs_can_be_left() -> None:
    goes_on, opened = threading.Event(), FakeCapture([])

    def open_slowly() -> FakeCapture:
        goes_on.wait(10)
        return opened

    seen: list[float] = []

    def waiting(seconds: float) -> None:
        seen.append(seconds)
        if len(seen) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        LiveSource(URL, opened_by=open_slowly, waiting=waiting)
    assert seen == sorted(seen)
    assert 0.2 < seen[-1] < 2
    goes_on.set()
    deadline = time.monotonic() + 5
    while not opened.released and time.monotonic() < deadline:
        time.sleep(0.01)
    assert opened.released == 1


def test_kinds_of_sources_are_distinguished(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[object] = []

    class Remembers:
        def __init__(self, address: object, **_: object) -> None:
            opened.append(address)

    monkeypatch.setattr("camstream.sources.LiveSource", Remembers)
    for source in (0, "1", "/dev/video2", URL, "RTSP://x/y", "screen:1", "-"):
        open_source(source)
    assert opened == [0, 1, "/dev/video2", URL, "RTSP://x/y", "screen:1", "-"]
    for name in ("clip.mp4", "file:///clips/clip.mp4", "rec-12:30:05.mp4"):
        with pytest.raises(SourceError, match="no such file"):
            open_source(name)
    with pytest.raises(ValueError, match="float is no file, camera number, URL or source"):
        open_source(1.5)  # type: ignore[arg-type]
