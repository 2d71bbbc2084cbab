"""What actions change of the state of a live session; what the display says of a state."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from camstream.drawing.overlay import Style
from camstream.errors import UsageError
from camstream.live import actions
from camstream.live.hud import hud
from camstream.live.state import LiveState, Prompt, TaughtClass, TeachingState, apply
from camstream.maps.select import ClassGroup, Contrast, Selection
from camstream.testing import FAKE_INFO, fake_infer, make_frame
from tests.live.states import state_of

TENT = (ClassGroup("tent", (3,)),)


def after(state: LiveState, *done: actions.ViewAction) -> LiveState:
    for action in done:
        state = apply(state, action)
    return state


@pytest.mark.parametrize(
    ("action", "values"),
    [
        (actions.SetTopK(3), {"count": 3}),
        (actions.Toggle("boxes", True), {"what": "boxes", "on": True}),
        (actions.WatchClasses(["dog", "tent"]), {"names": ["dog", "tent"]}),
        (actions.NameClass("cup", 2), {"name": "cup", "number": 2}),
    ],
)
def test_an_action_can_be_sent_by_name_and_values(
    action: actions.Action, values: dict[str, Any]
) -> None:
    sent = json.dumps([type(action).__name__, dataclasses.asdict(action)])
    name, received = json.loads(sent)
    assert received == values
    assert actions.ACTIONS[name](**received) == action


def test_every_action_is_listed() -> None:
    classes = {value for value in vars(actions).values() if dataclasses.is_dataclass(value)}
    assert set(actions.ACTIONS.values()) == classes


def test_the_number_of_maps_goes_round() -> None:
    state, counts = state_of(Selection(top_k=4)), []
    for _ in range(6):
        state = apply(state, actions.SetTopK())
        counts.append(state.selection.top_k)
    assert counts == [5, 8, 1, 2, 3, 5]
    assert apply(state, actions.SetTopK(7)).selection.top_k == 7


def test_watched_classes_are_switched_off_and_on() -> None:
    state = apply(state_of(), actions.WatchClasses(["tent"]))
    assert state.selection.classes == TENT
    assert state.message == "watching tent"
    assert after(state, actions.Toggle("classes")).selection.classes == ()
    assert (
        after(state, actions.Toggle("classes"), actions.Toggle("classes")).selection.classes == TENT
    )
    assert after(state, actions.Toggle("classes", True)).selection.classes == TENT


def test_an_empty_name_ends_watching() -> None:
    for none in ([""], []):
        state = apply(state_of(Selection(classes=TENT)), actions.WatchClasses(none))
        assert state.selection.classes == ()


def test_a_contrast_comes_back_as_it_was_named() -> None:
    named = Contrast((ClassGroup("tabby", (1,)), *TENT))
    toggle, state = actions.Toggle("contrast"), state_of(Selection(contrast=named))
    assert after(state, toggle).selection.contrast is None
    assert after(state, toggle, toggle).selection.contrast == named
    assert after(state_of(), toggle).selection.contrast == Contrast()


@pytest.mark.parametrize(("presses", "level"), [(1, "strong"), (2, "off"), (3, "default")])
def test_smoothing_goes_round(presses: int, level: str) -> None:
    state = after(state_of(), *[actions.SetSmoothing()] * presses)
    assert state.selection.smoothing == level
    assert state.message == f"smoothing: {level}"
    assert apply(state_of(), actions.SetSmoothing(level)).selection.smoothing == level


def test_the_trail_goes_on_and_off() -> None:
    assert after(state_of(), actions.Toggle("trail")).selection.trail_s > 0
    assert (
        after(state_of(), actions.Toggle("trail"), actions.Toggle("trail")).selection.trail_s == 0
    )
    assert after(state_of(), actions.SetTrail(5)).selection.trail_s == 5
    assert (
        after(state_of(), actions.SetTrail(5), actions.Toggle("trail", True)).selection.trail_s == 5
    )


def test_opacity_stays_within_its_limits_and_colours_go_round() -> None:
    assert after(state_of(), *[actions.ChangeOpacity(0.1)] * 9).style.heatmap_opacity == 1
    assert after(state_of(), *[actions.ChangeOpacity(-0.1)] * 9).style.heatmap_opacity == 0
    assert after(state_of(), actions.SetOpacity(0.25)).style.heatmap_opacity == 0.25
    assert after(state_of(), *[actions.SetColormap()] * 7).style == Style()
    assert after(state_of(), actions.SetColormap("magma")).style.colormap == "magma"


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (actions.WatchClasses(["tabbi"]), "did you mean tabby"),
        (actions.SetTopK(10), "top_k is 1 to 9"),
        (actions.SetSmoothing("much"), "off, default, strong"),
        (actions.SetTrail(-1), "0 seconds or more"),
        (actions.SetOpacity(7), "0 to 1"),
        (actions.SetColormap("grey"), "no colormap"),
        (actions.Toggle("hair"), "'hair'"),  # type: ignore[arg-type]
    ],
)
def test_an_impossible_action_is_a_usage_error(action: actions.ViewAction, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        apply(state_of(), action)


def test_another_model_ends_what_was_asked_for_by_name() -> None:
    named = Contrast((ClassGroup("tabby", (1,)), *TENT))
    state = state_of(Selection(classes=TENT, contrast=named, top_k=3)).with_model(FAKE_INFO)
    assert state.selection == Selection(contrast=Contrast(), top_k=3)
    assert after(state, actions.Toggle("classes")).selection.classes == ()
    assert state.names.find("other").indices == (1,)


def displaying(**attributes: Any) -> LiveState:
    """A state with a frame of the moment 100 s, whose map is 50 ms older."""
    frame = dataclasses.replace(make_frame(5), captured_s=100.0)
    earlier = dataclasses.replace(make_frame(4), captured_s=99.95)
    return state_of(frame=frame, prediction=fake_infer(earlier), **attributes)


def test_the_display_says_rate_lag_age_drops_and_device() -> None:
    state = displaying(rate_hz=29.6, lag_ms=31.4, dropped=7, recording="a.mp4")
    line = "30 fps   lag 31 ms   map 50 ms old   dropped 7   cpu"
    assert hud(state, 100.1) == ["recording a.mp4", line]
    assert hud(dataclasses.replace(state, show_display=False), 100.1) == []


@pytest.mark.parametrize(
    ("now_s", "attributes", "notes"),
    [
        (100.9, {}, []),
        (101.1, {}, ["no picture for 1 s"]),
        (101.1, {"source_rate_hz": 1.0}, []),
        (101.1, {"is_paused": True, "source_state": "reconnecting"}, ["paused"]),
        (101.1, {"source_state": "reconnecting"}, ["reconnecting"]),
        (100.5, {"message": "saved", "message_s": 100.0}, ["saved"]),
        (102.4, {"message": "saved", "message_s": 100.0, "is_paused": True}, ["paused", "saved"]),
        (102.6, {"message": "saved", "message_s": 100.0, "is_paused": True}, ["paused"]),
    ],
)
def test_the_display_says_what_is_going_on(
    now_s: float, attributes: dict[str, Any], notes: list[str]
) -> None:
    state = displaying(show_display=False)
    assert hud(dataclasses.replace(state, **attributes), now_s) == notes


def test_the_display_shows_the_prompt_in_place_of_the_message() -> None:
    prompt = Prompt("watch", "tab", ("tabby", "table lamp"))
    state = displaying(show_display=False, message="saved", message_s=100.0, prompt=prompt)
    assert hud(state, 100.1) == ["watch: tab_\ttabby, table lamp"]


def test_the_display_counts_the_frames_that_were_taught() -> None:
    cup = TaughtClass(number=1, name="cup", frames=3, is_named=True)
    none = TaughtClass(number=2, name="no cup", frames=0, is_named=True)
    state = displaying(show_display=False, teaching=TeachingState((none,)))
    assert hud(state, 100.1) == []
    for work, end in (("", "f fits   x saves"), ("fitting ...", "fitting ...")):
        teaching = TeachingState((cup, none), latest=1, work=work)
        assert hud(dataclasses.replace(state, teaching=teaching), 100.1) == [f"1 cup 3   {end}"]


def test_before_the_first_picture_the_display_says_what_is_waited_for() -> None:
    waiting = "waiting for the first picture of camera 0"
    assert hud(state_of(message="saved", message_s=100.0), 100.1) == [waiting]
    assert hud(state_of(source_state="reconnecting"), 100.1) == ["reconnecting"]
    shown, last = hud(state_of(show_help=True), 100.1)
    assert shown.startswith("q\tquit")
    assert last == waiting
