"""The index of an archive: what was seen, in the order in which questions ask for it.

The records of an archive are by video and time; the question "when was a person there?" is by class.
Taking the lists of ten million records apart costs seconds for every question; the index is that
work, done once for each video and sorted by class, so that a question reads only the rows of its classes.

An index is a few files ``index/NAME.parquet``, each of some videos:

    video_no int32   a place in the list of videos in the file's metadata
    pts_s float64, score float32
    source uint8     0 one of the five best classes, 1 a box, 2 present, as the run decided it

The metadata ("camstream.index", JSON) says which rows belong to which class. A file of the index holds
for as long as all of its videos are unchanged; else it is made anew. All of it may be deleted.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camstream.errors import SinkError, SourceError
from camstream.query.entries import Entries, Key, Video, read_entries, read_video
from camstream.query.folder import INDEX, Stored, find_videos
from camstream.sinks.atomic_file import AtomicFile
from camstream.sinks.tables import import_arrow

_FORMAT = 1
_METADATA = b"camstream.index"
_COLUMNS = ("video_no", "pts_s", "score", "source")
# Of records; what is sorted at once takes some 20 times that in memory.
_BATCH_BYTES, _BATCH_VIDEOS = 32 * 2**20, 1000
_MOST_SMALL = 8  # more small files than this become one
_ROWS_A_GROUP = 32_768


@dataclass(frozen=True, slots=True)
class Rows:
    """Entries of one class, by video and time; see ``Segment``."""

    video_no: NDArray[np.int32]
    pts_s: NDArray[np.float64]
    score: NDArray[np.float32]
    source: NDArray[np.uint8]


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
        return Rows(*(taken[name].to_numpy() for name in _COLUMNS))


@dataclass(frozen=True, slots=True)
class Index:
    """The whole index.

    Attributes:
        segments: Together they have each video once.
        warnings: What could not be read or kept, one line each.
    """

    segments: tuple[Segment, ...]
    warnings: tuple[str, ...]

    @property
    def videos(self) -> list[Video]:
        """Every video of the archive that could be read."""
        return [video for segment in self.segments for video in segment.videos]


def update(
    folder: Path,
    *,
    floor: float | None = None,
    progress: Callable[[int, int | None], None] = lambda _done, _all: None,
) -> Index:
    """Read the index of an archive; add the videos that it has not yet.

    Args:
        folder: The archive.
        floor: What scores less is left out; None: as the index has it. Any other leaves the index alone
            and reads all records, which takes long.
        progress: Called with the number of videos that were added and of those to add.

    Raises:
        UsageError: The folder is no archive.
        SourceError: It cannot be read.
    """
    stored = {one.video_id: one for one in find_videos(folder)}
    place = folder / INDEX
    segments = [] if floor is not None else _load(place, stored)
    kept, superseded = _choose(segments, stored)
    covered = {video.video_id for segment in kept for video in segment.videos}
    missing = [one for one in stored.values() if one.video_id not in covered]
    warnings: list[str] = []
    done = 0
    for batch in _batches(missing):
        made = []
        for one in batch:
            try:
                entries = read_entries(one) if floor is None else read_entries(one, floor=floor)
                made.append((read_video(folder, one), entries))
            except SourceError as error:
                warnings.append(str(error))
            done += 1
            progress(done, len(missing))
        if made:
            segment, table = _sort(made)
            if floor is None:
                segment = _write(place, segment, table, warnings)
            kept.append(segment)
    for old in superseded:
        with contextlib.suppress(OSError):
            old.unlink()
    return Index(tuple(kept), tuple(dict.fromkeys(warnings)))


def _load(place: Path, stored: dict[str, Stored]) -> list[Segment]:
    found = []
    for path in sorted(place.glob("*.parquet")) if place.is_dir() else []:
        if path.name.startswith("."):
            continue
        with contextlib.suppress(SourceError, KeyError, TypeError, ValueError):
            found.append(_read(path))
            continue
        found.append(Segment((), frozenset(), {}, {}, path))  # damaged, or of another version
    return found


def _choose(segments: list[Segment], stored: dict[str, Stored]) -> tuple[list[Segment], list[Path]]:
    """Keep what still holds; also give the files that are superseded."""
    kept: list[Segment] = []
    covered: set[str] = set()
    for segment in sorted(segments, key=lambda one: -len(one.videos)):
        ids = {video.video_id for video in segment.videos}
        holds = ids and all(
            video.video_id in stored and stored[video.video_id].stamp == video.stamp
            for video in segment.videos
        )
        if holds and not ids & covered:
            kept.append(segment)
            covered |= ids
    small = [one for one in kept if _is_small(one)]
    if len(small) > _MOST_SMALL:
        kept = [one for one in kept if not _is_small(one)]
    chosen = {one.path for one in kept}
    return kept, [one.path for one in segments if one.path and one.path not in chosen]


def _is_small(segment: Segment) -> bool:
    size = sum(video.stamp[0] for video in segment.videos)
    return size < _BATCH_BYTES // 2 and len(segment.videos) < _BATCH_VIDEOS // 2


def _batches(missing: Sequence[Stored]) -> Iterator[list[Stored]]:
    batch: list[Stored] = []
    size = 0
    for one in missing:
        if batch and (size + one.stamp[0] > _BATCH_BYTES or len(batch) >= _BATCH_VIDEOS):
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += one.stamp[0]
    if batch:
        yield batch


def _sort(made: Sequence[tuple[Video, Entries]]) -> tuple[Segment, Any]:
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
        columns.append((here[entries.keys], numbers, entries.pts_s, entries.scores, entries.sources))
    keys, *values = (np.concatenate(column) for column in zip(*columns, strict=True))
    if len(order_of) < 2**15:
        keys = keys.astype(np.int16)  # sorted by radix, five times as fast
    order = np.argsort(keys, kind="stable")
    table = arrow.table(
        {name: column[order] for name, column in zip(_COLUMNS, values, strict=True)}
    )
    counts = np.bincount(keys, minlength=len(order_of)).tolist()
    ranges, best, first = {}, {}, 0
    scores = table["score"].to_numpy()
    for key, count in zip(sorted(codes), counts, strict=True):
        if count:
            ranges[key] = (first, count)
            best[key] = float(scores[first : first + count].max())
        first += count
    knows = frozenset(place for place, (_, entries) in enumerate(made) if entries.knows_presence)
    return Segment(tuple(video for video, _ in made), knows, ranges, best, table=table), table


def _write(place: Path, segment: Segment, table: Any, warnings: list[str]) -> Segment:
    """Write a file of the index; where that is impossible, it stays in memory."""
    content = json.dumps(
        {
            "format": _FORMAT,
            "videos": [
                asdict(video) | {"start": video.start and video.start.isoformat()}
                for video in segment.videos
            ],
            "knows_presence": sorted(segment.knows_presence),
            "classes": [
                [*key, *segment.ranges[key], segment.best[key]] for key in segment.ranges
            ],
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
                    column_encoding={"video_no": "DELTA_BINARY_PACKED"},
                )
            file.commit()
        finally:
            if not file.is_done:
                file.discard()
    except (SinkError, OSError) as error:
        reason = str(error)
        warnings.append(f"the index could not be kept, so the next question takes as long: {reason}")
        return segment
    return Segment(
        segment.videos, segment.knows_presence, segment.ranges, segment.best, file.target
    )


def _read(path: Path) -> Segment:
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
    groups, before, skipped = [], 0, 0
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
        with parquet.ParquetFile(path) as file:
            yield file
    except (arrow.ArrowException, OSError) as error:
        raise SourceError(
            f"cannot read the index {path}: it was changed meanwhile or is damaged; delete it and ask "
            "again"
        ) from error
