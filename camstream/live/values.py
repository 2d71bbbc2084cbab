"""Builds actions from names and values that came from outside, such as JSON of a page."""

from __future__ import annotations

import dataclasses
import math
import reprlib
from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from camstream.errors import UsageError
from camstream.live.actions import ACTIONS, Action

_MAX_TEXT = 200  # characters of a name; more is no name
_MAX_ITEMS = 50
_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


def make(name: object, values: Mapping[str, Any]) -> Action:
    """Build an action.

    Args:
        name: In ``ACTIONS``.
        values: Of its attributes, by their names; those that have a default may be left out.

    Raises:
        UsageError: There is no such action, or a value is missing, unknown or of a wrong type.
    """
    kind = ACTIONS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise UsageError(f"no action {_short(name)}; there are {', '.join(ACTIONS)}")
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for unknown in values.keys() - fields.keys():
        raise UsageError(f"{name} has no value {_short(unknown)}")
    for field in fields.values():
        if field.default is dataclasses.MISSING and field.name not in values:
            raise UsageError(f"{name} needs a value {field.name!r}")
    return checked(kind(**values))


def checked(action: Action) -> Action:
    """Return the same action, if each of its values has the type that is declared for it.

    Raises:
        UsageError: It is no action, or a value is of another type, no finite number, or too long.
    """
    kind = type(action)
    if ACTIONS.get(kind.__name__) is not kind:
        raise UsageError(f"{_short(action)} is no action; there are {', '.join(ACTIONS)}")
    for name, hint in get_type_hints(kind).items():
        value = getattr(action, name)
        if not _fits(value, hint):
            raise UsageError(f"{kind.__name__}: {name} is {_words(hint)}, not {_short(value)}")
    return action


def _fits(value: object, hint: Any) -> bool:
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return any(_fits(value, one) for one in get_args(hint))
    if origin is Literal:
        return isinstance(value, str) and value in get_args(hint)
    if origin is Sequence:
        if not isinstance(value, list | tuple) or len(value) > _MAX_ITEMS:
            return False
        return all(_fits(item, get_args(hint)[0]) for item in value)
    if hint is float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and abs(value) <= 1e9 and math.isfinite(value)  # type: ignore[arg-type]
    if hint is int:
        return type(value) is int and abs(value) <= 1_000_000_000
    if hint is str:
        return isinstance(value, str) and len(value) <= _MAX_TEXT
    return type(value) is hint  # bool, None


def _words(hint: Any) -> str:
    """Say what a type is in plain words."""
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return " or ".join(_words(one) for one in get_args(hint))
    if origin is Literal:
        return ", ".join(map(repr, get_args(hint)))
    if origin is Sequence:
        return f"a list of up to {_MAX_ITEMS}, each {_words(get_args(hint)[0])}"
    return "null" if hint is NoneType else _WORDS[hint]


def _short(value: object) -> str:
    """Show a value that may be of any size."""
    if isinstance(value, int) and abs(value) > 10**9:
        return "a huge number"  # thousands of digits cannot even be written
    return reprlib.repr(value)
