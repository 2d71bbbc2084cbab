"""What every source keeps where something goes wrong: broken reads, hanging reads, odd order of calls."""

from __future__ import annotations

import contextlib
import errno
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
import pytest

from camstream.errors import SourceError
from camstream.frame import Frame
from camstream.picture import Picture
from camstream.pipeline import Pipeline
from camstream.sources.back_off import BackOff
from camstream.sources.capture import Capture, Taken
from camstream.sources.file import FileSource
from camstream.sources.live import LiveSource
from camstream.sources.player import Player
from camstream.sources.sequence import SequenceSource
from camstream.sources.stream import StreamCapture
from camstream.stages import Source
from camstream.testing import fake_infer
from tests.clips import Video, make
from tests.mjpeg import serve

GOOD_READS = 3
SOON_S = 2.0
Fault = Callable[[], None]
Open = Callable[[Path, contextlib.ExitStack, Fault], Source]


@dataclass
class Hang:
    """A fault: a read that does not return while the test runs.

    Attributes:
        has_begun: It is hanging.
        goes_on: Ends it.
    """

    has_begun: threading.Event = field(default_factory=threading.Event)
    goes_on: threading.Event = field(default_factory=threading.Event)

    def __call__(self) -> None:
        self.has_begun.set()
        self.goes_on.wait(20)


class FaultyContainer:
    """A container of PyAV whose fourth packet meets a fault."""

    def __init__(self, container: Any, fault: Fault) -> None:
        self._container, self._fault = container, fault

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)

    def demux(self, *streams: Any) -> Iterator[Any]:
        for count, packet in enumerate(self._container.demux(*streams)):
            if count == GOOD_READS:
                self._fault()
            yield packet


class FaultyFile(FileSource):
    """A file whose reading meets a fault."""

    def __init__(self, path: Path, fault: Fault) -> None:
        self._fault = fault
        super().__init__(path)

    def _open(self) -> Any:
        container, stream = super()._open()
        return FaultyContainer(container, self._fault), stream


class FaultyCapture:
    """A capture whose fourth read meets a fault; the one after it, too."""

    def __init__(self, capture: Capture, fault: Fault) -> None:
        self.rate_hz = capture.rate_hz
        self._capture, self._fault = capture, fault
        self._count = 0

    def read(self) -> Taken | None:
        self._count += 1
        if self._count > GOOD_READS:
            self._fault()
        return self._capture.read()

    def release(self) -> None:
        self._capture.release()


class Endless:
    """A camera that always has a picture."""

    def __init__(self) -> None:
        self.rate_hz: float | None = 30.0
        self._picture = Picture.from_bgr(np.zeros((16, 32, 3), np.uint8))

    def read(self) -> Taken:
        time.sleep(0.001)
        return Taken(self._picture)

    def release(self) -> None:
        pass


def _file(folder: Path, _: contextlib.ExitStack, fault: Fault) -> FaultyFile:
    video = Video(frames=20, options={"preset": "ultrafast", "tune": "zerolatency"})
    return FaultyFile(make(folder / "in.mkv", video), fault)


def _played(folder: Path, stack: contextlib.ExitStack, fault: Fault) -> Source:
    return Player(_file(folder, stack, fault), lambda: _file(folder, stack, fault))


def _camera(_: Path, __: contextlib.ExitStack, fault: Fault) -> Source:
    return LiveSource(0, opened_by=lambda: FaultyCapture(Endless(), fault))


def _network(_: Path, stack: contextlib.ExitStack, fault: Fault) -> Source:
    picture = np.random.default_rng(0).integers(0, 256, (48, 352, 3), np.uint8)
    url = stack.enter_context(serve(picture, 100.0)).url
    return LiveSource(url, opened_by=lambda: FaultyCapture(StreamCapture(url), fault))


def _sequence(folder: Path, stack: contextlib.ExitStack, fault: Fault) -> Source:
    return SequenceSource(["0"], lambda _: _camera(folder, stack, fault))


FINITE: dict[str, Open] = {"file": _file, "played file": _played}
LIVE: dict[str, Open] = {"camera": _camera, "network": _network, "sequence": _sequence}
ALL: dict[str, Open] = FINITE | LIVE


@pytest.fixture
def stack() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


def breaks() -> None:
    raise av.error.OSError(errno.EIO, "Input/output error", "rtsp://user:s3cret@host")


@pytest.mark.parametrize("kind", FINITE)
def test_a_read_error_in_the_middle_of_a_file_is_an_end_with_a_warning(
    kind: str, tmp_path: Path, stack: contextlib.ExitStack
) -> None:
    source = FINITE[kind](tmp_path, stack, breaks)
    stack.callback(source.close)
    assert [frame.index for frame in source] == [0, 1, 2]
    file = cast("FileSource", getattr(source, "_footage", source))
    assert file.is_damaged
    assert "s3cret" not in str(file.warnings)


@pytest.mark.parametrize("kind", LIVE)
def test_no_picture_in_the_middle_of_a_stream_is_an_outage(
    kind: str, tmp_path: Path, stack: contextlib.ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BackOff, "next_s", lambda _: 0.01)
    monkeypatch.setattr(FaultyCapture, "read", _none_after_three)
    source = LIVE[kind](tmp_path, stack, lambda: None)
    stack.callback(source.close)
    taken = [frame.index for frame, _ in zip(source, range(8), strict=False)]
    assert taken == list(range(8))
    assert source.reconnects >= 2  # type: ignore[attr-defined]


def _none_after_three(self: FaultyCapture) -> Taken | None:
    self._count += 1
    return self._capture.read() if self._count <= GOOD_READS else None


@pytest.mark.parametrize("kind", LIVE)
def test_a_driver_that_raises_anything_ends_the_run_with_that(
    kind: str, tmp_path: Path, stack: contextlib.ExitStack
) -> None:
    def fails() -> None:
        raise SourceError("the driver is broken")

    source = LIVE[kind](tmp_path, stack, fails)
    stack.callback(source.close)
    frames: list[Frame] = []
    with contextlib.suppress(SourceError):
        frames.extend(source)
    assert [frame.index for frame in frames] == [0, 1, 2]


@pytest.mark.parametrize("kind", LIVE)
def test_stop_while_a_read_hangs_ends_the_iteration(
    kind: str, tmp_path: Path, stack: contextlib.ExitStack
) -> None:
    hang = Hang()
    source = LIVE[kind](tmp_path, stack, hang)
    stack.callback(source.close)
    stack.callback(hang.goes_on.set)
    taken: list[int] = []
    thread = threading.Thread(target=lambda: taken.extend(frame.index for frame in source))
    thread.start()
    assert hang.has_begun.wait(10)
    started = time.monotonic()
    source.stop()
    thread.join(10)
    source.close()
    source.close()
    assert time.monotonic() - started < SOON_S
    assert taken == [0, 1, 2]
    assert list(source) == []


@pytest.mark.parametrize("kind", LIVE)
def test_a_pipeline_is_left_while_a_read_hangs(
    kind: str, tmp_path: Path, stack: contextlib.ExitStack
) -> None:
    hang = Hang()
    source = LIVE[kind](tmp_path, stack, hang)
    stack.callback(hang.goes_on.set)
    with Pipeline(source, fake_infer) as predictions:
        assert next(iter(predictions)).frame.index <= 2
        assert hang.has_begun.wait(10)
        started = time.monotonic()
    assert time.monotonic() - started < SOON_S


@pytest.mark.parametrize("kind", ALL)
def test_close_from_another_thread_while_it_is_read_is_safe(
    kind: str, tmp_path: Path, stack: contextlib.ExitStack
) -> None:
    source = ALL[kind](tmp_path, stack, lambda: None)
    stack.callback(source.close)
    first = threading.Event()
    problems: list[BaseException] = []

    def take() -> None:
        try:
            for _ in source:
                first.set()
                time.sleep(0.002)
        except SourceError:
            pass
        except BaseException as error:
            problems.append(error)

    thread = threading.Thread(target=take)
    thread.start()
    assert first.wait(10)
    source.stop()
    thread.join(10)
    assert not thread.is_alive()
    source.close()
    source.close()
    with contextlib.suppress(SourceError):
        assert list(source) == []
    assert problems == []
