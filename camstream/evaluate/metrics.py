"""Measures of localisation and flicker: pure functions, each with the source of its definition.

Boxes are (left, top, right, bottom) in pixels, areas without the "+ 1" of some benchmark code:
(0, 0) is the corner of the first pixel, and a box around one pixel is 1 wide.

Sources: Zhou et al., CVPR 2016 (the paper); Russakovsky et al., IJCV 2015 (ILSVRC); Choe et al.,
"Evaluating Weakly Supervised Object Localization Methods Right", CVPR 2020; Zhang et al.,
"Top-Down Neural Attention by Excitation Backprop", IJCV 2018.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from camstream.maps.boxes import regions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from camstream.frame import Box
    from camstream.picture import MapF32

F64 = NDArray[np.float64]

IOU = 0.5  # a box is right from here on (ILSVRC)
IOUS_V2 = (0.3, 0.5, 0.7)
THRESHOLDS: F64 = np.arange(100) / 100  # of the score maps, for the best one to be chosen from
_SCORE_BINS = 1000


def iou(first: F64, second: F64) -> F64:
    """Intersection over union.

    Args:
        first: (..., 4) boxes.
        second: (..., 4) boxes that broadcast with the first.

    Returns:
        (...) 0 to 1; 0 where both are empty.
    """
    sides = np.minimum(first[..., 2:], second[..., 2:]) - np.maximum(
        first[..., :2], second[..., :2]
    )
    common = np.clip(sides, 0, None).prod(axis=-1)
    union = _area(first) + _area(second) - common
    result: F64 = np.divide(common, union, out=np.zeros_like(common), where=union > 0)
    return result


def best_iou(found: Sequence[Box], truth: F64) -> float:
    """Return the best IoU of any found box with any true one; 0 if there is no box.

    Args:
        found: Boxes.
        truth: (G, 4) true boxes.
    """
    if not found:
        return 0.0
    boxes = np.array([box.xyxy for box in found], np.float64)
    return float(iou(boxes[:, np.newaxis], truth).max())


def share_right(ious: F64, at_iou: float = IOU) -> float:
    """Return the share of objects whose box has at least that IoU with a true one.

    Of boxes read from the map of the true class this is "localisation with known ground truth
    class" (GT-known), which for boxes of one class is also called CorLoc.

    Args:
        ious: (N,) best IoU of each object.
        at_iou: The IoU from which a box is right.
    """
    return float((ious >= at_iou).mean())


def localisation_error(ious: F64, ranks: NDArray[np.int64], k: int) -> float:
    """Top-k localisation error: neither of k guesses has the class and the place right.

    A guess is a class of the top k with the box from that class's own map. Only the guess of
    the true class can be right, so the IoU of its box and its rank decide.

    Args:
        ious: (N,) IoU of the box from the true class's map.
        ranks: (N,) rank of the true class among the best, counted from 0.
        k: 1 or 5.

    Source: ILSVRC, as used in the paper's tables 2 and 3.
    """
    return float(1 - ((ious >= IOU) & (ranks < k)).mean())


def max_box_acc(ious: F64, at_iou: float = IOU) -> float:
    """MaxBoxAcc: GT-known accuracy at the one threshold that is best for the whole set.

    Args:
        ious: (N, T) IoU of the box at each threshold; of the largest component in MaxBoxAcc.
        at_iou: The IoU from which a box is right.

    Source: Choe et al. 2020.
    """
    return float((ious >= at_iou).mean(axis=0).max())


def max_box_acc_v2(ious: F64) -> float:
    """MaxBoxAccV2: mean over IoU 0.3, 0.5 and 0.7, each at its own best threshold.

    Args:
        ious: (N, T) best IoU over the boxes of all components at each threshold.

    Source: the journal version of Choe et al. 2020 (arXiv 2007.04178).
    """
    return float(np.mean([max_box_acc(ious, at_iou) for at_iou in IOUS_V2]))


def normalise(score: MapF32) -> MapF32:
    """Stretch a map to 0 to 1, as Choe et al. 2020 do for every image; a constant one to 0."""
    low, high = float(score.min()), float(score.max())
    if not high > low:
        return np.zeros_like(score)
    return (score - low) / (high - low)


def box_curves(score: MapF32, size_wh: tuple[int, int], truth: F64) -> F64:
    """Measure the boxes of one score map at every threshold.

    Args:
        score: (H', W') float32, 0 to 1, over the whole photo; a cell is kept from the threshold
            on.
        size_wh: Width and height of the photo, pixels.
        truth: (G, 4) true boxes.

    Returns:
        (2, T): best IoU with any true box, of the largest component and of all components.
    """
    found = [regions(score >= threshold, size_wh) for threshold in THRESHOLDS]
    return curves_of(found, truth)


def curves_of(found: Sequence[Sequence[Box]], truth: F64) -> F64:
    """Like ``box_curves``, for the boxes found at each threshold, the largest region first."""
    curves = np.zeros((2, len(found)))
    filled = [step for step, boxes in enumerate(found) if boxes]
    if filled:
        corners = np.array([box.xyxy for step in filled for box in found[step]], np.float64)
        ious = iou(corners[:, np.newaxis], truth).max(axis=1)
        starts = np.cumsum([0] + [len(found[step]) for step in filled[:-1]])
        curves[:, filled] = ious[starts], np.maximum.reduceat(ious, starts)
    return curves


def is_hit(xy: tuple[float, float], truth: F64) -> bool:
    """Pointing game: whether the map's peak lies in a true box, with no tolerance.

    Zhang et al. 2018 allow 15 pixels and average over classes; here it is the share of objects.

    Args:
        xy: The peak, pixels.
        truth: (G, 4) true boxes.
    """
    x, y = xy
    inside = (truth[:, 0] <= x) & (x <= truth[:, 2]) & (truth[:, 1] <= y) & (y <= truth[:, 3])
    return bool(inside.any())


def pixel_counts(score: MapF32, mask: NDArray[np.int8]) -> NDArray[np.int64]:
    """Count a photo's pixels by score, for ``px_ap``.

    Args:
        score: (H', W') float32, 0 to 1.
        mask: (H', W') 1 object, 0 background, -1 ignored.

    Returns:
        (2, bins): of the background and of the object, from the lowest score to the highest.
    """
    bins = np.minimum((score.astype(np.float64) * _SCORE_BINS).astype(np.int64), _SCORE_BINS)
    counts = [np.bincount(bins[mask == kind], minlength=_SCORE_BINS + 1) for kind in (0, 1)]
    return np.array(counts, np.int64)


def px_ap(counts: NDArray[np.int64]) -> float:
    """PxAP: area under precision and recall of pixels, all photos' pixels taken together.

    sum over thresholds, high to low, of precision * (recall - recall before). The thresholds
    are 0.001 apart. It needs true masks: a box is none.

    Args:
        counts: (2, bins) sum of ``pixel_counts``; at least one pixel is of an object.

    Source: Choe et al. 2020, and the benchmark's code.
    """
    background, objects = counts[:, ::-1].cumsum(axis=1)
    recall = np.diff(objects / objects[-1], prepend=0.0)
    kept = background + objects
    precision = np.divide(objects, kept, out=np.zeros(kept.shape), where=kept > 0)
    return float((precision * recall).sum())


def _area(boxes: F64) -> F64:
    result: F64 = np.clip(boxes[..., 2:] - boxes[..., :2], 0, None).prod(axis=-1)
    return result


@dataclass(frozen=True, slots=True)
class Flicker:
    """How much the heat and the label of a clip flicker.

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
    """Measure the flicker of the displayed maps and labels.

    Heat is (value - low) / (high - low), clipped to 0 to 1: values under the range are not
    displayed, so they cannot flicker. Where the label changes, the map of another class is
    displayed, and that change counts. At a scene cut nothing counts, neither change nor time.

    Args:
        pts_s: (T,) media times, seconds, growing.
        maps: T maps (h, w) float32 of the displayed label, logit units.
        labels: (T,) displayed class indices.
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
