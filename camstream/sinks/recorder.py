"""Records what a live run displays."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from camstream.picture import Picture
from camstream.sinks.encoding import Encoding
from camstream.sinks.video import VideoFile

_LIVE_TIME_BASE = Fraction(1, 90_000)


class Recorder:
    """A video file of what a live run displays, each picture at the time of its capture.

    Attributes:
        target: The file's name after ``finish``.
    """

    def __init__(
        self,
        target: Path,
        *,
        overwrite: bool,
        rate_hz: float | None,
        inputs: Sequence[Path] = (),
    ) -> None:
        """Prepare a file, with the fastest encoding.

        Args:
            target: Its suffix says which container.
            overwrite: Whether an existing file may be replaced.
            rate_hz: A hint for the encoder, frames a second.
            inputs: Files that must never be replaced.

        Raises:
            SinkError: The file may not be written.
        """
        encoding = Encoding(preset="ultrafast" if target.suffix.lower() != ".webm" else None)
        self._file = VideoFile(
            target,
            encoding=encoding,
            overwrite=overwrite,
            inputs=inputs,
            once=True,
            rate_hz=rate_hz,
        )
        self._first_s: float | None = None
        self._last_pts = -1
        self.target = target
        self.finish, self.keep, self.discard = (
            self._file.finish,
            self._file.keep,
            self._file.discard,
        )

    def write(self, picture: Picture, captured_s: float) -> None:
        """Encode a picture; one that is not later than the one before is left out.

        Args:
            picture: What is displayed. The first one's size is the file's; others are scaled into
                it, with black beside.
            captured_s: When its frame arrived, seconds on a monotonic clock.

        Raises:
            SinkError: It cannot be written.
        """
        if self._first_s is None:
            self._first_s = captured_s
        pts = round((captured_s - self._first_s) / _LIVE_TIME_BASE)
        if pts <= self._last_pts:
            return
        self._last_pts = pts
        frame = picture.video_frame
        frame.pts, frame.time_base = pts, _LIVE_TIME_BASE
        self._file.write_picture(picture)
