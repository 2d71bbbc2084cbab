"""Reads what is known of a clip's frames: a CSV with a row for each frame, or for each box.

A header and the columns ``frame`` (or ``index``), counted from 0, ``x0, y0, x1, y1`` in pixels
from the corner of the first pixel, and ``class_index`` or, where that is missing or empty,
``label``. ``accepted`` may list every class number that is as true, separated by spaces. A row
without class and box says that there is nothing to find in its frame.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from camstream.errors import SourceError, reading
from camstream.evaluate.metrics import F64
from camstream.models.classes import ClassNames

_CORNERS = ("x0", "y0", "x1", "y1")


@dataclass(frozen=True, slots=True)
class FrameGroundTruth:
    """One class in one frame.

    Attributes:
        class_index: The true class.
        accepted: Every class that is a right answer, the true one among them.
        truth: (G, 4) float64, its boxes in pixels of the frame.
    """

    class_index: int
    accepted: frozenset[int]
    truth: F64


@dataclass(frozen=True, slots=True)
class _Row:
    frame: int
    name: int | str
    accepted: frozenset[int]
    xyxy: tuple[float, ...]


def read_track(path: Path, names: ClassNames) -> tuple[dict[int, list[FrameGroundTruth]], int]:
    """Read what there is to find in a clip.

    Args:
        path: A .csv file.
        names: The model's classes.

    Returns:
        The things in each frame, and the number of boxes left out because the model does not
        know their class.

    Raises:
        SourceError: The file cannot be read, or says nonsense.
    """
    boxes: dict[tuple[int, int], list[_Row]] = {}
    unknown = 0
    for row in _read(path):
        index = names.index_of(row.name)
        if index is None:
            unknown += 1
        else:
            boxes.setdefault((row.frame, index), []).append(row)
    if not boxes:
        raise SourceError(f"{path} holds no box of a class that the model knows")
    frame_truths: dict[int, list[FrameGroundTruth]] = {}
    for (frame, index), rows in sorted(boxes.items()):
        accepted = rows[0].accepted | {index}
        truth = np.array([row.xyxy for row in rows], np.float64)
        frame_truths.setdefault(frame, []).append(FrameGroundTruth(index, accepted, truth))
    return frame_truths, unknown


def _read(path: Path) -> list[_Row]:
    if path.suffix.lower() != ".csv":
        raise SourceError(f"cannot read {path}: the boxes of a clip are a .csv file")
    with reading(path), path.open(newline="", encoding="utf-8-sig") as file:
        return list(_rows(path, csv.DictReader(file)))


def _rows(path: Path, reader: csv.DictReader[str]) -> Iterator[_Row]:
    header = reader.fieldnames or []
    counter = "frame" if "frame" in header else "index"
    missing = [name for name in (counter, *_CORNERS) if name not in header]
    if missing:
        raise SourceError(
            f"{path}: its first line lacks the columns {', '.join(missing)}; "
            "the boxes of a clip have a row a frame"
        )
    for values in reader:
        where = f"{path} line {reader.line_num}"
        try:
            row = _parse(values, counter)
        except (TypeError, ValueError, AttributeError) as error:
            raise SourceError(f"{where} is malformed ({error})") from error
        if row is not None:
            yield row


def _parse(values: dict[str, str], counter: str) -> _Row | None:
    """Give the box of a line; None where there is none.

    Raises:
        ValueError: The line is nonsense.
    """
    number, label = values.get("class_index"), values.get("label")
    corners = [values[key].strip() for key in _CORNERS]
    frame = int(values[counter])
    if frame < 0:
        raise ValueError("frames are counted from 0")
    if not number and not label and not any(corners):
        return None
    if not number and not label:
        raise ValueError("no class_index and no label")
    x0, y0, x1, y1 = (float(corner) for corner in corners)
    if not (all(map(math.isfinite, (x0, y0, x1, y1))) and x0 < x1 and y0 < y1):
        raise ValueError(f"no box: left {x0}, top {y0}, right {x1}, bottom {y1}")
    accepted = frozenset(int(name) for name in (values.get("accepted") or "").split())
    return _Row(frame, int(number) if number else str(label), accepted, (x0, y0, x1, y1))
