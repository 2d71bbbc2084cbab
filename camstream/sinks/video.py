"""Video files through PyAV: same timestamps, same colours, sound and subtitles untouched.

The file is written under a temporary name as fragments, so that what was written plays even
after SIGKILL; finished, it is an ordinary file and gets its name.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, cast

import av
from av import VideoFrame
from av.container import Flags, OutputContainer
from av.video.stream import VideoStream

from camstream.errors import SinkError
from camstream.picture import Picture, fitted
from camstream.sinks.encoding import CODECS, CodecName, Encoding
from camstream.sinks.fragments import cut_to_whole_fragments, has_picture
from camstream.sinks.picture_file import PictureFile
from camstream.sinks.stream_copy import StreamCopy, content_of

if TYPE_CHECKING:
    from camstream.sources.file import FileSource

_KEY_FRAME_EVERY_S = 2.0
_FRAGMENT_EVERY_S = 0.2  # what a kill may cost, besides what the encoder holds


class VideoFile(PictureFile):
    """Encodes pictures into a file, see ``PictureFile``."""

    def __init__(
        self,
        target: Path,
        *,
        like: FileSource | None = None,
        encoding: Encoding = Encoding(),
        overwrite: bool = False,
        inputs: Sequence[Path] = (),
        once: bool = False,
        rate_hz: float | None = None,
    ) -> None:
        """Prepare a file; the encoder starts with the first picture.

        Args:
            target: Its suffix says which container.
            like: A file whose sound, subtitles, chapters and metadata are copied.
            encoding: Codec and quality.
            overwrite: Whether an existing file may be replaced.
            inputs: Files that must never be replaced, ``like`` apart.
            once: The run cannot be repeated, see ``AtomicFile``.
            rate_hz: A hint for the encoder; the timestamps are the pictures' own.

        Raises:
            SinkError: The file may not be written, or its suffix is no video container's.
        """
        super().__init__(
            target,
            overwrite=overwrite,
            inputs=[*inputs, like.path] if like else inputs,
            once=once,
        )
        self._like = like
        self._encoding = encoding
        rate = Fraction(rate_hz or (like and like.rate_hz) or 30).limit_denominator(1001)
        self._rate = rate or Fraction(1, 1001)  # a damaged file may say one frame in years
        self._stream: VideoStream | None = None
        self._copied: StreamCopy | None = None
        self._size_wh: tuple[int, int] | None = None
        self._last_s = 0.0
        self._grid = 0  # greatest common divisor of all timestamps
        webm = target.suffix.lower() == ".webm"
        self._codec_name: CodecName = encoding.codec or ("vp9" if webm else "h264")
        self._check_preset()
        self._container = self._open()

    def write_picture(self, picture: Picture) -> None:
        """Encode one picture at its own time.

        Args:
            picture: Its video frame has ``pts`` and ``time_base``. Odd sizes are made even by
                repeating the last column or row. A picture of another size than the first is
                scaled into it, with black beside.

        Raises:
            SinkError: It cannot be written, or the encoder refuses it.
        """
        picture = picture.even()
        if self._size_wh is None:
            self._size_wh = picture.size_wh
        frame = fitted(picture, self._size_wh).yuv420().video_frame
        if frame.pts is None or not frame.time_base:
            raise SinkError(f"cannot write {self.target}: a picture has no time (pts, time_base)")
        with self._writing():
            if self._stream is None:
                self._stream = self._start(frame)
            frame.pict_type = 0  # else the input's choice of key frames would be imposed
            for packet in self._stream.encode(frame):
                self._container.mux(packet)
            self._last_s = float(frame.pts * frame.time_base)
            self._grid = math.gcd(self._grid, frame.pts)
            if self._copied is not None:
                self._copied.write_until(self._last_s)
        self.frames += 1

    def _end(self) -> None:
        if self._stream is not None:
            packets = self._stream.encode(None)
            if packets:
                # FFmpeg reckons the end of an mp4 file's picture from its last fragment alone, and
                # the last picture may be in the one before: players would leave it out.
                newest, last = max(packets, key=lambda packet: packet.pts or 0), packets[-1]
                step = newest.duration or round(1 / (self._rate * last.time_base))
                last.duration = (newest.pts or 0) - (last.pts or 0) + step
            for packet in packets:
                if self.frames <= 2:  # x265 leaves dts unset where it had too few frames
                    packet.dts = packet.pts
                self._container.mux(packet)
            self._warn_of_rounding(self._stream)
        if self._copied is not None:
            self._copied.write_until(None if self.is_whole else self._last_s)
            self._copied.write_endings()
        self._close()

    def _rescue(self) -> bool:
        self.is_whole = False
        if not self._has_failed:
            with contextlib.suppress(SinkError), self._writing():
                self._end()
        with contextlib.suppress(av.error.FFmpegError, OSError):
            self._close()
        with self._writing():
            cut_to_whole_fragments(self._atomic_file.path)
        return has_picture(self._atomic_file.path)

    def _close(self) -> None:
        if self._copied is not None:
            self._copied.close()
        self._container.close()

    def _check_preset(self) -> None:
        preset, known = self._encoding.preset, CODECS[self._codec_name].presets
        if preset is not None and preset not in known:
            raise SinkError(
                f"cannot write {self.target}: {self._codec_name} has no preset {preset!r}; "
                f"there are {', '.join(known)}"
            )

    def _open(self) -> OutputContainer:
        # Sound that begins before the picture keeps its time: no timestamp is shifted to zero.
        options = {"avoid_negative_ts": "disabled"}
        if self.target.suffix.lower() in (".mp4", ".mov", ".m4v"):
            # Fragments until it is finished, then an ordinary index. Without delay_moov the
            # muxer would shift all timestamps to make room for the encoder's delay.
            options["movflags"] = "hybrid_fragmented+frag_keyframe+default_base_moof+delay_moov"
            # A stream's late start is kept in these units; by default milliseconds.
            options["movie_timescale"] = str(self._like.finest_hz if self._like else 90_000)
            if not (self._like and self._like.has_subtitles):
                options["frag_duration"] = str(round(_FRAGMENT_EVERY_S * 1e6))
            # Else a fragment at each key frame: the muxer would end every line of a fragment's
            # subtitles with a silence as long as the line, and the file would outlast its picture.
        options["cluster_time_limit"] = str(round(_FRAGMENT_EVERY_S * 1e3))  # Matroska's fragments
        with self._atomic_file.writing():
            path = self._atomic_file.path
        try:
            # As a file: "rec-12:30.mp4" would be a protocol.
            container = av.open(f"file:{path}", "w", container_options=options)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            self._atomic_file.discard()
            reason = getattr(error, "strerror", None) or str(error)
            if not self.target.suffix or isinstance(error, ValueError):
                reason = "its name must end in a video container's suffix such as .mp4 or .mkv"
            raise SinkError(f"cannot write {self.target}: {reason}") from error
        if CODECS[self._codec_name].encoder not in container.supported_codecs:
            container.close()
            self._atomic_file.discard()
            raise SinkError(
                f"cannot write {self.target}: {container.format.name} files hold no "
                f"{self._codec_name} video; take another --codec, or a name ending in .mp4 or .mkv"
            )
        container.flags |= cast("int", Flags.flush_packets.value)
        return container

    def _start(self, frame: VideoFrame) -> VideoStream:
        """Open the encoder for the first picture's format, and the streams that are copied."""
        codec = CODECS[self._codec_name]
        quality = self._encoding.quality
        options = dict(codec.options, crf=str(codec.crf if quality is None else quality))
        options[codec.preset_option] = self._encoding.preset or codec.preset
        if codec.encoder == "libsvtav1":
            os.environ.setdefault("SVT_LOG", "1")  # else it prints its whole configuration
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
            stream.metadata.update(content_of(self._like.stream.metadata))
            self._copied = StreamCopy(self._like, self._container, self.warnings)
        return stream

    def _warn_of_rounding(self, stream: VideoStream) -> None:
        """Warn where the container cannot hold the times exactly, as Matroska often cannot."""
        step_s = stream.time_base or Fraction(1)
        if (self._grid * stream.codec_context.time_base / step_s).denominator != 1:
            step_ms = float(step_s * 1000)
            self.warnings.append(
                f"times are rounded to {step_ms:g} ms, the finest that {self._container.format.name} files hold"
            )
