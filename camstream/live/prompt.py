"""The line in which a question is answered with the keyboard: what was typed, and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from camstream.errors import UsageError

if TYPE_CHECKING:
    from camstream.models.classes import ClassNames

_MAX_TEXT = 100  # characters; longer is no name


@dataclass(frozen=True, slots=True)
class Prompt:
    """A question that the user is answering with the keyboard.

    Attributes:
        question: What is asked, in a few words.
        text: What was typed so far.
        cursor: Where the next character goes, 0 (before the text) to len(text).
        overwrites: Whether it takes the place of the one that is there; the key Insert changes it.
        suggestions: What may be meant by it, the most likely one first.
        problem: Why the answer was not taken; empty while there is none.
    """

    question: str
    text: str = ""
    cursor: int = 0
    overwrites: bool = False
    suggestions: Sequence[str] = ()
    problem: str = ""


def edit(prompt: Prompt, key: str) -> Prompt:
    """Do what a key does in a line of text.

    Args:
        prompt: As it is.
        key: "left", "right", "home", "end", "insert", "delete", "backspace", "tab" (takes the
            first suggestion), "space", or one character; other names change nothing.

    Returns:
        The prompt after it, with the same suggestions.
    """
    text, at = prompt.text, prompt.cursor
    match key:
        case "left":
            return replace(prompt, cursor=max(0, at - 1))
        case "right":
            return replace(prompt, cursor=min(len(text), at + 1))
        case "home":
            return replace(prompt, cursor=0)
        case "end":
            return replace(prompt, cursor=len(text))
        case "insert":
            return replace(prompt, overwrites=not prompt.overwrites)
        case "delete":
            return _with_text(prompt, text[:at] + text[at + 1 :], at)
        case "backspace":
            return _with_text(prompt, text[: max(0, at - 1)] + text[at:], max(0, at - 1))
        case "tab":
            best = next(iter(prompt.suggestions), text)
            return _with_text(prompt, best, len(best))
    character = " " if key == "space" else key
    if len(character) != 1 or not character.isprintable() or len(text) >= _MAX_TEXT:
        return prompt
    return _with_text(prompt, text[:at] + character + text[at + prompt.overwrites :], at + 1)


def _with_text(prompt: Prompt, text: str, cursor: int) -> Prompt:
    return replace(prompt, text=text, cursor=cursor, problem="")


def find_name(prompt: Prompt, names: ClassNames) -> str:
    """Give the name that an answer means: what was typed, or the best suggestion.

    Args:
        prompt: As it is when Enter is pressed; nothing typed is an answer, too.
        names: Of the model's classes.

    Raises:
        UsageError: Neither is a class of the model.
    """
    if not prompt.text.strip():
        return ""
    try:
        names.find(prompt.text)
    except UsageError:
        if not prompt.suggestions:
            raise
        names.find(prompt.suggestions[0])
        return prompt.suggestions[0]
    return prompt.text
