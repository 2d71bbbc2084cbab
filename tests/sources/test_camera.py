"""Cameras and streams that stop and come back, and addresses without their secrets."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import cv2
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from camstream.errors import SourceError
from camstream.sources import open_source
from camstream.sources.camera import LiveSource, is_address, without_secrets

URL = "rtsp://user:s3cret@camera.local:554/stream"
Read = tuple[bool, Any]
GOOD: Read = (True, np.zeros((8, 8, 3), np.uint8))
BAD: Read = (False, None)


class FakeCapture:
    """Plays a list of reads; then it gives no picture any more."""

    def __init__(self, reads: list[Read] | None, *, rate_hz: float = 25.0) -> None:
        self._rate_hz = rate_hz
        self.is_open = reads is not None
        self.released = 0
        self._reads = list(reads or [])

    def isOpened(self) -> bool:  # noqa: N802
        return self.is_open

    def read(self) -> Read:
        assert not self.released, "read after release"
        read = self._reads.pop(0) if self._reads else BAD
        if isinstance(read, Exception):
            raise read
        return read

    def release(self) -> None:
        self.released += 1

    def get(self, propId: int) -> float:  # noqa: ARG002, N803
        return self._rate_hz


class Bench:
    """A LiveSource over fake captures, with a clock that only its waits move.

    Attributes:
        opened: Every capture, in order.
        waits: How long each wait was.
    """

    def __init__(self, *captures: list[Read] | None) -> None:
        self.opened: list[FakeCapture] = []
        self.waits: list[float] = []
        self.now = 100.0
        self.on_wait: Callable[[], bool] = lambda: False
        self._captures = list(captures)
        self.source = LiveSource(
            URL, open_capture=self._open, clock=lambda: self.now, wait=self._wait
        )

    def _open(self, address: str | int) -> FakeCapture:
        assert address == URL
        capture = FakeCapture(self._captures.pop(0))
        self.opened.append(capture)
        return capture

    def _wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        self.now += seconds
        return self.on_wait()


def test_it_is_opened_again_with_growing_waits() -> None:
    bench = Bench([GOOD, GOOD], None, None, [GOOD])
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
    assert [capture.released for capture in bench.opened] == [1, 1, 1, 0]


def test_a_stream_that_opens_without_pictures_is_not_hammered() -> None:
    """A server that accepts and hangs up must not be asked twice a second for ever."""
    bench = Bench([GOOD], *[[] for _ in range(7)], [GOOD], [GOOD])
    frames = iter(bench.source)
    next(frames)
    next(frames)
    assert bench.waits == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0, 8.0]
    assert bench.source.reconnects == 1
    next(frames)
    assert bench.waits[8:] == [0.5]  # a picture came: the next outage begins anew
    assert bench.source.reconnects == 2


def test_a_driver_that_raises_is_reconnected_too() -> None:
    bench = Bench([GOOD, cv2.error("broken")], [GOOD])  # type: ignore[list-item]
    frames = iter(bench.source)
    assert [next(frames).index, next(frames).index] == [0, 1]


def test_stop_ends_the_wait_and_nothing_is_opened_any_more() -> None:
    bench = Bench([GOOD])
    frames = iter(bench.source)
    next(frames)

    def stop() -> bool:
        bench.source.stop()
        return True

    bench.on_wait = stop
    assert list(frames) == []
    assert len(bench.opened) == 1


def test_stop_wakes_a_real_wait() -> None:
    source = LiveSource(URL, open_capture=lambda _: FakeCapture([GOOD]))
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


def test_outage_is_logged_without_the_password(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench([GOOD], None, [GOOD])
    frames = iter(bench.source)
    next(frames)
    next(frames)
    assert [record.message for record in caplog.records] == [
        "rtsp://camera.local:554/stream: no picture; reconnecting",
        "rtsp://camera.local:554/stream: the picture is back",
    ]


def test_what_cannot_be_opened_at_first_is_an_error() -> None:
    closed = FakeCapture(None)
    with pytest.raises(SourceError) as caught:
        LiveSource(URL, open_capture=lambda _: closed)
    assert "cannot open rtsp://camera.local:554/stream" in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert closed.released == 1


def test_a_camera_that_is_not_there_names_the_remedy(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SourceError, match=r"cannot open camera 63: .*camstream doctor"):
        LiveSource(63)
    assert capfd.readouterr() == ("", "")  # OpenCV would fill the screen


def test_rates_that_make_no_sense_are_unknown() -> None:
    for reported, rate_hz in {25.0: 25.0, 0.0: None, 90_000.0: None}.items():
        capture = FakeCapture([], rate_hz=reported)
        assert LiveSource(0, open_capture=lambda _, one=capture: one).rate_hz == rate_hz  # type: ignore[misc]


@pytest.mark.parametrize(
    ("address", "displayed"),
    [
        ("rtsp://user:s3cret@host:554/ch/1", "rtsp://host:554/ch/1"),
        ("http://s3cret@host/stream.mjpg", "http://host/stream.mjpg"),
        ("http://host/stream.mjpg?token=s3cret", "http://host/stream.mjpg"),
        ("http://host/stream.mjpg#s3cret", "http://host/stream.mjpg"),
        ("rtsp://user:p%40s3cret@host/x", "rtsp://host/x"),
        ("rtsp://user:a@s3cret@host/x", "rtsp://host/x"),
        ("rtsp://user:a/s3cret@host/x", "rtsp://***"),
        ("rtsp://user:a?s3cret@host/x", "rtsp://***"),
        ("rtsp://user:a#s3cret@host/x", "rtsp://***"),
        ("http://host/x?user=a@b&token=s3cret", "http://***"),
        ("rtsp://host/user=a&password=s3cret&channel=1.sdp", "rtsp://host"),
        ("rtsp://host:554/live/user=a_password=s3cret_stream=0.sdp", "rtsp://host:554/live"),
        ("http://host/live;key=s3cret/x", "http://host"),
        ("udp://@239.0.0.1:1234", "udp://239.0.0.1:1234"),
        ("/dev/video0", "/dev/video0"),
    ],
)
def test_an_address_is_shown_without_its_secrets(address: str, displayed: str) -> None:
    assert without_secrets(address) == displayed


_SECRET = st.text("Zq7", min_size=6, max_size=9)  # letters that nothing else here has
_AROUND = st.text("ab:@/?#%&=;. \n\\", max_size=4)


@given(
    st.sampled_from(["rtsp", "http", "https", "rtmp", "udp"]),
    st.text("abc", max_size=3),
    st.tuples(_AROUND, _SECRET, _AROUND),
    st.sampled_from(["", "/live/ch1", "/@x", "/a?b=c@d", "?x"]),
    st.booleans(),
)
@example("rtsp", "u", ("", "Zq7Zq7", "/"), "/a?b=c@d", False)
def test_a_password_never_survives(
    scheme: str, user: str, parts: tuple[str, str, str], tail: str, encoded: bool
) -> None:
    password = "".join(parts)
    written = quote(password, safe="") if encoded else password
    displayed = without_secrets(f"{scheme}://{user}:{written}@host{tail}")
    assert parts[1] not in displayed
    assert displayed.startswith(f"{scheme}://")


@given(st.sampled_from(["token", "key", "pwd"]), _AROUND, _SECRET)
def test_a_token_in_the_query_never_survives(name: str, around: str, secret: str) -> None:
    displayed = without_secrets(f"http://host/live?a=b&{name}={around}{secret}")
    assert secret not in displayed


def test_kinds_of_sources_are_distinguished(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[object] = []

    class Remembers:
        def __init__(self, address: object, **_: object) -> None:
            opened.append(address)

    monkeypatch.setattr("camstream.sources.LiveSource", Remembers)
    for source in (0, "1", "/dev/video2", URL, "RTSP://x/y"):
        open_source(source)
    assert opened == [0, 1, "/dev/video2", URL, "RTSP://x/y"]
    with pytest.raises(SourceError, match="no such file"):
        open_source("clip.mp4")
    with pytest.raises(ValueError, match="not a file, a camera number, a URL or a source"):
        open_source(1.5)  # type: ignore[arg-type]
    assert not is_address("C:/clip.mp4")
