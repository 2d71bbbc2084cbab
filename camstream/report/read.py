"""Reads the records of a run, JSON lines, CSV or Parquet, into one array a value."""

from __future__ import annotations

import csv
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from camstream.contract import DEFAULT_TOP_K
from camstream.errors import NotFoundError, SourceError, reading
from camstream.safe_text import plain_cell, safe_text
from camstream.sinks import RECORDS_SUFFIXES
from camstream.sinks.records import upgrade
from camstream.sinks.tables import import_arrow, to_row

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

_ENDINGS = ("", *(f"_{rank}" for rank in range(2, DEFAULT_TOP_K + 1)))
_PLACES = ("peak_x", "peak_y", "peak", "centroid_x", "centroid_y", "area", "width", "height")
_FOREIGN = "these are no records of camstream, as --records writes them"

# What no run of camstream writes, and what a page must not be asked to draw.
_LONGEST_S = 1e8  # three years
_LARGEST = 1e6  # pixels, logit units
_LONGEST_LINE = 1_000_000  # characters; a record has some 1,000
_MOST_CLASSES = 100_000

Values = tuple[float, list[int], list[float], list[float]]


@dataclass(frozen=True, slots=True)
class Records:
    """The records of one run; T frames with their K best classes.

    Attributes:
        name: The file's name.
        pts_s: (T,) media time, growing.
        classes: (T, K) keys of ``labels``, -1 where there are fewer. First the class that the
            picture named, then the others, best first.
        scores: (T, K) 0 to 1; of the first the one that the picture showed, smoothed over time,
            of the others those of the frame alone.
        peak_xy: (T, 2) pixels of the frame.
        peak: (T,) logit units.
        centroid_xy: (T, 2) pixels of the frame; NaN without positive evidence, or in old records.
        area: (T,) up to 1; NaN as above.
        size_wh: (T, 2) pixels, NaN in old records.
        labels: The name of every class that occurs, no two alike. A class is an index and a
            name: a model that was taught in the middle of the run may use an index anew.
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

    def scores_of(self, key: int) -> F64:
        """The score of a class in every frame, (T,); 0 where it is not among the best."""
        of_class: F64 = np.where(self.classes == key, self.scores, 0.0).sum(axis=1)
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
        self._keys: dict[tuple[int, str], int] = {}
        self._labels: list[str] = []
        self._method = ""
        self._source: object = None
        self._remarks: list[str] = []

    def add_text(self, file: TextIO, rows: Any) -> None:
        """Add the rows of a text file; the last may be unfinished."""
        lines = _Lines(file)
        try:
            for row in rows(lines):
                self.add(row, f"line {lines.number}")
        except _UnfinishedError:
            self._remarks.append("the last line was not finished (a run that was killed?)")
        except _ForeignError as error:
            raise SourceError(f"cannot read {self._path}: {error}; {_FOREIGN}") from error
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
        except (TypeError, ValueError, OverflowError) as error:
            raise self._failure(where, str(error)) from error
        if self._times and row.get("source") != self._source:
            raise SourceError(
                f"cannot read {self._path}: {where} is of another camera than the one before; record "
                "each into a file of its own, with --records FOLDER"
            )
        self._source = row.get("source")
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
            labels=name_classes(self._keys),
            method=self._method,
            warnings=tuple(self._remarks),
        )

    def _values(self, row: Mapping[str, Any]) -> Values:
        pts_s = _number(row["pts_s"], "time", -_LONGEST_S, _LONGEST_S)
        if math.isnan(pts_s):
            raise ValueError("it has no time")
        classes, scores = [], []
        for ending in _ENDINGS:
            label, index = row.get(f"label{ending}"), row.get(f"class_index{ending}")
            there = ending == "" or (label is not None and index not in (None, ""))
            classes.append(self._key(int(row[f"class_index{ending}"]), label) if there else -1)
            scores.append(_number(row[f"score{ending}"], "score", 0, 1) if there else 0.0)
        self._put_first(row.get("displayed"), classes, scores)
        for name in _PLACES[:3]:
            row[name]  # the others are missing in older records
        self._method = self._method or safe_text(str(row.get("method") or ""))
        places = [_number(row.get(name), name, -_LARGEST, _LARGEST) for name in _PLACES]
        return pts_s, classes, scores, places

    def _key(self, class_index: int, label: object) -> int:
        if not isinstance(label, str):
            raise TypeError(f"its label is {type(label).__name__}, not text")
        if not -1 <= class_index < 2**31:
            raise ValueError(f"its class index is {class_index:.3g}")
        label = safe_text(label)
        pair = class_index, label
        if pair not in self._keys:
            if len(self._keys) >= _MOST_CLASSES:
                raise ValueError(f"it is of more than {_MOST_CLASSES:,} classes")
            self._keys[pair] = len(self._keys)
            self._labels.append(label)
        return self._keys[pair]

    def _put_first(self, displayed: object, classes: list[int], scores: list[float]) -> None:
        """Put what the picture named before the others, with the score that it showed."""
        named = _first_of(displayed)
        if named is None:
            return
        label, score = safe_text(named[0]), named[1]
        key = next((one for one in classes if one >= 0 and self._labels[one] == label), None)
        if key is None:
            key = self._key(-1, label)  # asked for by name, and not among the best
            place = len(classes) - 1
        else:
            place = classes.index(key)
        del classes[place], scores[place]
        classes.insert(0, key)
        scores.insert(0, score)

    def _failure(self, where: str, what: str) -> SourceError:
        return SourceError(f"cannot read {self._path}: {where}: {what}; {_FOREIGN}")


class _UnfinishedError(Exception):
    """The file ends within a line."""


class _ForeignError(Exception):
    """The file is no file of records, in words."""


class _Lines:
    """A text file's lines, counted."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        while line := self._file.readline(_LONGEST_LINE):
            self.number += 1
            if len(line) == _LONGEST_LINE:
                raise _ForeignError(
                    f"line {self.number} has more than {_LONGEST_LINE:,} characters"
                )
            yield line


def _json_rows(lines: _Lines) -> Iterator[Mapping[str, Any] | None]:
    for line in lines:
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
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

    for row in csv.DictReader(whole(), strict=True):
        yield {
            name: plain_cell(value) if isinstance(value, str) else value
            for name, value in row.items()
        }


def _parquet_rows(path: Path) -> Iterator[Mapping[str, Any]]:
    arrow, parquet = import_arrow("pyarrow", path), import_arrow("pyarrow.parquet", path)
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches():
                yield from batch.to_pylist()
    except (arrow.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno:  # it cannot be read at all
            raise
        reason = "it is no whole Parquet file (a run that was killed leaves none)"
        raise SourceError(f"cannot read {path}: {reason}") from error


def _number(value: object, name: str, low: float, high: float) -> float:
    """Read a number, NaN where there is none.

    Raises:
        ValueError: It is not between the limits.
    """
    if value is None or value == "":
        return math.nan
    number = float(value)  # type: ignore[arg-type]
    if math.isinf(number) or number < low or number > high:
        raise ValueError(f"its {name} is {number:g}")
    return number


def _first_of(displayed: object) -> tuple[str, float] | None:
    """What the picture named first, and the score that it showed; None where it is not known."""
    try:
        shown = json.loads(displayed) if isinstance(displayed, str) else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(shown, list) or not shown or not isinstance(shown[0], dict):
        return None
    label, score = shown[0].get("label"), _number(shown[0].get("score"), "score", 0, 1)
    return None if not isinstance(label, str) or math.isnan(score) else (label, score)


def name_classes(keys: Mapping[tuple[int, str], int]) -> dict[int, str]:
    """Name every class; those of one name get their index beside it ("crane (134)")."""
    counts = Counter(label for _, label in keys)
    return {
        key: f"{label} ({index})" if counts[label] > 1 and index >= 0 else label
        for (index, label), key in keys.items()
    }
