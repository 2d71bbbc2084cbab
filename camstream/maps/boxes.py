"""Boxes from class activation maps, in pixels of the frame.

The paper's rule (Zhou et al. 2016, section 3.2): keep the places above 20 % of the map's maximum
and take the box around the largest connected component. A map is enlarged first (``cam.enlarge``)
and thresholded then. A cell of the enlarged map covers a rectangle of the frame, and a box ends
where its outermost cells end, so it is exact for any aspect ratio.

Nothing is boxed on a map that has nothing above the floor, or the same value everywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import cv2
import numpy as np

from camstream.errors import UsageError
from camstream.frame import Box, ClassBox, View
from camstream.maps import cam as cams

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from camstream.frame import Prediction
    from camstream.picture import MapF32

BoxRule = Literal["largest", "all", "five"]
BOX_RULES: tuple[BoxRule, ...] = get_args(BoxRule)

PAPER_RATIO = 0.2
LOOSE_RATIO, TIGHT_RATIO = 0.2, 0.4  # the paper names no figures for its tight and loose boxes
APART_RATIO = 0.35  # parts what stands side by side; chosen on videos/people.csv


def ratio_threshold(fine: MapF32, ratio: float = PAPER_RATIO) -> float:
    """Return the value at a part of the map's maximum; negative values count as no evidence.

    Args:
        fine: (H', W') float32, logit units.
        ratio: 0 to 1.

    Source: Zhou et al. 2016, section 3.2, with 0.2.
    """
    return max(0.0, float(fine.max())) * ratio


def find_boxes(
    fine: MapF32, size_wh: tuple[int, int], threshold: float, *, floor: float = 0.0
) -> list[Box]:
    """Find the box around every connected region above a threshold.

    Args:
        fine: (H', W') float32 that covers the whole frame, logit units.
        size_wh: Width and height of the frame, pixels.
        threshold: Cells above it are kept; neighbours by side or corner are connected.
        floor: A map without a value above it has no boxes.

    Returns:
        The largest region first; empty where the map is constant or not above the floor.
    """
    peak = float(fine.max())
    if peak <= floor or peak == float(fine.min()):
        return []
    return regions(fine > threshold, size_wh)


def regions(mask: NDArray[np.bool_], size_wh: tuple[int, int]) -> list[Box]:
    """Box the 8-connected regions of a mask that covers the whole frame, the largest first.

    Args:
        mask: (H', W') bool.
        size_wh: Width and height of the frame, pixels.
    """
    rows, columns = mask.shape
    stats = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)[2][1:]
    ordered = stats[np.argsort(-stats[:, cv2.CC_STAT_AREA], kind="stable")]
    x_px, y_px = size_wh[0] / columns, size_wh[1] / rows
    return [
        Box((left * x_px, top * y_px, (left + width) * x_px, (top + height) * y_px))
        for left, top, width, height, _ in ordered.tolist()
    ]


def largest_box(
    cam: MapF32, size_wh: tuple[int, int], *, ratio: float = PAPER_RATIO, floor: float = 0.0
) -> Box | None:
    """Find the box of one raw map by the paper's rule.

    Args:
        cam: (h, w) float32, logit units, any sign.
        size_wh: Width and height of the frame, pixels.
        ratio: Part of the map's maximum, 0 to 1.
        floor: See ``find_boxes``.

    Source: Zhou et al. 2016, section 3.2.
    """
    fine = cams.enlarge(cam)
    found = find_boxes(fine, size_wh, ratio_threshold(fine, ratio), floor=floor)
    return found[0] if found else None


def five_ratios(rank: int) -> tuple[float, ...]:
    """Return the thresholds of the paper's five boxes for the class of a rank, counted from 0.

    A loose and a tight box for the first and the second class, a loose one for the third. The
    paper does not say how loose and how tight: here 20 % and 40 % of the map's maximum.

    Source: Zhou et al. 2016, section 3.2 (the test-set heuristic).
    """
    return {0: (LOOSE_RATIO, TIGHT_RATIO), 1: (LOOSE_RATIO, TIGHT_RATIO), 2: (LOOSE_RATIO,)}.get(
        rank, ()
    )


def boxes_of(
    prediction: Prediction,
    rule: BoxRule | None = None,
    *,
    floor: float = 0.0,
    ratio: float | None = None,
    best: Sequence[View] = (),
) -> tuple[ClassBox, ...]:
    """Find the boxes of the displayed views of a prediction.

    Args:
        prediction: Its views are read in their order; a view of the background class has no
            boxes.
        rule: "largest" is the paper's rule on the map of each view, "all" boxes every region of
            it. "five" is the paper's heuristic on the maps of the best classes, see
            ``five_ratios``. None is "largest"; where a model has a background class it is "all"
            at ``APART_RATIO``, above the floor and no smaller than a cell of the raw map, so
            that each thing has its own box.
        floor: See ``find_boxes``; a model's own is ``info.cam_range[0]``. That of a contrast is
            where its heat begins.
        ratio: Where a box ends, as a part of its map's maximum, above 0 and below 1; None: 20 %
            (or ``APART_RATIO``). "five" has two of its own.
        best: The views that "five" takes, the best one first, with the scores that are displayed;
            empty are the prediction's best classes, as the model scored them.

    Returns:
        Boxes in pixels of the prediction's frame; those of one map are together, the loose
        before the tight. Empty where nothing is above the floor.
    """
    if rule is not None and rule not in BOX_RULES:
        raise UsageError(f"no rule {rule!r} for boxes; there are {', '.join(BOX_RULES)}")
    views = [view for view in prediction.displayed if not view.is_background]
    if rule == "five":
        return _five(prediction, best or _raw_views(prediction), floor) if views else ()
    size_wh = prediction.frame.picture.size_wh
    found = []
    for view in views:
        fine = cams.enlarge(view.cam)
        lowest = cams.range_of(view, prediction.cam.cam_range)[0] if view.is_contrast else floor
        is_apart = rule is None and view.state is not None
        level = ratio_threshold(fine, ratio or (APART_RATIO if is_apart else PAPER_RATIO))
        level = max(level, lowest) if is_apart else level
        boxes = find_boxes(fine, size_wh, level, floor=lowest)
        if is_apart:  # nothing smaller than a cell of the raw map can be found by it
            cell_px = size_wh[0] * size_wh[1] / prediction.cam.maps[0].size
            boxes = [box for box in boxes if box.area >= cell_px]
        elif rule != "all":
            boxes = boxes[:1]
        found += [ClassBox(view.label, view.score, view.class_index, box) for box in boxes]
    return tuple(found)


def _five(prediction: Prediction, best: Sequence[View], floor: float) -> tuple[ClassBox, ...]:
    size_wh = prediction.frame.picture.size_wh
    found = []
    for rank, view in enumerate(best):
        for ratio in five_ratios(rank):
            box = largest_box(view.cam, size_wh, ratio=ratio, floor=floor)
            if box is not None:
                found.append(ClassBox(view.label, view.score, view.class_index, box))
    return tuple(found)


def _raw_views(prediction: Prediction) -> list[View]:
    cam = prediction.cam
    maps = dict(zip(cam.class_indices.tolist(), cam.displayed, strict=True))
    return [
        View(top.label, top.score, maps[top.class_index], top.class_index)
        for top in prediction.top
        if top.class_index in maps
    ]
