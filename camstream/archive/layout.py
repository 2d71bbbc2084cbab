"""What lies where in the folder of an archive, and what a video is called there.

    DIR/records/day=2026-11-28/0f3a9c....parquet   a row for each frame that was looked at
    DIR/videos/0f3a9c....parquet                   one row: the video itself
    DIR/done/0f/0f3a....json, DIR/failed.jsonl     what was done, see ``camstream.batch.store``
    DIR/annotated/0f3a9c....mp4, DIR/maps/0f3a9c....npz   only where they were asked for
    DIR/work/                                      what is not finished

The first two are data sets of Parquet files, which DuckDB, pandas, polars and Ray read as they are.
A file gets its name there when it is whole.
"""

from __future__ import annotations

import hashlib
import re
from datetime import datetime

RECORDS, VIDEOS, ANNOTATED, MAPS, WORK = "records", "videos", "annotated", "maps", "work"

# Folders below work/ that are an archive's own; what has another name there is somebody else's.
_SCRATCH = re.compile(r"camstream-\d+-[0-9a-f]{8}")
_PARTS = re.compile(r"[0-9a-f]{32}")


def video_id(source: str) -> str:
    """Return what a video is called in an archive, 16 hexadecimal digits.

    Args:
        source: Its absolute path, or its address.
    """
    return hashlib.sha256(source.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def records_name(name: str, start: datetime) -> str:
    """Return where the records of a video are, from the archive's folder on.

    Args:
        name: From ``video_id``.
        start: When the video begins.
    """
    return f"{RECORDS}/day={start:%Y-%m-%d}/{name}.parquet"


def videos_name(name: str) -> str:
    """Return where the row of a video is."""
    return f"{VIDEOS}/{name}.parquet"


def annotated_name(name: str) -> str:
    """Return where the annotated video is."""
    return f"{ANNOTATED}/{name}.mp4"


def maps_name(name: str) -> str:
    """Return where the raw maps are."""
    return f"{MAPS}/{name}.npz"


def scratch_name(pid: int, token: str) -> str:
    """Return what a worker's folder of unfinished files is called below ``WORK``.

    Args:
        pid: Of the worker.
        token: 8 hexadecimal digits by chance.
    """
    return f"camstream-{pid}-{token}"


def is_scratch(name: str) -> bool:
    """Whether a folder below ``WORK`` is called as a worker's is."""
    return _SCRATCH.fullmatch(name) is not None


def is_parts(name: str) -> bool:
    """Whether a folder of parts is called as those of a video are."""
    return _PARTS.fullmatch(name) is not None


def parts_name(key: str) -> str:
    """Return where the parts of a long video are until they are joined.

    Args:
        key: Of its task: the same input, model and options.
    """
    return f"{WORK}/parts/{key[:32]}"


def part_name(key: str, number: int) -> str:
    """Return where one part is, without a suffix."""
    return f"{parts_name(key)}/{number:05d}"
