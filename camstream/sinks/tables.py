"""Records as tables, a row a frame: CSV and Parquet.

The values of a record (``camstream.sinks.records``) are in columns of plain numbers and text:

    index, pts_s                         as in the record
    label, class_index, score, logit     of the best class
    label_2, class_index_2, ... logit_5  of the next classes; empty where there are fewer
    peak_x, peak_y, peak                 place (pixels of the frame) and value of the map's maximum
    centroid_x, centroid_y, area         empty where the map has no positive evidence
    width, height                        of the frame, pixels
    input_width, input_height            of the network's input, pixels
    method                               how the map was made
    displayed, boxes                     as in the record, as JSON

Any other key of a record gets a column of its own name, as JSON unless it is plain.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from camstream.contract import DEFAULT_TOP_K
from camstream.errors import SetupError, SinkError
from camstream.frame import Annotated
from camstream.safe_text import safe_cell
from camstream.sinks.atomic_file import AtomicFile
from camstream.sinks.lines import to_csv
from camstream.sinks.records import to_json, to_record

Row = dict[str, str | int | float | None]

_CLASS: dict[str, type] = {"label": str, "class_index": int, "score": float, "logit": float}
_PAIRS = {
    "peak_xy": ("peak_x", "peak_y"),
    "centroid_xy": ("centroid_x", "centroid_y"),
    "size_wh": ("width", "height"),
    "input_wh": ("input_width", "input_height"),
}
COLUMNS: dict[str, type] = {
    "index": int,
    "pts_s": float,
    **{
        f"{name}_{rank}" if rank > 1 else name: kind
        for rank in range(1, DEFAULT_TOP_K + 1)
        for name, kind in _CLASS.items()
    },
    **dict.fromkeys(("peak_x", "peak_y", "peak", "centroid_x", "centroid_y", "area"), float),
    **dict.fromkeys(("width", "height", "input_width", "input_height"), int),
    **dict.fromkeys(("method", "displayed", "boxes"), str),
}
_ROWS_A_GROUP = 4096  # 2 MB in memory
_LONGEST_CELL = 32_000  # of the programs that read CSV, in characters


def to_row(record: Mapping[str, Any]) -> Row:
    """Return a record as the row of a table; columns without a value are left out."""
    row: Row = {}
    for key, value in record.items():
        if key == "top":
            for rank, top in enumerate(value, 1):
                ending = f"_{rank}" if rank > 1 else ""
                row.update({f"{name}{ending}": top[name] for name in _CLASS})
        elif key in _PAIRS:
            row.update(zip(_PAIRS[key], value or (None, None), strict=True))
        elif isinstance(value, list | dict):
            row[key] = to_json(value)
        else:
            row[key] = value
    return row


class _Layout:
    """The columns of a table: COLUMNS, and what else the first row has."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self.kinds: dict[str, type] = {}

    def fit(self, row: Row) -> bool:
        """Check that a row fits; returns True for the first one, which fixes the columns.

        Raises:
            SinkError: The row has a value without a column.
        """
        first = not self.kinds
        if first:
            self.kinds = dict(COLUMNS)
            for name, value in row.items():
                self.kinds.setdefault(name, str if value is None else type(value))
        unknown = row.keys() - self.kinds.keys()
        if unknown:
            raise SinkError(
                f"cannot write {self._target}: {', '.join(sorted(unknown))} came after the first "
                "frame, when the columns were fixed; write the records as .jsonl"
            )
        return first


class CsvLines:
    """Returns records as lines of CSV, the first one after a line of column names."""

    def __init__(self, target: Path) -> None:
        self._layout = _Layout(target)

    def __call__(self, record: Mapping[str, object]) -> str:
        """Return the line of a record; it ends with a bare newline."""
        row = to_row(record)
        first = self._layout.fit(row)
        names = list(self._layout.kinds)
        cells = [_cell(record, name, row.get(name)) for name in names]
        return to_csv([names, cells] if first else [cells])


def _cell(record: Mapping[str, object], name: str, value: object) -> object:
    """Return a value as a table's program may have it: text from a model is no formula."""
    if isinstance(value, str) and not isinstance(record.get(name), list | dict):
        return safe_cell(value, limit=_LONGEST_CELL)
    return value


class ParquetFile:
    """Writes a row for each annotated frame into a Parquet file, a group of rows at a time.

    The index of a Parquet file is at its end: a run that is killed leaves no readable file.
    """

    def __init__(
        self, path: Path, *, overwrite: bool, inputs: Sequence[Path] = (), once: bool = False
    ) -> None:
        """Prepare the file.

        Args:
            path: The file to be.
            overwrite: Whether an existing file may be replaced.
            inputs: Files that must never be replaced.
            once: The run cannot be repeated, see ``AtomicFile``.

        Raises:
            SinkError: The file may not be written.
            SetupError: pyarrow is not installed.
        """
        self._arrow = import_arrow("pyarrow", path)
        self._parquet = import_arrow("pyarrow.parquet", path)
        self._atomic_file = AtomicFile(path, overwrite=overwrite, inputs=inputs, once=once)
        self._layout = _Layout(path)
        self._rows: list[Row] = []
        self._writer: Any = None
        self._has_failed = False  # without its end, the file cannot be read

    def write(self, annotated: Annotated) -> None:
        """Write one row.

        Raises:
            SinkError: It cannot be written.
        """
        row = {name: _encodable(value) for name, value in to_row(to_record(annotated)).items()}
        self._layout.fit(row)
        self._rows.append(row)
        if len(self._rows) >= _ROWS_A_GROUP:
            self._write_group()

    def finish(self) -> None:
        """Close the file and give it its name.

        Raises:
            SinkError: It cannot be written.
        """
        self._close()
        self._atomic_file.commit()

    def keep(self) -> Path | None:
        """Close the file after an error and give it a name; where that is impossible, remove it.

        Returns:
            The name, None where it was removed.
        """
        if self._has_failed or not self._layout.kinds or self._atomic_file.is_done:
            self.discard()
            return None
        try:
            self._close()
            return self._atomic_file.keep()
        except SinkError:
            self.discard()
            return None

    def discard(self) -> None:
        """Close and remove the file."""
        writer, self._writer = self._writer, None
        if writer is not None:
            # The file is removed anyway, and the first error is already being raised.
            with contextlib.suppress(OSError, self._arrow.ArrowException):
                writer.close()
        self._atomic_file.discard()

    def _close(self) -> None:
        if not self._layout.kinds:
            self._layout.fit({})
        if self._rows or self._writer is None:
            self._write_group()
        with self._writing():
            self._writer.close()

    def _write_group(self) -> None:
        names = {str: self._arrow.string(), int: self._arrow.int64(), float: self._arrow.float64()}
        names[bool] = self._arrow.bool_()
        fields = [(name, names[kind]) for name, kind in self._layout.kinds.items()]
        schema = self._arrow.schema(fields)
        with self._writing():
            if self._writer is None:
                self._writer = self._parquet.ParquetWriter(str(self._atomic_file.path), schema)
            rows, self._rows = self._rows, []
            self._writer.write_table(self._arrow.Table.from_pylist(rows, schema=schema))

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        with self._atomic_file.writing():
            try:
                yield
            except (OSError, self._arrow.ArrowException) as error:
                self._has_failed = True
                raise OSError(getattr(error, "strerror", None) or str(error)) from error


def _encodable(value: str | float | None) -> str | float | None:
    """Return text without half surrogates, which no file in UTF-8 can hold."""
    return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value


def import_arrow(module: str, path: Path) -> Any:
    """Import pyarrow, or one of its modules.

    Args:
        module: Its name.
        path: The file that it is needed for, for the error's message.

    Raises:
        SetupError: pyarrow is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise SetupError(
            f'{path}: Parquet needs pyarrow; install it with pip install "camstream[parquet]"'
        ) from error
