"""Intervals of presence as CSV: ``start_s,end_s,peak_score,label``.

The score of a frame is ``Prediction.presence``, smoothed over time as the selection defines. The label is
the class that was displayed in most frames of the interval.
"""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from camstream.errors import SinkError
from camstream.frame import Annotated, Prediction
from camstream.maps.presence import Interval, Presence, PresenceRule
from camstream.safe_text import safe_cell
from camstream.sinks.lines import LinesFile, to_csv

_SUFFIX = ".csv"
_COLUMNS = ("start_s", "end_s", "peak_score", "label")


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
        self._presence = Presence(rule)
        self._labels = _Counts(rule)
        self._last_s = -math.inf
        self._is_begun = False
        self.discard = self._lines.discard

    def write(self, annotated: Annotated) -> None:
        """Add a frame; one that is not later than the frame before is left out.

        Raises:
            SinkError: An interval cannot be written.
        """
        prediction = annotated.prediction
        if prediction.frame.pts_s > self._last_s:
            self._last_s = prediction.frame.pts_s
            self._add(self._presence.add(self._last_s, prediction.presence))
            self._labels.add(prediction)

    def finish(self) -> None:
        """Write what is left and give the file its name.

        Raises:
            SinkError: It cannot be written.
        """
        self._add(self._presence.finish())
        self._lines.finish()

    def keep(self) -> Path | None:
        """Give the file a name after an error; returns it, None where there is no interval."""
        with contextlib.suppress(SinkError, ValueError):  # ValueError: it was closed already
            self._add(self._presence.finish())
        return self._lines.keep()

    def _add(self, intervals: Sequence[Interval]) -> None:
        rows: list[Sequence[object]] = [] if self._is_begun else [_COLUMNS]
        self._is_begun = True
        for found in intervals:
            times = (found.start_s, found.end_s, found.peak_score)
            rows.append([*(round(value, 6) for value in times), safe_cell(self._labels.take())])
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

    def take(self) -> str:
        """Return the class that was displayed most often, and begin anew; empty where none was."""
        best = self._frames.most_common(1)
        self._frames.clear()
        return best[0][0] if best else ""
