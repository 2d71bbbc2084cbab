"""The folder of an archive, as ``camstream archive`` lays it out.

records/day=YYYY-MM-DD/VIDEO_ID.parquet   the records of a video
videos/VIDEO_ID.parquet                   one row: what the video is
index/*.parquet                           ours, see ``index``; it may be deleted
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from camstream.address import shown
from camstream.errors import NotFoundError, UsageError, reading

RECORDS, VIDEOS, INDEX = "records", "videos", "index"
_SUFFIX, _DAY = ".parquet", "day="

_ADDRESS = re.compile(r"[A-Za-z][\w+.-]+:/")  # a path has one of its two slashes

Stamp = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Stored:
    """A video of an archive.

    Attributes:
        folder: The archive.
        video_id: What both of its files are called.
        name: Where its records are, from the archive's folder on.
        stamp: Sizes (bytes) and times (ns) of both files: they change where either does.
    """

    folder: Path
    video_id: str
    name: str
    stamp: Stamp

    @property
    def records(self) -> Path:
        """The file of its records."""
        return self.folder / self.name

    @property
    def row(self) -> Path:
        """The file of its row."""
        return self.folder / VIDEOS / f"{self.video_id}{_SUFFIX}"


def check_archive(folder: Path) -> None:
    """Check that a folder is an archive.

    Raises:
        UsageError: It is none, or is not there.
    """
    if not folder.is_dir():
        if _ADDRESS.match(str(folder)):
            raise UsageError(
                f"{shown(folder)}: questions read folders of this machine; copy it here"
            )
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
        rows = _files(folder / VIDEOS)
        newest: dict[str, Stored] = {}
        for day in sorted(one.name for one in (folder / RECORDS).iterdir()):
            if not day.startswith(_DAY):
                continue
            for video_id, status in _files(folder / RECORDS / day).items():
                row = rows.get(video_id)
                if row is None:  # a run that was killed; the next one makes it
                    continue
                name = f"{RECORDS}/{day}/{video_id}{_SUFFIX}"
                before = newest.get(video_id)
                if before is None or before.stamp[1] < status[1]:  # it was made anew
                    newest[video_id] = Stored(folder, video_id, name, (*status, *row))
    return sorted(newest.values(), key=lambda one: one.name)


def _files(folder: Path) -> dict[str, tuple[int, int]]:
    """List a folder's Parquet files: name without suffix; size and time of change."""
    found = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(_SUFFIX) and not entry.name.startswith("."):
                status = entry.stat()
                found[entry.name.removesuffix(_SUFFIX)] = status.st_size, status.st_mtime_ns
    return found
