"""Detects scene cuts frame by frame, by how little a picture resembles the one before.

The measure is 1 - r, r being the correlation of the two pictures' coarse versions: 0 where they
are alike, whatever their brightness and contrast (a lamp, a flash or the camera's exposure is no
cut), about 1 where they have nothing in common. docs/lab/smoothing.md compares it with PySceneDetect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from camstream.picture import ImageU8

_COARSE_WH = (32, 18)  # hides noise and small movements
_CUT = 0.35  # 1 - r: most movement stays below, even at 10 frames/s; unlike pictures lie above
_RESTLESS = 4.0  # a cut stands out by this factor from the changes before it
_RECENT_FRAMES = 3.0
_LEAST_LEVELS = 8.0  # of 255: on flat pictures noise alone decides how alike they are


class SceneCutDetector:
    """Decides for each picture whether a new scene begins with it."""

    def __init__(self) -> None:
        self._before: NDArray[np.float32] | None = None
        self._usual = 0.0

    def reset(self) -> None:
        """Forget the picture before, so that the next one begins no new scene."""
        self._before, self._usual = None, 0.0

    def is_cut(self, image: ImageU8) -> bool:
        """Compare a picture with the one before.

        Args:
            image: (H, W, 3) uint8 BGR of any size; 64 x 36 is enough.

        Returns:
            Whether they are two scenes; False for the first picture.
        """
        coarse = cv2.resize(image, _COARSE_WH, interpolation=cv2.INTER_AREA).astype(np.float32)
        before, self._before = self._before, coarse
        if before is None:
            return False
        is_seen = float(np.abs(coarse - before).mean()) > _LEAST_LEVELS
        change = dissimilarity(before, coarse) if is_seen else 0.0
        is_cut = change > max(_CUT, _RESTLESS * self._usual)
        # A cut counts as well, or a scene of nothing but changes would be a cut at every frame.
        self._usual += (change - self._usual) / _RECENT_FRAMES
        return is_cut


def dissimilarity(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Return 1 - r, r being Pearson's correlation of all values; 1 where one of them is flat.

    Args:
        first: (h, w, 3) float32.
        second: (h, w, 3) float32.

    Returns:
        0 to 2.
    """
    a, b = (first - first.mean()).ravel(), (second - second.mean()).ravel()
    norms = float(np.sqrt((a @ a) * (b @ b)))
    return 1 - float(a @ b) / norms if norms > 0 else 1.0
