"""A video file of what is seen live, each picture at the time it was captured."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from camstream.picture import Picture
from camstream.sinks.encoding import Encoding
from camstream.sinks.video import VideoFile

_TIME_BASE = Fraction(1, 90_000)


class Recorder:
    """A video file of what is seen, at the time it was captured."""

    def __init__(self, target: Path, *, overwrite: bool, rate_hz: float | None) -> None:
        encoding = Encoding(preset="ultrafast" if target.suffix.lower() != ".webm" else None)
        self._file = VideoFile(target, encoding=encoding, overwrite=overwrite, rate_hz=rate_hz)
        self._size_wh: tuple[int, int] | None = None
        self._first_s = 0.0
        self._last_pts = -1
        self.target = target

    def write(self, picture: Picture, captured_s: float) -> None:
        """Add a picture.

        Args:
            picture: What is seen.
            captured_s: When its frame arrived, seconds on a monotonic clock.
        """
        if self._size_wh is None:
            self._size_wh, self._first_s = picture.size_wh, captured_s
        if picture.size_wh != self._size_wh:  # a stream may come back with another size
            picture = picture.resized(self._size_wh)
        pts = round((captured_s - self._first_s) / _TIME_BASE)
        if pts <= self._last_pts:
            return
        self._last_pts = pts
        frame = picture.video_frame
        frame.pts, frame.time_base = pts, _TIME_BASE
        self._file.write_picture(picture)

    def finish(self) -> None:
        """Close the file and give it its name.

        Raises:
            SinkError: It cannot be written, or there was no picture to write.
        """
        self._file.finish()
