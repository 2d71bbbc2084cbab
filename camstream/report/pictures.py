"""Small pictures of a video's frames at given times."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

import av
import cv2
import numpy as np
from av import VideoFrame
from av.container import InputContainer
from numpy.typing import NDArray

from camstream.errors import SourceError
from camstream.picture import Orientation, Picture
from camstream.report.timeline import Timeline, clock
from camstream.sources.container import demux
from camstream.sources.file import FileSource

THUMBS = 240
_LONGER_SIDE_PX = 320
_JPEG_QUALITY = 72
_JUMP_S = 4.0  # where pictures are further apart than this, jumping is quicker than decoding all
_ASPECT = 1.03  # two pictures of one clip differ by less than this in shape
_ENDS_S = 1.0  # a smaller difference of length is none
_BACK_S = (0.0, 10.0, 60.0)  # a file without an index may jump too far

_SAME_S = 0.5  # a frame this far from where its record says is another one

T = TypeVar("T")

Found = tuple[float, Picture]


@dataclass(frozen=True, slots=True)
class Thumb:
    """A small picture of a frame.

    Attributes:
        pts_s: Media time of the frame.
        jpeg: The picture, its longer side at most 320 pixels.
    """

    pts_s: float
    jpeg: bytes


@dataclass(frozen=True, slots=True)
class Thumbnails:
    """The small pictures of a clip.

    Attributes:
        thumbs: In order of time.
        size_wh: The video's width and height.
        warnings: Reasons why the video may be of another clip, one line each.
    """

    thumbs: tuple[Thumb, ...]
    size_wh: tuple[int, int]
    warnings: tuple[str, ...]

    def nearest(self, pts_s: float) -> int:
        """The place of the thumb nearest to a time."""
        return int(np.abs(np.array([thumb.pts_s for thumb in self.thumbs]) - pts_s).argmin())


class _NoTimesError(Exception):
    """The times in the file are not those of the records: it has none, or its clock jumps."""


def make_thumbnails(
    path: Path, timeline: Timeline, *, on_thumb: Callable[[], None] = lambda: None
) -> Thumbnails:
    """Read a clip's small pictures from its video.

    Args:
        path: The video that the records are of, or the annotated one.
        timeline: The clip.
        on_thumb: Called after each picture.

    Raises:
        SourceError: The video cannot be read, or is plainly of another clip.
    """
    source = FileSource(path, even=True)  # as it was read for the records
    try:
        thumbs: dict[float, Thumb] = {}
        size_wh = (0, 0)
        for wanted_s, (frame_s, picture) in find_frames(source, choose_times(timeline)):
            if size_wh == (0, 0):
                size_wh = picture.size_wh
                _check_shape(path, timeline, size_wh)
            if abs(frame_s - wanted_s) <= max(0.1, 2 * timeline.step_s) and frame_s not in thumbs:
                thumbs[frame_s] = Thumb(frame_s, _shrink(picture))
            on_thumb()
        if not thumbs:
            name = timeline.records.name
            raise SourceError(f"{path} has no frame at the times of {name}: is it another clip?")
        warnings = _find_warnings(source, timeline, size_wh)
        return Thumbnails(tuple(thumbs[time] for time in sorted(thumbs)), size_wh, tuple(warnings))
    finally:
        source.close()


def choose_times(timeline: Timeline) -> list[float]:
    """Choose the frames to show: the best of each long segment, and others evenly.

    Where there is a background, the others are of visits alone: an empty room is one picture.

    Returns:
        Media times, growing, at most THUMBS.
    """
    times = timeline.records.pts_s
    chosen = {segment.best for segment in timeline.long_segments}
    others = np.arange(len(times))
    if timeline.background is not None:
        others = others[_in_visits(timeline)]
    room = min(THUMBS - len(chosen), len(others))
    places = np.linspace(0, max(0, len(others) - 1), room).round().astype(int)
    chosen |= set(others[places].tolist()) or {len(times) // 2}
    return [float(times[one]) for one in sorted(chosen)]


def _in_visits(timeline: Timeline) -> NDArray[np.bool_]:
    times = timeline.records.pts_s
    inside = np.zeros(len(times), bool)
    for visit in timeline.segments:
        inside |= (times >= visit.start_s) & (times <= visit.end_s)
    return inside


def find_frames(source: FileSource, times_s: Sequence[float]) -> Iterator[tuple[float, Found]]:
    """Find the frame nearest to each of some growing times.

    Yields:
        (wanted, (found, picture)). Some come twice where jumping turns out to be impossible.
    """
    if len(times_s) > 1 and (times_s[-1] - times_s[0]) / (len(times_s) - 1) > _JUMP_S:
        try:
            yield from _by_jumps(source, times_s)
            return
        except _NoTimesError:
            cast("InputContainer", source.stream.container).seek(0)
    yield from _in_order(source, times_s)


def _in_order(source: FileSource, times_s: Sequence[float]) -> Iterator[tuple[float, Found]]:
    """Decode every frame."""
    frames = ((frame.pts_s, frame.picture) for frame in source)
    before = after = next(frames)
    for wanted_s in times_s:
        while after[0] < wanted_s:
            before, after = after, next(frames, (math.inf, after[1]))
        yield wanted_s, _nearer(before, after, wanted_s)


def _by_jumps(source: FileSource, times_s: Sequence[float]) -> Iterator[tuple[float, Found]]:
    """Jump to a key frame before each time and decode from there."""
    orientation: Orientation | None = None
    for place, wanted_s in enumerate(times_s):
        for back_s in _BACK_S:
            frames = _frames_from(source, wanted_s - back_s)
            before = after = next(frames, None)
            if after is not None and (after[0] <= wanted_s or back_s == _BACK_S[-1]):
                break
        if before is None or after is None:
            continue
        while after[0] < wanted_s:
            before, after = after, next(frames, (math.inf, after[1]))
        found_s, decoded = _nearer(before, after, wanted_s)
        if abs(found_s - wanted_s) > _SAME_S:
            raise _NoTimesError
        if place == 0:
            orientation = Orientation.of(decoded)
        picture = Picture.from_video_frame(decoded, orientation=orientation, even=True)
        yield wanted_s, (found_s, picture)


def _frames_from(source: FileSource, start_s: float) -> Iterator[tuple[float, VideoFrame]]:
    """Decode from a key frame near a time on."""
    stream, base = source.stream, source.stream.time_base
    if base is None or source.duration_s is None:
        raise _NoTimesError
    container = cast("InputContainer", stream.container)
    container.seek(max(0, int((start_s + float(source.shift_s)) / base)), stream=stream)
    for packet in demux(container, stream):
        try:
            decoded = packet.decode()
        except av.error.FFmpegError:
            continue  # a damaged part; annotate has reported it
        for frame in decoded:
            if frame.pts is None:
                raise _NoTimesError
            yield float(frame.pts * base - source.shift_s), frame


def _nearer(before: tuple[float, T], after: tuple[float, T], wanted_s: float) -> tuple[float, T]:
    return after if abs(after[0] - wanted_s) <= abs(wanted_s - before[0]) else before


def _shrink(picture: Picture) -> bytes:
    width, height = picture.size_wh
    scale = min(1.0, _LONGER_SIDE_PX / max(width, height))
    small = picture.bgr((max(2, round(width * scale)), max(2, round(height * scale))))
    encoded: bytes = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[
        1
    ].tobytes()
    return encoded


def _check_shape(path: Path, timeline: Timeline, size_wh: tuple[int, int]) -> None:
    """Refuse a video in which the places of the records mean nothing."""
    width, height = timeline.size_wh or size_wh
    shape = width / height / (size_wh[0] / size_wh[1])
    if not 1 / _ASPECT < shape < _ASPECT:
        raise SourceError(
            f"{path} is {size_wh[0]}x{size_wh[1]}, the frames of {timeline.records.name} were "
            f"{width}x{height}: is it another clip?"
        )


def _find_warnings(source: FileSource, timeline: Timeline, size_wh: tuple[int, int]) -> list[str]:
    warnings, name = [], timeline.records.name
    if timeline.size_wh not in (None, size_wh):
        warnings.append(
            f"{source.name} is {size_wh[0]}x{size_wh[1]}, the frames of {name} were "
            f"{timeline.size_wh[0]}x{timeline.size_wh[1]}: places are scaled"
        )
    length_s = source.duration_s
    if length_s is not None and abs(length_s - timeline.end_s) > _ENDS_S:
        warnings.append(
            f"{source.name} is {clock(length_s)} long, {name} goes to {clock(timeline.end_s)}: "
            "a run that was stopped, or another clip?"
        )
    return warnings
