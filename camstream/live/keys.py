"""The keys of the live window: each one is an action, or a letter of an answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from camstream.errors import UsageError
from camstream.live import actions
from camstream.live.prompt import Prompt, edit, find_name
from camstream.live.state import LiveState

_OPACITY_STEP = 0.1
_SKIP_S = 5.0

_KEYS: dict[str, actions.Action] = {
    "q": actions.Quit(),
    "escape": actions.Quit(),
    "space": actions.Pause(),
    "k": actions.SetTopK(),
    "w": actions.Toggle("classes"),
    "v": actions.Toggle("contrast"),
    "m": actions.SetSmoothing(),
    "t": actions.Toggle("trail"),
    "+": actions.ChangeOpacity(_OPACITY_STEP),
    "=": actions.ChangeOpacity(_OPACITY_STEP),
    "-": actions.ChangeOpacity(-_OPACITY_STEP),
    "c": actions.SetColormap(),
    "h": actions.Toggle("heatmap"),
    "l": actions.Toggle("label"),
    "b": actions.Toggle("boxes"),
    "e": actions.Toggle("legend"),
    "d": actions.SetDisplay(),
    "?": actions.Toggle("help"),
    "left": actions.Skip(-_SKIP_S),
    "right": actions.Skip(_SKIP_S),
    ",": actions.Step(-1),
    ".": actions.Step(1),
    "[": actions.ChangeSpeed(-1),
    "]": actions.ChangeSpeed(1),
    "o": actions.Loop(),
    "home": actions.Seek(0.0),
    "f11": actions.ToggleFullscreen(),
    "s": actions.Snapshot(),
    "r": actions.Record(),
    **{str(number): actions.Teach(number) for number in range(1, 10)},
    "z": actions.Forget(),
    "f": actions.Fit(),
}

_Answer = Callable[[str, LiveState], list[actions.Action]]


class Keyboard:
    """Turns keys into actions. While a question is asked, they type the answer.

    Attributes:
        prompt: The question that is being answered, None while none is.
    """

    def __init__(self) -> None:
        self.prompt: Prompt | None = None
        self._answer: _Answer = lambda _, __: []
        self._suggests_classes = False

    def press(self, key: str, state: LiveState) -> list[actions.Action]:
        """Take a key.

        Args:
            key: A character, or a name such as "escape"; see ``Display.key``.
            state: The session's.

        Returns:
            What is to be done now, in this order.
        """
        if self.prompt is not None:
            return self._type(key, self.prompt, state)
        match key:
            case "escape" if state.answer is not None:
                return [actions.CloseAnswer()]
            case "escape" if state.cameras:
                return [actions.Focus(None)]
            case "delete" if state.cameras:
                return [actions.RemoveCamera()]
            case number if state.cameras and number.isdecimal() and number != "0":
                return [actions.Focus(int(number))]
            case "i" if state.cameras and state.can_open:
                self._ask("one more: camera, file or URL", lambda text, _: _add(text))
            case "end":
                length = None if state.player is None else state.player.length
                return [actions.Seek(length)] if length is not None else []
            case "/":
                self._ask(
                    "show a class",
                    lambda name, _: [actions.ShowClasses([name])],
                    suggests_classes=True,
                )
            case "i" if state.can_open:
                self._ask("camera, file or URL", lambda text, _: _open(text))
            case "n":
                latest = None if state.teaching is None else state.teaching.latest
                if latest is None:
                    return [actions.NameClass("")]  # the session knows what to say
                self._ask_name(latest, lambda _: [])
            case "x":
                return self._save(state, after=0)
            case _:
                return [_KEYS[key]] if key in _KEYS else []
        return []

    def _ask(self, question: str, answer: _Answer, *, suggests_classes: bool = False) -> None:
        self.prompt = Prompt(question)
        self._answer = answer
        self._suggests_classes = suggests_classes

    def _type(self, key: str, prompt: Prompt, state: LiveState) -> list[actions.Action]:
        match key:
            case "escape":
                self.prompt = None
            case "enter":
                return self._enter(prompt, state)
            case _:
                self.prompt = edit(prompt, key)
                if self._suggests_classes and self.prompt.text != prompt.text:
                    suggestions = state.names.suggest(self.prompt.text)
                    self.prompt = dataclasses.replace(self.prompt, suggestions=suggestions)
        return []

    def _enter(self, prompt: Prompt, state: LiveState) -> list[actions.Action]:
        """Take the answer; one that names no class stays to be corrected."""
        text = prompt.text
        if self._suggests_classes:
            try:
                text = find_name(prompt, state.names)
            except UsageError as error:
                self.prompt = dataclasses.replace(prompt, problem=str(error))
                return []
        self.prompt = None  # an answer may ask again
        return self._answer(text, state)

    def _ask_name(self, number: int, then: Callable[[LiveState], list[actions.Action]]) -> None:
        def answer(name: str, state: LiveState) -> list[actions.Action]:
            return [actions.NameClass(name, number), *then(state)]

        self._ask(f"name of class {number}", answer)

    def _save(self, state: LiveState, after: int) -> list[actions.Action]:
        """Ask for the names that are missing, then save; Enter alone keeps a name."""
        classes = () if state.teaching is None else state.teaching.classes
        unnamed = (one.number for one in classes if one.frames and not one.is_named)
        number = next((number for number in unnamed if number > after), None)
        if number is None:
            return [actions.Save()]
        self._ask_name(number, lambda state: self._save(state, after=number))
        return []


def _open(address: str) -> list[actions.Action]:
    return [actions.OpenSource(address.strip())] if address.strip() else []


def _add(address: str) -> list[actions.Action]:
    return [actions.AddCamera(address.strip())] if address.strip() else []
