"""Class activation maps joined with an earlier layer's features: finer, and along outlines.

The last layer knows what there is, on a coarse grid; an earlier layer knows which neighbouring
places look alike, on one twice as fine. So evidence is passed on among places that look alike to
the earlier layer: it fills a thing up to its outline and leaves what only lies near it.

The result says better where a thing is, but its mean is no longer the class's logit: it is off
unless asked for (``--sharp``), and the records say so.

Sources: the walk over an affinity of features is that of Ahn and Kwak, "Learning Pixel-level
Semantic Affinity", CVPR 2018, and of PCM in Wang et al., "SEAM", CVPR 2020, here with what a
classifier has anyway: nothing is trained. The settings were chosen by tests/benchmarks/sharp.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from camstream import cam as cams

if TYPE_CHECKING:
    from camstream.picture import MapF32

FeaturesF32 = NDArray[np.float32]  # (D, h', w')

STEPS = 3  # how far evidence is passed on
SHARPNESS = 3.0  # power of the similarity: places that look less alike hardly count
TONE = 2.5  # power of the result: puts a thing's outline at 20 % of the maximum, the paper's rule

DESCRIPTION = (
    f"joined with an earlier layer: {STEPS} steps along cosine^{SHARPNESS:g}, tone {TONE:g}"
)


def sharpen(
    maps: MapF32,
    early: FeaturesF32,
    *,
    steps: int = STEPS,
    sharpness: float = SHARPNESS,
    tone: float = TONE,
) -> MapF32:
    """Join raw maps with an earlier layer's features.

    Args:
        maps: (K, h, w) float32, logit units, any sign. Negative values count as no evidence.
        early: (D, h', w') features of the same picture on a finer grid.
        steps: How many times evidence is passed on.
        sharpness: Power that cosine similarity is raised to.
        tone: Power that the result, 0 to 1, is raised to.

    Returns:
        (K, h', w') float32, from 0 to the raw map's own maximum, which is kept, so that it means
        the same to heat, floor and boxes. A map that is constant or has no evidence comes back
        as it is, enlarged.
    """
    height, width = early.shape[1:]
    finer = np.stack([cams.enlarge(map_, (width, height)) for map_ in maps])
    walk = affinity(early, sharpness)
    evidence = np.maximum(finer, 0).reshape(len(maps), -1).T  # (h' * w', K)
    for _ in range(steps):
        evidence = walk @ evidence
    low, high = evidence.min(axis=0), evidence.max(axis=0)
    tops = np.maximum(maps.max(axis=(1, 2)), 0)
    is_place = (np.ptp(maps, axis=(1, 2)) > 0) & (tops > 0) & (high > low)
    scaled = (evidence - low) / np.where(high > low, high - low, 1)
    sharp = (tops * scaled**tone).T.reshape(finer.shape)
    return cast("MapF32", np.where(is_place[:, np.newaxis, np.newaxis], sharp, finer))


def affinity(early: FeaturesF32, sharpness: float = SHARPNESS) -> MapF32:
    """Say how much of what is passed on to a place comes from each place; rows sum to 1.

    Args:
        early: (D, h', w') features.
        sharpness: See ``sharpen``.

    Returns:
        (h' * w', h' * w') float32, 0 to 1.
    """
    places = early.reshape(len(early), -1)
    lengths = np.linalg.norm(places, axis=0)
    unit = places / np.where(lengths > 0, lengths, 1)
    alike = cast("MapF32", cv2.pow(np.maximum(unit.T @ unit, 0), sharpness))
    np.fill_diagonal(alike, 1)  # a place without features keeps what it has
    alike /= alike.sum(axis=1, keepdims=True)
    return alike
