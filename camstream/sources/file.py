"""Video files through PyAV: every frame, in order, with its own timestamp."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av import VideoFrame
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from camstream.errors import SourceError
from camstream.frame import Frame
from camstream.picture import Orientation, Picture

# The clock of a transport stream may start at hours; an output that kept them would begin with
# hours of nothing. A start a little later than 0 is kept.
_LATEST_START_S = 10
_FINEST_HZ = 10_000_000
# Text that is not UTF-8 must not keep a file from being read; PyAV 19 always keeps its bytes.
_METADATA: dict[str, Any] = (
    {} if int(av.__version__.partition(".")[0]) >= 19 else {"metadata_errors": "replace"}
)


class FileSource:
    """A video file.

    Attributes:
        path: The file.
        warnings: What differs from the file (damage, reduced colours ...), one line each; the
            list grows while frames are read.
        stream: The video stream, for a writer that copies its properties.
        shift_s: Seconds subtracted from all timestamps, because the file's clock starts that
            late; else 0.
        orientation: How the picture is turned upright, known after the first frame.
    """

    is_live = False

    def __init__(self, path: Path, *, even: bool = False) -> None:
        """Open a file.

        Args:
            path: Anything that FFmpeg reads.
            even: Make odd widths and heights even, as 4:2:0 encoders need it.

        Raises:
            SourceError: There is no such file, or it has no video stream.
        """
        self.path = path
        self.warnings: list[str] = []
        self._even = even
        self._stopped = False
        self._damaged = 0
        self.orientation: Orientation | None = None
        self._last_pts: int | None = None
        self._end_pts = 0
        self._first: Picture | None = None
        self._container = open_input(path)
        self.stream = _find_video(self._container, path)
        self.stream.thread_type = "AUTO"
        self.shift_s = self._late_start_s()

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name

    @property
    def rate_hz(self) -> float | None:
        """Average number of frames a second."""
        rate = self.stream.average_rate or self.stream.guessed_rate
        return float(rate) if rate else None

    @property
    def is_transposed(self) -> bool:
        """Whether width and height are swapped when the video is displayed."""
        return self.orientation is not None and self.orientation.transpose

    @property
    def has_subtitles(self) -> bool:
        """Whether there are subtitles in the file."""
        return bool(self._container.streams.subtitles)

    @property
    def duration_s(self) -> float | None:
        """Length that the file declares, in seconds."""
        if self.stream.duration and self.stream.time_base:
            return float(self.stream.duration * self.stream.time_base)
        if self._container.duration:
            return self._container.duration / av.time_base
        return None

    @property
    def frame_count(self) -> int | None:
        """Number of frames that the file declares, or that follows from its length."""
        if self.stream.frames:
            return self.stream.frames
        if self.duration_s and self.rate_hz:
            return round(self.duration_s * self.rate_hz)
        return None

    def __iter__(self) -> Iterator[Frame]:
        """Decode every frame.

        Raises:
            SourceError: Not one frame could be decoded.
        """
        index = 0
        for decoded in self._decode():
            if self._stopped:
                return
            self._stamp(decoded, index)
            upright = Picture.from_video_frame(
                decoded, orientation=self.orientation, even=self._even
            )
            picture = self._uniform(upright)
            pts_s = float(decoded.pts * decoded.time_base)  # type: ignore[operator]
            yield Frame(index, pts_s, time.perf_counter(), picture)
            index += 1
        if self._stopped:
            return
        if index == 0:
            raise SourceError(f"cannot read {self.path}: not one frame of it can be decoded")
        self._check_whole()

    def seek(self, to_s: float) -> bool:
        """Make the iteration begin at a time, or at a key frame before it; to be called before it.

        Args:
            to_s: Seconds, as in ``Frame.pts_s``.

        Returns:
            False where this kind of file begins only at its beginning.
        """
        try:
            self._container.seek(max(0, round((to_s + self.shift_s) * av.time_base)))
        except (av.error.FFmpegError, OSError):
            return False
        return True

    def stop(self) -> None:
        """End the iteration at the next frame."""
        self._stopped = True

    def close(self) -> None:
        """Close the file."""
        self._stopped = True
        self._container.close()

    @property
    def finest_hz(self) -> int:
        """Ticks a second in which the times of all streams are whole numbers, within a limit."""
        streams = [self.stream, *self._container.streams]
        rates = [stream.time_base.denominator for stream in streams if stream.time_base]
        ticks = math.lcm(*rates)
        return ticks if ticks <= _FINEST_HZ else rates[0]

    def _late_start_s(self) -> Fraction:
        start_s = Fraction(self._container.start_time or 0, av.time_base)
        if start_s <= _LATEST_START_S:
            return Fraction(0)
        self.warnings.append(f"its clock starts at {float(start_s):.3f} s: the output starts at 0")
        return start_s

    def _decode(self) -> Iterator[VideoFrame]:
        if self._stopped:  # a closed container cannot be asked
            return
        packets = self._container.demux(self.stream)
        while not self._stopped:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except (av.error.FFmpegError, OSError) as error:
                self._warn_of_damage(f"reading ends early ({error.strerror})")
                return
            try:
                yield from packet.decode()
            except av.error.FFmpegError:
                self._damaged += 1

    def _stamp(self, frame: VideoFrame, index: int) -> None:
        """Correct a timestamp that is missing, or not later than the one before."""
        base = frame.time_base or self.stream.time_base or Fraction(1, 90_000)
        frame.time_base = base
        if frame.pts is not None:
            frame.pts -= round(self.shift_s / base)
        step = max(1, round(1 / ((self.rate_hz or 25) * base)))
        if self._last_pts is None:
            self.orientation = Orientation.of(frame)
            self._warn_of_format(frame)
            if frame.pts is None:
                frame.pts = 0
        elif frame.pts is None:
            frame.pts = self._last_pts + step
        elif frame.pts <= self._last_pts:
            self.warnings.append(f"frame {index}: its time does not follow the one before; moved")
            frame.pts = self._last_pts + 1
        self._last_pts = frame.pts
        self._end_pts = frame.pts + (frame.duration or step)

    def _warn_of_format(self, frame: VideoFrame) -> None:
        layout = frame.format
        if any(component.bits > 8 for component in layout.components):
            self.warnings.append(f"{layout.name} is reduced to 8 bits a colour")
        if not (layout.is_rgb or layout.has_palette) and (
            layout.chroma_width(4) != 2 or layout.chroma_height(4) != 2
        ):
            self.warnings.append(f"{layout.name} is reduced to 4:2:0 colour resolution")
        if frame.interlaced_frame:
            self.warnings.append("interlaced: its fields are kept woven, as progressive frames")
        if self._even and (frame.width % 2 or frame.height % 2):
            width, height = frame.width, frame.height
            if self.is_transposed:
                width, height = height, width
            self.warnings.append(
                f"{width}x{height} is odd: the last column or row is repeated to make it even"
            )

    def _uniform(self, picture: Picture) -> Picture:
        """Scale a frame to the size of the first one, where a stream changes its size."""
        if self._first is None:
            self._first = picture
        if picture.size_wh == self._first.size_wh:
            return picture
        warning = "the picture's size changes within the stream: scaled to the first"
        if warning not in self.warnings:
            self.warnings.append(warning)
        return picture.resized(self._first.size_wh)

    def _warn_of_damage(self, what: str) -> None:
        self.warnings.append(f"damaged input: {what}")

    @property
    def is_damaged(self) -> bool:
        """Whether a part of the file could not be read."""
        return any(warning.startswith("damaged") for warning in self.warnings)

    def _check_whole(self) -> None:
        if self._damaged:
            self._warn_of_damage(f"{self._damaged} packets could not be decoded")
        base, declared_s = self.stream.time_base, _declared_end_s(self.stream)
        if not base or declared_s is None:
            return
        missing_s = float(declared_s - self._end_pts * base - self.shift_s)
        if missing_s > max(0.1, 2 / (self.rate_hz or 25)):
            self._warn_of_damage(f"the last {missing_s:.1f} s that it declares are not there")


def open_input(path: Path) -> InputContainer:
    """Open a file with FFmpeg.

    Raises:
        SourceError: It does not exist, or FFmpeg cannot read it.
    """
    if not path.exists():
        raise SourceError(f"cannot read {path}: there is no such file")
    if path.is_dir():
        raise SourceError(f"cannot read {path}: it is a folder")
    try:
        container: InputContainer = av.open(str(path), **_METADATA)
    except (av.error.FFmpegError, OSError) as error:
        reason = error.strerror or str(error)
        raise SourceError(f"cannot read {path} as a video: {reason}") from error
    return container


def _find_video(container: InputContainer, path: Path) -> VideoStream:
    """Return the first video stream; the cover image of a music file is none."""
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic and stream.codec_context:
            return stream
    container.close()
    raise SourceError(f"cannot read {path}: there is no video in it")


def _declared_end_s(stream: VideoStream) -> Fraction | None:
    """Return the declared end of the picture; Matroska has it in a tag, "00:01:02.500"."""
    if stream.duration is not None and stream.time_base:
        return ((stream.start_time or 0) + stream.duration) * stream.time_base
    parts = stream.metadata.get("DURATION", "").split(":")
    try:
        hours, minutes, seconds = (Fraction(part) for part in parts)
    except ValueError:
        return None
    return hours * 3600 + minutes * 60 + seconds
