"""When something was there: ``start_s,end_s,peak_score`` as CSV, from the scores that are shown.

The score of a frame is ``Prediction.presence``, smoothed over time as the selection says.
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
    """Writes the intervals of presence of a run; whole or not there."""

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
            path: The file to be; it appears with ``finish``.
            rule: What counts as presence.
            overwrite: Whether one that is there may be replaced.
            inputs: Files that must never be replaced.

        Raises:
            SinkError: It may not.
        """
        if path.suffix.lower() != _SUFFIX:
            raise SinkError(f"cannot write {path}: presence is written as {_SUFFIX}")
        self._atomic_file = AtomicFile(path, overwrite=overwrite, inputs=inputs)
        self._presence = Presence(rule)
        self._found: list[Interval] = []
        self._last_s = -math.inf

    def write(self, annotated: Annotated) -> None:
        """Take in a frame; one whose time does not grow lasts no time and is left out."""
        prediction = annotated.prediction
        if prediction.frame.pts_s > self._last_s:
            self._last_s = prediction.frame.pts_s
            self._found += self._presence.add(self._last_s, prediction.presence)

    def finish(self) -> None:
        """Write the file.

        Raises:
            SinkError: It cannot be written.
        """
        self._found += self._presence.finish()
        try:
            with self._atomic_file.path.open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(_COLUMNS)
                for found in self._found:
                    values = (found.start_s, found.end_s, found.peak_score)
                    writer.writerow([round(value, 6) for value in values])
        except OSError as error:
            self._atomic_file.discard()
            raise SinkError(f"cannot write {self._atomic_file.target}: {error.strerror}") from error
        self._atomic_file.commit()

    def discard(self) -> None:
        """Leave nothing behind."""
        self._atomic_file.discard()
