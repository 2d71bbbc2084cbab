"""Pure functions on class activation maps: enlarge, find peak and centroid, scale to heat.

The scale is fixed for a model, in logit units: a colour means the same in every frame, and a
map is never stretched to its own maximum. A map without evidence has no heat.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from camstream.frame import View
    from camstream.picture import ImageU8, MapF32

# The enlarged map has at least this many cells on its longer side, so that a place read from it
# is good to a pixel of the network's input.
_FINE_CELLS = 256

# A map whose largest and smallest value are closer than this part of the range is nearly constant
# and shows no place; heat fades in over the same part.
_FLAT = 0.1

# Where the heat of a difference begins and is full, as parts of the range's width. Of Persian cat and
# lynx on videos of a Persian cat the difference reaches half of the width, of cats and dogs all.
_CONTRAST = (0.1, 0.75)


@dataclass(frozen=True, slots=True)
class Peak:
    """The largest value of a map.

    Attributes:
        xy: Where, in pixels of the picture: (0, 0) is the top left corner of the first pixel.
        value: How large, logit units.
    """

    xy: tuple[float, float]
    value: float


def enlarge(cam: MapF32, size_wh: tuple[int, int] | None = None) -> MapF32:
    """Enlarge a raw map smoothly; every cell's value stays at its cell's centre.

    Args:
        cam: (h, w) float32, any range. What is not finite counts as no evidence.
        size_wh: Width and height to enlarge it to; None takes a multiple of its own that is
            fine enough to read places from.

    Returns:
        (H', W') float32, by bicubic interpolation between cell centres, cut to the range of the
        raw map so that interpolation invents no evidence.
    """
    finite = np.isfinite(cam)
    if not finite.all():
        cam = np.where(finite, cam, min(0.0, float(cam[finite].min(initial=0.0))))
    if size_wh is None:
        factor = math.ceil(_FINE_CELLS / max(cam.shape))
        size_wh = (cam.shape[1] * factor, cam.shape[0] * factor)
    fine = cast("MapF32", cv2.resize(cam, size_wh, interpolation=cv2.INTER_CUBIC))
    return np.clip(fine, cam.min(), cam.max(), out=fine)


def find_peak(fine: MapF32, size_wh: tuple[int, int]) -> Peak:
    """Find the largest value of an enlarged map.

    The cut at the raw map's maximum leaves a flat top, some hundred cells wide. Its middle is
    the peak: the first of its cells lies up to half a raw cell up and left of it, and on 250
    photos falls into the true box 5 points less often.

    Args:
        fine: (H', W') float32 that covers the whole picture.
        size_wh: Width and height of the picture, pixels.
    """
    rows, columns = fine.shape
    highest = float(fine.max())
    # Cut to the raw map's range a peak is a plateau, and argmax would find its first corner.
    along_y, along_x = np.divmod(np.flatnonzero(fine == highest), columns)
    off = (along_y - along_y.mean()) ** 2 + (along_x - along_x.mean()) ** 2
    middle = int(off.argmin())
    x = (float(along_x[middle]) + 0.5) / columns * size_wh[0]
    y = (float(along_y[middle]) + 0.5) / rows * size_wh[1]
    return Peak((x, y), highest)


def range_of(view: View, cam_range: tuple[float, float]) -> tuple[float, float]:
    """Return the map values where the heat of a view begins and where it is full.

    A difference of two maps is small where both classes have evidence, so a contrast has a scale of
    its own, a fixed one as well: parts of the width of the model's.

    Args:
        view: A contrast, or any other.
        cam_range: Those of a single class, logit units.
    """
    if not view.is_contrast:
        return cam_range
    width = cam_range[1] - cam_range[0]
    return _CONTRAST[0] * width, _CONTRAST[1] * width


def heat(fine: MapF32, cam_range: tuple[float, float]) -> ImageU8:
    """Scale a map to heat, 0 where there is no evidence to speak of.

    Args:
        fine: (H', W') float32, logit units.
        cam_range: Values where heat begins and where it is full.

    Returns:
        (H', W') uint8: 0 below the range, 255 above it, linear between. A constant map has no
        heat, whatever its value.
    """
    low, high = cam_range
    spread = float(fine.max() - fine.min()) / (high - low)
    scale = 255 / (high - low) * min(1.0, spread / _FLAT)
    return cast("ImageU8", cv2.convertScaleAbs(np.maximum(fine - low, 0), alpha=scale))


def signed_heat(fine: MapF32, cam_range: tuple[float, float]) -> ImageU8:
    """Scale a difference of two maps to heat of either sign.

    Args:
        fine: (H', W') float32, logit units.
        cam_range: Values, of either sign, where heat begins and where it is full.

    Returns:
        (H', W') uint8: 128 is no heat, 255 full heat of positive values, 1 of negative ones.
    """
    low, high = cam_range
    spread = float(fine.max() - fine.min()) / (high - low)
    scale = 127 / (high - low) * min(1.0, spread / _FLAT)
    beyond = np.clip(fine - np.clip(fine, -low, low), low - high, high - low)
    return cast("ImageU8", cv2.convertScaleAbs(beyond, alpha=scale, beta=128))


def find_centroid(cam: MapF32, size_wh: tuple[int, int]) -> tuple[float, float] | None:
    """Find the centroid of a raw map's positive evidence.

    Args:
        cam: (h, w) float32, any range. What is not positive and finite counts as no evidence.
        size_wh: Width and height of the picture, pixels.

    Returns:
        (x, y) in pixels of the picture, None where there is no positive evidence.
    """
    parts = _parts(cam)
    if parts is None:
        return None
    rows, columns = parts.shape
    x = float(parts.sum(axis=0) @ (np.arange(columns) + 0.5)) / columns * size_wh[0]
    y = float(parts.sum(axis=1) @ (np.arange(rows) + 0.5)) / rows * size_wh[1]
    return x, y


def find_area(cam: MapF32) -> float | None:
    """Compute which part of the picture carries a raw map's positive evidence.

    The evidence in n cells, as parts p of its sum, has as many effective cells as evenly filled
    ones would give the same entropy: exp(-sum(p ln p)), between 1 and n. The area is that
    number over n: 1 where the evidence lies everywhere alike, 1 / n where one cell has it all.

    Args:
        cam: (h, w) float32, any range. What is not positive and finite counts as no evidence.

    Returns:
        Over 0 and up to 1, None where there is no positive evidence.

    Source: Hill 1973, "Diversity and Evenness: A Unifying Notation and Its Consequences", the
    number of order 1.
    """
    parts = _parts(cam)
    if parts is None:
        return None
    carrying = parts[parts > 0]
    return min(1.0, math.exp(-float((carrying * np.log(carrying)).sum())) / parts.size)


def _parts(cam: MapF32) -> NDArray[np.float64] | None:
    """Return each cell's part of the positive evidence; the parts sum to 1."""
    evidence = np.where(np.isfinite(cam) & (cam > 0), cam, 0).astype(np.float64)
    total = float(evidence.sum())
    return evidence / total if total > 0 else None
