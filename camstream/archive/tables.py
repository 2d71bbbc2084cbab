"""The tables of an archive as Parquet: their columns, and how they are written.

``records``, a row a frame that was looked at, in the order of time:

    video            the path as it was given
    index            the frame's number among all frames of the video, from 0
    pts_s            media time, seconds
    time             the same by the clock: start + pts_s, local time without a zone
    label, class_index, score, logit   the best class; of a model with a background class, such as
                     "no person", what was decided
    top              the five best classes: [{label, class_index, score}]
    present          whether something is there; null unless the model has a background class
    presence         the probability of that, 0 to 1
    presence_label   what is there if something is: the best class but the background class
    peak_x, peak_y, peak, area   of the best class's map as in a record (docs/reference/formats.md);
                     null where nothing is present, area also without positive evidence
    width, height    of the frame, pixels
    boxes            [{label, class_index, score, x0, y0, x1, y1}], pixels; of the classes asked for
                     where there are any (class_index is null for a group), else of the best class
    asked            the classes asked for, whatever scores best: [{label, class_index, score}]

``videos``, one row: see ``VideoRow``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from camstream.archive.rows import ABSENT, Row, safe
from camstream.errors import SinkError
from camstream.sinks.tables import import_arrow

ROWS_A_GROUP = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoRow:
    """What ``videos`` says of a video.

    Attributes:
        video_id: What it is called in the archive.
        video: The path as it was given.
        path: The absolute path, or the address.
        start: When it begins, local time without a zone.
        start_from: Where that was found: "container, UTC" (made local), "container", "file name",
            or "file time" (its length before it was written last).
        duration_s: From 0 to the end of its last frame, seconds.
        frames: Rows of ``records``.
        decoded: All frames of the video.
        rate_hz: Rows a second that were asked for; null: every frame.
        video_rate_hz: Frames a second of the video.
        width: Of its frames, pixels.
        height: Of its frames, pixels.
        model: The model's name.
        model_sha256: Of the model's file.
        options: What else was asked for, as JSON.
        camstream: The version that wrote it.
        warnings: What differs from the file, such as damage, a line each.
        parts: In how many parts it was read.
        size: Of the file as it was read, bytes.
        mtime_ns: When that was written last, nanoseconds since 1970; 0: unknown.
    """

    video_id: str
    video: str
    path: str
    start: datetime
    start_from: str
    duration_s: float
    frames: int
    decoded: int
    rate_hz: float | None
    video_rate_hz: float | None
    width: int
    height: int
    model: str
    model_sha256: str
    options: str
    camstream: str
    warnings: tuple[str, ...]
    parts: int
    size: int
    mtime_ns: int


def records_schema(arrow: Any, *, is_part: bool = False) -> Any:
    """Return the columns of ``records``.

    Args:
        arrow: The module pyarrow.
        is_part: Whether the rows are not decided yet.
    """
    text, small, single = arrow.string(), arrow.int32(), arrow.float32()
    scored = [("label", text), ("class_index", small), ("score", single)]
    box = [*scored, *((name, single) for name in ("x0", "y0", "x1", "y1"))]
    fields = [
        ("video", arrow.dictionary(arrow.int32(), text)),
        ("index", arrow.int64()),
        ("pts_s", arrow.float64()),
        ("time", arrow.timestamp("ms")),
        *scored,
        ("logit", single),
        ("top", arrow.list_(arrow.struct(scored))),
        ("present", arrow.bool_()),
        ("presence", arrow.float64()),
        ("presence_label", text),
        *((name, single) for name in ("peak_x", "peak_y", "peak", "area")),
        ("width", small),
        ("height", small),
        ("boxes", arrow.list_(arrow.struct(box))),
        ("asked", arrow.list_(arrow.struct(scored))),
    ]
    if is_part:
        fields += zip(ABSENT, (text, small, single, single), strict=True)
    return arrow.schema(fields)


def videos_schema(arrow: Any) -> Any:
    """Return the columns of ``videos``."""
    text, whole, real = arrow.string(), arrow.int64(), arrow.float64()
    kinds = {"start": arrow.timestamp("ms"), "warnings": arrow.list_(text)}
    kinds |= dict.fromkeys(("duration_s", "rate_hz", "video_rate_hz"), real)
    kinds |= dict.fromkeys(("frames", "decoded", "parts", "size", "mtime_ns"), whole)
    kinds |= dict.fromkeys(("width", "height"), arrow.int32())
    return arrow.schema([(name, kinds.get(name, text)) for name in VideoRow.__dataclass_fields__])


class RowsFile:
    """Writes the records of one video, or of a part of it."""

    def __init__(self, path: Path, *, video: str, start: datetime, is_part: bool = False) -> None:
        """Create the file.

        Args:
            path: Where; what is there is replaced.
            video: See the module.
            start: When the video begins.
            is_part: Whether the rows are not decided yet.

        Raises:
            SinkError: It cannot be created.
            SetupError: pyarrow is not installed.
        """
        self._arrow = import_arrow("pyarrow", path)
        parquet = import_arrow("pyarrow.parquet", path)
        self._path, self._video, self._start = path, safe(video), start
        self._schema = records_schema(self._arrow, is_part=is_part)
        self._rows: list[Row] = []
        self.count = 0
        by_time = parquet.SortingColumn(self._schema.get_field_index("pts_s"))
        with self._writing():
            self._writer = parquet.ParquetWriter(
                str(path), self._schema, compression="zstd", sorting_columns=[by_time]
            )

    def write(self, row: Row) -> None:
        """Write a row.

        Raises:
            SinkError: It cannot be written.
        """
        row["video"] = self._video
        row["time"] = self._start + timedelta(seconds=row["pts_s"])
        self._rows.append(row)
        self.count += 1
        if len(self._rows) >= ROWS_A_GROUP:
            self._write_group()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Complete the file; after an error only close it: whoever made its folder removes it.

        Raises:
            SinkError: It cannot be completed.
        """
        if kind is None:
            if self._rows or not self.count:
                self._write_group()
            with self._writing():
                self._writer.close()
        else:
            with contextlib.suppress(OSError, self._arrow.ArrowException):
                self._writer.close()

    def _write_group(self) -> None:
        rows, self._rows = self._rows, []
        with self._writing():
            self._writer.write_table(self._arrow.Table.from_pylist(rows, schema=self._schema))

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        with said(self._path, self._arrow):
            yield


def read_rows(path: Path) -> Iterator[Row]:
    """Give the rows of a part.

    Raises:
        SinkError: It cannot be read.
    """
    arrow, parquet = import_arrow("pyarrow", path), import_arrow("pyarrow.parquet", path)
    with said(path, arrow), parquet.ParquetFile(str(path)) as file:
        for batch in file.iter_batches(batch_size=1000):
            yield from batch.to_pylist()


def write_video(path: Path, row: VideoRow) -> None:
    """Write the row of a video into a file of its own.

    Raises:
        SinkError: It cannot be written.
    """
    arrow, parquet = import_arrow("pyarrow", path), import_arrow("pyarrow.parquet", path)
    values = {name: _safe(value) for name, value in asdict(row).items()}
    with said(path, arrow):
        table = arrow.Table.from_pylist([values], schema=videos_schema(arrow))
        parquet.write_table(table, str(path), compression="zstd")


def write_changed(path: Path, target: Path, **values: Any) -> None:
    """Copy the row of a video with other values.

    Raises:
        SinkError: That is impossible.
    """
    arrow, parquet = import_arrow("pyarrow", path), import_arrow("pyarrow.parquet", path)
    with said(target, arrow):
        (row,) = parquet.read_table(str(path)).to_pylist()
        table = arrow.Table.from_pylist([row | values], schema=videos_schema(arrow))
        parquet.write_table(table, str(target), compression="zstd")


def read_start(path: Path) -> datetime | None:
    """Return when a video begins, from its row; None where that cannot be read."""
    arrow, parquet = import_arrow("pyarrow", path), import_arrow("pyarrow.parquet", path)
    try:
        found: datetime = parquet.read_table(str(path), columns=["start"])[0][0].as_py()
    except (OSError, KeyError, IndexError, arrow.ArrowException):
        return None
    return found


@contextlib.contextmanager
def said(path: Path, arrow: Any) -> Iterator[None]:
    """Say in one line what went wrong with a table.

    Raises:
        SinkError: The body failed.
    """
    try:
        yield
    except (OSError, arrow.ArrowException) as error:
        if isinstance(error, SinkError):
            raise
        reason = getattr(error, "strerror", None) or str(error)
        cause = error if isinstance(error, OSError) else None
        raise SinkError(f"cannot write {path}: {reason}") from cause


def _safe(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_safe(one) for one in value]
    return safe(value) if isinstance(value, str) else value
