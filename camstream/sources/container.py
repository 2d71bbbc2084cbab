"""Containers as FFmpeg opens them: files, and what its errors mean in plain words."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av import Packet
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from camstream.address import shown
from camstream.errors import NotFoundError, SourceError, first_line

# Text that is not UTF-8 must not keep a file from being read; PyAV 19 always keeps its bytes.
METADATA: dict[str, Any] = (
    {} if int(av.__version__.partition(".")[0]) >= 19 else {"metadata_errors": "replace"}
)
_MOST_NEW_STREAMS = 100
_ONE_FILE = {"pattern_type": "none"}  # a photo "%03d.jpg" is no sequence 001.jpg, 002.jpg ...
# FFmpeg's own words ("Invalid data found when processing input") say nothing to most people.
_WORDS: dict[type[BaseException], str] = {
    av.error.InvalidDataError: "it is damaged, or no video of a kind that FFmpeg reads",
    av.error.EOFError: "it is empty, or cut off before the first picture",
    av.error.ExitError: "nothing came in time",
    av.error.TimeoutError: "nothing came in time",
    av.error.ConnectionRefusedError: "nothing answers there",
    av.error.ConnectionResetError: "the other side hung up",
    av.error.ConnectionAbortedError: "the other side hung up",
    av.error.BrokenPipeError: "the other side hung up",
    av.error.PermissionError: "this user may not read it",
    av.error.FileNotFoundError: "there is no such file",
    av.error.ProtocolNotFoundError: "FFmpeg knows no such kind of address",
    av.error.DemuxerNotFoundError: "it is no video of a kind that FFmpeg reads",
    av.error.DecoderNotFoundError: "FFmpeg cannot decode it",
    av.error.HTTPUnauthorizedError: (
        "it asks for a user and a password, or for other ones (401): scheme://user:password@host/..."
    ),
    av.error.HTTPForbiddenError: "it refuses access (403)",
    av.error.HTTPNotFoundError: "the server has nothing under this address (404)",
    av.error.HTTPTooManyRequestsError: "the server is asked too often (429)",
    av.error.HTTPBadRequestError: "the server does not understand the request (400)",
    av.error.HTTPOtherClientError: "the server refuses the request (4xx)",
    av.error.HTTPServerError: "the server fails (5xx)",
}


def plain_reason(error: BaseException) -> str:
    """Return why FFmpeg could not do something, in plain words, without the address."""
    for kind in type(error).__mro__:
        if kind in _WORDS:
            return _WORDS[kind]
    return first_line(error)


def ffmpeg_name(path: Path) -> str:
    """Return a file's name as FFmpeg must be given it.

    Without the prefix it takes "rec-12:30:05.mp4" for an address of the protocol "rec-12".
    """
    return f"file:{path}"


def open_input(path: Path) -> InputContainer:
    """Open a file with FFmpeg.

    Raises:
        SourceError: It does not exist, or FFmpeg cannot read it.
    """
    try:
        is_there, is_folder = path.exists(), path.is_dir()
    except (OSError, ValueError) as error:  # a name that no file system takes
        raise SourceError(f"cannot read {_short(path)}: {first_line(error)}") from None
    if not is_there:
        raise NotFoundError(f"cannot read {_short(path)}: there is no such file")
    if is_folder:
        raise SourceError(f"cannot read {path}: it is a folder")
    try:
        container: InputContainer = av.open(ffmpeg_name(path), options=_ONE_FILE, **METADATA)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise SourceError(f"cannot read {path} as a video: {plain_reason(error)}") from error
    return container


def find_video(container: InputContainer) -> VideoStream | None:
    """Return the first video stream that can be decoded, None where there is none.

    The cover image of a music file is none. A stream without a codec context must not be asked to
    decode: that can end the process.
    """
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic and stream.codec_context:
            return stream
    return None


def declared_end_s(stream: VideoStream) -> Fraction | None:
    """Return the declared end of the picture; Matroska has it in a tag, "00:01:02.500"."""
    if stream.duration is not None and stream.time_base:
        return ((stream.start_time or 0) + stream.duration) * exact(stream.time_base)
    parts = stream.metadata.get("DURATION", "").split(":")
    try:
        hours, minutes, seconds = (Fraction(part) for part in parts)
    except (ValueError, ZeroDivisionError):
        return None
    return hours * 3600 + minutes * 60 + seconds


def exact(ratio: Any) -> Fraction:
    """Turn a ratio of PyAV into a Fraction; since PyAV 19 it has a class of its own for them."""
    return Fraction(ratio.numerator, ratio.denominator)


def _short(path: Path) -> str:
    """Shorten a name that would fill the screen; no such file is there, so nothing is lost."""
    text = shown(path)
    return text if len(text) <= 300 else f"{text[:150]}...{text[-100:]}"


def demux(container: InputContainer, *streams: Stream) -> Iterator[Packet[Any]]:
    """Read the packets of some streams to the end.

    PyAV ends with an IndexError where a stream begins in the middle of the file, as in FLV files; it
    is not among those that are wanted, and reading goes on behind its first packet.

    Raises:
        av.error.FFmpegError: The file cannot be read on.
        SourceError: New streams begin without end.
    """
    for _ in range(_MOST_NEW_STREAMS):
        try:
            yield from container.demux(*streams)
        except IndexError:
            continue
        return
    raise SourceError(f"cannot read {shown(container.name)} on: new streams begin without end")
