"""The page of all videos of an archive: what was seen when, in which."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from itertools import groupby
from pathlib import PurePath
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from camstream.query.entries import Video
from camstream.query.ribbon import PARTS, Ribbon
from camstream.query.words import length
from camstream.report.page import read_text as read_clip_text
from camstream.report.page import to_script
from camstream.safe_text import safe_text

COLOURS = 8
_BUTTONS = 24  # labels to choose from; any other can be typed
_TOLD = 3  # labels of a row that are told in words


@dataclass(frozen=True, slots=True)
class Row:
    """A video.

    Attributes:
        video: The video.
        ribbon: What was seen in it.
        link: Where its own report is, from the page on.
    """

    video: Video
    ribbon: Ribbon
    link: str


def to_html(rows: Sequence[Row], *, name: str, warnings: Sequence[str] = ()) -> str:
    """Write the page.

    Args:
        rows: The videos; at least one.
        name: Of the archive.
        warnings: What the reader should know first, one line each.
    """
    ordered = sorted(rows, key=lambda row: (row.video.start or datetime.max, row.video.video))
    totals: dict[str, float] = defaultdict(float)
    for row in ordered:
        for label, share in row.ribbon.shares:
            totals[label] += share * row.video.duration_s
    labels = sorted(totals, key=lambda label: -totals[label])
    numbers = {label: number for number, label in enumerate(labels)}
    days = [
        {"day": day, "rows": [_row(number, row) for number, row in group]}
        for day, group in groupby(enumerate(ordered), key=lambda one: _day(one[1].video))
    ]
    data = {
        "parts": PARTS,
        "labels": [safe_text(label) for label in labels],
        "videos": [
            {
                "start": row.video.start.isoformat(timespec="seconds") if row.video.start else None,
                "s": round(row.video.duration_s, 2),
                "pieces": [[begin, end, numbers[label]] for begin, end, label in row.ribbon.pieces],
                "seen": {numbers[label]: round(share, 4) for label, share in row.ribbon.shares},
            }
            for row in ordered
        ],
    }
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.from_string(_text("overview.html.j2")).render(
        css=Markup(read_clip_text("page.css") + _text("overview.css")),
        js=Markup(_text("overview.js")),
        title=safe_text(name),
        tiles=_tiles(ordered, days, len(labels)),
        warnings=[safe_text(warning, limit=500) for warning in warnings],
        buttons=[
            {"number": numbers[label], "label": safe_text(label), "total": length(totals[label])}
            for label in labels[:_BUTTONS]
        ],
        more=max(0, len(labels) - _BUTTONS),
        colours=COLOURS,
        days=days,
        data=to_script(data),
    )


def _text(name: str) -> str:
    return resources.files("camstream.query").joinpath(name).read_text(encoding="utf-8")


def _day(video: Video) -> str:
    return video.start.strftime("%Y-%m-%d, %A") if video.start else "Day not known"


def _row(number: int, row: Row) -> dict[str, Any]:
    video = row.video
    told = [f"{safe_text(label)} {_percent(share)}" for label, share in row.ribbon.shares[:_TOLD]]
    return {
        "number": number,
        "link": row.link,
        "name": safe_text(PurePath(video.video).name or video.video),
        "path": safe_text(video.video),
        "when": video.start.strftime("%H:%M:%S") if video.start else "",
        "length": length(video.duration_s),
        "told": ", ".join(told) or "nothing named",
    }


def _percent(share: float) -> str:
    return "under 1%" if share < 0.005 else f"{share:.0%}"


def _tiles(rows: Sequence[Row], days: Sequence[Any], labels: int) -> list[tuple[str, str]]:
    total_s = sum(row.video.duration_s for row in rows)
    return [
        ("Videos", f"{len(rows):,}"),
        ("Days", f"{len(days):,}"),
        ("In all", length(total_s)),
        ("Labels", f"{labels:,}"),
    ]
