"""What the keys of teaching do in the live window."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from camstream.live.prompt import Prompt

if TYPE_CHECKING:
    from camstream.live.controls import Controls, Errand
    from camstream.live.teaching import Teaching
    from camstream.picture import Picture

_FIRST = "hold a key from 1 to 9 first: it teaches what is seen"


def obey(errand: Errand, teaching: Teaching, controls: Controls, picture: Picture | None) -> None:
    """Do what a key asks for.

    Args:
        errand: Of ``Controls.obey``; one that is not of teaching does nothing.
        teaching: What learns.
        controls: Ask for names and tell what came of it.
        picture: The one that is seen; None before the first.
    """
    match errand:
        case "teach" if picture is not None:
            teaching.add(picture, controls.class_number)
        case "name" if teaching.latest is not None:
            _ask_name(teaching, controls, teaching.latest)
        case "forget" if teaching.latest is not None:
            controls.say(teaching.forget())
        case "name" | "forget":
            controls.say(_FIRST)
        case "fit":
            teaching.fit()
        case "save":
            _save(teaching, controls)
        case _:
            pass


def _ask_name(
    teaching: Teaching, controls: Controls, number: int, then: Callable[[], None] = lambda: None
) -> None:
    def answer(name: str) -> None:
        controls.say(teaching.name(number, name))
        then()

    controls.prompt = Prompt(f"name of class {number}", answer)


def _save(teaching: Teaching, controls: Controls, asked: int = 0) -> None:
    """Ask for the names that are missing, then save; Enter alone keeps a name."""
    number = teaching.unnamed(after=asked)
    if number is None:
        teaching.save()
    else:
        _ask_name(teaching, controls, number, lambda: _save(teaching, controls, number))
