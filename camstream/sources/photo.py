"""A photo as a source of one frame."""

from __future__ import annotations

import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from camstream.frame import Frame
from camstream.media import read_photo
from camstream.picture import Picture

_TIME_BASE = Fraction(1, 25)  # for an output that is a clip


class PhotoSource:
    """A photo; its pixels stay as they are, and are those that ``Model.predict`` looks at.

    Attributes:
        path: The file.
        warnings: Empty: what cannot be read is an error.
        frame_count: 1.
        is_damaged: False.
    """

    is_live = False
    rate_hz: float | None = None
    frame_count = 1
    is_damaged = False

    def __init__(self, path: Path) -> None:
        """Name a photo; it is read when its frame is asked for.

        Args:
            path: A file that OpenCV reads.
        """
        self.path = path
        self.warnings: list[str] = []

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name

    def __iter__(self) -> Iterator[Frame]:
        """Read it.

        Raises:
            SourceError: It cannot be read.
        """
        picture = Picture.from_bgr(read_photo(self.path))
        picture.video_frame.pts, picture.video_frame.time_base = 0, _TIME_BASE
        yield Frame(0, 0.0, time.perf_counter(), picture)

    def stop(self) -> None:
        """Do nothing: there is but one frame."""

    def close(self) -> None:
        """Do nothing: nothing is open."""
