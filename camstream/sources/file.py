"""Video files through PyAV: every frame, in order, with its own timestamp."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
from av import VideoFrame
from av.container import InputContainer
from av.format import Flags
from av.video.stream import VideoStream

from camstream.errors import SourceError
from camstream.frame import Frame
from camstream.picture import Orientation, Picture
from camstream.sources.container import (
    declared_end_s,
    demux,
    exact,
    find_video,
    open_input,
    plain_reason,
)
from camstream.sources.timeline import Timeline

# The clock of a transport stream may start at hours; an output that kept them would begin with
# hours of nothing. A start a little later than 0 is kept, and sound that begins a little earlier;
# a clock that is about to wrap begins seconds earlier.
_LATEST_START_S = 10
_EARLIEST_START_S = -1
_FINEST_HZ = 10_000_000


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
        self._is_closed = False
        self._was_read = False
        self._container, self.stream = self._open()
        may_jump = cast("int", Flags.ts_discont.value)
        self._has_jumps = bool(self._container.format.flags & may_jump)
        self.shift_s = self._late_start_s()
        self._begin()

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
        """Length that the file declares, in seconds; unknown once its clock has jumped."""
        if self._timeline.jumps:
            return None
        if self.stream.duration and self.stream.time_base:
            return float(self.stream.duration * exact(self.stream.time_base))
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

    @property
    def finest_hz(self) -> int:
        """Ticks a second in which the times of all streams are whole numbers, within a limit."""
        streams = [self.stream, *self._container.streams]
        rates = [stream.time_base.denominator for stream in streams if stream.time_base]
        ticks = math.lcm(*rates)
        return ticks if ticks <= _FINEST_HZ else rates[0]

    @property
    def is_damaged(self) -> bool:
        """Whether a part of the file could not be read."""
        return any(warning.startswith("damaged") for warning in self.warnings)

    def timeline(self) -> Timeline:
        """Return what corrects the times of this file's packets, for one reading of it."""
        return Timeline(self.stream.index, shift_s=self.shift_s, has_jumps=self._has_jumps)

    def __iter__(self) -> Iterator[Frame]:
        """Decode every frame, each time from the beginning.

        Raises:
            SourceError: Not one frame could be decoded, or the file was closed.
        """
        if self._is_closed:
            raise SourceError(f"cannot read {self.path}: it was closed; open it again")
        if self._was_read and not self._stopped:
            self._container.close()
            self._container, self.stream = self._open()
            self._begin()
        self._was_read = True
        index = 0
        for decoded in self._decode():
            if self._stopped:
                return
            self._stamp(decoded)
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
        self._stopped = self._is_closed = True
        self._container.close()

    def _open(self) -> tuple[InputContainer, VideoStream]:
        container = open_input(self.path)
        stream = find_video(container)
        if stream is None:
            container.close()
            raise SourceError(f"cannot read {self.path}: there is no video in it")
        stream.thread_type = "AUTO"
        return container, stream

    def _begin(self) -> None:
        """Forget what an earlier reading of the file found."""
        self._timeline = self.timeline()
        self.orientation: Orientation | None = None
        self._damaged = 0
        self._moved = 0
        self._last_pts: int | None = None
        self._end_pts = 0
        self._first: Picture | None = None

    def _late_start_s(self) -> Fraction:
        start_s = Fraction(self._container.start_time or 0, av.time_base)
        if _EARLIEST_START_S <= start_s <= _LATEST_START_S:
            return Fraction(0)
        self._warn(f"its clock starts at {float(start_s):.3f} s: the output starts at 0")
        return start_s

    def _decode(self) -> Iterator[VideoFrame]:
        if self._stopped:  # a closed container cannot be asked
            return
        packets = self._timeline.corrected(demux(self._container, self.stream))
        while not self._stopped:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except (av.error.FFmpegError, OSError) as error:
                self._warn_of_damage(f"reading ends early ({plain_reason(error)})")
                with contextlib.suppress(av.error.FFmpegError):
                    yield from self.stream.decode(None)  # what the decoder still holds
                return
            try:
                yield from packet.decode()
            except av.error.FFmpegError:
                self._damaged += 1

    def _stamp(self, frame: VideoFrame) -> None:
        """Correct a timestamp that is missing, or not later than the one before."""
        base = frame.time_base or self.stream.time_base or Fraction(1, 90_000)
        frame.time_base = base
        step = max(1, round(1 / ((self.rate_hz or 25) * base)))
        if self._last_pts is None:
            self.orientation = Orientation.of(frame)
            self._warn_of_format(frame)
            if frame.pts is None:
                frame.pts = 0
        elif frame.pts is None:
            frame.pts = self._last_pts + step
        elif frame.pts <= self._last_pts:
            self._moved += 1
            frame.pts = self._last_pts + 1
        self._last_pts = frame.pts
        self._end_pts = frame.pts + (frame.duration or step)
        if self._timeline.jumps:
            at_s = float(self._timeline.jumps[0].at_s)
            self._warn(f"its clock jumps at {at_s:.3f} s: the times go on evenly")

    def _warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)

    def _warn_of_format(self, frame: VideoFrame) -> None:
        layout = frame.format
        if any(component.bits > 8 for component in layout.components):
            self._warn(f"{layout.name} is reduced to 8 bits a colour")
        if not (layout.is_rgb or layout.has_palette) and (
            layout.chroma_width(4) != 2 or layout.chroma_height(4) != 2
        ):
            self._warn(f"{layout.name} is reduced to 4:2:0 colour resolution")
        if frame.interlaced_frame:
            self._warn("interlaced: its fields are kept woven, as progressive frames")
        if self._even and (frame.width % 2 or frame.height % 2):
            width, height = frame.width, frame.height
            if self.is_transposed:
                width, height = height, width
            self._warn(
                f"{width}x{height} is odd: the last column or row is repeated to make it even"
            )

    def _uniform(self, picture: Picture) -> Picture:
        """Scale a frame to the size of the first one, where a stream changes its size."""
        if self._first is None:
            self._first = picture
        if picture.size_wh == self._first.size_wh:
            return picture
        self._warn("the picture's size changes within the stream: scaled to the first")
        return picture.resized(self._first.size_wh)

    def _warn_of_damage(self, what: str) -> None:
        self._warn(f"damaged input: {what}")

    def _check_whole(self) -> None:
        if self._moved:
            self._warn(f"{self._moved} frames' times did not follow the ones before; moved")
        if self._damaged:
            self._warn_of_damage(f"{self._damaged} packets could not be decoded")
        base, end_s = self.stream.time_base, declared_end_s(self.stream)
        if not base or end_s is None:
            return
        missing_s = float(end_s + self._timeline.offset_s - self._end_pts * base)
        if missing_s > max(0.1, 2 / (self.rate_hz or 25)):
            self._warn_of_damage(f"the last {missing_s:.1f} s that it declares are not there")
