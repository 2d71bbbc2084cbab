"""How restless what is shown is: pure functions on a clip's maps and labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from camstream.picture import MapF32


@dataclass(frozen=True, slots=True)
class Flicker:
    """How restless a clip is.

    Attributes:
        heat_per_s: How far the heat of a cell moves up and down in a second, as the mean over
            all cells and frames; 1 is from no heat to full heat once. A steady movement counts
            the same at every frame rate; noise of each frame counts more the more frames there
            are, as it does to the eye.
        labels_per_min: How often the label changes in a minute.
    """

    heat_per_s: float
    labels_per_min: float


def measure_flicker(
    pts_s: Sequence[float],
    maps: Sequence[MapF32],
    labels: Sequence[int],
    cuts: Sequence[bool],
    cam_range: tuple[float, float],
) -> Flicker:
    """Measure the map and the label that are shown, frame by frame.

    Heat is (value - low) / (high - low), cut to 0 to 1: what is under the range is not seen, so
    it cannot flicker. Where the label changes, the map of another class is seen, and that change
    counts. From one scene to the next nothing counts, neither change nor time.

    Args:
        pts_s: (T,) media times, seconds, growing.
        maps: T maps (h, w) float32 of the label shown, logit units.
        labels: (T,) class indices shown.
        cuts: (T,) whether a new scene begins with the frame.
        cam_range: Map values at which heat begins and at which it is full.

    Returns:
        The figures; 0 where there are no two frames of one scene.
    """
    low, high = cam_range
    heat = [np.clip((np.nan_to_num(cam) - low) / (high - low), 0, 1) for cam in maps]
    moved = changes = seconds = 0.0
    for now in range(1, len(heat)):
        before = now - 1
        if not cuts[now] and heat[now].shape == heat[before].shape:
            moved += float(np.abs(heat[now] - heat[before]).mean())
            changes += labels[now] != labels[before]
            seconds += pts_s[now] - pts_s[before]
    if seconds <= 0:
        return Flicker(0.0, 0.0)
    return Flicker(moved / seconds, changes / seconds * 60)
