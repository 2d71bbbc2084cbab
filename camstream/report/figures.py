"""The figures of a run, in words."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from camstream.errors import SourceError
from camstream.report.read import F64
from camstream.report.timeline import (
    Timeline,
    changes_a_minute,
    clock,
    clock_span,
    count_changes,
    shares,
)
from camstream.sources.camera import without_secrets

Figures = list[tuple[str, str]]

_NONE = "none"


def tiles_of(timeline: Timeline) -> Figures:
    """The few figures that a reader sees first."""
    best, part = next(iter(shares(timeline).items()))
    return [
        ("duration", clock(timeline.end_s - timeline.start_s)),
        ("frames", f"{len(timeline.records):,}"),
        ("best label", f"{timeline.label(best)} {part:.0%}"),
        ("median score", _percent(_median(timeline.records.scores[:, 0]))),
        ("changes a minute", _changes(timeline)),
        ("median area", _percent(_median(timeline.records.area))),
    ]


def figures_of(timeline: Timeline) -> Figures:
    """All figures that follow from the records."""
    records = timeline.records
    count = len(records)
    longest = max(timeline.segments, key=lambda one: one.end_s - one.start_s)
    rate_hz = (count - 1) / (records.pts_s[-1] - records.pts_s[0]) if count > 1 else None
    figures = [
        ("records", records.name),
        ("frames", f"{count:,}"),
        ("media time", clock_span(timeline.start_s, timeline.end_s)),
        ("frames a second", f"{rate_hz:.2f}" if rate_hz else _NONE),
        ("size of the frames", _size(timeline)),
        ("maps", records.method or "not told"),
        ("labels that were best", f"{len(shares(timeline)):,}"),
        ("changes of the label", f"{count_changes(timeline):,}"),
        ("changes a minute", _changes(timeline)),
        (
            "longest without a change",
            f"{clock(longest.end_s - longest.start_s)}, {timeline.label(longest.class_index)}",
        ),
        ("score of the best, median", _percent(_median(records.scores[:, 0]))),
        ("area of the evidence, median", _percent(_median(records.area))),
    ]
    if np.isfinite(records.area).any():
        without = int((~np.isfinite(records.area)).sum())
        figures.append(("frames without positive evidence", f"{without:,}"))
    return figures


def read_stats(path: Path) -> Figures:
    """Read what ``--stats`` wrote.

    Raises:
        SourceError: It is not there, or something else.
    """
    try:
        stats = json.loads(path.read_text(encoding="utf-8"))
        stages = {name: float(times["p50"]) for name, times in stats["stages_ms"].items()}
        figures = [
            ("source", without_secrets(str(stats["source"]))),
            ("ran on", str(stats["device"])),
            ("frames in, out, dropped", _counts(stats)),
            ("wall time", clock(float(stats["wall_s"]))),
            ("frames done a second", f"{float(stats['rate_hz']):.1f}"),
        ]
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceError(
            f"cannot read {path}: these are no statistics of camstream, as --stats writes them"
        ) from error
    return figures + [(f"{name}, median", f"{ms:.1f} ms") for name, ms in stages.items()]


def _counts(stats: dict[str, object]) -> str:
    names = ("frames_in", "frames_out", "frames_dropped")
    return ", ".join(f"{int(str(stats[name])):,}" for name in names)


def _changes(timeline: Timeline) -> str:
    rate = changes_a_minute(timeline)
    return _NONE if rate is None else f"{rate:.1f}"


def _size(timeline: Timeline) -> str:
    sizes = np.unique(timeline.records.size_wh, axis=0)
    if timeline.size_wh is None:
        return "not told"
    width, height = timeline.size_wh
    return f"{width} x {height}" + (", not all" if len(sizes) > 1 else "")


def _median(values: F64) -> float | None:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else None


def _percent(value: float | None) -> str:
    return "not told" if value is None else f"{value:.0%}"
