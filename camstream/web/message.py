"""The messages of the socket ``/live``, see docs/manual/web.md: what viewers send and what they get."""

from __future__ import annotations

import struct
from typing import Any

import msgspec

from camstream.errors import UsageError
from camstream.live.state import LiveState

MAX_MESSAGE = 8192  # characters of a message of a viewer
_HEAD = struct.Struct(">Id")  # number of the picture; when it was captured, milliseconds since 1970
_MAX_QUERY = 100
_SUGGESTED = 12


class Ack(msgspec.Struct, tag="ack"):
    """A picture was drawn."""

    picture: int


class Do(msgspec.Struct, tag="do"):
    """An action is wanted; values are checked by ``camstream.live.values``."""

    action: str
    values: dict[str, Any] = {}


class Classes(msgspec.Struct, tag="classes"):
    """Names of classes are looked for."""

    query: str


Message = Ack | Do | Classes
_decoder = msgspec.json.Decoder(Message)


def read(text: str) -> Message:
    """Read what a viewer sent, up to ``MAX_MESSAGE`` characters.

    Raises:
        UsageError: It is no message.
    """
    try:
        decoded: Message = _decoder.decode(text)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise UsageError(f"not understood: {str(error)[:200]}") from error
    return decoded


def picture(number: int, captured_ms: float, jpeg: bytes) -> bytes:
    """Put a picture into a message."""
    return _HEAD.pack(number & 0xFFFFFFFF, captured_ms) + jpeg


def text(kind: str, **values: object) -> str:
    """Write a message as JSON; what is no finite number is null."""
    return msgspec.json.encode({"type": kind, **values}).decode()


def suggestions(state: LiveState, query: str) -> list[dict[str, object]]:
    """Find classes and groups of classes by a part of their name; a group has no class_index."""
    found: list[dict[str, object]] = []
    for name in state.names.suggest(query[:_MAX_QUERY], _SUGGESTED):
        try:
            indices = state.names.find(name).indices
        except UsageError:  # several classes have this label: each by its number
            folded = name.casefold()
            indices = tuple(
                n for n, one in enumerate(state.info.labels) if one.casefold() == folded
            )
            found += [{"class_index": n, "label": name, "name": str(n)} for n in indices]
            continue
        number = indices[0] if len(indices) == 1 else None
        found.append({"class_index": number, "label": name, "name": name})
    return found[:_SUGGESTED]
