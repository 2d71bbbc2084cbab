"""A line that the user types into the picture: a question, what was typed, what is near."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


def _nothing(_: str) -> Sequence[str]:
    return ()


@dataclass(slots=True)
class Prompt:
    """A question that is being answered.

    Attributes:
        question: What is asked, in a few words.
        answer: Is given the text when Enter is pressed.
        suggest: Gives what may be meant by a text; Tab takes the first.
        text: What was typed so far.
    """

    question: str
    answer: Callable[[str], None]
    suggest: Callable[[str], Sequence[str]] = _nothing
    text: str = ""

    @property
    def line(self) -> str:
        """What the picture says."""
        near = self.suggest(self.text)
        return f"{self.question}: {self.text}_" + (f"\t{', '.join(near)}" if near else "")

    def press(self, key: str) -> bool:
        """Add a key; gives whether it was the last one, Enter or Escape."""
        match key:
            case "escape":
                return True
            case "enter":
                self.answer(self.text)
                return True
            case "tab":
                self.text = next(iter(self.suggest(self.text)), self.text)
            case "backspace":
                self.text = self.text[:-1]
            case _:
                self.text += " " if key == "space" else key
        return False
