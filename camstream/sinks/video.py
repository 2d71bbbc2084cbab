"""Video files through PyAV: same timestamps, same colours, sound and subtitles untouched.

The file is written under a temporary name as fragments, so that what was written plays even
after SIGKILL; finished, it is an ordinary file and gets its name.
"""

from __future__ import annotations

import contextlib
import math
import os
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, cast

import av
from av import VideoFrame
from av.container import Flags, OutputContainer
from av.video.stream import VideoStream

from camstream.errors import SinkError
from camstream.frame import Annotated
from camstream.picture import Picture
from camstream.sinks.atomic_file import AtomicFile
from camstream.sinks.encoding import CODECS, CodecName, Encoding
from camstream.sinks.stream_copy import StreamCopy, content_of

if TYPE_CHECKING:
    from camstream.sources.file import FileSource

_KEY_FRAME_EVERY_S = 2.0
_LIVE_TIME_BASE = Fraction(1, 90_000)


class VideoFile:
    """Encodes pictures into a file.

    Attributes:
        target: The file's name after ``finish``.
        warnings: What could not be kept, one line each.
        frames: Number of frames written.
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
            like: A file whose sound, subtitles, chapters and metadata are copied.
            encoding: Codec and quality.
            overwrite: Whether an existing file may be replaced.
            rate_hz: A hint for the encoder; the timestamps are the pictures' own.

        Raises:
            SinkError: The file may not be written, or its suffix is no video container's.
        """
        self._atomic_file = AtomicFile(
            target, overwrite=overwrite, inputs=[like.path] if like else []
        )
        self._like = like
        self._encoding = encoding
        self._rate = Fraction(rate_hz or (like and like.rate_hz) or 30).limit_denominator(1001)
        self.target = target
        self.warnings: list[str] = []
        self.frames = 0
        self._stream: VideoStream | None = None
        self._copied: StreamCopy | None = None
        self._last_s = 0.0
        self._grid = 0  # greatest common divisor of all timestamps
        webm = target.suffix.lower() == ".webm"
        self._codec_name: CodecName = encoding.codec or ("vp9" if webm else "h264")
        self._check_preset()
        self._container = self._open()

    def write(self, annotated: Annotated) -> None:
        """Encode an annotated frame's picture, see ``write_picture``."""
        self.write_picture(annotated.picture)

    def write_picture(self, picture: Picture) -> None:
        """Encode one picture at its own time.

        Args:
            picture: Its video frame has ``pts`` and ``time_base``. All pictures have one size;
                odd sizes are made even.

        Raises:
            SinkError: It cannot be written, or the encoder refuses it.
        """
        if not picture.is_bgr and any(side % 2 for side in picture.size_wh):
            picture = Picture.from_video_frame(picture.video_frame, even=True)
        frame = picture.yuv420().video_frame
        if frame.pts is None or not frame.time_base:
            raise SinkError(f"cannot write {self.target}: a picture has no time (pts, time_base)")
        try:
            if self._stream is None:
                self._stream = self._start(frame)
            frame.pict_type = 0  # else the input's choice of key frames would be imposed
            for packet in self._stream.encode(frame):
                self._container.mux(packet)
            self._last_s = float(frame.pts * frame.time_base)
            self._grid = math.gcd(self._grid, frame.pts)
            if self._copied is not None:
                for copied in self._copied.until(self._last_s):
                    self._container.mux(copied)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise self._failure(error) from error
        self.frames += 1

    def finish(self, *, whole: bool = True) -> None:
        """Write what the encoder still holds, close the file and give it its name.

        Args:
            whole: False cuts sound and subtitles where the picture ends.

        Raises:
            SinkError: It cannot be written, or there was not one frame.
        """
        try:
            if self._stream is not None:
                for packet in self._stream.encode(None):
                    if self.frames <= 2:  # x265 leaves dts unset where it had too few frames
                        packet.dts = packet.pts
                    self._container.mux(packet)
                self._warn_of_rounding(self._stream)
            if self._copied is not None:
                for copied in self._copied.until(None if whole else self._last_s):
                    self._container.mux(copied)
                for ending in self._copied.endings():
                    self._container.mux(ending)
            self._close()
        except (av.error.FFmpegError, OSError) as error:
            raise self._failure(error) from error
        if self.frames == 0:
            self._atomic_file.discard()
            raise SinkError(f"{self.target} was not written: there was not one frame")
        self._atomic_file.commit()

    def discard(self) -> None:
        """Close and remove the file."""
        # The file is removed anyway, and the first error is already being raised.
        with contextlib.suppress(av.error.FFmpegError, OSError):
            self._close()
        self._atomic_file.discard()

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
        try:
            container = av.open(str(self._atomic_file.path), "w", container_options=options)
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

    def _failure(self, error: Exception) -> SinkError:
        reason = getattr(error, "strerror", None) or str(error)
        return SinkError(f"cannot write {self.target}: {reason}")


class Recorder:
    """A video file of what a live run displays, each picture at the time of its capture."""

    def __init__(self, target: Path, *, overwrite: bool, rate_hz: float | None) -> None:
        """Prepare a file, with the fastest encoding.

        Args:
            target: Its suffix says which container.
            overwrite: Whether an existing file may be replaced.
            rate_hz: A hint for the encoder, frames a second.

        Raises:
            SinkError: The file may not be written.
        """
        encoding = Encoding(preset="ultrafast" if target.suffix.lower() != ".webm" else None)
        self._file = VideoFile(target, encoding=encoding, overwrite=overwrite, rate_hz=rate_hz)
        self._size_wh: tuple[int, int] | None = None
        self._first_s = 0.0
        self._last_pts = -1
        self.target = target

    def write(self, picture: Picture, captured_s: float) -> None:
        """Encode a picture; one that is not later than the one before is left out.

        Args:
            picture: What is displayed.
            captured_s: When its frame arrived, seconds on a monotonic clock.

        Raises:
            SinkError: It cannot be written.
        """
        if self._size_wh is None:
            self._size_wh, self._first_s = picture.size_wh, captured_s
        if picture.size_wh != self._size_wh:  # a stream may come back with another size
            picture = picture.resized(self._size_wh)
        pts = round((captured_s - self._first_s) / _LIVE_TIME_BASE)
        if pts <= self._last_pts:
            return
        self._last_pts = pts
        frame = picture.video_frame
        frame.pts, frame.time_base = pts, _LIVE_TIME_BASE
        self._file.write_picture(picture)

    def finish(self) -> None:
        """Close the file and give it its name.

        Raises:
            SinkError: It cannot be written, or there was no picture to write.
        """
        self._file.finish()

    def discard(self) -> None:
        """Close and remove the file."""
        self._file.discard()
