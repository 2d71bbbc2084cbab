"""Reads archives back, through pyarrow alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

Rows = list[dict[str, Any]]


def records(folder: Path) -> dict[str, Rows]:
    """The records of every video, by what it is called there.

    Raises:
        AssertionError: A video is there twice.
    """
    found: dict[str, Rows] = {}
    for path in sorted((folder / "records").glob("day=*/*.parquet")):
        assert path.stem not in found, f"{path.stem} is there twice"
        rows: Rows = pq.ParquetFile(path).read().to_pylist()
        assert all(f"day={row['time']:%Y-%m-%d}" >= path.parent.name for row in rows)
        found[path.stem] = rows
    return found


def videos(folder: Path) -> dict[str, dict[str, Any]]:
    """The row of every video, by what it is called there; without the number of parts."""
    found = {}
    for path in sorted((folder / "videos").glob("*.parquet")):
        (row,) = pq.ParquetFile(path).read().to_pylist()
        assert row["video_id"] == path.stem
        found[path.stem] = {key: value for key, value in row.items() if key != "parts"}
    return found


def parts(folder: Path) -> dict[str, int]:
    """In how many parts each video was read, by its name without folders."""
    rows = [pq.ParquetFile(path).read().to_pylist()[0] for path in (folder / "videos").iterdir()]
    return {Path(row["path"]).name: row["parts"] for row in rows}


def is_tidy(folder: Path) -> bool:
    """Whether nothing unfinished lies in an archive."""
    left = [path for path in (folder / "work").rglob("*") if path.is_file()]
    return [path.name for path in left] == ["lock"]
