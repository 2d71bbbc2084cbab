"""Video files through PyAV: same timestamps, same colours, sound and subtitles untouched.

The file is written under a temporary name as fragments, so that what was written plays even
after SIGKILL; finished, it is an ordinary file and gets its name.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import av
from av import Packet, VideoFrame
from av.container import Flags, InputContainer, OutputContainer
from av.stream import Stream
from av.video.stream import VideoStream

from camstream.errors import SinkError
from camstream.picture import Picture
from camstream.sink.draft import Draft
from camstream.source.file import FileSource, open_input

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_KEY_FRAME_EVERY_S = 2.0


@dataclass(frozen=True, slots=True)
class _Codec:
    encoder: str
    crf: int
    options: dict[str, str]
    tag: str | None = None


CodecName = Literal["h264", "hevc", "vp9", "av1"]
_CODECS: dict[CodecName, _Codec] = {
    "h264": _Codec("libx264", 20, {"preset": "veryfast"}),
    # QuickTime plays HEVC only under this tag.
    "hevc": _Codec("libx265", 24, {"preset": "veryfast", "x265-params": "log-level=none"}, "hvc1"),
    "vp9": _Codec("libvpx-vp9", 32, {"deadline": "realtime", "cpu-used": "6", "row-mt": "1"}),
    "av1": _Codec("libsvtav1", 34, {"preset": "10"}),
}
CODECS: tuple[CodecName, ...] = get_args(CodecName)


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a video is encoded.

    Attributes:
        codec: One of CODECS; None takes H.264, or VP9 in a .webm file.
        quality: Constant rate factor, lower is better and larger; None takes the codec's.
        preset: The encoder's name for its speed; None takes a fast one.
    """

    codec: CodecName | None = None
    quality: int | None = None
    preset: str | None = None

    def __post_init__(self) -> None:
        if self.codec is not None and self.codec not in CODECS:
            raise ValueError(f"no codec {self.codec!r}; there are {', '.join(CODECS)}")


class VideoFile:
    """Encodes pictures into a file.

    Attributes:
        target: The file's name at the end.
        remarks: What could not be kept, one clear line each.
        frames: Frames written.
    """

    def __init__(
        self,
        target: Path,
        *,
        like: FileSource | None = None,
        encoding: Encoding = Encoding(),
        overwrite: bool = False,
        rate_hz: float | None = None,
    ) -> None:
        """Prepare a file; the encoder starts with the first picture.

        Args:
            target: Its suffix says which container.
            like: Take over this file's sound, subtitles, chapters and metadata.
            encoding: Codec and quality.
            overwrite: Whether an existing file may be replaced.
            rate_hz: A hint for the encoder; the timestamps are the pictures' own.

        Raises:
            SinkError: The file may not be written, or its suffix is no video container's.
        """
        self._draft = Draft(target, overwrite=overwrite, inputs=[like.path] if like else [])
        self._like = like
        self._encoding = encoding
        self._rate = Fraction(rate_hz or (like and like.rate_hz) or 30).limit_denominator(1001)
        self.target = target
        self.remarks: list[str] = []
        self.frames = 0
        self._stream: VideoStream | None = None
        self._copied: _CopiedStreams | None = None
        self._last_s = 0.0
        self._container = self._open()

    def write(self, picture: Picture) -> None:
        """Encode one picture at its own time.

        Args:
            picture: Its video frame carries ``pts`` and ``time_base``. All have one size.

        Raises:
            SinkError: It cannot be written, or the encoder refuses it.
        """
        frame = picture.yuv420().video_frame
        try:
            if self._stream is None:
                self._stream = self._start(frame)
            frame.pict_type = 0  # else the input's choice of key frames would be imposed
            for packet in self._stream.encode(frame):
                self._container.mux(packet)
            self._last_s = float(frame.pts * frame.time_base)  # type: ignore[operator]
            if self._copied is not None:
                for copied in self._copied.until(self._last_s):
                    self._container.mux(copied)
        except (av.error.FFmpegError, OSError) as error:
            raise self._failure(error) from error
        self.frames += 1

    def finish(self, *, whole: bool = True) -> None:
        """Write what the encoder still holds, close the file and give it its name.

        Args:
            whole: False cuts sound and subtitles where the picture ends.
        """
        try:
            if self._stream is not None:
                for packet in self._stream.encode(None):
                    self._container.mux(packet)
            if self._copied is not None:
                for copied in self._copied.until(None if whole else self._last_s):
                    self._container.mux(copied)
            self._close()
        except (av.error.FFmpegError, OSError) as error:
            raise self._failure(error) from error
        if self.frames == 0:
            self._draft.discard()
            raise SinkError(f"{self.target} was not written: there was not one frame")
        self._draft.commit()

    def discard(self) -> None:
        """Close and remove the file."""
        # The file is thrown away, and the first error is already on its way.
        with contextlib.suppress(av.error.FFmpegError, OSError):
            self._close()
        self._draft.discard()

    def _close(self) -> None:
        if self._copied is not None:
            self._copied.close()
        self._container.close()

    def _open(self) -> OutputContainer:
        options = {}
        if self.target.suffix.lower() in (".mp4", ".mov", ".m4v"):
            # Fragments until it is finished, then an ordinary index. Without delay_moov the
            # muxer would shift all timestamps to make room for the encoder's delay.
            options["movflags"] = "hybrid_fragmented+frag_keyframe+default_base_moof+delay_moov"
        try:
            container = av.open(str(self._draft.path), "w", container_options=options)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            self._draft.discard()
            reason = getattr(error, "strerror", None) or str(error)
            if not self.target.suffix or isinstance(error, ValueError):
                reason = "its name must end in a video container's suffix such as .mp4 or .mkv"
            raise SinkError(f"cannot write {self.target}: {reason}") from error
        container.flags |= cast("int", Flags.flush_packets.value)
        return container

    def _start(self, frame: VideoFrame) -> VideoStream:
        """Open the encoder as the first picture needs it, and the streams that are copied."""
        webm = self.target.suffix.lower() == ".webm"
        codec = _CODECS[self._encoding.codec or ("vp9" if webm else "h264")]
        options = dict(codec.options, crf=str(self._encoding.quality or codec.crf))
        if self._encoding.preset is not None:
            options["preset"] = self._encoding.preset
        if codec.encoder == "libvpx-vp9":
            options["b"] = "0"  # constant quality
        stream = self._container.add_stream(codec.encoder, rate=self._rate, options=options)
        assert isinstance(stream, VideoStream)
        context = stream.codec_context
        context.width, context.height = frame.width, frame.height
        context.pix_fmt = "yuv420p"
        context.time_base = frame.time_base  # type: ignore[assignment]
        stream.time_base = frame.time_base
        context.gop_size = max(1, round(_KEY_FRAME_EVERY_S * self._rate))
        context.color_range, context.colorspace = int(frame.color_range), frame.colorspace
        context.color_primaries, context.color_trc = frame.color_primaries, frame.color_trc
        if codec.tag and self.target.suffix.lower() != ".mkv":
            context.codec_tag = codec.tag
        if self._like is not None:
            aspect = self._like.stream.sample_aspect_ratio
            if aspect:
                turned = self._like.is_transposed
                context.sample_aspect_ratio = 1 / aspect if turned else aspect
            stream.metadata.update(_without_technical(self._like.stream.metadata))
            self._copied = _CopiedStreams(self._like, self._container, self.remarks)
        return stream

    def _failure(self, error: Exception) -> SinkError:
        reason = getattr(error, "strerror", None) or str(error)
        return SinkError(f"cannot write {self.target}: {reason}")


class _CopiedStreams:
    """Sound, subtitles and chapters of a file, packet by packet, from a reader of its own."""

    def __init__(self, like: FileSource, output: OutputContainer, remarks: list[str]) -> None:
        self._input: InputContainer = open_input(like.path)
        self._streams: dict[int, Stream] = {}
        output.metadata.update(_without_technical(self._input.metadata))
        output.set_chapters(self._input.chapters())
        for stream in self._input.streams:
            if stream.index == like.stream.index:
                continue
            copy = _copy_of(stream, output)
            if copy is None:
                kind = stream.name or stream.type
                remarks.append(
                    f"{stream.type} stream {stream.index} ({kind}) is left out: "
                    f"{output.format.name} files cannot hold it"
                )
            else:
                self._streams[stream.index] = copy
        self._packets = self._demux()
        self._next: Packet[Any] | None = None

    def until(self, time_s: float | None) -> Iterator[Packet[Any]]:
        """Give the packets up to a time of the picture, None for all that are left."""
        while True:
            packet = self._next or next(self._packets, None)
            self._next = None
            if packet is None:
                return
            at = packet.pts if packet.pts is not None else packet.dts
            if time_s is not None and at is not None and float(at * packet.time_base) > time_s:
                self._next = packet
                return
            packet.stream = self._streams[packet.stream.index]
            yield packet

    def close(self) -> None:
        self._input.close()

    def _demux(self) -> Iterator[Packet[Any]]:
        wanted = [stream for stream in self._input.streams if stream.index in self._streams]
        if not wanted:
            return
        try:
            for packet in self._input.demux(wanted):
                if packet.dts is not None or packet.pts is not None:  # not the closing flush
                    yield packet
        except (av.error.FFmpegError, OSError):
            return  # a damaged end: the source says so


def _copy_of(stream: Stream, output: OutputContainer) -> Stream | None:
    """Add a stream like another to the output, where its container can hold it."""
    if stream.type not in ("audio", "subtitle") or not stream.codec_context:
        return None
    if stream.codec_context.name not in _names_in(output):
        return None
    try:
        copy: Stream = output.add_stream_from_template(stream)
    except (av.error.FFmpegError, ValueError):
        return None
    copy.metadata.update(_without_technical(stream.metadata))
    copy.disposition = stream.disposition
    return copy


def _names_in(output: OutputContainer) -> Sequence[str]:
    return sorted(output.supported_codecs)


def _without_technical(metadata: dict[str, str]) -> dict[str, str]:
    """Leave out what describes the old file's making, not its content."""
    technical = {"encoder", "handler_name", "vendor_id", "duration", "major_brand"}
    technical |= {"minor_version", "compatible_brands"}
    return {
        key: value
        for key, value in metadata.items()
        if key.lower() not in technical and not key.startswith(("_STATISTICS", "NUMBER_OF", "BPS"))
    }
