"""What every source keeps: order, the end, stop and close from anywhere, no secrets, no crash."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from camstream.errors import SourceError
from camstream.frame import Frame
from camstream.pipeline import Pipeline
from camstream.sources.camera import LiveSource
from camstream.sources.file import FileSource
from camstream.sources.player import Player
from camstream.stages import Source, status_of
from camstream.testing import FakeSource, counted, endless, fake_infer
from tests.clips import Video, make
from tests.mjpeg import serve
from tests.test_own_classes import Slides

SECRET = "s3cret"
SOON_S = 2.0
Open = Callable[[Path, contextlib.ExitStack], Source]


class EndlessCapture:
    """A camera that always has a picture."""

    def __init__(self) -> None:
        self._image = np.zeros((21, 33, 3), np.uint8)
        self._is_open = True

    def isOpened(self) -> bool:  # noqa: N802
        return self._is_open

    def read(self) -> tuple[bool, Any]:
        assert self._is_open, "read after release"
        return True, self._image

    def release(self) -> None:
        self._is_open = False

    def get(self, propId: int) -> float:  # noqa: ARG002, N803
        return 30.0


@dataclass(frozen=True)
class Case:
    """A source, and what is known of it.

    Attributes:
        open: Opens one, with a folder to write into and a stack for what it needs beside itself.
        size_wh: Of its frames.
        frames: How many it has; None where it never ends.
    """

    open: Open
    size_wh: tuple[int, int]
    frames: int | None


def _file(name: str, video: Video, *, even: bool = False) -> Case:
    def opened(folder: Path, _: contextlib.ExitStack) -> Source:
        return FileSource(make(folder / name, video), even=even)

    width, height = video.size_wh
    size_wh = (width + width % 2, height + height % 2) if even else video.size_wh
    return Case(opened, size_wh, video.frames)


def _played(folder: Path, _: contextlib.ExitStack) -> Source:
    clip = make(folder / "in.mp4", Video(frames=6))
    return Player(FileSource(clip), lambda: FileSource(clip))


def _camera(_: Path, __: contextlib.ExitStack) -> Source:
    address = f"rtsp://user:{SECRET}@host/live?token={SECRET}"
    return LiveSource(address, open_capture=lambda _: EndlessCapture())


def _network(_: Path, stack: contextlib.ExitStack) -> Source:
    picture = np.random.default_rng(0).integers(0, 256, (48, 352, 3), np.uint8)
    return LiveSource(stack.enter_context(serve(picture, 100.0)).url)


VP9 = {"deadline": "realtime", "cpu-used": "8"}
ODD = Video(frames=5, size_wh=(161, 97), codec="ffv1", pix_fmt="yuv420p")
GIF = Video(frames=5, size_wh=(161, 97), codec="gif", pix_fmt="rgb8", time_base=Fraction(1, 100))
CASES = {
    "mp4": _file("in.mp4", Video()),
    "mkv": _file("in.mkv", Video()),
    "webm": _file("in.webm", Video(frames=5, codec="libvpx-vp9", options=VP9)),
    "gif": _file("in.gif", GIF),
    "odd": _file("in.mkv", ODD),
    "odd made even": _file("in.mkv", ODD, even=True),
    "paced file": Case(_played, (160, 96), 6),
    "camera": Case(_camera, (33, 21), None),
    "network": Case(_network, (352, 48), None),
    "fake": Case(lambda *_: FakeSource(counted(5)), (352, 96), 5),
    "fake live": Case(lambda *_: FakeSource(endless, is_live=True), (352, 96), None),
    "own": Case(lambda *_: Slides([np.zeros((9, 7, 3), np.uint8)] * 5), (7, 9), 5),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture
def source(case: Case, tmp_path: Path) -> Iterator[Source]:
    with contextlib.ExitStack() as stack:
        opened = case.open(tmp_path, stack)
        stack.callback(opened.close)
        yield opened


def test_it_has_a_name_without_secrets(source: Source) -> None:
    assert source.name
    assert SECRET not in source.name
    assert isinstance(source.is_live, bool)
    status = status_of(source)
    assert (status.state, status.reconnects) == ("", 0)
    assert status.rate_hz is None or status.rate_hz > 0


def test_frames_come_in_order_with_growing_times_and_one_size(case: Case, source: Source) -> None:
    frames = list(itertools.islice(source, 5))
    assert [frame.index for frame in frames] == list(range(5))
    times = [frame.pts_s for frame in frames]
    assert times == sorted(set(times))
    assert {frame.picture.size_wh for frame in frames} == {case.size_wh}
    width, height = case.size_wh
    for frame in frames:
        assert frame.picture.bgr().shape == (height, width, 3)


def test_it_ends_by_itself_after_its_last_frame(case: Case, source: Source) -> None:
    if case.frames is None:
        frames = list(itertools.islice(source, 50))
        assert len(frames) == 50
    else:
        assert len(list(source)) == case.frames


def test_stop_from_another_thread_ends_it_soon(source: Source) -> None:
    taken: list[Frame] = []
    first, stopped = threading.Event(), threading.Event()

    def take() -> None:
        for frame in source:
            taken.append(frame)
            first.set()
            stopped.wait(10)

    thread = threading.Thread(target=take)
    thread.start()
    assert first.wait(10)
    source.stop()
    stopped.set()
    started = time.monotonic()
    thread.join(10)
    assert not thread.is_alive()
    assert time.monotonic() - started < SOON_S
    assert len(taken) == 1


def test_stop_before_the_first_frame_ends_it(source: Source) -> None:
    source.stop()
    source.stop()
    assert list(source) == []


def test_it_may_be_closed_twice_and_gives_nothing_afterwards(source: Source) -> None:
    source.close()
    source.close()
    source.stop()
    with contextlib.suppress(SourceError):
        assert list(source) == []
    assert source.name


def test_close_between_two_frames_is_an_end(source: Source) -> None:
    frames = iter(source)
    next(frames)
    source.close()
    with contextlib.suppress(SourceError):
        assert list(frames) == []


def test_a_pipeline_may_be_left_early_or_at_the_end(case: Case, source: Source) -> None:
    with Pipeline(source, fake_infer) as predictions:
        for prediction in predictions:
            assert prediction.frame.picture.size_wh == case.size_wh
            if case.frames is None and prediction.frame.index >= 5:
                break
    assert predictions.captured >= 5


def _cut(data: bytes) -> bytes:
    return data[: len(data) * 7 // 10]


def _scratched(data: bytes) -> bytes:
    """Overwrite a tenth in the middle."""
    start, length = len(data) // 2, len(data) // 10
    noise = np.random.default_rng(5).integers(0, 256, length, np.uint8).tobytes()
    return data[:start] + noise + data[start + length :]


@pytest.mark.parametrize("damage", [_cut, _scratched, lambda _: b"", lambda _: b"text\n" * 500])
@pytest.mark.parametrize("name", ["in.mp4", "in.mkv", "in.gif", "in.ts"])
def test_damaged_input_is_an_error_or_an_end_with_a_warning(
    name: str, damage: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    video = GIF if name.endswith("gif") else Video(frames=60)
    clip = make(tmp_path / name, video)
    clip.write_bytes(damage(clip.read_bytes()))
    frames: list[Frame] = []
    warnings: list[str] = []
    with contextlib.suppress(SourceError), contextlib.closing(FileSource(clip)) as opened:
        warnings = opened.warnings
        frames.extend(opened)
    assert len(frames) <= video.frames
    if 0 < len(frames) < video.frames and clip.suffix in (".mp4", ".mkv"):  # they declare a length
        assert any("damaged input" in warning for warning in warnings)


def test_what_does_not_answer_is_an_error_without_secrets() -> None:
    with serve(np.zeros((48, 352, 3), np.uint8)) as camera:
        camera.is_up = False
        with pytest.raises(SourceError, match=r"cannot open http://127\.0\.0\.1") as caught:
            LiveSource(camera.url)
    assert SECRET not in str(caught.value)
