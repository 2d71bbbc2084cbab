"""Another model while a session runs, and who is told of its states."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from camstream.errors import ModelError, UsageError
from camstream.live import actions
from camstream.live.models import ModelSwitch, shown_model
from camstream.live.outputs import RunLimits
from camstream.live.session import LiveSession
from camstream.live.state import LiveState, ModelChoice
from camstream.models.session import Model
from camstream.testing import FAKE_INFO, FakeSource, counted, endless, fake_infer

FIRST = ModelChoice(name="first")


@pytest.fixture
def opened() -> list[ModelChoice]:
    return []


@pytest.fixture
def switch(tiny_model: Model, opened: list[ModelChoice]) -> Iterator[ModelSwitch]:
    def open_model(wanted: ModelChoice) -> Model:
        opened.append(wanted)
        if wanted.input_size == 33:
            raise ModelError("takes input sizes that are multiples of 32")
        return tiny_model

    made = ModelSwitch(FIRST, ["first", "models/second.onnx"], open_model)
    yield made
    made.close()


def _results(switch: ModelSwitch) -> list[str | Model]:
    switch.close()
    return switch.poll()


def test_names_come_once_and_the_one_in_use_first(switch: ModelSwitch) -> None:
    assert switch.names == ("first", "models/second.onnx")
    assert switch.choice == FIRST
    assert shown_model("models/second.onnx") == "second.onnx"


@pytest.mark.parametrize("name", ["models/second.onnx", "second.onnx"])
def test_a_model_is_opened_by_its_name_or_its_files(
    switch: ModelSwitch, opened: list[ModelChoice], tiny_model: Model, name: str
) -> None:
    assert switch.do(actions.SetModel(name)) == "opening second.onnx ..."
    assert _results(switch) == [tiny_model]
    assert opened == [switch.choice] == [ModelChoice(name="models/second.onnx")]


def test_the_same_model_is_not_opened_again(switch: ModelSwitch, opened: list[ModelChoice]) -> None:
    for action in (actions.SetModel("first"), actions.SetInputSize(None), actions.Refine(False)):
        assert switch.do(action) == ""
    assert (_results(switch), opened) == ([], [])


def test_size_and_refinement_add_up(switch: ModelSwitch, opened: list[ModelChoice]) -> None:
    switch.do(actions.SetInputSize(448))
    assert len(_results(switch)) == 1
    switch.do(actions.Refine())
    assert len(_results(switch)) == 1
    assert switch.choice == ModelChoice(name="first", input_size=448, refine=True)
    switch.do(actions.SetModel("second.onnx"))  # its own size, and refined still
    assert len(_results(switch)) == 1
    assert opened[-1] == ModelChoice(name="models/second.onnx", refine=True)


def test_what_cannot_be_opened_changes_nothing(switch: ModelSwitch) -> None:
    switch.do(actions.SetInputSize(33))
    assert _results(switch) == ["takes input sizes that are multiples of 32"]
    assert switch.choice == FIRST
    with pytest.raises(UsageError, match=r"there are first, second\.onnx"):
        switch.do(actions.SetModel("third"))
    with pytest.raises(UsageError, match="32 to 2048 pixels, not 31"):
        switch.do(actions.SetInputSize(31))


def test_a_taught_model_stays_as_it_is_until_another_is_chosen(switch: ModelSwitch) -> None:
    switch.leave()
    for action in (actions.SetInputSize(96), actions.Refine(True)):
        with pytest.raises(UsageError, match="a model that is taught stays as it is"):
            switch.do(action)
    switch.do(actions.SetModel("first"))
    assert len(_results(switch)) == 1
    assert switch.choice == FIRST


def test_one_at_a_time(tiny_model: Model) -> None:
    gate = threading.Event()

    def slowly(_: ModelChoice) -> Model:
        gate.wait(5)
        return tiny_model

    switch = ModelSwitch(FIRST, ["second"], slowly)
    switch.do(actions.SetModel("second"))
    assert switch.do(actions.Refine(True)) == "another model is being opened already"
    gate.set()
    switch.close()


def test_a_session_without_a_choice_says_so() -> None:
    session = LiveSession(FakeSource(counted(3)), fake_infer, FAKE_INFO, device="cpu")
    session.do(actions.Refine(True))
    session.run()
    assert session.state.message == "this run keeps its model"


def test_each_state_is_handed_over_in_the_thread_of_the_session(tmp_path: Path) -> None:
    states: list[LiveState] = []
    threads = set()

    def see(state: LiveState) -> None:
        states.append(state)
        threads.add(threading.current_thread())

    session = LiveSession(
        FakeSource(endless, is_live=True),
        fake_infer,
        FAKE_INFO,
        device="cpu",
        watch=see,
        limits=RunLimits(frames=20),
        folder=tmp_path,
    )
    session.do(actions.Toggle("boxes"))
    session.run()
    assert threads == {threading.main_thread()}
    frames = [state.frame.index for state in states if state.frame is not None]
    assert frames == sorted(frames)
    assert len(set(frames)) == 20
    assert states[-1].style.show_boxes
    assert all(state.frame is None or state.prediction is not None for state in states)
    assert states[-1].frame is not None
    assert time.perf_counter() - states[-1].frame.captured_s < 60
