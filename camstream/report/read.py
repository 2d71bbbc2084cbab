"""Reads the records of a run, JSON lines, CSV or Parquet, into one array a value."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from camstream.contract import DEFAULT_TOP_K
from camstream.errors import NotFoundError, SourceError, reading
from camstream.sinks import RECORDS_SUFFIXES
from camstream.sinks.records import upgrade
from camstream.sinks.tables import import_arrow, to_row

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

_ENDINGS = ("", *(f"_{rank}" for rank in range(2, DEFAULT_TOP_K + 1)))
_PLACES = ("peak_x", "peak_y", "peak", "centroid_x", "centroid_y", "area", "width", "height")
_FOREIGN = "these are no records of camstream, as --records writes them"

Values = tuple[float, list[int], list[float], list[float]]


@dataclass(frozen=True, slots=True)
class Records:
    """The records of one run; T frames with their K best classes.

    Attributes:
        name: The file's name.
        pts_s: (T,) media time, growing.
        classes: (T, K) class indices, best first, -1 where there are fewer.
        scores: (T, K) 0 to 1.
        peak_xy: (T, 2) pixels of the frame.
        peak: (T,) logit units.
        centroid_xy: (T, 2) pixels of the frame; NaN without positive evidence, or in old records.
        area: (T,) up to 1; NaN as above.
        size_wh: (T, 2) pixels, NaN in old records.
        labels: The name of every class that occurs.
        method: How the maps were made.
        warnings: Problems of the file, one line each.
    """

    name: str
    pts_s: F64
    classes: I64
    scores: F64
    peak_xy: F64
    peak: F64
    centroid_xy: F64
    area: F64
    size_wh: F64
    labels: dict[int, str]
    method: str
    warnings: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.pts_s)

    def scores_of(self, class_index: int) -> F64:
        """The score of a class in every frame, (T,); 0 where it is not among the best."""
        of_class: F64 = np.where(self.classes == class_index, self.scores, 0.0).sum(axis=1)
        return of_class


def read_records(path: Path) -> Records:
    """Read a file of records.

    A last line that was not finished, as a killed run leaves it, is left out and remarked.

    Raises:
        SourceError: It is not there, holds no records or something else, or is damaged.
        SetupError: A package is needed that is not installed.
    """
    if not path.is_file():
        raise NotFoundError(f"cannot read {path}: there is no such file")
    suffix = path.suffix.lower()
    if suffix not in RECORDS_SUFFIXES:
        known = ", ".join(RECORDS_SUFFIXES)
        raise SourceError(
            f"cannot read {path}: records are {known} files, as --records writes them"
        )
    gathered = _Gathered(path)
    with reading(path):
        if suffix == ".parquet":
            for place, row in enumerate(_parquet_rows(path), 1):
                gathered.add(row, f"row {place}")
        else:
            with path.open(encoding="utf-8", newline="") as file:
                gathered.add_text(file, _json_rows if suffix == ".jsonl" else _csv_rows)
    return gathered.to_records()


class _Gathered:
    """The values of the rows so far."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._times: list[float] = []
        self._classes: list[list[int]] = []
        self._scores: list[list[float]] = []
        self._places: list[list[float]] = []
        self._labels: dict[int, str] = {}
        self._method = ""
        self._remarks: list[str] = []

    def add_text(self, file: TextIO, rows: Any) -> None:
        """Add the rows of a text file; the last may be unfinished."""
        lines = _Lines(file)
        try:
            for row in rows(lines):
                self.add(row, f"line {lines.number}")
        except _UnfinishedError:
            self._remarks.append("the last line was not finished (a run that was killed?)")
        except csv.Error as error:
            raise self._failure(f"line {lines.number}", str(error)) from error

    def add(self, row: Mapping[str, Any] | None, where: str) -> None:
        """Add a row, None for one that is no record at all."""
        if row is None:
            raise self._failure(where, "not a record")
        try:
            pts_s, classes, scores, places = self._values(upgrade(row))
        except KeyError as error:
            raise self._failure(where, f"no value {error}") from error
        except (TypeError, ValueError) as error:
            raise self._failure(where, str(error)) from error
        if self._times and not pts_s > self._times[-1]:
            raise SourceError(
                f"cannot read {self._path}: {where} is of {pts_s:g} s and the one before of "
                f"{self._times[-1]:g} s; are these several runs in one file?"
            )
        self._times.append(pts_s)
        self._classes.append(classes)
        self._scores.append(scores)
        self._places.append(places)

    def to_records(self) -> Records:
        """Put the arrays together.

        Raises:
            SourceError: There is not one record.
        """
        if not self._times:
            raise SourceError(f"cannot read {self._path}: there is not one record in it")
        places = np.array(self._places, np.float64)
        scores = np.array(self._scores, np.float64)
        return Records(
            name=self._path.name,
            pts_s=np.array(self._times, np.float64),
            classes=np.array(self._classes, np.int64),
            scores=np.nan_to_num(scores, nan=0.0),
            peak_xy=places[:, 0:2],
            peak=places[:, 2],
            centroid_xy=places[:, 3:5],
            area=places[:, 5],
            size_wh=places[:, 6:8],
            labels=self._labels,
            method=self._method,
            warnings=tuple(self._remarks),
        )

    def _values(self, row: Mapping[str, Any]) -> Values:
        pts_s = float(row["pts_s"])
        if not math.isfinite(pts_s):
            raise ValueError(f"its time is {pts_s}")
        classes, scores = [], []
        for ending in _ENDINGS:
            label, index = row.get(f"label{ending}"), row.get(f"class_index{ending}")
            there = ending == "" or (label is not None and index not in (None, ""))
            classes.append(int(row[f"class_index{ending}"]) if there else -1)
            scores.append(float(row[f"score{ending}"]) if there else 0.0)
            if there:
                self._labels[classes[-1]] = str(row[f"label{ending}"])
        for name in _PLACES[:3]:
            row[name]  # the others are missing in older records
        self._method = self._method or str(row.get("method") or "")
        return pts_s, classes, scores, [_number(row.get(name)) for name in _PLACES]

    def _failure(self, where: str, what: str) -> SourceError:
        return SourceError(f"cannot read {self._path}: {where}: {what}; {_FOREIGN}")


class _UnfinishedError(Exception):
    """The file ends within a line."""


class _Lines:
    """A text file's lines, counted."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        for line in self._file:
            self.number += 1
            yield line


def _json_rows(lines: _Lines) -> Iterator[Mapping[str, Any] | None]:
    for line in lines:
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            if not line.endswith("\n") and lines.number > 1:
                raise _UnfinishedError from error
            record = None
        yield _row_of(record)


def _row_of(record: object) -> Mapping[str, Any] | None:
    """Lay a record out in columns, None where it is none."""
    try:
        return to_row(upgrade(record)) if isinstance(record, dict) else None
    except (KeyError, TypeError, ValueError):
        return None


def _csv_rows(lines: _Lines) -> Iterator[Mapping[str, Any]]:
    def whole() -> Iterator[str]:
        for line in lines:
            if not line.endswith("\n"):  # half a number would be read as a number
                raise _UnfinishedError
            yield line

    yield from csv.DictReader(whole(), strict=True)


def _parquet_rows(path: Path) -> Iterator[Mapping[str, Any]]:
    arrow, parquet = import_arrow("pyarrow", path), import_arrow("pyarrow.parquet", path)
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches():
                yield from batch.to_pylist()
    except arrow.ArrowException as error:
        reason = "it is no whole Parquet file (a run that was killed leaves none)"
        raise SourceError(f"cannot read {path}: {reason}") from error


def _number(value: object) -> float:
    return math.nan if value in (None, "") else float(value)  # type: ignore[arg-type]
