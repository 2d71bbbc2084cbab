"""Whether the frames of a class that is being taught all look the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from camstream.picture import Picture

_SIDE = 16  # cells of the small copies that are compared
_FRAMES = 10  # fewer say nothing
_SAME = 6  # levels of 255, averaged over a cell: noise and flicker stay under it


class Likeness:
    """Compares small copies of all frames with the first."""

    def __init__(self) -> None:
        self._first: NDArray[np.float64] | None = None
        self._frames = 0
        self._largest = 0.0

    def add(self, picture: Picture) -> None:
        """Add a frame."""
        small = picture.bgr((_SIDE, _SIDE)).mean(axis=2)
        self._first = small if self._first is None else self._first
        self._frames += 1
        self._largest = max(self._largest, float(np.abs(small - self._first).max()))

    @property
    def is_alike(self) -> bool:
        """Whether there are many frames, and none differs from the first in any part."""
        return self._frames >= _FRAMES and self._largest < _SAME
