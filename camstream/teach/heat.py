"""Chooses the map values at which heat begins and is full, from pictures of the classes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from camstream.picture import MapF32
from camstream.teach.fit import Layer


@dataclass(frozen=True, slots=True)
class HeatRule:
    """Where heat begins and where it is full.

    Attributes:
        quiet: Per cent of the peaks of a class in pictures without it that stay without heat.
        graded: Per cent of its peaks in pictures of it that are not fully hot.
        latest: Heat begins at this part of the full value even where more would be quiet, so
            that colours grade where the two meet.
    """

    quiet: float = 97.0
    graded: float = 50.0
    latest: float = 0.75


USUAL = HeatRule()


def peaks_of(maps: Iterable[MapF32], layer: Layer) -> NDArray[np.float64]:
    """Give the largest value of each class's map.

    Args:
        maps: (D, h, w) feature maps, one a picture.
        layer: The new last layer.

    Returns:
        (N, C) in logit units.
    """
    weight = layer.weight.astype(np.float32)
    return np.array(
        [(weight @ one.reshape(len(one), -1)).max(axis=1) for one in maps], np.float64
    ).reshape(-1, len(weight))


def choose_range(
    peaks: NDArray[np.float64],
    targets: Sequence[int] | NDArray[np.int64],
    background: int | None,
    rule: HeatRule = USUAL,
) -> tuple[float, float]:
    """Choose one range for all classes but the background.

    Heat begins above most of the peaks that a class's map has in pictures of other classes, so
    that what is not there stays dark; it is full at a percentile of its peaks in pictures of it,
    by default the median. Classes count alike.

    Args:
        peaks: (N, C) see ``peaks_of``.
        targets: (N,) the class of each picture.
        background: Its class, whose map is zero; None: there is none.
        rule: Which percentiles.

    Returns:
        Where heat begins and where it is full, logit units.
    """
    own = np.asarray(targets)
    lows, highs = [], []
    for index in range(peaks.shape[1]):
        if index == background or (own == index).all() or not (own == index).any():
            continue
        lows.append(float(np.percentile(peaks[own != index, index], rule.quiet)))
        highs.append(float(np.percentile(peaks[own == index, index], rule.graded)))
    high = max(float(np.median(highs)), 1e-3)
    low = min(max(float(np.median(lows)), 0.0), high * rule.latest)
    return _rounded(low), _rounded(high)


def _rounded(value: float) -> float:
    """Three digits are more than enough for a colour."""
    return float(f"{value:.3g}")
