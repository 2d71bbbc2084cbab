"""Files played at their own speed: their times kept, paused, stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from camstream.frame import Frame
from camstream.sources.paced import PacedSource
from camstream.testing import FakeSource, counted, make_frame


class Media:
    """A clock, and waits that move it, for PacedSource."""

    def __init__(self) -> None:
        self.now = 50.0

    def wait(self, seconds: float) -> bool:
        assert seconds >= 0
        self.now += seconds
        return False


def _at(times: list[float]) -> Callable[[FakeSource], Iterator[Frame]]:
    def frames(_: FakeSource) -> Iterator[Frame]:
        for index, pts_s in enumerate(times):
            yield Frame(index, pts_s, 0.0, make_frame(index).picture)

    return frames


def test_a_file_keeps_its_own_time() -> None:
    media = Media()
    times = [0.0, 0.04, 0.5, 2.0]
    paced = PacedSource(FakeSource(_at(times)), clock=lambda: media.now, wait=media.wait)
    assert paced.is_live
    frames = list(paced)
    assert [frame.pts_s for frame in frames] == times
    assert [frame.captured_s for frame in frames] == pytest.approx([50.0 + t for t in times])


def test_a_file_that_is_slow_to_read_catches_up() -> None:
    media = Media()
    seen = []
    paced = PacedSource(FakeSource(_at([0.0, 1.0, 2.0])), clock=lambda: media.now, wait=media.wait)
    for frame in paced:
        seen.append(frame.captured_s)
        if frame.index == 0:
            media.now += 1.6
    assert seen == pytest.approx([50.0, 51.6, 52.0])


def test_a_paused_file_goes_on_where_it_was() -> None:
    media = Media()
    source = FakeSource(_at([0.0, 1.0, 2.0, 3.0]))
    paced = PacedSource(source, clock=lambda: media.now, wait=media.wait)
    taken: list[tuple[int, float]] = []
    first = threading.Event()

    def run() -> None:
        for frame in paced:
            taken.append((frame.index, frame.captured_s))
            if frame.index == 1:
                paced.pause(True)
                first.set()

    thread = threading.Thread(target=run)
    thread.start()
    assert first.wait(10)
    assert len(taken) == 2
    media.now += 60
    paced.pause(False)
    thread.join(10)
    assert not thread.is_alive()
    assert taken == [(0, 50.0), (1, 51.0), (2, 111.0), (3, 112.0)]


def test_a_paused_file_can_be_stopped() -> None:
    paced = PacedSource(FakeSource(counted(5)), wait=lambda _: False)
    held = threading.Event()

    def run() -> None:
        for _ in paced:
            paced.pause(True)
            held.set()

    thread = threading.Thread(target=run)
    thread.start()
    assert held.wait(10)
    paced.stop()
    thread.join(10)
    assert not thread.is_alive()
