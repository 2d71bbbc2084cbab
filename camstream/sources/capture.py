"""What a live source takes pictures from: an opened device or stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from camstream.picture import Picture


@dataclass(frozen=True, slots=True)
class Taken:
    """A picture that was taken from a device or a stream.

    Attributes:
        picture: The pixels.
        media_s: Its time in the clip, seconds; None where it is shown as soon as it comes.
    """

    picture: Picture
    media_s: float | None = None


class Capture(Protocol):
    """An opened device or stream. One thread alone uses it.

    Attributes:
        rate_hz: Frames a second that it reports, None where it reports none.
    """

    rate_hz: float | None

    def read(self) -> Taken | None:
        """Wait for the next picture.

        Returns:
            None where no picture comes any more, but may come again.

        Raises:
            EOFError: That was the end.
            SourceError: It cannot be read to its end.
        """
        ...

    def release(self) -> None:
        """Close it; may be called twice."""
        ...
