"""Where results go: video files, records, maps, presence, a window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from camstream.errors import SinkError
from camstream.sinks.arrays import MapsFile
from camstream.sinks.group import SinkGroup
from camstream.sinks.presence import PresenceFile
from camstream.sinks.records import RecordsFile
from camstream.sinks.tables import CsvLines, ParquetFile
from camstream.stages import Sink

__all__ = ["RECORDS_SUFFIXES", "SideFiles", "SidePaths", "SinkGroup", "open_records"]

RECORDS_SUFFIXES = (".jsonl", ".csv", ".parquet")


class _Options(TypedDict):
    overwrite: bool
    inputs: Sequence[Path]
    once: bool


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


class SideFiles(SinkGroup):
    """The files beside the video of one run, as one sink."""

    def __init__(
        self,
        paths: SidePaths,
        labels: Sequence[str],
        *,
        overwrite: bool,
        inputs: Sequence[Path] = (),
        once: bool = False,
        more: Sequence[Sink] = (),
    ) -> None:
        """Open all of them, or none.

        Args:
            paths: The files to be.
            labels: One name a class, in the order of the logits.
            overwrite: Whether existing files may be replaced.
            inputs: Files that must never be replaced.
            once: The run cannot be repeated, see ``AtomicFile``.
            more: Other sinks that belong to them.

        Raises:
            SinkError: A file cannot be written.
            SetupError: A file needs a package that is not installed.
        """
        files: list[Sink] = [*more]
        super().__init__(files)
        options = _Options(overwrite=overwrite, inputs=inputs, once=once)
        try:
            if paths.records is not None:
                files.append(open_records(paths.records, **options))
            if paths.maps is not None:
                files.append(MapsFile(paths.maps, labels, **options))
            if paths.presence is not None:
                files.append(PresenceFile(paths.presence, **options))
        except BaseException:
            self.discard()
            raise


def open_records(
    path: Path, *, overwrite: bool, inputs: Sequence[Path] = (), once: bool = False
) -> Sink:
    """Open a file of records in the format that its suffix names.

    Args:
        path: The file to be, NAME.jsonl, NAME.csv or NAME.parquet.
        overwrite: Whether an existing file may be replaced.
        inputs: Files that must never be replaced.
        once: The run cannot be repeated, see ``AtomicFile``.

    Raises:
        SinkError: It cannot be written, or the suffix names no format.
        SetupError: The format needs a package that is not installed.
    """
    options = _Options(overwrite=overwrite, inputs=inputs, once=once)
    match path.suffix.lower():
        case ".jsonl":
            return RecordsFile(path, **options)
        case ".csv":
            return RecordsFile(path, to_line=CsvLines(path), **options)
        case ".parquet":
            return ParquetFile(path, **options)
    raise SinkError(f"cannot write {path}: records are written as {', '.join(RECORDS_SUFFIXES)}")
