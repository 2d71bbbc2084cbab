"""Which frames of a video are looked at: a fixed number a second, by the video's own clock.

A frame is a sample where a new step of the grid k / rate begins with it or since the frame before it.
So the choice depends on the times of two frames only, and not on where reading began: a part of a
video has the samples that the whole video has there.
"""

from __future__ import annotations

import dataclasses
import math
import struct
import zlib
from collections.abc import Iterator, Sequence

from camstream.errors import SourceError
from camstream.frame import Frame
from camstream.sources.file import FileSource
from camstream.sources.photo import PhotoSource

_ROUNDING = 1e-6  # of a step: 0.49999999 s is half a second


class Grid:
    """Chooses frames by their times."""

    def __init__(self, rate_hz: float | None) -> None:
        """Begin.

        Args:
            rate_hz: Samples a second; None: every frame.
        """
        self._rate_hz = rate_hz
        self._step: int | None = None

    def takes(self, pts_s: float) -> bool:
        """Say whether a frame is a sample; to be asked for every frame, in order."""
        if self._rate_hz is None:
            return True
        step = math.floor(pts_s * self._rate_hz + _ROUNDING)
        is_new, self._step = step != self._step, step
        return is_new


def check_of(times_s: Sequence[float], check: int = 0) -> int:
    """Return a checksum of the times of frames that follow those of another checksum."""
    return zlib.crc32(struct.pack(f"<{len(times_s)}d", *times_s), check)


class Samples:
    """The samples of a video, or of a part of it, as a source; every frame is decoded.

    Attributes:
        frames: Number of frames of the part so far, samples or not.
        last_pts_s: Media time of the latest of them.
        check: Checksum of their times, see ``check_of``.
    """

    is_live = False

    def __init__(
        self,
        source: FileSource | PhotoSource,
        *,
        rate_hz: float | None,
        begin_s: float | None = None,
        end_s: float | None = None,
    ) -> None:
        """Wrap what reads the file.

        Args:
            source: From its beginning, or from a frame before the part.
            rate_hz: See ``Grid``.
            begin_s: Media time of the first frame of the part; None: the video's first.
            end_s: Media time of the first frame after it; None: it goes to the end.
        """
        self.frames = 0
        self.last_pts_s = 0.0
        self.check = 0
        self._source, self._rate_hz = source, rate_hz
        self._begin_s, self._end_s = begin_s, end_s

    @property
    def name(self) -> str:
        """The file's name."""
        return self._source.name

    def __iter__(self) -> Iterator[Frame]:
        """Yield the samples; ``Frame.index`` counts all frames of the part from 0.

        Raises:
            SourceError: Reading fails, or begins too late to know the part's first samples.
        """
        grid = Grid(self._rate_hz)
        is_before = False
        for frame in self._source:
            if self._end_s is not None and frame.pts_s >= self._end_s:
                return
            takes = grid.takes(frame.pts_s)
            if self._begin_s is not None and frame.pts_s < self._begin_s:
                is_before = True
                continue
            if self._begin_s is not None and not is_before:
                raise SourceError(f"cannot read {self._source.path}: it does not begin where asked")
            index, self.last_pts_s = self.frames, frame.pts_s
            self.frames += 1
            self.check = check_of([frame.pts_s], self.check)
            if takes:
                yield dataclasses.replace(frame, index=index)

    def stop(self) -> None:
        """End the iteration at the next frame."""
        self._source.stop()

    def close(self) -> None:
        """Close the file."""
        self._source.close()
