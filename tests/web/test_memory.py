"""Since when something is there, for each source by itself."""

from __future__ import annotations

import dataclasses
import time

from camstream.frame import Prediction, State
from camstream.live.cameras import CameraState
from camstream.live.state import LiveState
from camstream.testing import make_frame, make_prediction
from camstream.web.memory import Memory
from tests.live.states import state_of


def seen(is_there: bool) -> Prediction:
    plain = make_prediction(make_frame())
    decided = State(is_background=not is_there, presence=float(is_there))
    return dataclasses.replace(
        plain, views=(dataclasses.replace(plain.displayed[0], state=decided),)
    )


def cameras(first: bool, second: bool, focus: int | None = None) -> LiveState:
    states = tuple(
        CameraState(id=number, name=str(number), state="live", prediction=seen(is_there))
        for number, is_there in enumerate((first, second), 1)
    )
    return state_of(cameras=states, focus=focus)


def test_each_camera_has_a_since_of_its_own() -> None:
    memory = Memory()
    memory.see(cameras(True, False))
    begun_s = time.perf_counter()
    time.sleep(0.02)
    memory.see(cameras(True, True))
    first, second = (memory.present_since_s(cameras(True, True, focus)) for focus in (1, 2))
    assert first is not None
    assert second is not None
    assert first < begun_s < second
    memory.see(cameras(True, True, focus=2))  # looking at one changes neither
    memory.see(cameras(True, True, focus=1))
    assert memory.present_since_s(cameras(True, True, 1)) == first
    assert memory.present_since_s(cameras(True, True, 2)) == second
    assert memory.present_since_s(cameras(True, True)) is None


def test_another_source_begins_anew() -> None:
    memory = Memory()
    hall = state_of(source="hall", prediction=seen(True))
    memory.see(hall)
    first = memory.present_since_s(hall)
    time.sleep(0.01)
    yard = state_of(source="yard", prediction=seen(True))
    memory.see(yard)
    second = memory.present_since_s(yard)
    assert first is not None
    assert second is not None
    assert first < second


def test_a_model_that_decides_nothing_has_no_since() -> None:
    memory, state = Memory(), state_of(prediction=make_prediction(make_frame()))
    memory.see(state)
    assert memory.present_since_s(state) is None
