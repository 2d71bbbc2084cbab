"""When something was there: intervals, from the samples in which it scored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from fnmatch import fnmatchcase
from pathlib import Path, PurePath

import numpy as np
from numpy.typing import NDArray

from camstream.errors import UsageError
from camstream.query.entries import FLOOR, PRESENT, Key, Video
from camstream.query.index import Index, update
from camstream.query.names import find_keys
from camstream.query.segment import Rows, Segment, join

DEFAULT_MIN = 0.5
_EPSILON_S = 1e-6
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """When was it there?

    Attributes:
        name: A label, a group such as "dog", a class's number, or a WordNet id.
        min_score: A frame counts where it scores at least this as one of the five best classes or as
            a box; None: 0.5, or where the run itself decided what is present, that.
        for_s: Shorter intervals are left out, seconds.
        gap_s: Frames no further apart are one interval, seconds; None: as far as samples that follow
            each other are apart in that part of the video.
        between: Only frames between these times of the day, by the clock of the video; over
            midnight where the second is earlier.
        video: Only videos whose path, or name, matches this pattern (``*``, ``?``, ``[...]``).
    """

    name: str
    min_score: float | None = None
    for_s: float = 0.0
    gap_s: float | None = None
    between: tuple[time, time] | None = None
    video: str | None = None

    def __post_init__(self) -> None:
        if self.min_score is not None and not 0 <= self.min_score <= 1:
            raise UsageError(f"a score is 0 to 1, not {self.min_score:g}")
        if not self.for_s >= 0 or (self.gap_s is not None and not self.gap_s >= 0):
            raise UsageError("times are 0 or more seconds")


@dataclass(frozen=True, slots=True)
class Found:
    """An interval in which it was there.

    Attributes:
        video: The video.
        start_s: Media time of the first frame, seconds.
        end_s: When the last one ends: a step after it begins, or with the video.
        best_score: The highest score in it.
        best_s: Media time of the frame that has it.
        frames: How many frames count.
    """

    video: Video
    start_s: float
    end_s: float
    best_score: float
    best_s: float
    frames: int

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found.

    Attributes:
        found: By video, in the order of the days and of their times; then by time.
        keys: The classes that the name means.
        videos: How many videos were asked about.
        warnings: What could not be read, one line each.
    """

    found: list[Found]
    keys: list[Key]
    videos: int
    warnings: tuple[str, ...]


def find(
    folder: str | Path,
    name: str,
    *,
    min_score: float | None = None,
    for_s: float = 0.0,
    gap_s: float | None = None,
    between: tuple[time, time] | None = None,
    video: str | None = None,
) -> list[Found]:
    """Find when something was there, in all videos of an archive.

    Args:
        folder: The archive.
        name: See ``Question``, also for all others.
        min_score: See there.
        for_s: See there.
        gap_s: See there.
        between: See there.
        video: See there.

    Raises:
        UsageError: The folder is no archive, or nothing in it has this name.
        SourceError: It cannot be read.
        SetupError: pyarrow is not installed.
    """
    question = Question(
        name=name, min_score=min_score, for_s=for_s, gap_s=gap_s, between=between, video=video
    )
    return answer(Path(folder), question).found


def answer(
    folder: Path,
    question: Question,
    *,
    progress: Callable[[int, int | None], None] = lambda _done, _all: None,
) -> Answer:
    """Answer a question to an archive; see ``find``.

    Args:
        folder: The archive.
        question: The question.
        progress: As for ``index.update``.
    """
    below = question.min_score is not None and question.min_score < FLOOR
    index = update(folder, floor=question.min_score if below else None, progress=progress)
    keys = find_keys(question.name, index, folder)
    decided = _decided(index, keys)
    found: list[Found] = []
    asked = 0
    for segment in index.segments:
        wanted = _matching(segment, question.video)
        asked += int(wanted.sum())
        found += _in_segment(segment, keys, question, wanted, decided)
    if question.video is not None and not asked:
        raise UsageError(f"no video in {folder} matches {question.video!r}")
    found.sort(key=lambda one: (_order(one.video), one.start_s))
    return Answer(found, keys, asked, index.warnings)


def _order(video: Video) -> tuple[datetime, str]:
    return video.start or datetime.max, video.video


def _matching(segment: Segment, pattern: str | None) -> NDArray[np.bool_]:
    return np.array(
        [
            pattern is None
            or fnmatchcase(video.video, pattern)
            or fnmatchcase(PurePath(video.video).name, pattern)
            for video in segment.videos
        ],
        bool,
    )


def _decided(index: Index, keys: Sequence[Key]) -> bool:
    """Whether a run ever decided that one of the classes is present."""
    for segment in index.segments:
        for key in keys if segment.knows_presence else ():
            if key in segment.ranges and (segment.read(key).source == PRESENT).any():
                return True
    return False


def _in_segment(
    segment: Segment,
    keys: Sequence[Key],
    question: Question,
    wanted: NDArray[np.bool_],
    decided: bool,
) -> list[Found]:
    parts = [segment.read(key) for key in keys if key in segment.ranges]
    if not parts or not wanted.any():
        return []
    rows = join(parts)
    counts = wanted[rows.video_no] & _counting(segment, rows, question, decided)
    if question.between is not None:
        counts &= _in_day(segment, rows, question.between)
    rows = rows.take(counts)
    return _intervals(segment, rows, question) if len(rows.pts_s) else []


def _counting(segment: Segment, rows: Rows, question: Question, decided: bool) -> NDArray[np.bool_]:
    """Which entries count by their score, or because the run decided so."""
    limit = DEFAULT_MIN if question.min_score is None else question.min_score
    by_score: NDArray[np.bool_] = rows.score >= np.float32(limit)
    if question.min_score is not None or not decided:
        return by_score
    knows = np.zeros(len(segment.videos), bool)
    knows[list(segment.knows_presence)] = True
    return np.where(knows[rows.video_no], rows.source == PRESENT, by_score)


def _in_day(segment: Segment, rows: Rows, between: tuple[time, time]) -> NDArray[np.bool_]:
    """Which entries are between two times of the day; none of a video without a clock."""
    starts = np.array(
        [np.nan if one.start is None else _of_day(one.start.time()) for one in segment.videos]
    )
    at = (starts[rows.video_no] + rows.pts_s) % _DAY_S
    first, last = (_of_day(limit) for limit in between)
    after: NDArray[np.bool_] = at >= first
    before: NDArray[np.bool_] = at < last
    return after & before if first < last else after | before


def _of_day(at: time) -> float:
    return at.hour * 3600 + at.minute * 60 + at.second + at.microsecond / 1e6


def _intervals(segment: Segment, rows: Rows, question: Question) -> list[Found]:
    """Join what follows each other; entries are by video and time."""
    steps = np.array([video.step_s for video in segment.videos])
    ends = np.array([video.duration_s or np.inf for video in segment.videos])
    apart = np.diff(rows.pts_s)
    if question.gap_s is None:
        is_gap = np.diff(rows.sample_no) > 1
    else:
        is_gap = apart > question.gap_s + _EPSILON_S
    begins = np.ones(len(rows.pts_s), bool)
    begins[1:] = (np.diff(rows.video_no) != 0) | is_gap
    is_new_frame = begins.copy()  # a frame may have several entries
    is_new_frame[1:] |= apart > 0
    first = np.flatnonzero(begins)
    after = np.append(first[1:], len(begins))
    numbers = rows.video_no[first]
    last_s = rows.pts_s[after - 1]
    end_s = np.maximum(last_s, np.minimum(last_s + steps[numbers], ends[numbers]))
    best = np.maximum.reduceat(rows.score, first)
    frames = np.add.reduceat(is_new_frame.astype(np.int64), first)
    long = np.flatnonzero(end_s - rows.pts_s[first] >= question.for_s - _EPSILON_S)
    found = []
    for place in long.tolist():
        begin, end = int(first[place]), int(after[place])
        found.append(
            Found(
                video=segment.videos[int(numbers[place])],
                start_s=float(rows.pts_s[begin]),
                end_s=float(end_s[place]),
                best_score=float(best[place]),
                best_s=float(rows.pts_s[begin + int(rows.score[begin:end].argmax())]),
                frames=int(frames[place]),
            )
        )
    return found
