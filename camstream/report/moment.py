"""A moment of a clip as a file of its own: a picture, a GIF or a clip."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from camstream.errors import SourceError, UsageError
from camstream.media import PHOTO_SUFFIXES, VIDEO_SUFFIXES
from camstream.picture import Picture
from camstream.report.pictures import find_frames
from camstream.sinks.atomic_file import check_apart
from camstream.sinks.gif import GifFile
from camstream.sinks.photo import PhotoFile
from camstream.sinks.video import VideoFile
from camstream.sources.file import FileSource

_LONGEST_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MomentRequest:
    """What to write.

    Attributes:
        video: The clip, or the annotated one.
        at_s: Media time of the moment, seconds.
        length_s: How long a GIF or a clip is; the moment is in its middle.
        output: The file to write; its suffix says what it is.
        overwrite: Whether it may be replaced.
    """

    video: Path
    at_s: float
    length_s: float
    output: Path
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.output.suffix.lower() not in PHOTO_SUFFIXES | VIDEO_SUFFIXES:
            raise UsageError(
                f"cannot write {self.output}: a moment is a picture (.png, .jpg), a .gif or a clip "
                "(.mp4, .mkv, .webm)"
            )
        if not 0 < self.length_s <= _LONGEST_S:
            raise UsageError(f"a moment of {self.length_s:g} s: give up to {_LONGEST_S:g} s")


def write_moment(request: MomentRequest) -> int:
    """Write the moment; returns how many frames it has.

    Raises:
        SourceError: The video cannot be read, or has no frame there.
        SinkError: The output cannot be written. Nothing of it is left.
    """
    check_apart([request.video], [request.output])
    source = FileSource(request.video, even=True)
    with contextlib.closing(source):
        if source.duration_s is not None and not 0 <= request.at_s <= source.duration_s:
            raise SourceError(
                f"{source.name} has no moment at {request.at_s:g} s: it is {source.duration_s:.2f} s long"
            )
        file = _open(request, source)
        count = 0
        try:
            for picture in _pictures(request, source):
                file.write_picture(picture)
                count += 1
            file.finish()
        except BaseException:
            file.discard()
            raise
    return count


def _open(request: MomentRequest, source: FileSource) -> PhotoFile | GifFile | VideoFile:
    suffix = request.output.suffix.lower()
    if suffix in PHOTO_SUFFIXES:
        return PhotoFile(request.output, overwrite=request.overwrite)
    if suffix == ".gif":
        return GifFile(request.output, overwrite=request.overwrite)
    return VideoFile(request.output, overwrite=request.overwrite, rate_hz=source.rate_hz)


def _pictures(request: MomentRequest, source: FileSource) -> Iterator[Picture]:
    if request.output.suffix.lower() in PHOTO_SUFFIXES:
        _, (_, picture) = next(find_frames(source, [request.at_s]))
        yield picture
        return
    start_s = max(0.0, request.at_s - request.length_s / 2)
    end_s = start_s + request.length_s
    frames = itertools.dropwhile(lambda frame: frame.pts_s < start_s, source)
    for frame in itertools.takewhile(lambda frame: frame.pts_s <= end_s, frames):
        yield frame.picture
