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
from camstream.live.prompt import Prompt
from camstream.live.state import LiveState, TaughtClass, TeachingState, apply
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
        (actions.ShowClasses(["dog", "tent"]), {"names": ["dog", "tent"]}),
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


def test_named_classes_are_switched_off_and_on() -> None:
    state = apply(state_of(), actions.ShowClasses(["tent"]))
    assert state.selection.classes == TENT
    assert state.message == "shown: tent"
    assert after(state, actions.Toggle("classes")).selection.classes == ()
    assert (
        after(state, actions.Toggle("classes"), actions.Toggle("classes")).selection.classes == TENT
    )
    assert after(state, actions.Toggle("classes", True)).selection.classes == TENT


def test_an_empty_name_shows_the_best_class_again() -> None:
    for none in ([""], []):
        state = apply(state_of(Selection(classes=TENT)), actions.ShowClasses(none))
        assert state.selection.classes == ()


def test_a_contrast_is_of_two_named_classes_or_of_the_two_best() -> None:
    state = apply(state_of(), actions.SetContrast(" tabby ", "tent"))
    named = Contrast((ClassGroup("tabby", (1,)), *TENT))
    assert state.selection.contrast == named
    assert state.message == "tabby against tent"
    toggle = actions.Toggle("contrast")
    assert after(state, toggle, toggle).selection.contrast == named
    assert apply(state, actions.SetContrast()).selection.contrast == Contrast()
    for half in (actions.SetContrast("tent"), actions.SetContrast(second="tent")):
        with pytest.raises(UsageError, match="name both, or none"):
            apply(state, half)
    with pytest.raises(UsageError, match="no class 'tabbi'"):
        apply(state, actions.SetContrast("tent", "tabbi"))


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
        (actions.ShowClasses(["tabbi"]), "did you mean tabby"),
        (actions.SetTopK(10), "top_k is 1 to 9"),
        (actions.SetSmoothing("much"), "off, default, strong"),
        (actions.SetTrail(-1), "0 to 60 seconds"),
        (actions.SetTrail(61), "0 to 60 seconds"),
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


def test_the_display_says_rate_lag_and_device_and_more_on_a_second_key() -> None:
    state = displaying(rate_hz=29.6, lag_ms=31.4, dropped=7, device="cpu")
    assert hud(state, 100.1) == ["30 fps, 31 ms, CPU"]
    state = after(state, actions.SetDisplay())
    assert hud(state, 100.1) == [
        "30 fps, 31 ms, CPU\n31 ms from arrival to screen; map 50 ms old; 7 frames not shown"
    ]
    assert hud(after(state, actions.SetDisplay()), 100.1) == []
    short = after(state, actions.SetDisplay(), actions.SetDisplay())
    assert short.display == "short"
    assert after(short, actions.SetDisplay("full")).display == "full"


@pytest.mark.parametrize(
    "attributes", [{"is_paused": True}, {"source_state": "reconnecting"}, {"lag_ms": 5.0}]
)
def test_no_rate_is_claimed_while_no_picture_comes(attributes: dict[str, Any]) -> None:
    state = displaying(rate_hz=29.6, display="full", device="cpu", **attributes)
    text = "\n".join(hud(state, 104.0))
    assert "fps" not in text
    assert "arrival" not in text
    assert "CPU" in text


def test_frames_that_passed_in_a_pause_are_told() -> None:
    state = displaying(is_paused=True, passed=9, dropped=12, display="full", device="cpu")
    assert hud(state, 100.1) == [
        "paused, 9 frames passed",
        "CPU\nmap 50 ms old; 12 frames not shown, 9 of them in a pause",
    ]


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
        (102.8, {"message": "saved", "message_s": 100.0, "is_paused": True}, ["paused"]),
    ],
)
def test_the_display_says_what_is_going_on(
    now_s: float, attributes: dict[str, Any], notes: list[str]
) -> None:
    state = displaying(display="off")
    assert hud(dataclasses.replace(state, **attributes), now_s) == notes


def test_the_prompt_has_its_suggestions_on_a_line_of_their_own() -> None:
    prompt = Prompt("show a class", "tab", 3, suggestions=("tabby", "table lamp", "tent"))
    state = displaying(display="off", message="saved", message_s=100.0, prompt=prompt)
    assert hud(state, 100.1) == ["show a class: tab|", "Enter: tabby   or table lamp, tent"]
    for changes, lines in (
        ({"cursor": 1, "suggestions": ()}, ["show a class: t|ab"]),
        ({"overwrites": True, "suggestions": ("tabby",)}, ["show a class: tab_", "Enter: tabby"]),
        ({"problem": "no such class"}, ["show a class: tab|", "no such class"]),
    ):
        other = dataclasses.replace(prompt, **changes)
        assert hud(dataclasses.replace(state, prompt=other), 100.1) == lines


def test_a_long_message_stays_longer() -> None:
    state = displaying(display="off", message="x" * 100, message_s=100.0, is_paused=True)
    assert len(hud(state, 107.4)) == 2
    assert len(hud(state, 107.6)) == 1


def test_the_display_counts_the_frames_that_were_taught() -> None:
    def says(*classes: TaughtClass, work: str = "") -> list[str]:
        teaching = TeachingState(classes, latest=1, work=work)
        return hud(displaying(display="off", teaching=teaching), 100.1)

    cat = TaughtClass(number=1, name="Cat", frames=0, is_named=True)
    horse = TaughtClass(number=2, name="Horse", frames=0, is_named=True)
    stock = TaughtClass(number=3, name="class 3", frames=0, is_named=False)
    seen = dataclasses.replace(cat, frames=12)
    assert says() == []
    assert says(cat, horse, stock) == ["1 Cat 0   2 Horse 0: hold a digit"]
    assert says(seen, horse) == ["1 Cat 12   2 Horse 0   f fits   x saves"]
    assert says(seen, horse, work="fitting ...") == ["1 Cat 12   2 Horse 0   fitting ..."]
    assert says(dataclasses.replace(seen, is_alike=True), horse) == [
        "Cat: all frames alike: move it",
        "1 Cat 12   2 Horse 0   f fits   x saves",
    ]


def test_before_the_first_picture_the_display_says_what_is_waited_for() -> None:
    waiting = "waiting for the first picture of camera 0"
    assert hud(state_of(message="saved", message_s=100.0), 100.1) == [waiting]
    assert hud(state_of(source_state="reconnecting"), 100.1) == ["reconnecting"]
