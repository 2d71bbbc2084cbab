"""Times as people type and read them."""

from __future__ import annotations

import re
from datetime import datetime, time

from camstream.errors import UsageError

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "": 1.0}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*(ms|min|[smh]|)\s*")
_MOST_S = 1e8


def parse_duration(text: str) -> float:
    """Read a duration: "2s", "1m30s", "500ms", "1.5h"; a bare number is seconds.

    Returns:
        Seconds.

    Raises:
        UsageError: It is something else.
    """
    place, total, parts = 0, 0.0, 0
    word = text.strip().lower()
    while place < len(word) and (part := _PART.match(word, place)):
        if not part[2] and (parts or part.end() < len(word)):  # "1 2s"
            break
        total += float(part[1]) * _UNITS[part[2]]
        place, parts = part.end(), parts + 1
    if not parts or place < len(word) or total > _MOST_S:
        raise UsageError(f"give a duration as 2s, 1m30s or 500ms, not {text!r}")
    return total


def parse_time(text: str) -> time:
    """Read a time of the day: "22:00", "6:30:15"; "24:00" is midnight.

    Raises:
        UsageError: It is something else.
    """
    parts = text.strip().split(":")
    if 2 <= len(parts) <= 3 and all(part.isdecimal() and len(part) <= 2 for part in parts):
        hour, minute, second = (int(part) for part in (*parts, "0")[:3])
        if hour < 24 and minute < 60 and second < 60:
            return time(hour, minute, second)
        if (hour, minute, second) == (24, 0, 0):
            return time()
    raise UsageError(f"give a time of the day as 22:00 or 22:00:30, not {text!r}")


def time_code(time_s: float) -> str:
    """Write a media time: "0:01:02.50", negative ones with a sign."""
    hundredths = round(abs(time_s) * 100)
    minutes, rest = divmod(hundredths, 6000)
    hours, minutes = divmod(minutes, 60)
    sign = "-" if time_s < 0 and hundredths else ""
    return f"{sign}{hours}:{minutes:02d}:{rest // 100:02d}.{rest % 100:02d}"


def length(time_s: float) -> str:
    """Write how long something is: "12.5 s", "3:05 min", "1:02:03 h"."""
    if time_s < 60:
        return f"{time_s:.1f} s"
    seconds = round(time_s)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d} h" if hours else f"{minutes}:{seconds:02d} min"


def clock(at: datetime | None) -> str:
    """Write a wall-clock time to the second; "-" where it is not known."""
    return "-" if at is None else at.isoformat(" ", "seconds")


def stamp(at: datetime | None) -> str | None:
    """Write a wall-clock time to the millisecond, for programs."""
    return None if at is None else at.isoformat(timespec="milliseconds")
