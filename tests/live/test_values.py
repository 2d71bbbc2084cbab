"""Actions that came as JSON: names and values are checked before anything is done."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camstream.errors import UsageError
from camstream.live import actions
from camstream.live.values import checked, make

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=300),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("name", "values", "action"),
    [
        ("AskAt", {"x": 0.5, "y": 1}, actions.AskAt(0.5, 1)),
        ("Toggle", {"what": "boxes"}, actions.Toggle("boxes")),
        ("ShowClasses", {"names": ["cat", "dog"]}, actions.ShowClasses(["cat", "dog"])),
        ("SetDisplay", {"level": None}, actions.SetDisplay()),
        ("Quit", {}, actions.Quit()),
    ],
)
def test_an_action_is_made_from_json(
    name: str, values: dict[str, Any], action: actions.Action
) -> None:
    assert make(name, json.loads(json.dumps(values))) == action


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("Explode", {}, "no action 'Explode'; there are Toggle,"),
        (None, {}, "no action None"),
        (["Quit"], {}, "no action"),
        ("AskAt", {"x": 0.5}, "AskAt needs a value 'y'"),
        ("Quit", {"now": True}, "Quit has no value 'now'"),
        ("AskAt", {"x": "0.5", "y": 0}, "AskAt: x is a number, not '0.5'"),
        ("AskAt", {"x": float("nan"), "y": 0}, "x is a number, not nan"),
        ("AskAt", {"x": 10**400, "y": 0}, "x is a number, not a huge number"),
        ("AskAt", {"x": True, "y": 0}, "x is a number, not True"),
        ("SetTopK", {"count": 2.5}, "count is a whole number or null, not 2.5"),
        ("SetTopK", {"count": False}, "count is a whole number or null, not False"),
        ("Pause", {"on": 1}, "on is true or false or null, not 1"),
        ("Toggle", {"what": "hair"}, "what is 'heatmap', 'label', .* not 'hair'"),
        ("Toggle", {"what": ["label"]}, "what is"),
        ("ShowClasses", {"names": "dog"}, "names is a list of up to 50, each text, not 'dog'"),
        ("ShowClasses", {"names": ["dog", 3]}, "names is a list"),
        ("ShowClasses", {"names": ["dog"] * 51}, "names is a list"),
        ("NameClass", {"name": "x" * 201}, "name is text, not"),
    ],
)
def test_wrong_values_are_named(name: Any, values: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make(name, values)


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(sorted(actions.ACTIONS)) | st.text(),
    values=st.dictionaries(st.sampled_from(["x", "y", "what", "on", "names", "name"]), JSON),
)
def test_whatever_comes_is_an_action_or_a_usage_error(name: str, values: dict[str, Any]) -> None:
    try:
        action = make(name, values)
    except UsageError as error:
        said = str(error)
    else:
        assert checked(action) is action
        return
    assert 0 < len(said) < 600


def test_what_is_no_action_is_refused() -> None:
    for wrong in ("Quit", None, actions.Quit, object()):
        with pytest.raises(UsageError, match="is no action"):
            checked(wrong)  # type: ignore[arg-type]
