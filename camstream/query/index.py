"""The index of an archive: what was seen, in the order in which questions ask for it.

The records of an archive are by video and time; the question "when was a person there?" is by class.
Taking the lists of ten million records apart costs seconds for every question; the index is that
work, done once for each video and sorted by class, so that a question reads only the rows of its classes.

An index is a few files ``index/NAME.parquet``, each of some videos:

    video_no int32   a place in the list of videos in the file's metadata
    pts_s float64, score float32
    sample_no int32  counts the samples of the video, by more than 1 over a gap
    source uint8     0 a score of the model, 1 of a box, 2 the run decided that it is present

The metadata ("camstream.index", JSON) says which rows belong to which class. A file of the index holds
for as long as all of its videos are unchanged; else it is made anew. All of it may be deleted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from camstream.errors import SourceError
from camstream.query.entries import FLOOR, Video, read_entries, read_video
from camstream.query.folder import INDEX, Stored, find_videos
from camstream.query.segment import Segment, read, sort, write

# Of records; what is sorted at once takes some 20 times that in memory.
_BATCH_BYTES, _BATCH_VIDEOS = 32 * 2**20, 1000
_MOST_SMALL = 8  # more small files than this become one


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
    segments = [] if floor is not None else _load(place)
    kept, superseded = _choose(segments, stored)
    covered = {video.video_id for segment in kept for video in segment.videos}
    missing = [one for one in stored.values() if one.video_id not in covered]
    warnings: list[str] = []
    done = 0
    for batch in _batches(missing):
        made = []
        for one in batch:
            try:
                video = read_video(one)
                lowest = FLOOR if floor is None else floor
                made.append((video, read_entries(one, video, floor=lowest)))
            except SourceError as error:
                warnings.append(str(error))
            done += 1
            progress(done, len(missing))
        if made:
            segment, table = sort(made)
            if floor is None:
                segment = write(place, segment, table, warnings)
            kept.append(segment)
    current = {segment.path for segment in kept}
    for old in superseded:
        if old in current:  # the same videos as before: it was damaged
            continue
        with contextlib.suppress(OSError):
            old.unlink()
    return Index(tuple(kept), tuple(dict.fromkeys(warnings)))


def _load(place: Path) -> list[Segment]:
    found = []
    for path in sorted(place.glob("*.parquet")) if place.is_dir() else []:
        if path.name.startswith("."):
            continue
        with contextlib.suppress(SourceError, KeyError, TypeError, ValueError):
            found.append(read(path))
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
