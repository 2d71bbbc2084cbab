"""Where results go: video files, records, maps, presence, a window."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from camstream.errors import SinkError
from camstream.frame import Annotated
from camstream.sinks.arrays import MapsFile
from camstream.sinks.presence import PresenceFile
from camstream.sinks.records import RecordsFile
from camstream.sinks.tables import CsvLines, ParquetFile
from camstream.stages import Sink

RECORDS_SUFFIXES = (".jsonl", ".csv", ".parquet")


@dataclass(frozen=True, slots=True, kw_only=True)
class SidePaths:
    """The files that a run writes beside its video, None for those that are not wanted.

    Attributes:
        records: A record a frame; JSON lines, CSV or Parquet by its suffix.
        maps: The raw maps, see ``camstream.sinks.arrays``.
        presence: When something was there, see ``camstream.sinks.presence``.
    """

    records: Path | None = None
    maps: Path | None = None
    presence: Path | None = None


class SideFiles:
    """The files beside the video of one run, as one sink."""

    def __init__(
        self,
        paths: SidePaths,
        labels: Sequence[str],
        *,
        overwrite: bool,
        inputs: Sequence[Path] = (),
    ) -> None:
        """Open all of them, or none.

        Args:
            paths: The files to be.
            labels: One name a class, in the order of the logits.
            overwrite: Whether existing files may be replaced.
            inputs: Files that must never be replaced.

        Raises:
            SinkError: A file cannot be written.
            SetupError: A file needs a package that is not installed.
        """
        self._files: list[Sink] = []
        try:
            if paths.records is not None:
                self._files.append(open_records(paths.records, overwrite=overwrite, inputs=inputs))
            if paths.maps is not None:
                self._files.append(MapsFile(paths.maps, labels, overwrite=overwrite, inputs=inputs))
            if paths.presence is not None:
                self._files.append(PresenceFile(paths.presence, overwrite=overwrite, inputs=inputs))
        except BaseException:
            self.discard()
            raise

    def write(self, annotated: Annotated) -> None:
        """Write one frame into each file.

        Raises:
            SinkError: A file cannot be written.
        """
        for file in self._files:
            file.write(annotated)

    def finish(self) -> None:
        """Finish each file, also where another fails.

        Raises:
            SinkError: A file cannot be written.
        """
        with contextlib.ExitStack() as stack:
            for file in self._files:
                stack.callback(file.finish)

    def discard(self) -> None:
        """Remove what was written."""
        for file in self._files:
            file.discard()


def open_records(path: Path, *, overwrite: bool, inputs: Sequence[Path] = ()) -> Sink:
    """Open a file of records in the format that its suffix names.

    Args:
        path: The file to be, NAME.jsonl, NAME.csv or NAME.parquet.
        overwrite: Whether an existing file may be replaced.
        inputs: Files that must never be replaced.

    Raises:
        SinkError: It cannot be written, or the suffix names no format.
        SetupError: The format needs a package that is not installed.
    """
    match path.suffix.lower():
        case ".jsonl":
            return RecordsFile(path, overwrite=overwrite, inputs=inputs)
        case ".csv":
            return RecordsFile(path, overwrite=overwrite, inputs=inputs, to_line=CsvLines(path))
        case ".parquet":
            return ParquetFile(path, overwrite=overwrite, inputs=inputs)
    raise SinkError(f"cannot write {path}: records are written as {', '.join(RECORDS_SUFFIXES)}")
