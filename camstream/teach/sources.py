"""Where photos and clips came from: the camera, the place or the person that took them.

Pictures of one source are alike, so a model is judged by pictures of sources that it has not seen.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from camstream.errors import SourceError, reading

MOST_GROUPS = 12  # fits that leave a group of sources out

_COLUMNS = ("file", "source")


def read_sources(path: Path) -> dict[str, str]:
    """Read a table of sources: CSV with the columns "file" and "source", others are left alone.

    Args:
        path: The table. Files are named by their paths within the taught folder, with "/".

    Returns:
        The source of each file.

    Raises:
        SourceError: It cannot be read, or lacks a column.
    """
    with reading(path), path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file, strict=True)
        missing = [name for name in _COLUMNS if name not in (rows.fieldnames or ())]
        if missing:
            raise SourceError(
                f"cannot read {path}: it has no column {missing[0]!r}; a table of sources has "
                "the columns file and source"
            )
        return {row["file"]: row["source"] for row in rows if row["file"] and row["source"]}


def source_of(path: Path, folder: Path, table: Mapping[str, str] | None) -> str:
    """Name the source of a file.

    Args:
        path: The file.
        folder: The taught folder, with one folder per class.
        table: See ``read_sources``; None: a sub-folder of its class folder is a source.

    Returns:
        Empty where it is not known.
    """
    name = path.relative_to(folder)
    if table is not None:
        return table.get(name.as_posix(), "")
    return name.parts[1] if len(name.parts) > 2 else ""


def group_sources(sources: Sequence[str], most: int = MOST_GROUPS) -> dict[str, list[str]]:
    """Put sources into groups that are left out together, so that there are not too many fits.

    Args:
        sources: The source of each picture, empty where it is not known.
        most: Groups at most.

    Returns:
        Names of groups, each with its sources; one source a group where they are few enough.
    """
    names = sorted({name for name in sources if name})
    if len(names) <= most:
        return {name: [name] for name in names}
    parts = [names[first::most] for first in range(most)]
    return {f"{part[0]} and {len(part) - 1} more": part for part in parts}
