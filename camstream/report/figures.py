"""The figures of a clip in words, and its curves as SVG, in units of their own boxes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from camstream.address import shown
from camstream.errors import SourceError
from camstream.report.read import F64
from camstream.report.timeline import (
    Timeline,
    changes_a_minute,
    clock,
    clock_span,
    count_changes,
    curve,
    full_height,
    pieces,
    shares,
    spans,
)
from camstream.safe_text import safe_text

Figures = list[tuple[str, str]]

_NONE = "none"
_MOST = 1e12  # of frames, seconds, milliseconds


def tiles_of(timeline: Timeline) -> Figures:
    """The few figures that a reader sees first."""
    tiles = [
        ("duration", clock(timeline.end_s - timeline.start_s)),
        ("frames", f"{len(timeline.records):,}"),
    ]
    if timeline.background is not None:
        return tiles + _visit_tiles(timeline)
    best, part = next(iter(shares(timeline).items()))
    return [
        *tiles,
        ("named most often", f"{timeline.label(best)} {part:.0%}"),
        ("median score", _percent(_median(timeline.records.scores[:, 0]))),
        ("changes a minute", _changes(timeline)),
        ("median area", _percent(_median(timeline.records.area))),
    ]


def _visit_tiles(timeline: Timeline) -> Figures:
    lengths = [one.end_s - one.start_s for one in timeline.segments]
    there = sum(lengths) / (timeline.end_s - timeline.start_s)
    return [
        ("visits", f"{len(lengths):,}"),
        ("present", f"{min(there, 1.0):.0%}"),
        ("longest visit", clock(max(lengths)) if lengths else _NONE),
    ]


def figures_of(timeline: Timeline) -> Figures:
    """All figures that follow from the records."""
    records = timeline.records
    count = len(records)
    rate_hz = (count - 1) / (records.pts_s[-1] - records.pts_s[0]) if count > 1 else None
    figures = [
        ("records", safe_text(records.name)),
        ("frames", f"{count:,}"),
        ("media time", clock_span(timeline.start_s, timeline.end_s)),
        ("frames a second", f"{rate_hz:.2f}" if rate_hz else _NONE),
        ("size of the frames", _size(timeline)),
        ("maps", records.method or "unknown"),
        ("labels that were named", f"{len(shares(timeline)):,}"),
        ("changes of the label", f"{count_changes(timeline):,}"),
        ("changes a minute", _changes(timeline)),
        *_longest(timeline),
        ("score of the label, median", _percent(_median(records.scores[:, 0]))),
        ("area of the evidence, median", _percent(_median(records.area))),
    ]
    if np.isfinite(records.area).any():
        without = int((~np.isfinite(records.area)).sum())
        figures.append(("frames without positive evidence", f"{without:,}"))
    return figures


def _longest(timeline: Timeline) -> Figures:
    if not timeline.segments:
        return []
    longest = max(timeline.segments, key=lambda one: one.end_s - one.start_s)
    text = f"{clock(longest.end_s - longest.start_s)}, {timeline.label(longest.key)}"
    return [("longest without a change" if timeline.background is None else "longest visit", text)]


def read_stats(path: Path) -> Figures:
    """Read what ``--stats`` wrote.

    Raises:
        SourceError: It is not there, or something else.
    """
    try:
        stats = json.loads(path.read_text(encoding="utf-8"))
        stages = {name: _positive(times["p50"]) for name, times in stats["stages_ms"].items()}
        counts = [_positive(stats[name]) for name in ("frames_in", "frames_out", "frames_dropped")]
        figures = [
            ("source", safe_text(shown(str(stats["source"])))),
            ("ran on", safe_text(str(stats["device"]))),
            ("frames in, out, dropped", ", ".join(f"{count:,.0f}" for count in counts)),
            ("wall time", clock(_positive(stats["wall_s"]))),
            ("frames done a second", f"{_positive(stats['rate_hz']):.1f}"),
        ]
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SourceError(
            f"cannot read {path}: these are no statistics of camstream, as --stats writes them"
        ) from error
    return figures + [(f"{safe_text(name)}, median", f"{ms:.1f} ms") for name, ms in stages.items()]


def _positive(value: object) -> float:
    """A number that a run can have counted or timed.

    Raises:
        ValueError, TypeError: It is something else.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MOST:
        raise ValueError(f"{value!r} is no count and no time")
    return float(value)


def _changes(timeline: Timeline) -> str:
    rate = changes_a_minute(timeline)
    return _NONE if rate is None else f"{rate:.1f}"


def _size(timeline: Timeline) -> str:
    sizes = np.unique(timeline.records.size_wh, axis=0)
    if timeline.size_wh is None:
        return "unknown"
    width, height = timeline.size_wh
    return f"{width} x {height}" + (", not all" if len(sizes) > 1 else "")


def _median(values: F64) -> float | None:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else None


def _percent(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.0%}"


WIDTH, HEIGHT = 2000, 100  # of a curve's box; the page stretches it
PATH_PIECES = 48  # of the path of the evidence, each of one colour
_PATH_POINTS = 720

# Early to late: light yellow, red, violet; all of them stand out from a grey picture.
RAMP = ((255, 224, 102), (240, 84, 74), (122, 60, 200))


@dataclass(frozen=True, slots=True)
class Ribbon:
    """The score of a class over time, as the outlines of areas.

    Attributes:
        all: Wherever it has a score.
        best: Only where it is the best class.
    """

    all: str
    best: str


@dataclass(frozen=True, slots=True)
class PathPiece:
    """A stretch of the path of the evidence.

    Attributes:
        points: "x,y x,y ..." in pixels of the frame.
        colour: By time, "rgb(r, g, b)".
    """

    points: str
    colour: str


def x_of(timeline: Timeline, time_s: float) -> float:
    """Where a time lies in a curve's box, 0 to WIDTH."""
    return (time_s - timeline.start_s) / (timeline.end_s - timeline.start_s) * WIDTH


def draw_ribbon(timeline: Timeline, key: int) -> Ribbon:
    """Draw a class's score as a band around the middle of its box, see ``full_height``."""
    records = timeline.records
    heights = curve(timeline, records.scores_of(key)) / full_height(timeline)
    is_best = curve(timeline, (records.classes[:, 0] == key).astype(np.float64)) >= 0.5
    return Ribbon(
        _band(timeline, heights, heights > 0.002), _band(timeline, heights, is_best & (heights > 0))
    )


def draw_line(timeline: Timeline, values: F64) -> str:
    """Draw values of 0 to 1, one a frame, as a line from the bottom to the top of its box."""
    points, edges = curve(timeline, values), spans(timeline)
    return "".join(
        "M" + "L".join(_steps(timeline, HEIGHT * (1 - points), piece, edges))
        for piece in pieces(timeline, np.isfinite(points))
    )


def draw_path(places: F64) -> list[PathPiece]:
    """Draw places, one a frame, as a path whose colour is time.

    Args:
        places: (T, 2) pixels of the frame, NaN where there is none.
    """
    count = min(len(places), _PATH_POINTS)
    kept = np.linspace(0, len(places) - 1, count).round().astype(np.int64)
    drawn = []
    for part in np.array_split(np.arange(count), min(PATH_PIECES, count)):
        joined = [*part.tolist(), part[-1] + 1] if part[-1] + 1 < count else part.tolist()
        points = places[kept[joined]]
        whole = points[np.isfinite(points).all(axis=1)]
        if len(whole):
            text = " ".join(f"{x:.1f},{y:.1f}" for x, y in whole)
            drawn.append(PathPiece(text, colour_at((part.mean() + 0.5) / count)))
    return drawn


def colour_at(part: float) -> str:
    """The colour of a part of the clip, 0 (its start) to 1 (its end)."""
    at = np.linspace(0, 1, len(RAMP))
    red, green, blue = (
        round(float(np.interp(part, at, channel))) for channel in zip(*RAMP, strict=True)
    )
    return f"rgb({red}, {green}, {blue})"


def _steps(timeline: Timeline, ys: F64, piece: slice, edges: tuple[F64, F64]) -> list[str]:
    """The corners of a curve that keeps each value until the next; equal ones are joined."""
    starts, ends = edges
    corners: list[str] = []
    y = ""
    for place in range(piece.start, piece.stop):
        if f"{ys[place]:.0f}" != y:
            x = f"{x_of(timeline, starts[place]):.0f}"
            if y:
                corners.append(f"{x} {y}")
            y = f"{ys[place]:.0f}"
            corners.append(f"{x} {y}")
    corners.append(f"{x_of(timeline, ends[piece.stop - 1]):.0f} {y}")
    return corners


def _band(
    timeline: Timeline, heights: F64, known: np.ndarray[tuple[int], np.dtype[np.bool_]]
) -> str:
    parts, edges = [], spans(timeline)
    for piece in pieces(timeline, known):
        upper = _steps(timeline, HEIGHT / 2 * (1 - heights), piece, edges)
        lower = _steps(timeline, HEIGHT / 2 * (1 + heights), piece, edges)
        parts.append("M" + "L".join([*upper, *reversed(lower)]) + "Z")
    return "".join(parts)
