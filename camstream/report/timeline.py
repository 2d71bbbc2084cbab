"""What happened in a clip, from its records: pure functions on arrays."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from camstream.errors import UsageError
from camstream.maps.presence import Interval, PresenceRule, find_intervals
from camstream.report.read import F64, I64, Records
from camstream.teach.dataset import find_background

SHOWN_CLASSES = 8
SHOWN_SEGMENTS = 40
MOMENTS = 1200  # frames that the page can display, and points of a curve

_ALONE_S = 0.04  # how long a clip of one frame is
_GAP_STEPS, _GAP_S = 5, 1.0  # frames further apart than both have nothing between them


@dataclass(frozen=True, slots=True)
class Segment:
    """Frames in a row with the same best class, none of them missing between; or a visit.

    Attributes:
        key: The class, a key of ``Records.labels``.
        start_s: Media time of the first one.
        end_s: When the last one ends.
        best: The frame in which it scores highest.
        peak_score: That score.
    """

    key: int
    start_s: float
    end_s: float
    best: int
    peak_score: float


@dataclass(frozen=True, slots=True)
class Timeline:
    """What happened in a clip.

    Attributes:
        records: The records of the clip.
        step_s: Median time from frame to frame.
        end_s: When the last frame ends.
        displayed: Of the classes that are ever best, those that score highest over all frames, in
            the order in which they come to be best; never the background.
        background: The class that means "nothing is there" ("no person"), None where there is none.
        segments: In order of time. Where there is a background: the visits, which are the
            presences of the other classes.
        presence: Of the shown classes.
        rule: What counted as presence.
        moments: Frames that stand for all: each one, or as many as fit, evenly.
    """

    records: Records
    step_s: float
    end_s: float
    displayed: tuple[int, ...]
    background: int | None
    segments: tuple[Segment, ...]
    presence: dict[int, list[Interval]]
    rule: PresenceRule
    moments: I64

    @property
    def start_s(self) -> float:
        """Media time of the first frame."""
        return float(self.records.pts_s[0])

    @property
    def size_wh(self) -> tuple[int, int] | None:
        """Width and height of the frames, of the most where they change; None where unknown."""
        sizes = self.records.size_wh[np.isfinite(self.records.size_wh).all(axis=1)]
        if not len(sizes):
            return None
        kinds, counts = np.unique(sizes, axis=0, return_counts=True)
        width, height = kinds[counts.argmax()]
        return int(width), int(height)

    @property
    def long_segments(self) -> list[Segment]:
        """The longest segments in order of time, as many as are shown."""
        longest = sorted(self.segments, key=lambda one: one.start_s - one.end_s)[:SHOWN_SEGMENTS]
        return sorted(longest, key=lambda one: one.start_s)

    def label(self, key: int) -> str:
        """The name of a class."""
        return self.records.labels[key]


def build_timeline(records: Records, rule: PresenceRule = PresenceRule()) -> Timeline:
    """Compute the timeline of the records.

    Args:
        records: Of one run, at least one frame.
        rule: What counts as presence of a class; its score is 0 where it is not among the best.
    """
    pts_s = records.pts_s
    steps = np.diff(pts_s)
    step_s = float(np.median(steps)) if len(steps) else _ALONE_S
    background = _find_background(records)
    displayed = _best_classes(records, background)
    presence = {
        one: find_intervals(zip(pts_s.tolist(), records.scores_of(one).tolist(), strict=True), rule)
        for one in displayed
    }
    count = min(len(records), MOMENTS)
    return Timeline(
        records=records,
        step_s=step_s,
        end_s=float(pts_s[-1]) + step_s,
        displayed=displayed,
        background=background,
        segments=_find_segments(records, step_s)
        if background is None
        else _find_visits(records, presence),
        presence=presence,
        rule=rule,
        moments=np.linspace(0, len(records) - 1, count).round().astype(np.int64),
    )


def _find_background(records: Records) -> int | None:
    try:
        label = find_background(tuple(records.labels.values()))
    except UsageError:  # several look like one
        return None
    return next((key for key, name in records.labels.items() if name == label), None)


def _best_classes(records: Records, background: int | None) -> tuple[int, ...]:
    """The classes with the largest sum of scores, in the order in which they come to be best."""
    there = records.classes >= 0
    classes, places = np.unique(records.classes[there], return_inverse=True)
    sums = dict(
        zip(classes.tolist(), np.bincount(places, weights=records.scores[there]), strict=True)
    )
    come = [one for one in dict.fromkeys(records.classes[:, 0].tolist()) if one != background]
    chosen = sorted(come, key=lambda one: -sums[one])[:SHOWN_CLASSES]
    return tuple(one for one in come if one in chosen)


def _find_visits(records: Records, presence: dict[int, list[Interval]]) -> tuple[Segment, ...]:
    visits = []
    for key, intervals in presence.items():
        scores = records.scores_of(key)
        for found in intervals:
            first, after = np.searchsorted(records.pts_s, (found.start_s, found.end_s))
            best = int(first + scores[first : max(after, first + 1)].argmax())
            visits.append(Segment(key, found.start_s, found.end_s, best, found.peak_score))
    return tuple(sorted(visits, key=lambda one: one.start_s))


def _find_segments(records: Records, step_s: float) -> tuple[Segment, ...]:
    best, pts_s = records.classes[:, 0], records.pts_s
    ends_s = _ends(pts_s, float(pts_s[-1]) + step_s)
    cuts = np.flatnonzero((best[1:] != best[:-1]) | (ends_s[:-1] < pts_s[1:])) + 1
    found = []
    for first, after in pairwise([0, *cuts.tolist(), len(best)]):
        highest = first + int(records.scores[first:after, 0].argmax())
        times = float(pts_s[first]), float(ends_s[after - 1])
        found.append(Segment(int(best[first]), *times, highest, float(records.scores[highest, 0])))
    return tuple(found)


def _ends(starts_s: F64, end_s: float) -> F64:
    """When what begins at each time ends: with the next, but not over a gap."""
    following = np.append(starts_s[1:], end_s)
    steps = following - starts_s
    usual_s = float(np.median(steps))
    is_gap = steps > max(_GAP_S, _GAP_STEPS * usual_s)
    return np.where(is_gap, starts_s + usual_s, following)


def count_changes(timeline: Timeline) -> int:
    """How often the label changes."""
    best = timeline.records.classes[:, 0]
    return int(np.count_nonzero(best[1:] != best[:-1]))


def changes_a_minute(timeline: Timeline) -> float | None:
    """How often the label changes; None for a clip of one frame."""
    if len(timeline.records) < 2:
        return None
    return count_changes(timeline) / (timeline.end_s - timeline.start_s) * 60


def shares(timeline: Timeline) -> dict[int, float]:
    """Which part of the frames has each class as the best, most frequent first."""
    classes, counts = np.unique(timeline.records.classes[:, 0], return_counts=True)
    parts = zip(classes.tolist(), (counts / len(timeline.records)).tolist(), strict=True)
    return dict(sorted(parts, key=lambda part: -part[1]))


def full_height(timeline: Timeline) -> float:
    """The score at which a ribbon has its full height: the highest, up to the next tenth."""
    scores = [float(timeline.records.scores_of(one).max()) for one in timeline.displayed]
    highest = max(scores, default=0.0)
    return max(0.1, float(np.ceil(highest * 10 - 1e-9)) / 10)


def curve(timeline: Timeline, values: F64) -> F64:
    """Average the values of all frames to one a moment, (T,) to (M,); NaN counts for nothing."""
    edges = (timeline.moments[1:] + timeline.moments[:-1] + 1) // 2
    starts = np.concatenate([[0], edges])
    known = np.isfinite(values)
    counts = np.add.reduceat(known.astype(np.float64), starts)
    sums = np.add.reduceat(np.where(known, values, 0.0), starts)
    means: F64 = np.full(len(starts), np.nan)
    return np.divide(sums, counts, out=means, where=counts > 0)


def spans(timeline: Timeline) -> tuple[F64, F64]:
    """When each moment begins and ends, (M,) seconds: until the next, but not over a gap."""
    starts = timeline.records.pts_s[timeline.moments]
    return starts, _ends(starts, timeline.end_s)


def pieces(timeline: Timeline, known: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> list[slice]:
    """Cut the moments where frames are missing or a value is not known.

    Args:
        timeline: The clip.
        known: (M,) whether each moment has a value.

    Returns:
        Ranges of moments without a gap in them.
    """
    starts, ends = spans(timeline)
    apart = ends[:-1] < starts[1:]
    cuts = np.flatnonzero(apart | ~known[1:] | ~known[:-1]) + 1
    edges = [0, *cuts.tolist(), len(starts)]
    return [slice(first, after) for first, after in pairwise(edges) if known[first:after].all()]


def clock(time_s: float) -> str:
    """Write a media time: "3.20 s", from a minute on "1:03.2", from an hour on "1:02:03"."""
    if time_s < 60:
        return f"{time_s:.2f} s"
    tenths = round(time_s * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02d}:{rest // 10:02d}"
    return f"{minutes}:{rest // 10:02d}.{rest % 10}"


def clock_span(start_s: float, end_s: float) -> str:
    """Write a range of media time: "3.20 to 4.00 s", "1:03.2 to 1:10.0"."""
    if end_s < 60:
        return f"{start_s:.2f} to {clock(end_s)}"
    start = clock(start_s) if start_s >= 60 else f"0:{start_s:04.1f}"
    return f"{start} to {clock(end_s)}"


def short_clock(time_s: float) -> str:
    """Write a round media time: "0.5 s", "1:30", "1:02:00"."""
    return clock(time_s).removesuffix(".0") if time_s >= 60 else f"{time_s:g} s"


def ticks(start_s: float, end_s: float, most: int = 8) -> list[float]:
    """Choose round times for an axis, at most so many."""
    steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400]
    span_s = end_s - start_s
    days = (86_400.0 * factor * 10**power for power in range(12) for factor in (1, 2, 5))
    step_s = next(one for one in (*steps, *days) if span_s / one <= most - 1)
    first = int(np.ceil(start_s / step_s - 1e-9))
    last = int(np.floor(end_s / step_s + 1e-9))
    return [place * step_s for place in range(first, last + 1)]
