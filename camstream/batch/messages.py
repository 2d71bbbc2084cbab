"""What a pool and its children say to each other: a line of JSON a message, and nothing is executed.

To the child: what to work with, then tasks; at most one is under way. From the child: ``ready`` or
``unusable`` once, then for each task ``progress`` (some of them), and ``done`` or ``failed``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from camstream import errors
from camstream.batch.task import Json
from camstream.errors import CamstreamError

T = TypeVar("T")


def to_line(message: Json) -> bytes:
    """Write a message; a name that is no text in UTF-8 comes through whole."""
    return json.dumps(message, separators=(",", ":")).encode("ascii") + b"\n"


def from_line(line: bytes) -> Json:
    """Read a message.

    Raises:
        ValueError: It is none.
    """
    message = json.loads(line)
    if not isinstance(message, dict):
        raise ValueError("a message is an object")
    return message


def plain(value: Any) -> Any:
    """Return a record with paths in it as JSON has it."""
    return msgspec.to_builtins(value, enc_hook=_written)


def record(value: Any, kind: type[T]) -> T:
    """Return what ``plain`` made of a record as the record again, checked.

    Raises:
        ValueError: It is none.
    """
    return msgspec.convert(value, kind, dec_hook=_read)


def error_to_json(error: CamstreamError) -> Json:
    """Write an error with what a command line needs of it."""
    cause = error.__cause__
    return {
        "kind": type(error).__name__,
        "message": str(error.args[0]) if error.args else "",
        "option": error.option,
        "errno": (cause.errno or 0) if isinstance(cause, OSError) else 0,
    }


def error_from_json(value: Json) -> CamstreamError:
    """Make the error again; one of an unknown kind is a plain one."""
    kind = getattr(errors, str(value.get("kind")), CamstreamError)
    if not (isinstance(kind, type) and issubclass(kind, CamstreamError)):
        kind = CamstreamError
    return kind(str(value.get("message", "")), option=str(value.get("option", "")))


def _written(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError(f"{type(value).__name__} is in no message")


def _read(kind: type, value: Any) -> Any:
    if kind is object:  # anything that JSON has
        return value
    maker: Callable[[Any], Any] = kind
    if issubclass(kind, Path) and isinstance(value, str):
        return maker(value)
    raise ValueError(f"{kind.__name__} is in no message")
