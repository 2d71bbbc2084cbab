"""A video file's container: how it is opened, and what it declares."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from camstream.errors import SourceError


def open_input(path: Path) -> InputContainer:
    """Open a file with FFmpeg.

    Raises:
        SourceError: It is not there, or is nothing that FFmpeg reads.
    """
    if not path.exists():
        raise SourceError(f"cannot read {path}: there is no such file")
    if path.is_dir():
        raise SourceError(f"cannot read {path}: it is a folder")
    try:
        return av.open(str(path), metadata_errors="replace")
    except (av.error.FFmpegError, OSError) as error:
        reason = error.strerror or str(error)
        raise SourceError(f"cannot read {path} as a video: {reason}") from error


def find_video(container: InputContainer, path: Path) -> VideoStream:
    """Take the first moving picture; a cover image in a music file is none."""
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic and stream.codec_context:
            return stream
    container.close()
    raise SourceError(f"cannot read {path}: there is no video in it")


def declared_end_s(stream: VideoStream) -> Fraction | None:
    """Where the file says that its picture ends; Matroska says it in a tag, "00:01:02.500"."""
    if stream.duration is not None and stream.time_base is not None:
        return ((stream.start_time or 0) + stream.duration) * stream.time_base
    parts = stream.metadata.get("DURATION", "").split(":")
    try:
        hours, minutes, seconds = (Fraction(part) for part in parts)
    except ValueError:
        return None
    return hours * 3600 + minutes * 60 + seconds
