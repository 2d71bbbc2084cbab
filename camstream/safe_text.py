"""Makes text safe to show: file names, labels and messages that came from somebody else.

A terminal obeys escape sequences, a picture's font ends the process on half a surrogate, a direction
override turns a name around, a table's program runs a cell that begins with "=". Whoever shows
text from outside calls ``safe_text``, and then what its own place needs as well:

    a picture    nothing more: ``camstream.drawing.text`` calls it for everything that it writes
    a terminal   ``console.print(safe_text(name), markup=False)``, or ``rich.markup.escape``
    HTML         ``html.escape(safe_text(label))``
    CSV          ``safe_cell(label)`` in place of it
    errors       nothing: ``camstream.console`` calls it where errors are printed
"""

from __future__ import annotations

import re
import unicodedata

_UNKNOWN = "\N{REPLACEMENT CHARACTER}"
_ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
# A control sequence (CSI), a string up to its end (OSC, DCS ...), or any two-character escape.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
_JOINERS = "\u200c\u200d"  # invisible, but they are part of how some scripts and emoji are written
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_LIMIT = 200


def safe_text(text: str | bytes, *, limit: int = _LIMIT, keep: str = "") -> str:
    """Make text safe to show in one line.

    Args:
        text: Any text; bytes are read as UTF-8.
        limit: What is longer loses its middle: beginning and end of a path tell the most.
            Characters, at least 1.
        keep: White space that stays as it is, such as a line's end in a text of several lines.

    Returns:
        At most ``limit`` characters that can be encoded: escape sequences and invisible characters
        are left out, white space is a space, and what is no character is U+FFFD.
    """
    if isinstance(text, bytes):
        text = text.decode(errors="replace")
    if len(text) > 4 * limit:  # so that a megabyte costs nothing
        text = _shortened(text, 4 * limit)
    if text.isascii() and text.isprintable():
        return _shortened(text, limit)
    text = _ESCAPES.sub("", text)
    return _shortened("".join(one if one in keep else _safe(one) for one in text), limit)


def safe_cell(text: str | bytes, *, limit: int = _LIMIT) -> str:
    """Make text safe as a cell of a table: as ``safe_text``, and never a formula.

    Returns:
        The text; after an apostrophe where a spreadsheet would calculate it.
    """
    safe = safe_text(text, limit=limit)
    return f"'{safe}" if safe.lstrip().startswith(_FORMULA_STARTS) else safe


def _safe(one: str) -> str:
    """Give what is shown of one character."""
    if one.isprintable() or one in _JOINERS:
        return one
    if one.isspace():
        return " "
    # Cf: directions and other invisible ones; Cc: bells and the like; the rest is no character.
    is_silent = unicodedata.category(one) == "Cf"
    return "" if is_silent else _UNKNOWN


def _shortened(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    end = (limit - 1) // 2
    return text[: limit - 1 - end] + _ELLIPSIS + text[len(text) - end :]
