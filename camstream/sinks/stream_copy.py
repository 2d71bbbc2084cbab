"""Copies sound, subtitles, attachments and chapters from one video file into another (remux)."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
from av import Packet
from av.audio.codeccontext import AudioCodecContext
from av.bitstream import BitStreamFilterContext

from camstream.sources.container import demux, open_input
from camstream.sources.file import FileSource

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from av.container import InputContainer, OutputContainer
    from av.stream import Stream

_MP4_LIKE = ("mp4", "mov", "ipod")
# FFmpeg's mp4 muxer ends the process where two packets of a track lie 2**31 ticks apart: 3 h at 192 kHz.
_LONGEST_GAP_S = 10_000
_NO_TEXT = b"\0\0"  # an empty subtitle of an mp4 file


class StreamCopy:
    """Copies every stream of a file except its picture, packet by packet, with its own reader."""

    def __init__(self, like: FileSource, output: OutputContainer, warnings: list[str]) -> None:
        """Add a stream to the output for each one that it can hold.

        Args:
            like: The file to copy from.
            output: Where to; nothing has been written to it yet.
            warnings: Gets a line for each stream that is left out.
        """
        self._output = output
        self._warnings = warnings
        self._refused: set[int] = set()
        self._has_gaps = output.format.name not in _MP4_LIKE
        self._last_dts: dict[int, int] = {}
        self._input: InputContainer = open_input(like.path)
        self._timeline = like.timeline()
        self._streams: dict[int, Stream] = {}
        self._filters: dict[int, BitStreamFilterContext] = {}
        self._subtitles_end_s: dict[int, Fraction] = {}
        output.metadata.update(content_of(self._input.metadata))
        output.set_chapters(self._input.chapters())
        for stream in self._input.streams:
            if stream.index == like.stream.index:
                continue
            problem = self._add(stream, output)
            if problem and not _matters_to_nobody(stream):
                codec = (
                    stream.codec_context
                )  # none where FFmpeg has no decoder; then it has no name either
                kind = (codec and codec.name) or getattr(stream, "name", None)
                what = f"{stream.type} stream {stream.index}" + (f" ({kind})" if kind else "")
                warnings.append(f"{what} is left out: {problem}")
        self._packets = self._demux()
        self._next: Packet[Any] | None = None

    def write_until(self, time_s: float | None) -> None:
        """Write the packets up to a time of the picture, None for all that are left.

        Raises:
            OSError: The file cannot be written.
        """
        while True:
            packet = self._next or next(self._packets, None)
            self._next = None
            if packet is None:
                return
            at = packet.pts if packet.pts is not None else packet.dts
            if time_s is not None and at is not None and float(at * packet.time_base) > time_s:
                self._next = packet
                return
            index = packet.stream.index
            if index in self._subtitles_end_s and at is not None:
                self._subtitles_end_s[index] = (at + (packet.duration or 0)) * packet.time_base
            self._write(packet, index)

    def write_endings(self) -> None:
        """Write the packets that must follow the last ones.

        The fragmenting mp4 muxer would otherwise end a subtitle with a silence as long as the
        subtitle, and the file would outlast its picture.

        Raises:
            OSError: The file cannot be written.
        """
        for index, end_s in self._subtitles_end_s.items():
            silence: Packet[Any] = Packet(_NO_TEXT)
            time_base = self._input.streams[index].time_base or Fraction(1, 1000)
            silence.time_base = time_base
            silence.pts = silence.dts = round(end_s / time_base)
            silence.duration = 0
            self._write(silence, index)

    def _write(self, packet: Packet[Any], index: int) -> None:
        """Write a packet; one that the container refuses costs itself and not the picture."""
        last = self._last_dts.get(index)
        if packet.dts is not None:
            if (
                not self._has_gaps
                and (packet.dts - (last or 0)) * packet.time_base > _LONGEST_GAP_S
            ):
                self._refuse(index, "its times leap by hours, and the rest of it is left out")
                return
            if last is not None and packet.dts <= last:  # muxers take none that does not follow
                packet.dts = last + 1
                packet.pts = max(packet.pts or 0, packet.dts)
            self._last_dts[index] = packet.dts
        packet.stream = self._streams[index]
        try:
            self._output.mux(packet)
        except (av.error.ArgumentError, av.error.InvalidDataError):
            self._refuse(index, "a part of it could not be copied")

    def _refuse(self, index: int, why: str) -> None:
        if index not in self._refused:
            self._refused.add(index)
            self._warnings.append(f"{self._input.streams[index].type} stream {index}: {why}")

    def close(self) -> None:
        """Close the reader."""
        self._packets.close()
        self._input.close()

    def _add(self, stream: Stream, output: OutputContainer) -> str | None:
        """Add a stream like another to the output; returns the reason where that is impossible."""
        if stream.type == "video":
            return "only the first picture is annotated"
        if stream.type == "attachment" and output.format.name == "matroska":
            output.add_attachment(stream.name or "attachment", stream.mimetype or "", stream.data)  # type: ignore[attr-defined]
            return None
        unable = f"it cannot be copied into a {output.format.name} file"
        codec = stream.codec_context
        if stream.type not in ("audio", "subtitle") or not codec:
            return "it is neither sound nor subtitles" if stream.type == "data" else unable
        if codec.name not in output.supported_codecs:
            return unable
        if isinstance(codec, AudioCodecContext) and not codec.sample_rate:
            return "it is declared, but holds no sound"
        try:
            copy: Stream = output.add_stream_from_template(stream)
        except (av.error.FFmpegError, ValueError):
            return unable
        copy.metadata.update(content_of(stream.metadata))
        copy.disposition = stream.disposition
        self._streams[stream.index] = copy
        if output.format.name in _MP4_LIKE:
            if codec.name == "aac" and not codec.extradata:
                # Each packet of a transport stream repeats a header that mp4 has only once.
                self._filters[stream.index] = BitStreamFilterContext("aac_adtstoasc", stream)
            if codec.name == "mov_text":
                self._subtitles_end_s[stream.index] = Fraction(0)
        return None

    def _demux(self) -> Generator[Packet[Any]]:
        wanted = [stream for stream in self._input.streams if stream.index in self._streams]
        if not wanted:
            return
        try:
            # The picture's packets say where the clock jumps.
            wanted.append(self._input.streams[self._timeline.leader])
            for packet in self._timeline.corrected(demux(self._input, *wanted)):
                if packet.stream_index == self._timeline.leader:
                    continue
                if packet.dts is None and packet.pts is None:  # the closing flush
                    continue
                bare = self._filters.get(packet.stream.index)
                if bare is None:
                    yield packet
                else:
                    yield from self._stripped(packet, bare)
        except (av.error.FFmpegError, OSError):
            return  # a damaged end, which the source reports

    def _stripped(self, packet: Packet[Any], bare: BitStreamFilterContext) -> Iterator[Packet[Any]]:
        stream = packet.stream
        for filtered in bare.filter(packet):
            filtered.stream = stream
            yield filtered


def content_of(metadata: dict[str, str]) -> dict[str, str]:
    """Return a file's metadata without what describes how the file was made."""
    technical = {"encoder", "handler_name", "vendor_id", "duration", "major_brand"}
    technical |= {"minor_version", "compatible_brands"}
    return {
        key: value
        for key, value in metadata.items()
        if key.lower() not in technical and not key.startswith(("_STATISTICS", "NUMBER_OF", "BPS"))
    }


def _matters_to_nobody(stream: Stream) -> bool:
    """Whether a stream is a camera's time code, which no player shows."""
    return stream.type == "data" and "timecode" in stream.metadata
