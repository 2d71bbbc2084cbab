"""What was seen in one video, out of its records: one entry for each class of each frame."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camstream.errors import SourceError, first_line
from camstream.query.folder import Stored
from camstream.sinks.tables import import_arrow

FLOOR = 0.05  # of five classes, most score less, and nobody asks for them

_STEPS = 1.5  # samples up to so many steps apart follow each other
_ROUNDING = 0.01  # of a frame: rates are averages
_SLACK = 1.1  # likewise of the times of frames
_PACE = 3  # so many steps before or after one say how fast a video is there
_DROPPED_S = 0.2  # a camera that drops some frames has not stopped

# Where an entry comes from: the model's scores, a box, or the run's own decision.
TOP, BOX, PRESENT = 0, 1, 2

_COLUMNS = ["pts_s", "top", "asked", "boxes", "present", "presence", "presence_label"]

Key = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Video:
    """What is known of a video.

    Attributes:
        video_id: See ``Stored``.
        video: Its path, as it was given to the run.
        path: Its absolute path then.
        start: The wall-clock time at which it begins, None where it is not known.
        duration_s: Its length, seconds.
        step_s: From one sample to the next, seconds.
        apart_s: How far apart samples that follow each other may be, seconds.
        size_wh: Width and height, pixels.
        size: Of the file, bytes, and when it was changed; None where that was not noted.
        mtime_ns: See above.
        records: Where its records lie, relative to the archive.
        stamp: See ``Stored``.
    """

    video_id: str
    video: str
    path: str
    start: datetime | None
    duration_s: float
    step_s: float
    apart_s: float
    size_wh: tuple[int, int]
    size: int | None
    mtime_ns: int | None
    records: str
    stamp: tuple[int, ...]

    def clock(self, pts_s: float) -> datetime | None:
        """The wall-clock time of a media time."""
        if self.start is None:
            return None
        try:
            return self.start + timedelta(seconds=pts_s)
        except OverflowError:
            return None


@dataclass(frozen=True, slots=True)
class Entries:
    """What was seen; N entries by growing time.

    Attributes:
        pts_s: (N,) media time, seconds.
        sample_no: (N,) which sample of the video it is of: those that follow each other count on by 1,
            and by more where the video has a gap.
        keys: (N,) places in ``classes``.
        scores: (N,) 0 to 1.
        sources: (N,) ``TOP``, ``BOX`` or ``PRESENT``.
        classes: Label and number of each class that occurs; -1 for no single class.
        knows_presence: Whether the run decided for each frame if something is present.
    """

    pts_s: NDArray[np.float64]
    sample_no: NDArray[np.int32]
    keys: NDArray[np.int64]
    scores: NDArray[np.float32]
    sources: NDArray[np.uint8]
    classes: list[Key]
    knows_presence: bool


def read_video(stored: Stored) -> Video:
    """Read the row of a video.

    Raises:
        SourceError: It cannot be read.
    """
    try:
        (values,) = read_columns(stored.row).to_pylist()
        video = values["video"].strip() and values["video"]
        if not video:
            raise ValueError("it has no name")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise SourceError(f"cannot read {stored.row}: it is not the row of a video") from error
    start = values.get("start")
    duration_s, frames = _number(values, "duration_s"), _number(values, "frames")
    # A clip may have fewer frames than were asked for.
    rates = [_number(values, name) for name in ("rate_hz", "video_rate_hz")]
    steps = [1 / rate_hz for rate_hz in rates if rate_hz > 0]
    if not steps and frames > 0 and duration_s > 0:
        steps.append(duration_s / frames)
    size, changed_ns = values.get("size"), values.get("mtime_ns")
    return Video(
        video_id=stored.video_id,
        video=video,
        path=str(values.get("path") or video),
        start=start.replace(tzinfo=None) if isinstance(start, datetime) else None,
        duration_s=duration_s,
        step_s=max(steps, default=1.0),
        apart_s=_apart(steps),
        size_wh=(int(_number(values, "width")), int(_number(values, "height"))),
        size=size if isinstance(size, int) and size else None,
        mtime_ns=changed_ns if isinstance(changed_ns, int) and changed_ns else None,
        records=stored.name,
        stamp=stored.stamp,
    )


def _apart(steps_s: list[float]) -> float:
    """How far apart samples that follow each other may be, by the steps of samples and frames.

    A sample is the first frame at or after its time. At 20 Hz of 25 frames a second samples are 1 or
    2 frames apart: 0.08 s, which is more than one and a half of the longer step.
    """
    longest = max(steps_s, default=1.0)
    shortest = min(steps_s, default=1.0)
    frames = float(np.ceil(longest / shortest - _ROUNDING))
    return max(_STEPS * longest, _SLACK * frames * shortest)


def read_entries(stored: Stored, video: Video, *, floor: float = FLOOR) -> Entries:
    """Read what was seen in a video.

    Args:
        stored: Its files.
        video: What is known of it.
        floor: What scores less is left out.

    Raises:
        SourceError: The records cannot be read.
    """
    table = read_columns(stored.records, _COLUMNS)
    try:
        return _to_entries(table, floor, video.apart_s)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SourceError(
            f"cannot read {stored.records}: these are no records of an archive ({first_line(error)})"
        ) from error


def _number(values: dict[str, Any], name: str) -> float:
    value = values.get(name)
    is_number = isinstance(value, int | float) and np.isfinite(value)
    return float(value) if is_number and value is not None else 0.0


def read_columns(path: Path, columns: list[str] | None = None) -> Any:
    """Read some columns of a Parquet file, those that it has.

    Raises:
        SourceError: It cannot be read.
    """
    arrow, parquet = import_arrow("pyarrow", path), import_arrow("pyarrow.parquet", path)
    try:
        with parquet.ParquetFile(path) as file:
            there = file.schema_arrow.names
            wanted = columns and [name for name in columns if name in there]
            return file.read(wanted)
    except (arrow.ArrowException, OSError, UnicodeError) as error:
        raise SourceError(f"cannot read {path}: {first_line(error)}") from error


def _to_entries(table: Any, floor: float, apart_s: float) -> Entries:
    pts_s = to_numpy(table["pts_s"].fill_null(np.nan)).astype(np.float64)
    classes: dict[Key, int] = {}
    there = table.column_names
    parts = [
        _listed(table[name], pts_s, classes, source, floor)
        for name, source in (("top", TOP), ("asked", TOP), ("boxes", BOX))
        if name in there
    ]
    knows = "present" in there and table["present"].null_count < len(table)
    if knows:
        parts += _presence(table, pts_s, classes, floor)
    rows, keys, scores, sources = (np.concatenate(column) for column in zip(*parts, strict=True))
    times = pts_s[rows]
    if (np.diff(times) < 0).any():
        order = np.argsort(times, kind="stable")
        rows, times = rows[order], times[order]
        keys, scores, sources = keys[order], scores[order], sources[order]
    numbers = _number_samples(pts_s, apart_s)[rows]
    return Entries(times, numbers, keys, scores, sources, list(classes), knows)


def _number_samples(pts_s: NDArray[np.float64], apart_s: float) -> NDArray[np.int32]:
    """Number samples in the order of time, so that those that follow each other count on by 1.

    A video of a changing rate, such as that of a phone in the dark, is at every place measured by the
    steps before it or after it: half as many frames a second are no gap.

    Args:
        pts_s: (T,) seconds; NaN where a time is missing.
        apart_s: How far apart samples that follow each other may be at least, seconds.
    """
    order = np.argsort(pts_s, kind="stable")
    steps = np.diff(pts_s[order])
    numbers = np.zeros(len(pts_s), np.int32)
    if not len(steps):
        return numbers
    limit = np.full(len(steps), max(apart_s, _DROPPED_S) + _ROUNDING * apart_s)
    far = np.flatnonzero(steps > limit)
    if len(far) and len(steps) > _PACE:
        around = np.lib.stride_tricks.sliding_window_view(steps, _PACE)  # (T - _PACE, _PACE)
        paces = np.median(around, axis=1)
        last = len(paces) - 1
        before = paces[np.clip(far - _PACE, 0, last)]
        after = paces[np.clip(far + 1, 0, last)]
        limit[far] = np.maximum(limit[far], _STEPS * np.maximum(before, after))
    numbers[order[1:]] = np.cumsum(np.where(steps > limit, 2, 1))
    return numbers


def to_numpy(column: Any) -> NDArray[Any]:
    """Give a column of numbers without nulls as an array; pyarrow's own way imports pandas."""
    array = column.combine_chunks() if hasattr(column, "combine_chunks") else column
    if hasattr(array, "num_chunks"):
        array = array.chunk(0)
    return np.from_dlpack(array) if len(array) else np.empty(0)


# Rows of the table, and of each key, score and source.
_Part = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32], NDArray[np.uint8]]


def _listed(
    column: Any, pts_s: NDArray[np.float64], classes: dict[Key, int], source: int, floor: float
) -> _Part:
    """Lay a column of lists out, an entry for each class."""
    if not len(column):
        return _nothing()
    flat = column.combine_chunks()
    flat = flat.chunk(0) if hasattr(flat, "chunk") else flat
    lengths = to_numpy(flat.value_lengths().fill_null(0))
    rows = np.repeat(np.arange(len(lengths)), lengths)
    inner = flat.flatten()
    scores = to_numpy(inner.field("score").fill_null(0)).astype(np.float32)
    kept = np.flatnonzero((scores >= floor) & np.isfinite(pts_s[rows]))
    if not len(kept):
        return _nothing()
    names = inner.field("label").dictionary_encode()
    numbers = to_numpy(inner.field("class_index").fill_null(-1))
    codes = to_numpy(names.indices.fill_null(-1)).astype(np.int64)
    kept = kept[codes[kept] >= 0]
    both = codes[kept] << 32 | (numbers[kept].astype(np.int64) + 1)
    distinct, places = np.unique(both, return_inverse=True)
    known = names.dictionary.to_pylist()
    here = [
        classes.setdefault((known[code >> 32], (code & 0xFFFFFFFF) - 1), len(classes))
        for code in distinct.tolist()
    ]
    return (
        rows[kept],
        np.asarray(here, np.int64)[places],
        scores[kept],
        np.full(len(kept), source, np.uint8),
    )


def _presence(
    table: Any, pts_s: NDArray[np.float64], classes: dict[Key, int], floor: float
) -> list[_Part]:
    """Give an entry for each frame in which something is present, or may be."""
    present = to_numpy(table["present"].fill_null(False).cast("uint8")).astype(bool)
    scores = to_numpy(table["presence"].fill_null(0)).astype(np.float32)
    labels = table["presence_label"].combine_chunks().dictionary_encode()
    labels = labels.chunk(0) if hasattr(labels, "chunk") else labels
    codes = to_numpy(labels.indices.fill_null(-1))
    counts = (present | (scores >= floor)) & np.isfinite(pts_s)
    parts = []
    for code, label in enumerate(labels.dictionary.to_pylist()):
        rows = np.flatnonzero(counts & (codes == code))
        # The same class as among the five best, where it is there.
        number = next((number for name, number in classes if name == label), -1)
        key = classes.setdefault((label, number), len(classes))
        sources = np.where(present[rows], PRESENT, TOP).astype(np.uint8)
        parts.append((rows, np.full(len(rows), key, np.int64), scores[rows], sources))
    return parts


def _nothing() -> _Part:
    none = np.empty(0, np.int64)
    return none, none, np.empty(0, np.float32), np.empty(0, np.uint8)
