"""Intervals of presence as CSV: ``start_s,end_s,peak_score``, from the scores that are displayed.

The score of a frame is ``Prediction.presence``, smoothed over time as the selection defines.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path

from camstream.errors import SinkError
from camstream.frame import Annotated
from camstream.maps.presence import Interval, Presence, PresenceRule
from camstream.sinks.atomic_file import AtomicFile

_SUFFIX = ".csv"
_COLUMNS = ("start_s", "end_s", "peak_score")


class PresenceFile:
    """Writes the intervals of presence of a run."""

    def __init__(
        self,
        path: Path,
        rule: PresenceRule = PresenceRule(),
        *,
        overwrite: bool = False,
        inputs: Sequence[Path] = (),
    ) -> None:
        """Check that the file may be written.

        Args:
            path: The file to be, NAME.csv; it is written by ``finish``.
            rule: What counts as presence.
            overwrite: Whether an existing file may be replaced.
            inputs: Files that must never be replaced.

        Raises:
            SinkError: It may not be written.
        """
        if path.suffix.lower() != _SUFFIX:
            raise SinkError(f"cannot write {path}: presence is written as {_SUFFIX}")
        self._atomic_file = AtomicFile(path, overwrite=overwrite, inputs=inputs)
        self._presence = Presence(rule)
        self._intervals: list[Interval] = []
        self._last_s = -math.inf

    def write(self, annotated: Annotated) -> None:
        """Add a frame; one that is not later than the frame before is left out."""
        prediction = annotated.prediction
        if prediction.frame.pts_s > self._last_s:
            self._last_s = prediction.frame.pts_s
            self._intervals += self._presence.add(self._last_s, prediction.presence)

    def finish(self) -> None:
        """Write the file.

        Raises:
            SinkError: It cannot be written.
        """
        self._intervals += self._presence.finish()
        try:
            with self._atomic_file.path.open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(_COLUMNS)
                for interval in self._intervals:
                    values = (interval.start_s, interval.end_s, interval.peak_score)
                    writer.writerow([round(value, 6) for value in values])
        except OSError as error:
            self._atomic_file.discard()
            raise SinkError(f"cannot write {self._atomic_file.target}: {error.strerror}") from error
        self._atomic_file.commit()

    def discard(self) -> None:
        """Remove what was written."""
        self._atomic_file.discard()
