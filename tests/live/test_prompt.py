"""Editing the line of an answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camstream.live.prompt import Prompt, edit

KEYS = ("left", "right", "home", "end", "insert", "delete", "backspace", "tab", "space", "up", "f1")


def typed(*keys: str) -> Prompt:
    prompt = Prompt("name", suggestions=("Shetland pony",))
    for key in keys:
        prompt = edit(prompt, key)
    return prompt


@pytest.mark.parametrize(
    ("keys", "text", "cursor"),
    [
        ([*"Pony"], "Pony", 4),
        ([*"Pny", "left", "left", "o"], "Pony", 2),
        ([*"ony", "home", "P"], "Pony", 1),
        ([*"Pony", "home", "right", "delete"], "Pny", 1),
        ([*"Pony", "left", "backspace"], "Poy", 2),
        ([*"Pony", "home", "backspace", "left"], "Pony", 0),
        ([*"Pony", "delete", "right"], "Pony", 4),
        ([*"Pony", "home", "insert", *"Ca"], "Cany", 2),
        ([*"Pony", "home", "insert", "insert", *"Ca"], "CaPony", 2),
        ([*"Pony", "insert", "s"], "Ponys", 5),
        ([*"a", "space", *"b"], "a b", 3),
        ([*"pon", "home", "tab"], "Shetland pony", 13),
        ([*"Pony", "home", "end", "!"], "Pony!", 5),
        ([*"é猫", "up", "f5", "\x1b", "\ud800"], "é猫", 2),
    ],
)
def test_the_keys_of_a_line_do_what_they_say(keys: list[str], text: str, cursor: int) -> None:
    prompt = typed(*keys)
    assert (prompt.text, prompt.cursor) == (text, cursor)


@given(st.lists(st.sampled_from(KEYS) | st.characters(), max_size=150))
def test_the_cursor_stays_in_a_line_of_bounded_length(keys: list[str]) -> None:
    prompt = typed(*keys)
    assert 0 <= prompt.cursor <= len(prompt.text) <= 100
    assert prompt.text.isprintable()
