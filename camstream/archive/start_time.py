"""When a video was recorded: from its container, else its name, else its file's time.

All times of an archive are those of one clock, the local one of this machine, and are written without
a zone: "between 22:00 and 06:00" then means the same in every video.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

CONTAINER, CONTAINER_UTC, NAME, FILE = "container", "container, UTC", "file name", "file time"

# 2026-11-28_22-00-00, 20261128T220000, 2026-11-28 22.00.00 and the like.
_IN_NAME = re.compile(
    r"(?<!\d)(?P<y>(?:19|20)\d\d)(?P<a>[-_.]?)(?P<m>\d\d)(?P=a)(?P<d>\d\d)"
    r"[-_. Tt]{0,3}(?P<H>\d\d)(?P<b>[-_.:hH]?)(?P<M>\d\d)(?:[-_.:mM]?)(?P<S>\d\d)(?!\d)"
)
_EARLIEST = 1990  # containers that were never told the time say 1904 or 1970
_LATEST = 2200  # what is damaged says anything
_LONGEST_S = 366 * 86_400.0  # likewise


@dataclass(frozen=True, slots=True)
class StartTime:
    """When a video begins.

    Attributes:
        at: Local time without a zone, to the millisecond.
        found_in: "container, UTC", "container", "file name" or "file time".
    """

    at: datetime
    found_in: str


def find_start(
    name: str, metadata: Mapping[str, str], *, modified_s: float, duration_s: float
) -> StartTime:
    """Say when a video begins.

    Args:
        name: Of its file, without folders.
        metadata: Of its container.
        modified_s: When the file was written last, seconds since 1970.
        duration_s: Length of the video; 0 where unknown.
    """
    lower = {key.lower(): value for key, value in metadata.items()}
    found = _of_container(lower.get("creation_time") or lower.get("date_utc") or "")
    if found is None:
        found = _of_name(name)
    if found is None:
        length_s = duration_s if 0 < duration_s < _LONGEST_S else 0.0
        # Not a difference of local times, which a change of the clock makes an hour wrong.
        found = StartTime(datetime.fromtimestamp(max(0.0, modified_s - length_s)), FILE)
    at = found.at.replace(microsecond=found.at.microsecond // 1000 * 1000)
    return StartTime(at, found.found_in)


def _of_container(text: str) -> StartTime | None:
    try:
        when = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    if not _EARLIEST <= when.year < _LATEST:
        return None
    if when.tzinfo is None:
        return StartTime(when, CONTAINER)
    is_utc = when.utcoffset() == timedelta(0)
    local = when.astimezone(UTC).astimezone().replace(tzinfo=None)
    return StartTime(local, CONTAINER_UTC if is_utc else CONTAINER)


def _of_name(name: str) -> StartTime | None:
    for found in _IN_NAME.finditer(name):
        try:
            return StartTime(datetime(*(int(found[key]) for key in "ymdHMS")), NAME)  # type: ignore[arg-type]
        except ValueError:  # a month 13: these digits mean something else
            continue
    return None
