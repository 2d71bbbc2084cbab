"""Events of presence, and intervals of presence as CSV: ``start_s,end_s,peak_score,label``.

The score of a frame is ``Prediction.presence``, smoothed over time as the selection defines. The label is
the class that was displayed in most frames of the interval.
"""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from camstream.errors import SinkError
from camstream.frame import Annotated, Prediction
from camstream.maps.presence import Interval, Presence, PresenceRule
from camstream.safe_text import safe_cell
from camstream.sinks.lines import LinesFile, to_csv

_SUFFIX = ".csv"
_COLUMNS = ("start_s", "end_s", "peak_score", "label")


@dataclass(frozen=True, slots=True)
class PresenceEvent:
    """A presence has begun or ended.

    Attributes:
        is_end: Whether it has ended.
        interval: The presence; at its beginning, its end and its score are the latest so far.
        label: The class that was displayed in most of its frames, empty where none was.
    """

    is_end: bool
    interval: Interval
    label: str


class PresenceEvents:
    """Tells when something appears and when it has gone, frame by frame, in constant memory.

    A beginning is told as soon as it is certain that the presence is long enough, an end when it
    is certain that nothing joins it. Each beginning has one end.
    """

    def __init__(self, rule: PresenceRule = PresenceRule()) -> None:
        self._presence = Presence(rule)
        self._labels = _Counts(rule)
        self._last_s = -math.inf
        self._begun_s = -math.inf  # the start of the presence whose beginning was told last

    def add(self, prediction: Prediction) -> list[PresenceEvent]:
        """Add a frame; one that is not later than the frame before is left out."""
        if not prediction.frame.pts_s > self._last_s:
            return []
        self._last_s = prediction.frame.pts_s
        events = self._ends(self._presence.add(self._last_s, prediction.presence))
        self._labels.add(prediction)
        return events + self._begins()

    def finish(self) -> list[PresenceEvent]:
        """Give what is left; call it after the last frame."""
        return self._ends(self._presence.finish())

    def _begins(self) -> list[PresenceEvent]:
        found = self._presence.certain
        if found is None or found.start_s <= self._begun_s:
            return []
        self._begun_s = found.start_s
        return [PresenceEvent(False, found, self._labels.best)]

    def _ends(self, intervals: Sequence[Interval]) -> list[PresenceEvent]:
        return [PresenceEvent(True, found, self._labels.take()) for found in intervals]


class PresenceFile:
    """Writes the intervals of presence of a run, each when it has ended."""

    def __init__(
        self,
        path: Path,
        rule: PresenceRule = PresenceRule(),
        *,
        overwrite: bool = False,
        inputs: Sequence[Path] = (),
        once: bool = False,
    ) -> None:
        """Open the file.

        Args:
            path: The file to be, NAME.csv.
            rule: What counts as presence.
            overwrite: Whether an existing file may be replaced.
            inputs: Files that must never be replaced.
            once: The run cannot be repeated, see ``AtomicFile``.

        Raises:
            SinkError: It may not be written.
        """
        if path.suffix.lower() != _SUFFIX:
            raise SinkError(f"cannot write {path}: presence is written as {_SUFFIX}")
        self._lines = LinesFile(path, overwrite=overwrite, inputs=inputs, once=once)
        self._events = PresenceEvents(rule)
        self._is_begun = False
        self.discard = self._lines.discard

    def write(self, annotated: Annotated) -> None:
        """Add a frame; one that is not later than the frame before is left out.

        Raises:
            SinkError: An interval cannot be written.
        """
        self._add(self._events.add(annotated.prediction))

    def finish(self) -> None:
        """Write what is left and give the file its name.

        Raises:
            SinkError: It cannot be written.
        """
        self._add(self._events.finish())
        self._lines.finish()

    def keep(self) -> Path | None:
        """Give the file a name after an error; returns it, None where there is no interval."""
        with contextlib.suppress(SinkError, ValueError):  # ValueError: it was closed already
            self._add(self._events.finish())
        return self._lines.keep()

    def _add(self, events: Sequence[PresenceEvent]) -> None:
        rows: list[Sequence[object]] = [] if self._is_begun else [_COLUMNS]
        self._is_begun = True
        for event in events:
            if event.is_end:
                found = event.interval
                times = (found.start_s, found.end_s, found.peak_score)
                rows.append([*(round(value, 6) for value in times), safe_cell(event.label)])
        if rows:
            self._lines.add(to_csv(rows))


class _Counts:
    """How often each class was displayed since something is present."""

    def __init__(self, rule: PresenceRule) -> None:
        self._rule = rule
        self._frames: Counter[str] = Counter()
        self._last_s = -math.inf

    def add(self, prediction: Prediction) -> None:
        """Count a frame, unless nothing is present in it."""
        views = [
            view for view in prediction.displayed if not (view.state and view.state.is_background)
        ]
        if not views or not prediction.presence >= self._rule.off_threshold:
            return
        time_s = prediction.frame.pts_s
        # What was too short to be an interval is forgotten.
        if time_s - self._last_s > max(self._rule.max_gap_s, self._rule.max_dropout_s):
            self._frames.clear()
        self._last_s = time_s
        self._frames[max(views, key=lambda view: view.score).label] += 1

    @property
    def best(self) -> str:
        """The class that was displayed most often; empty where none was."""
        best = self._frames.most_common(1)
        return best[0][0] if best else ""

    def take(self) -> str:
        """Return the best class, and begin anew."""
        best = self.best
        self._frames.clear()
        return best
