"""The folder of an archive, as ``camstream archive`` lays it out.

    records/day=YYYY-MM-DD/VIDEO_ID.parquet   the records of a video
    videos/VIDEO_ID.parquet                   one row: what the video is
    index/*.parquet                           ours, see ``index``; it may be deleted
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from camstream.errors import NotFoundError, UsageError, reading

RECORDS, VIDEOS, INDEX = "records", "videos", "index"
_SUFFIX = ".parquet"

Stamp = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Stored:
    """A video of an archive.

    Attributes:
        video_id: What both of its files are called.
        records: The file of its records.
        row: The file of its row.
        stamp: Sizes (bytes) and times (ns) of both files: they change where either does.
    """

    video_id: str
    records: Path
    row: Path
    stamp: Stamp


def check_archive(folder: Path) -> None:
    """Check that a folder is an archive.

    Raises:
        UsageError: It is none, or is not there.
    """
    if not folder.is_dir():
        what = "it is a file" if folder.exists() else "there is no such folder"
        raise NotFoundError(f"cannot read the archive {folder}: {what}")
    if not (folder / RECORDS).is_dir() or not (folder / VIDEOS).is_dir():
        raise UsageError(
            f"{folder} is no archive: it lacks the folders {RECORDS} and {VIDEOS}, which "
            "camstream archive INPUTS -o DIR makes"
        )


def find_videos(folder: Path) -> list[Stored]:
    """Find the videos of an archive that are complete, in the order of their records' paths.

    Raises:
        UsageError: The folder is no archive.
        SourceError: It cannot be read.
    """
    check_archive(folder)
    with reading(folder):
        rows = dict(_files(folder / VIDEOS))
        newest: dict[str, Stored] = {}
        for day in sorted((folder / RECORDS).iterdir()):
            if not day.is_dir():
                continue
            for video_id, (records, size, changed_ns) in _files(day):
                row = rows.get(video_id)
                if row is None:  # a run that was killed; the next one makes it
                    continue
                stored = Stored(video_id, records, row[0], (size, changed_ns, *row[1:]))
                before = newest.get(video_id)
                if before is None or before.stamp[1] < changed_ns:  # it was made anew
                    newest[video_id] = stored
    return sorted(newest.values(), key=lambda one: one.records)


def _files(folder: Path) -> list[tuple[str, tuple[Path, int, int]]]:
    """List a folder's Parquet files: name without suffix; path, size and time of change."""
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(_SUFFIX) and not entry.name.startswith("."):
                status = entry.stat()
                place = Path(entry.path), status.st_size, status.st_mtime_ns
                found.append((entry.name.removesuffix(_SUFFIX), place))
    return found
