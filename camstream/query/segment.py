"""A file of the index: what was seen in some videos, sorted by class. ``index`` says how it is laid out."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camstream.errors import SinkError, SourceError
from camstream.query.entries import Entries, Key, Video, to_numpy
from camstream.sinks.atomic_file import AtomicFile
from camstream.sinks.tables import import_arrow

_FORMAT = 4
_METADATA = b"camstream.index"
_COLUMNS = ("video_no", "pts_s", "sample_no", "score", "source")
_ROWS_A_GROUP = 32_768


@dataclass(frozen=True, slots=True)
class Rows:
    """Entries of a class, by video and time: columns of the index."""

    video_no: NDArray[np.int32]
    pts_s: NDArray[np.float64]
    sample_no: NDArray[np.int32]
    score: NDArray[np.float32]
    source: NDArray[np.uint8]

    def take(self, which: NDArray[Any]) -> Rows:
        """Return some of the entries: by their places, or those that are marked."""
        return Rows(*(getattr(self, name)[which] for name in _COLUMNS))


def join(parts: Sequence[Rows]) -> Rows:
    """Put the entries of several classes together, by video and time."""
    if len(parts) == 1:
        return parts[0]
    whole = Rows(*(np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS))
    return whole.take(np.lexsort((whole.pts_s, whole.video_no)))


@dataclass(frozen=True, slots=True)
class Segment:
    """A file of the index, or what would be one where it cannot be written.

    Attributes:
        videos: Those that it is of.
        knows_presence: The places of videos whose runs decided what is present.
        ranges: The first row of each class, and how many there are.
        best: The highest score of each class.
        path: The file; None: it is in ``table``.
        table: Its rows.
    """

    videos: tuple[Video, ...]
    knows_presence: frozenset[int]
    ranges: dict[Key, tuple[int, int]]
    best: dict[Key, float]
    path: Path | None = None
    table: Any = None

    def read(self, key: Key) -> Rows:
        """Read the entries of a class.

        Raises:
            SourceError: The file cannot be read any more.
        """
        first, count = self.ranges[key]
        if self.path is None:
            taken = self.table.slice(first, count)
        else:
            with _reading(self.path) as file:
                groups, skipped = _groups(file.metadata, first, count)
                taken = file.read_row_groups(groups, list(_COLUMNS)).slice(first - skipped, count)
        return Rows(*(to_numpy(taken[name]) for name in _COLUMNS))


def sort(made: Sequence[tuple[Video, Entries]]) -> tuple[Segment, Any]:
    """Sort the entries of some videos by class, then by video and time."""
    arrow = import_arrow("pyarrow", Path(made[0][0].records))
    codes: dict[Key, int] = {}
    for _, entries in made:
        for key in entries.classes:
            codes.setdefault(key, len(codes))
    order_of = {key: place for place, key in enumerate(sorted(codes))}
    columns = []
    for number, (_, entries) in enumerate(made):
        here = np.array([order_of[key] for key in entries.classes] or [0], np.int32)
        numbers = np.full(len(entries.keys), number, np.int32)
        columns.append(
            (
                here[entries.keys],
                numbers,
                entries.pts_s,
                entries.sample_no,
                entries.scores,
                entries.sources,
            )
        )
    keys, *values = (np.concatenate(column) for column in zip(*columns, strict=True))
    if len(order_of) < 2**15:
        keys = keys.astype(np.int16)  # sorted by radix, five times as fast
    order = np.argsort(keys, kind="stable")
    table = arrow.table(
        {name: column[order] for name, column in zip(_COLUMNS, values, strict=True)}
    )
    counts = np.bincount(keys, minlength=len(order_of)).tolist()
    ranges, best, first = {}, {}, 0
    scores = to_numpy(table["score"])
    for key, count in zip(sorted(codes), counts, strict=True):
        if count:
            ranges[key] = (first, count)
            best[key] = float(scores[first : first + count].max())
        first += count
    knows = frozenset(place for place, (_, entries) in enumerate(made) if entries.knows_presence)
    return Segment(tuple(video for video, _ in made), knows, ranges, best, table=table), table


def write(place: Path, segment: Segment, table: Any, warnings: list[str]) -> Segment:
    """Write a file of the index; where that is impossible, it stays in memory."""
    content = json.dumps(
        {
            "format": _FORMAT,
            "videos": [
                asdict(video) | {"start": video.start and video.start.isoformat()}
                for video in segment.videos
            ],
            "knows_presence": sorted(segment.knows_presence),
            "classes": [[*key, *segment.ranges[key], segment.best[key]] for key in segment.ranges],
        }
    ).encode()
    stamps = repr([(video.video_id, video.stamp) for video in segment.videos])
    name = hashlib.sha256(f"{_FORMAT} {stamps}".encode()).hexdigest()[:16]
    parquet = import_arrow("pyarrow.parquet", place)
    try:
        with contextlib.suppress(FileExistsError):
            place.mkdir()
        file = AtomicFile(place / f"{name}.parquet", overwrite=True)
        try:
            with file.writing():
                parquet.write_table(
                    table.replace_schema_metadata({_METADATA: content}),
                    file.path,
                    compression="zstd",
                    row_group_size=_ROWS_A_GROUP,
                    use_dictionary=False,
                    write_page_checksum=True,
                    column_encoding=dict.fromkeys(("video_no", "sample_no"), "DELTA_BINARY_PACKED"),
                )
            file.commit()
        finally:
            if not file.is_done:
                file.discard()
    except (SinkError, OSError) as error:
        reason = str(error)
        warnings.append(
            f"the index could not be kept, so the next question takes as long: {reason}"
        )
        return segment
    return Segment(
        segment.videos, segment.knows_presence, segment.ranges, segment.best, file.target
    )


def read(path: Path) -> Segment:
    """Read what a file of the index is of; its rows are read when they are asked for.

    Raises:
        SourceError: It cannot be read.
        KeyError, TypeError, ValueError: It is something else.
    """
    with _reading(path) as file:
        content = json.loads((file.schema_arrow.metadata or {})[_METADATA])
        rows = file.metadata.num_rows
    if content["format"] != _FORMAT:
        raise ValueError("of another version")
    videos = tuple(_to_video(values) for values in content["videos"])
    ranges, best = {}, {}
    for label, number, first, count, score in content["classes"]:
        if not (isinstance(label, str) and 0 <= first <= first + count <= rows):
            raise ValueError("its classes do not fit its rows")
        ranges[label, int(number)] = (int(first), int(count))
        best[label, int(number)] = float(score)
    return Segment(videos, frozenset(content["knows_presence"]), ranges, best, path)


def _to_video(values: dict[str, Any]) -> Video:
    start = values.pop("start")
    width, height = values.pop("size_wh")
    return Video(
        start=datetime.fromisoformat(start) if start else None,
        size_wh=(width, height),
        stamp=tuple(values.pop("stamp")),
        **values,
    )


def _groups(metadata: Any, first: int, count: int) -> tuple[list[int], int]:
    """Find the row groups that hold some rows; also give the number of rows before them."""
    groups: list[int] = []
    before = skipped = 0
    for place in range(metadata.num_row_groups):
        after = before + metadata.row_group(place).num_rows
        if before < first + count and after > first:
            if not groups:
                skipped = before
            groups.append(place)
        before = after
    return groups, skipped


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[Any]:
    """Open a file of the index.

    Raises:
        SourceError: It cannot be read; the next question makes it anew.
    """
    arrow, parquet = import_arrow("pyarrow", path), import_arrow("pyarrow.parquet", path)
    try:
        with parquet.ParquetFile(path, page_checksum_verification=True) as file:
            yield file
    except (arrow.ArrowException, OSError, UnicodeError) as error:
        raise SourceError(
            f"cannot read the index {path}: it was changed meanwhile or is damaged; delete it and ask "
            "again"
        ) from error
