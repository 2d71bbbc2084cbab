"""Compares what was seen in a clip with what it shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from export.demos.demo import BoxXyxy, Truth


@dataclass(frozen=True, slots=True)
class Seen:
    """What was made of a frame.

    Attributes:
        label: The top-1 class.
        peak_xy: The place of its map's largest value, pixels of the frame.
        peak: That value, logit units.
    """

    label: str
    peak_xy: tuple[float, float]
    peak: float


@dataclass(frozen=True, slots=True)
class Score:
    """How well the frames of a demo were understood.

    Attributes:
        frames: How many were scored.
        accuracy: Part of them with the right label.
        ground_truths: How many of them show a thing to find.
        on_thing: Part of those whose peak lies on it, whatever the label.
        near_thing: Part of those whose peak lies on it, or no more than a cell of the map away
            from it, across and along.
        off_px: (things, 2) float64: how far each of those peaks lies from the nearest thing,
            across and along, pixels of the frame; 0 where it lies on it.
        hot_background: Frames that show nothing, and still have heat.
    """

    frames: int
    accuracy: float
    ground_truths: int
    on_thing: float
    near_thing: float
    off_px: np.typing.NDArray[np.float64]
    hot_background: int


def score(
    seen: Sequence[Seen],
    truths: Sequence[Truth],
    *,
    background: str,
    floor: float,
    cell_px: float,
) -> Score:
    """Score frames; those without a true label are left out.

    Args:
        seen: What was made of each frame.
        truths: What each shows.
        background: The class that is nothing to be shown.
        floor: Map value where heat begins.
        cell_px: Side of a cell of the map, pixels of the frame.
    """
    pairs = [(s, t) for s, t in zip(seen, truths, strict=True) if t.label is not None]
    right = sum(s.label == t.label for s, t in pairs)
    ground_truths = [(s, t) for s, t in pairs if t.label != background]
    off = np.array([_off(s.peak_xy, t.boxes) for s, t in ground_truths]).reshape(-1, 2)
    hot = sum(s.peak > floor for s, t in pairs if t.label == background)
    on_thing, near_thing = (
        float((off <= limit).all(axis=1).mean()) if ground_truths else 0.0 for limit in (0, cell_px)
    )
    accuracy = right / max(1, len(pairs))
    return Score(len(pairs), accuracy, len(ground_truths), on_thing, near_thing, off, hot)


def _off(xy: tuple[float, float], boxes: Sequence[BoxXyxy]) -> tuple[float, float]:
    """How far a place lies outside the nearest box, across and along."""
    x, y = xy
    distances = [(max(x0 - x, 0.0, x - x1), max(y0 - y, 0.0, y - y1)) for x0, y0, x1, y1 in boxes]
    return min(distances, key=sum)
