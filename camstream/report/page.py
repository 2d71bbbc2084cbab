"""The HTML page of a clip, one file: no network, no other file."""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Sequence
from importlib import resources
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from camstream.report import figures
from camstream.report.figures import figures_of, tiles_of
from camstream.report.pictures import Thumbnails
from camstream.report.read import F64
from camstream.report.timeline import (
    Timeline,
    clock,
    clock_span,
    full_height,
    shares,
    short_clock,
    ticks,
)
from camstream.safe_text import safe_text

_SHARES = 12
_INTERVALS = 10  # of a class; the rest is counted
_LABELS = 5  # of a moment


def to_html(
    timeline: Timeline,
    thumbnails: Thumbnails | None,
    *,
    title: str,
    video: str | None = None,
    command: str | None = None,
    warnings: Sequence[str] = (),
    run: Sequence[tuple[str, str]] = (),
) -> str:
    """Write the page.

    Args:
        timeline: The clip.
        thumbnails: Its small pictures, None for a page without.
        title: What to call the clip; without secrets.
        video: A link to the video, relative to the page; None: the page has no player.
        command: What writes a moment as a GIF, with "AT" in place of its time; None: nothing.
        warnings: What the reader should know first, one line each.
        run: More figures of the run, name and value.
    """
    size_wh = timeline.size_wh or (thumbnails.size_wh if thumbnails else _around(timeline))
    best = list(shares(timeline).items())[:_SHARES]
    return _template().render(
        css=Markup(read_text("page.css")),
        js=Markup(read_text("page.js")),
        title=title,
        subtitle=f"Made by camstream from {safe_text(timeline.records.name)}",
        video=video,
        command=command,
        warnings=warnings,
        tiles=tiles_of(timeline),
        figures=[*figures_of(timeline), *run],
        shares=[(timeline.label(one), f"{part:.1%}") for one, part in best],
        size=size_wh,
        mark=round(max(size_wh) / 45, 1),
        box=(figures.WIDTH, figures.HEIGHT),
        span=(round(timeline.start_s, 3), round(timeline.end_s, 3)),
        span_text=(clock(timeline.start_s), clock(timeline.end_s)),
        thumb_count=len(thumbnails.thumbs) if thumbnails else 0,
        rows=_rows(timeline),
        area=figures.draw_line(timeline, timeline.records.area),
        axis=_axis(timeline),
        rows_note=_rows_note(timeline),
        changes=_changes(timeline, thumbnails),
        changes_title="Where the label changes" if timeline.background is None else "Visits",
        changes_note=_changes_note(timeline),
        presence=_presence(timeline),
        presence_note=_presence_note(timeline),
        data=to_script(_data(timeline, thumbnails) | {"command": command}),
        **_path(timeline, thumbnails),
    )


@functools.cache
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.from_string(read_text("page.html.j2"))


def read_text(name: str) -> str:
    """Read a part of the page that comes with camstream: its style, its script."""
    return resources.files("camstream.report").joinpath(name).read_text(encoding="utf-8")


def _around(timeline: Timeline) -> tuple[int, int]:
    """Return a frame size that contains every place, for records without a size."""
    x, y = np.nanmax(np.vstack([timeline.records.peak_xy, [[1, 1]]]), axis=0)
    return int(np.ceil(x)), int(np.ceil(y))


def _rows(timeline: Timeline) -> list[dict[str, Any]]:
    parts = shares(timeline)
    return [
        {
            "label": timeline.label(one),
            "share": f"{parts.get(one, 0.0):.0%}",
            "colour": colour,
            "ribbon": figures.draw_ribbon(timeline, one),
            "bars": [
                (_left(timeline, found.start_s), _width(timeline, found.start_s, found.end_s))
                for found in timeline.presence[one]
            ],
        }
        for colour, one in enumerate(timeline.displayed, 1)
    ]


def _rows_note(timeline: Timeline) -> str:
    if not timeline.displayed:
        return "Nothing was there: every frame was named " + (
            f"{timeline.label(timeline.background)}." if timeline.background is not None else "so."
        )
    return (
        "Height is the score that the picture shows for the label it names, and that of the frame "
        f"alone where another is named; {full_height(timeline):.0%} at most. Full colour where the class is named, the bar "
        "below where it is present. Click, drag, or use the arrow keys."
    )


def _axis(timeline: Timeline) -> list[dict[str, Any]]:
    """Round times along the axis; those at its ends keep inside it."""
    axis = []
    for tick in ticks(timeline.start_s, timeline.end_s):
        left = _left(timeline, tick)
        place = "first" if left < 4 else "last" if left > 96 else ""
        axis.append({"left": left, "text": short_clock(tick), "place": place})
    return axis


def _changes(timeline: Timeline, thumbnails: Thumbnails | None) -> list[dict[str, Any]]:
    changes = []
    for segment in timeline.long_segments:
        best_s = float(timeline.records.pts_s[segment.best])
        one = segment.key
        changes.append(
            {
                "t": round(best_s, 6),
                "thumb": thumbnails.nearest(best_s) if thumbnails else None,
                "label": timeline.label(one),
                "colour": timeline.displayed.index(one) + 1 if one in timeline.displayed else 0,
                "when": clock_span(segment.start_s, segment.end_s),
                "score": f"{segment.peak_score:.0%}",
            }
        )
    return changes


def _changes_note(timeline: Timeline) -> str:
    count, displayed = len(timeline.segments), len(timeline.long_segments)
    if timeline.background is not None:
        note = "Each presence, by the frame in which it scores highest, and that score."
        if not count:
            return "None."
        return note if displayed == count else f"{note} The {displayed} longest of {count:,}."
    if count == 1:
        return "It never does."
    note = (
        "Each stretch of one best label, by the frame in which it scores highest, and that score."
    )
    return note if displayed == count else f"{note} The {displayed} longest of {count:,}."


def _presence(timeline: Timeline) -> list[dict[str, Any]]:
    rows = []
    for colour, one in enumerate(timeline.displayed, 1):
        found = timeline.presence[one]
        times = [
            (round(i.start_s, 6), f"{clock_span(i.start_s, i.end_s)} ({i.peak_score:.0%})")
            for i in found[:_INTERVALS]
        ]
        if found:
            rows.append(
                {
                    "label": timeline.label(one),
                    "colour": colour,
                    "total": clock(sum(i.end_s - i.start_s for i in found)),
                    "times": times,
                    "more": len(found) - len(times),
                }
            )
    return rows


def _presence_note(timeline: Timeline) -> str:
    rule = timeline.rule
    return (
        f"From a score of {rule.on_threshold:.0%} until one under {rule.off_threshold:.0%}; gaps up to "
        f"{rule.max_gap_s:g} s are bridged, what is shorter than {rule.min_duration_s:g} s is left "
        "out. In brackets the highest score."
    )


def _path(timeline: Timeline, thumbnails: Thumbnails | None) -> dict[str, Any]:
    """What the path's card needs."""
    records = timeline.records
    has_centre = bool(np.isfinite(records.centroid_xy).any())
    places = records.centroid_xy if has_centre else _peaks(timeline)
    what = "The centroid of the positive evidence" if has_centre else "The peak"
    middle_s = (timeline.start_s + timeline.end_s) / 2
    return {
        "has_centre": has_centre,
        "path": figures.draw_path(places),
        "path_of": "centres" if has_centre else "peaks",
        "path_note": f"{what} of the best class, from the start of the clip to its end.",
        "backdrop": _to_uri(thumbnails.thumbs[thumbnails.nearest(middle_s)].jpeg)
        if thumbnails
        else None,
        "ramp": ", ".join(figures.colour_at(part) for part in (0, 0.5, 1)),
    }


def _peaks(timeline: Timeline) -> F64:
    """The peaks; NaN where no cell has evidence for the class."""
    return np.where(timeline.records.peak[:, np.newaxis] > 0, timeline.records.peak_xy, np.nan)


def _data(timeline: Timeline, thumbnails: Thumbnails | None) -> dict[str, Any]:
    """What the page's script shows of each moment."""
    records, moments = timeline.records, timeline.moments
    known = sorted(records.labels)
    place_of = {one: place for place, one in enumerate(known)}
    best = [
        [
            (place_of[one], round(score, 4))
            for one, score in zip(classes, scores, strict=True)
            if one >= 0
        ][:_LABELS]
        for classes, scores in zip(
            records.classes[moments].tolist(), records.scores[moments].tolist(), strict=True
        )
    ]
    thumbs = thumbnails.thumbs if thumbnails else ()
    return {
        "span": [timeline.start_s, timeline.end_s],
        "first": float(records.pts_s[timeline.segments[0].best if timeline.segments else 0]),
        "labels": [records.labels[one] for one in known],
        "colours": {place_of[one]: colour for colour, one in enumerate(timeline.displayed, 1)},
        "times": [round(time, 6) for time in records.pts_s[moments].tolist()],
        "best": best,
        "peaks": _pairs(_peaks(timeline)[moments]),
        "centres": _pairs(records.centroid_xy[moments]),
        "area": [None if np.isnan(s) else round(s, 4) for s in records.area[moments].tolist()],
        "thumbTimes": [round(thumb.pts_s, 6) for thumb in thumbs],
        "thumbs": [_to_uri(thumb.jpeg) for thumb in thumbs],
    }


def _pairs(places: F64) -> list[list[float] | None]:
    return [
        [round(x, 1), round(y, 1)] if np.isfinite(x) and np.isfinite(y) else None
        for x, y in places.tolist()
    ]


def to_script(values: object) -> Markup:
    """Write JSON that no HTML parser takes for a tag, whatever a label holds."""
    text = json.dumps(values, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def _to_uri(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def _left(timeline: Timeline, time_s: float) -> float:
    return round(figures.x_of(timeline, time_s) / figures.WIDTH * 100, 2)


def _width(timeline: Timeline, start_s: float, end_s: float) -> float:
    return round((end_s - start_s) / (timeline.end_s - timeline.start_s) * 100, 2)
