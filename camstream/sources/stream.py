"""Network streams, clips under a URL, and standard input through PyAV."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

import av
from av import VideoFrame
from av.container import InputContainer

from camstream.address import shown
from camstream.errors import SourceError
from camstream.picture import Orientation, Picture
from camstream.sources.capture import Taken
from camstream.sources.container import METADATA, demux, find_video, plain_reason
from camstream.sources.timeline import Timeline

_TIMEOUT_S = 5.0  # how long nothing may come
_OPTIONS = {
    "rtsp_flags": "prefer_tcp",  # over UDP, pictures arrive torn
    # Microseconds to look for what a stream holds; FFmpeg's own 7 s for a sound that is declared
    # and never comes would be longer than the opening may take.
    "analyzeduration": "3000000",
}
_JPEG = b"\xff\xd8\xff"
# Pictures one after the other have no times from which a rate could be found: FFmpeg would read
# megabytes of them in search of one.
_NO_SEARCH = {"probesize": "32", "analyzeduration": "0", "fpsprobesize": "0"}
_MOST_DAMAGED = 250  # packets in a row without one picture: 10 s at 25 a second
_INPUT_OUTPUT = 5  # FFmpeg's word for a name that is not known and for a connection that broke


class StandardInput:
    """The bytes that are piped into the program, as they come.

    PyAV asks for whole buffers, and Python's own reader would wait until one is full.
    """

    name = "stdin"

    def __init__(self) -> None:
        """Wait for the first bytes."""
        self._first = os.read(0, 4096)
        self.is_mjpeg = self._first.startswith(_JPEG)

    def read(self, count: int) -> bytes:
        """Return up to so many bytes; none at the end."""
        taken, self._first = self._first[:count], self._first[count:]
        return taken or os.read(0, count)


class StreamCapture:
    """What PyAV reads as it arrives; see ``camstream.sources.capture.Capture``.

    A clip has a length or a number of bytes, and its pictures have times to be shown at; so have
    those of a playlist (HLS, DASH), which arrive in bursts. A stream has neither: its pictures
    are shown as they come, and where they stop, it may be opened again.
    """

    def __init__(self, source: str | StandardInput) -> None:
        """Open it.

        Args:
            source: A URL, or the standard input.

        Raises:
            SourceError: It cannot be opened.
        """
        is_pipe = isinstance(source, StandardInput)
        self._name = source.name if isinstance(source, StandardInput) else shown(source)
        self._container = self._open(source)
        stream = find_video(self._container)
        if stream is None:
            self._container.close()
            raise SourceError(f"cannot open {self._name}: there is no video in it")
        stream.thread_type = "SLICE"  # threads for whole frames keep some frames back
        kinds = set(self._container.format.name.split(","))
        is_playlist = bool(kinds & {"hls", "applehttp", "dash"})
        is_timed = bool(kinds & {"rtsp", "sdp", "rtp"})  # the server keeps the time
        has_length = (self._container.duration or 0) > 0
        has_size = (self._container.size or 0) > 0 and not is_playlist
        self._is_clip = (has_length or has_size) and not is_timed and not is_pipe
        self._has_end = self._is_clip or is_playlist or is_pipe
        self._is_paced = self._is_clip or is_playlist
        rate = stream.average_rate or stream.guessed_rate
        self.rate_hz = float(rate) if rate else None
        self._stream = stream
        self._frames = self._decode()
        self._orientation: Orientation | None = None
        self._is_first = True
        self._first_s: float | None = None

    def read(self) -> Taken | None:
        """Wait for the next picture.

        Raises:
            EOFError: The clip, playlist or standard input is at its end.
            SourceError: A clip breaks off.
        """
        try:
            frame = next(self._frames)
        except StopIteration:
            if self._has_end:
                raise EOFError from None
            return None
        except (av.error.FFmpegError, OSError) as error:
            if not self._is_clip:
                return None
            # Not "from error": its text holds the address.
            raise SourceError(
                f"{self._name} breaks off: {_reason(error, 'the connection broke')}"
            ) from None
        if self._is_first:
            self._is_first = False
            self._orientation = Orientation.of(frame)
        picture = Picture.from_video_frame(frame, orientation=self._orientation)
        if not self._is_paced or frame.pts is None or frame.time_base is None:
            return Taken(picture)
        at_s = float(frame.pts * frame.time_base)
        self._first_s = at_s if self._first_s is None else self._first_s
        return Taken(picture, max(0.0, at_s - self._first_s))

    def release(self) -> None:
        """Close the connection."""
        self._frames.close()
        self._container.close()

    def _open(self, source: str | StandardInput) -> InputContainer:
        is_mjpeg = isinstance(source, StandardInput) and source.is_mjpeg
        options = _NO_SEARCH if is_mjpeg else _OPTIONS
        kind = "mjpeg" if is_mjpeg else None
        try:
            container: InputContainer = av.open(
                source, format=kind, timeout=_TIMEOUT_S, options=options, **METADATA
            )
        except (av.error.FFmpegError, OSError, ValueError) as error:
            reason = _reason(error, "nothing answers there")
            raise SourceError(f"cannot open {self._name}: {reason}") from None
        return container

    def _decode(self) -> Generator[VideoFrame, None, None]:
        timeline = Timeline(self._stream.index, has_jumps=True)
        packets: Any = demux(self._container, self._stream)
        damaged = 0
        for packet in timeline.corrected(packets):
            try:
                decoded = packet.decode()
            except av.error.FFmpegError:
                damaged += 1
                if damaged > _MOST_DAMAGED:
                    return
                continue
            for frame in decoded:
                damaged = 0
                yield frame


def _reason(error: BaseException, broken: str) -> str:
    return broken if getattr(error, "errno", None) == _INPUT_OUTPUT else plain_reason(error)
