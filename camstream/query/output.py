"""Prints what was found: as a table for people, as CSV or JSON for programs."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, time
from typing import Any, Literal

from camstream.query.intervals import Found
from camstream.query.words import clock, stamp, time_code
from camstream.safe_text import safe_cell, safe_text
from camstream.sinks.lines import to_csv
from camstream.sinks.records import to_json

Format = Literal["table", "csv", "json"]

_WIDEST = 60  # characters of a text in a table; a path shows its beginning and its end
_LONGEST_CELL = 32_000
_GAP = "  "
_MEASURED = 1000  # so many rows say how wide columns are: all of them may not fit in memory


def write_found(found: Sequence[Found], form: Format) -> Iterator[str]:
    """Write intervals, line by line.

    Args:
        found: The intervals.
        form: How; JSON is a list of objects, one a line.

    Yields:
        Lines with their ends.
    """
    if form == "table":
        names = ["video", "from", "to", "clock", "seconds", "best", "frames"]
        rows = [
            [
                one.video.video,
                time_code(one.start_s),
                time_code(one.end_s),
                clock(one.video.clock(one.start_s)),
                f"{one.seconds:.1f}",
                f"{one.best_score:.0%}",
                str(one.frames),
            ]
            for one in found
        ]
        yield from _table(names, rows, right={1, 2, 4, 5, 6})
    else:
        yield from write_rows(_NAMES, (_values(one) for one in found), form)


_NAMES = [
    "video",
    "from_s",
    "to_s",
    "from_time",
    "to_time",
    "seconds",
    "best_score",
    "best_s",
    "frames",
    "path",
    "video_id",
]


def _values(one: Found) -> list[Any]:
    video = one.video
    return [
        video.video,
        round(one.start_s, 6),
        round(one.end_s, 6),
        stamp(video.clock(one.start_s)),
        stamp(video.clock(one.end_s)),
        round(one.seconds, 6),
        round(one.best_score, 6),
        round(one.best_s, 6),
        one.frames,
        video.path,
        video.video_id,
    ]


def write_rows(names: Sequence[str], rows: Iterable[Sequence[Any]], form: Format) -> Iterator[str]:
    """Write any rows; see ``write_found``.

    Args:
        names: Of the columns.
        rows: Values, None for none; text is made safe.
        form: How.
    """
    if form == "csv":
        yield to_csv([[safe_cell(name) for name in names]])
        for row in rows:
            yield to_csv([[_cell(value) for value in row]])
    elif form == "json":
        before = "[\n"
        for row in rows:
            yield f"{before}{to_json(dict(zip(names, map(_plain, row), strict=True)))}"
            before = ",\n"
        yield "\n]\n" if before != "[\n" else "[]\n"
    else:
        waiting = iter(rows)
        first = list(itertools.islice(waiting, _MEASURED))
        right = {
            place
            for place in range(len(names))
            if all(isinstance(row[place], int | float | None) for row in first)
        }
        shown = ([_shown(value) for value in row] for row in itertools.chain(first, waiting))
        yield from _table(names, shown, right=right)


def _table(
    names: Sequence[str], rows: Iterable[Sequence[str]], *, right: set[int]
) -> Iterator[str]:
    """Lay rows out in columns of one width, that of the first rows; numbers stand on the right."""
    lines = (
        [safe_text(text, limit=_WIDEST) for text in row] for row in itertools.chain([names], rows)
    )
    first = list(itertools.islice(lines, _MEASURED + 1))
    widths = [max(map(len, column)) for column in zip(*first, strict=True)]
    for line in itertools.chain(first, lines):
        cells = [
            text.rjust(width) if place in right else text.ljust(width)
            for place, (text, width) in enumerate(zip(line, widths, strict=True))
        ]
        yield _GAP.join(cells).rstrip() + "\n"


def _cell(value: Any) -> Any:
    plain = _plain(value)
    if isinstance(plain, str):
        return safe_cell(plain, limit=_LONGEST_CELL)
    return to_json(plain) if isinstance(plain, list | dict) else plain


def _shown(value: Any) -> str:
    plain = _plain(value)
    if plain is None:
        return "-"
    if isinstance(plain, float):
        return f"{plain:.6g}"
    return to_json(plain) if isinstance(plain, list | dict) else str(plain)


def _plain(value: Any) -> Any:
    """Give a value of a data base as JSON has it."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, date | time):  # a datetime is a date
        return value.isoformat()
    if isinstance(value, bytes | bytearray):
        return value.hex()
    return str(value)
