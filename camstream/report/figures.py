"""The figures of a run, in words."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from camstream.errors import SourceError
from camstream.report.read import F64
from camstream.report.timeline import (
    Story,
    changes_a_minute,
    clock,
    clock_span,
    count_changes,
    shares,
)
from camstream.sources.live import without_secrets

Figures = list[tuple[str, str]]

_NONE = "none"


def tiles_of(story: Story) -> Figures:
    """The few figures that a reader sees first."""
    best, part = next(iter(shares(story).items()))
    return [
        ("duration", clock(story.end_s - story.start_s)),
        ("frames", f"{len(story.records):,}"),
        ("best label", f"{story.label(best)} {part:.0%}"),
        ("median score", _percent(_median(story.records.scores[:, 0]))),
        ("changes a minute", _changes(story)),
        ("median spread", _percent(_median(story.records.spread))),
    ]


def figures_of(story: Story) -> Figures:
    """All figures that follow from the records."""
    records = story.records
    count = len(records)
    longest = max(story.segments, key=lambda one: one.end_s - one.start_s)
    rate_hz = (count - 1) / (records.pts_s[-1] - records.pts_s[0]) if count > 1 else None
    figures = [
        ("records", records.name),
        ("frames", f"{count:,}"),
        ("media time", clock_span(story.start_s, story.end_s)),
        ("frames a second", f"{rate_hz:.2f}" if rate_hz else _NONE),
        ("size of the frames", _size(story)),
        ("maps", records.method or "not told"),
        ("labels that were best", f"{len(shares(story)):,}"),
        ("changes of the label", f"{count_changes(story):,}"),
        ("changes a minute", _changes(story)),
        (
            "longest without a change",
            f"{clock(longest.end_s - longest.start_s)}, {story.label(longest.class_index)}",
        ),
        ("score of the best, median", _percent(_median(records.scores[:, 0]))),
        ("spread of the attention, median", _percent(_median(records.spread))),
    ]
    if np.isfinite(records.spread).any():
        without = int((~np.isfinite(records.spread)).sum())
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


def _changes(story: Story) -> str:
    rate = changes_a_minute(story)
    return _NONE if rate is None else f"{rate:.1f}"


def _size(story: Story) -> str:
    sizes = np.unique(story.records.size_wh, axis=0)
    if story.size_wh is None:
        return "not told"
    width, height = story.size_wh
    return f"{width} x {height}" + (", not all" if len(sizes) > 1 else "")


def _median(values: F64) -> float | None:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else None


def _percent(value: float | None) -> str:
    return "not told" if value is None else f"{value:.0%}"
