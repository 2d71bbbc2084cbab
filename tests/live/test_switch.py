"""Another source is opened while a session runs."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator

import pytest

from camstream.errors import SourceError
from camstream.frame import Frame
from camstream.live import actions
from camstream.live.keys import Keyboard
from camstream.live.session import LiveSession
from camstream.live.switch import SwitchingSource
from camstream.picture import ImageU8
from camstream.stages import Source
from camstream.testing import (
    FAKE_INFO,
    FakeDisplay,
    FakeSource,
    counted,
    endless,
    fake_infer,
    make_frame,
)
from tests.live.states import state_of


def named(name: str, frames: Callable[[FakeSource], Iterator[Frame]]) -> FakeSource:
    source = FakeSource(frames, is_live=True)
    source.name = name
    return source


def test_frames_go_on_with_growing_indices_and_times() -> None:
    first, second = named("first", endless), named("second", counted(5))
    switching = SwitchingSource(first, lambda _: second)
    seen: list[Frame] = []
    for frame in switching:
        seen.append(frame)
        if len(seen) == 5:
            assert switching.switch("second") == "opening ..."
    assert switching.current is second
    assert switching.poll() == ["now: second"]
    assert first.closed == 1
    indices, times = [one.index for one in seen], [one.pts_s for one in seen]
    assert indices == [*range(len(seen))]
    assert times == sorted(set(times))
    assert times[-5] - times[-6] == pytest.approx(1.0)
    switching.close()
    assert second.closed == 1


def test_a_source_that_cannot_be_opened_changes_nothing() -> None:
    def fails(address: str) -> Source:
        raise SourceError(f"cannot open {address}: nothing answers there")

    first = named("first", endless)
    switching, told = SwitchingSource(first, fails), list[str]()
    for frame in switching:
        if frame.index == 2:
            switching.switch("http://nowhere")
        told += switching.poll()
        if told:
            switching.stop()
    assert told == ["cannot open http://nowhere: nothing answers there"]
    assert switching.current is first
    assert SwitchingSource(first).switch("x") == "this run cannot open another source"


def test_a_source_that_comes_after_the_end_is_closed() -> None:
    gate, late = threading.Event(), named("late", endless)

    def opens(_: str) -> Source:
        gate.wait(10)
        return late

    switching = SwitchingSource(named("first", counted(3)), opens)
    switching.switch("late")
    assert switching.switch("again") == "another source is being opened already"
    assert len(list(switching)) == 3
    switching.stop()
    gate.set()
    switching.close()
    assert late.closed == 1


def test_an_error_of_a_source_ends_the_run() -> None:
    def fails(_: FakeSource) -> Iterator[Frame]:
        yield make_frame(0)
        raise SourceError("unplugged")

    with pytest.raises(SourceError, match="unplugged"):
        list(SwitchingSource(named("first", fails)))


def test_a_session_goes_on_with_another_source() -> None:
    display = FakeDisplay()
    bright = named("bright", lambda source: (_brighter(frame) for frame in endless(source)))
    session = LiveSession(
        named("dark", endless),
        fake_infer,
        FAKE_INFO,
        device="cpu",
        display=display,
        open_source=lambda _: bright,
    )
    before: list[int] = []

    def steer(_: ImageU8) -> None:
        state = session.state
        if state.shown == 5 and not before:
            before.append(state.shown)
            display.keys += ["i", *"1", "enter"]
        elif state.frame is not None and int(state.frame.picture.bgr().mean()) > 200:
            session.do(actions.Quit())

    display.on_show = steer
    session.run()
    assert session.state.source == "bright"
    assert display.title == "bright - camstream"
    assert session.state.shown > 5
    assert bright.closed == 1


def _brighter(frame: Frame) -> Frame:
    bright = make_frame(220 + frame.index % 20)
    return dataclasses.replace(frame, picture=bright.picture)


def test_the_key_asks_for_an_address_where_another_source_can_be_opened() -> None:
    state = state_of(can_open=True)
    keyboard = Keyboard()
    for key in ("i", *"a.mp4"):
        assert keyboard.press(key, state) == []
    assert keyboard.press("enter", state) == [actions.OpenSource("a.mp4")]
    assert keyboard.press("i", state) == keyboard.press("enter", state) == []
    assert keyboard.press("i", state_of()) == []
    assert keyboard.prompt is None
