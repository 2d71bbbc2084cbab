"""Streams and clips over the network: ends, times, refusals, silence. All on the loopback address."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from camstream.errors import SourceError
from camstream.sources import open_source
from camstream.sources.live import LiveSource
from camstream.sources.stream import StreamCapture
from tests.clips import Video, make, numbered, read_number
from tests.mjpeg import serve
from tests.servers import answering, folder_of, part_of_file, part_of_mjpeg, refusing, silence

JPEG = cv2.imencode(".jpg", numbered(7))[1].tobytes()
SHORT = Video(frames=12, time_base=Fraction(1, 50), options={"preset": "ultrafast"})


@contextlib.contextmanager
def live(address: str) -> Iterator[LiveSource]:
    with contextlib.closing(open_source(address)) as source:
        assert isinstance(source, LiveSource)
        yield source


@pytest.mark.parametrize("name", ["in.mp4", "in.mkv", "in.ts", "in.avi"])
def test_a_clip_under_an_address_is_played_once_by_its_times(name: str, tmp_path: Path) -> None:
    """It was read as fast as the line, and opened again at its end, for ever."""
    video = (
        SHORT if name != "in.avi" else Video(frames=12, codec="mpeg4", time_base=SHORT.time_base)
    )
    make(tmp_path / name, video)
    with folder_of(tmp_path) as address, live(address + name) as source:
        frames = list(source)
    assert [read_number(frame.picture.bgr()) for frame in frames] == list(range(12))
    assert [frame.pts_s for frame in frames] == pytest.approx([n / 50 for n in range(12)], abs=2e-3)
    assert 0.15 < frames[-1].captured_s - frames[0].captured_s < 1.5  # 0.22 s, on a busy machine
    assert source.reconnects == 0


def playlist(folder: Path) -> Path:
    """Write a clip in parts of a fifth of a second, as HLS serves it."""
    path = folder / "list.m3u8"
    options = {"hls_time": "0.2", "hls_playlist_type": "vod"}
    with av.open(str(path), "w", format="hls", options=options) as container:
        stream = container.add_stream(
            "libx264", rate=50, options={"preset": "ultrafast", "g": "10"}
        )
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        for number in range(30):
            frame = av.VideoFrame.from_ndarray(numbered(number), "bgr24")
            frame.pts, frame.time_base = number, Fraction(1, 50)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_a_playlist_plays_by_its_times_and_ends(tmp_path: Path) -> None:
    """It came in bursts: 3 pictures in 60 ms, then a second of nothing."""
    name = playlist(tmp_path).name
    assert len(list(tmp_path.glob("*.ts"))) == 3
    with folder_of(tmp_path) as address, live(address + name) as source:
        frames = list(source)
    assert [read_number(frame.picture.bgr()) for frame in frames] == list(range(30))
    times = [frame.pts_s for frame in frames]
    assert np.diff(times) == pytest.approx(0.02)
    steps = np.diff([frame.captured_s for frame in frames])
    assert np.median(steps) == pytest.approx(0.02, abs=0.012)


def test_a_stream_is_shown_as_it_comes_and_comes_back() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (48, 352, 3), np.uint8)
    with serve(picture, 100.0) as camera, live(camera.url) as source:
        frames = iter(source)
        assert next(frames).picture.size_wh == (352, 48)
        camera.is_up = False
        states: list[str] = []

        def steer() -> None:
            deadline = time.monotonic() + 10
            while not source.state and time.monotonic() < deadline:
                time.sleep(0.01)
            states.append(source.state)
            camera.is_up = True

        thread = threading.Thread(target=steer)
        thread.start()
        for frame in frames:
            if source.reconnects:
                assert frame.picture.size_wh == (352, 48)
                break
        thread.join()
    assert states == ["no picture: reconnecting, attempt 1"]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (401, "user and a password"),
        (403, "refuses access"),
        (404, "nothing under this address"),
        (500, "the server fails"),
    ],
)
def test_what_a_server_answers_is_said(code: int, words: str) -> None:
    """All of them were "nothing answers there"."""
    with refusing(code) as address, pytest.raises(SourceError, match=words) as caught:
        open_source(f"{address}live.mjpg?token=s3cret")
    assert re.match(r"cannot open http://127\.0\.0\.1:\d+/live\.mjpg: ", str(caught.value))
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None  # a traceback of --debug shows the cause's text


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("http://user:s3cret@127.0.0.1:1/x", "nothing answers there"),
        ("rtsp://user:s3cret@127.0.0.1:1/x", "nothing answers there"),
        ("rtmp://127.0.0.1:1/app/s3cret", "nothing answers there"),
        ("http://s3cret@name.invalid/x", "nothing answers there"),
        ("bogus://user:s3cret@host/x", "FFmpeg knows no such kind of address"),
    ],
)
def test_what_does_not_answer_is_said_in_plain_words(address: str, words: str) -> None:
    with pytest.raises(SourceError, match=words) as caught:
        open_source(address)
    assert "s3cret" not in str(caught.value)


def test_what_is_no_video_is_said_in_plain_words(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<html>no video</html>" * 100)
    make(tmp_path / "sound.mp4", None, audio=["aac"])
    with folder_of(tmp_path) as address:
        with pytest.raises(SourceError, match="damaged, or no video of a kind") as caught:
            open_source(f"{address}page.html")
        assert "Invalid data" not in str(caught.value)
        with pytest.raises(SourceError, match="there is no video in it"):
            open_source(f"{address}sound.mp4")


def test_a_clip_that_breaks_off_is_an_error_and_no_end(tmp_path: Path) -> None:
    data = make(tmp_path / "in.ts", Video(frames=60)).read_bytes()
    taken: list[int] = []
    with (
        answering(part_of_file(data, len(data) // 2)) as server,
        live(f"http://user:s3cret@127.0.0.1:{server.port}/in.ts") as source,
        pytest.raises(SourceError, match="breaks off") as caught,
    ):
        taken.extend(frame.index for frame in source)
    assert "s3cret" not in str(caught.value)
    assert 10 < len(taken) < 50


def test_stop_while_a_server_never_answers_is_at_once() -> None:
    with answering(silence) as server:
        given_up: list[float] = []

        def waiting(seconds: float) -> None:
            if seconds > 0.3:
                given_up.append(time.monotonic())
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            open_source(f"http://127.0.0.1:{server.port}/x", waiting=waiting)
        assert time.monotonic() - given_up[0] < 1.0


def test_stop_while_a_stream_says_nothing_more_is_at_once() -> None:
    with answering(part_of_mjpeg(JPEG, 9)) as server:
        with live(f"http://127.0.0.1:{server.port}/x") as source:
            seen: list[float] = []
            thread = threading.Thread(target=lambda: seen.extend(time.monotonic() for _ in source))
            thread.start()
            deadline = time.monotonic() + 10
            while (not seen or time.monotonic() < seen[-1] + 0.3) and time.monotonic() < deadline:
                time.sleep(0.02)
            stopped = time.monotonic()
            source.stop()
            thread.join(10)
        assert seen
        assert time.monotonic() - stopped < 1.5


def test_an_answer_that_never_comes_is_an_error_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("camstream.sources.stream._TIMEOUT_S", 0.3)
    with answering(silence) as server, pytest.raises(SourceError, match="nothing came in time"):
        StreamCapture(f"http://127.0.0.1:{server.port}/x")
