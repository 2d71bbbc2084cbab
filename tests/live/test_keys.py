"""Keys become actions, and the letters of an answer while something is asked."""

from __future__ import annotations

import pytest

from camstream.live import actions
from camstream.live.ask import Answer
from camstream.live.help import HELP, help_rows
from camstream.live.keys import Keyboard
from camstream.live.state import LiveState, TaughtClass, TeachingState
from camstream.sources.player import PlayerState
from tests.live.states import state_of

STATE = state_of()
ACTIONS: dict[str, actions.Action] = {
    "q": actions.Quit(),
    "escape": actions.Quit(),
    "space": actions.Pause(),
    "k": actions.SetTopK(),
    "w": actions.Toggle("classes"),
    "v": actions.Toggle("contrast"),
    "m": actions.SetSmoothing(),
    "t": actions.Toggle("trail"),
    "+": actions.ChangeOpacity(0.1),
    "=": actions.ChangeOpacity(0.1),
    "-": actions.ChangeOpacity(-0.1),
    "c": actions.SetColormap(),
    "h": actions.Toggle("heatmap"),
    "l": actions.Toggle("label"),
    "b": actions.Toggle("boxes"),
    "e": actions.Toggle("legend"),
    "d": actions.SetDisplay(),
    "?": actions.Toggle("help"),
    "s": actions.Snapshot(),
    "r": actions.Record(),
    "1": actions.Teach(1),
    "9": actions.Teach(9),
    "z": actions.Forget(),
    "f": actions.Fit(),
    "x": actions.Save(),
}


def press(keyboard: Keyboard, *keys: str, state: LiveState = STATE) -> list[actions.Action]:
    return [action for key in keys for action in keyboard.press(key, state)]


@pytest.mark.parametrize(("key", "action"), ACTIONS.items())
def test_a_key_is_an_action_and_stands_in_the_help(key: str, action: actions.Action) -> None:
    assert press(Keyboard(), key) == [action]
    listed = [row.keys for row in HELP]
    also = {"escape": "q", "=": "+", "1": "1 to 9", "9": "1 to 9"}
    assert any(also.get(key, key) in (keys, *keys.split()) for keys in listed)


def test_other_keys_do_nothing() -> None:
    assert press(Keyboard(), "enter", "tab", "backspace", "0", "Q", "") == []


def test_the_help_names_only_what_this_run_can_do() -> None:
    plain = {row.keys for row in help_rows(STATE)}
    assert "k" in plain
    assert not plain & {"1 to 9", "n", "z", "f", "x"}
    teaching = {row.keys for row in help_rows(state_of(teaching=TeachingState()))}
    assert teaching - plain == {"1 to 9", "n", "z", "f", "x"}
    clip = {row.keys for row in help_rows(state_of(player=PlayerState()))}
    assert clip - plain == {"← →", ", .", "[ ]", "Home", "End", "o"}
    photos = {row.keys for row in help_rows(state_of(player=PlayerState(counts="photos")))}
    assert photos - plain == {"← →"}


def test_escape_closes_an_answer_before_it_quits() -> None:
    assert press(Keyboard(), "escape", state=state_of(answer=Answer(0.5, 0.5))) == [
        actions.CloseAnswer()
    ]
    assert press(Keyboard(), "escape") == [actions.Quit()]


def test_a_class_is_typed_completed_and_shown() -> None:
    keyboard = Keyboard()
    assert press(keyboard, "/", *"tabl") == []
    assert keyboard.prompt is not None
    assert (keyboard.prompt.question, keyboard.prompt.text) == ("show a class", "tabl")
    assert keyboard.prompt.suggestions == ["table lamp"]
    assert press(keyboard, "tab") == []
    assert keyboard.prompt.text == "table lamp"
    assert press(keyboard, "enter") == [actions.ShowClasses(["table lamp"])]
    assert keyboard.prompt is None


@pytest.mark.parametrize(
    ("typed", "name"),
    [("ta", "tabby"), ("TENT", "TENT"), ("3", "3"), ("tabbi", "tabby"), ("", ""), (" ", "")],
)
def test_enter_takes_what_was_typed_or_the_best_suggestion(typed: str, name: str) -> None:
    assert press(Keyboard(), "/", *typed, "enter") == [actions.ShowClasses([name])]


def test_a_name_that_is_not_there_keeps_what_was_typed() -> None:
    keyboard = Keyboard()
    assert press(keyboard, "/", *"xylophone", "enter") == []
    assert keyboard.prompt is not None
    assert keyboard.prompt.text == "xylophone"
    assert "no class 'xylophone'" in keyboard.prompt.problem
    assert press(keyboard, "home", *["delete"] * 9) == []
    assert keyboard.prompt.problem == ""
    assert press(keyboard, *"tent", "enter") == [actions.ShowClasses(["tent"])]


def test_letters_that_are_keys_elsewhere_are_typed() -> None:
    keyboard = Keyboard()
    assert press(keyboard, "/", "q", "s", "backspace", "space", "?") == []
    assert keyboard.prompt is not None
    assert keyboard.prompt.text == "q ?"
    assert press(keyboard, "escape") == []
    assert keyboard.prompt is None
    assert press(keyboard, "escape") == [actions.Quit()]


def taught(*classes: tuple[int, str, int], latest: int | None) -> LiveState:
    """A state with taught classes: number, name, frames."""
    made = tuple(
        TaughtClass(number=n, name=name, frames=frames, is_named=not name.startswith("class"))
        for n, name, frames in classes
    )
    return state_of(teaching=TeachingState(made, latest))


def test_names_are_asked_for_before_saving() -> None:
    state = taught((1, "cup", 1), (2, "class 2", 3), (3, "class 3", 1), (4, "class 4", 0), latest=3)
    keyboard = Keyboard()
    assert press(keyboard, "x", *"no", "space", *"cup", state=state) == []
    assert keyboard.prompt is not None
    assert keyboard.prompt.question == "name of class 2"
    assert keyboard.prompt.suggestions == ()
    assert press(keyboard, "enter", state=state) == [actions.NameClass("no cup", 2)]
    assert keyboard.prompt is not None
    assert keyboard.prompt.question == "name of class 3"
    assert press(keyboard, "enter", state=state) == [actions.NameClass("", 3), actions.Save()]
    assert keyboard.prompt is None


def test_escape_ends_the_questions_and_saves_nothing() -> None:
    state = taught((1, "class 1", 1), (2, "class 2", 3), latest=3)
    keyboard = Keyboard()
    assert press(keyboard, "x", "a", "escape", state=state) == []
    assert keyboard.prompt is None


def test_a_name_is_for_the_class_taught_last() -> None:
    state = taught((1, "cup", 1), (2, "class 2", 3), latest=2)
    assert press(Keyboard(), "n", *"Pony", "enter", state=state) == [actions.NameClass("Pony", 2)]
    assert press(Keyboard(), "n", state=taught(latest=None)) == [actions.NameClass("")]
    assert press(Keyboard(), "n") == [actions.NameClass("")]
