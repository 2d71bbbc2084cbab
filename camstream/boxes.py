"""Boxes from class activation maps: where the thing is, in pixels of the frame.

The paper's rule (Zhou et al. 2016, section 3.2): keep the places above 20 % of the map's maximum
and take the box around the largest connected component. A map is enlarged first (``cam.enlarge``)
and thresholded then. A cell of the enlarged map covers a rectangle of the frame, and a box ends
where its outermost cells end, so it is exact for any aspect ratio.

Nothing is boxed on a map that has nothing above the floor, or the same value everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import cv2
import numpy as np

from camstream import cam as cams
from camstream.frame import TopClass
from camstream.threshold import PAPER_RATIO, Threshold, ratio_threshold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from camstream.frame import Pane, Prediction
    from camstream.picture import MapF32

BoxRule = Literal["largest", "all", "five"]
BOX_RULES: tuple[BoxRule, ...] = get_args(BoxRule)

LOOSE_RATIO, TIGHT_RATIO = 0.2, 0.4  # the paper names no figures for its tight and loose boxes


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of a frame.

    Attributes:
        xyxy: Left, top, right, bottom in pixels; (0, 0) is the top left corner of the first
            pixel, so a box around one pixel is 1 wide.
    """

    xyxy: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class ClassBox:
    """A box and the class whose map it was read from.

    Attributes:
        top: The class, with its label and score.
        box: Where.
    """

    top: TopClass
    box: Box


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
        The region of the most cells first. None where the map is constant: that is no place.
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


def pane_boxes(
    pane: Pane,
    prediction: Prediction,
    rule: BoxRule = "all",
    *,
    floor: float = 0.0,
    threshold: Threshold = ratio_threshold,
) -> tuple[ClassBox, ...]:
    """Read the boxes of what was decided with a model that has a background class.

    Args:
        pane: What was decided; its map, which is the calmed one, is boxed.
        prediction: That it is a part of.
        rule: "largest" or "all" regions; "five" boxes the paper's loose and tight ones of the
            pane's class alone.
        floor: See ``find_boxes``.
        threshold: See ``boxes_of``.

    Returns:
        As ``boxes_of``; none where it is the background.
    """
    if pane.class_index is None or pane.state is None or pane.state.is_background:
        return ()
    size_wh = prediction.frame.picture.size_wh
    logit = float(prediction.logits[pane.class_index])
    top = TopClass(pane.label, pane.class_index, pane.score, logit)
    fine = cams.enlarge(pane.cam)
    if rule == "five":
        levels = [ratio_threshold(fine, ratio) for ratio in five_ratios(0)]
        found = [find_boxes(fine, size_wh, level, floor=floor)[:1] for level in levels]
        return _named(top, [box for boxes in found for box in boxes])
    boxes = find_boxes(fine, size_wh, threshold(fine), floor=floor)
    return _named(top, boxes if rule == "all" else boxes[:1])


def five_ratios(rank: int) -> tuple[float, ...]:
    """Give the thresholds of the paper's five boxes for the class of a rank, counted from 0.

    A loose and a tight box for the first and the second class, a loose one for the third. The
    paper does not say how loose and how tight: here 20 % and 40 % of the map's maximum.

    Source: Zhou et al. 2016, section 3.2 (the test-set heuristic).
    """
    return {0: (LOOSE_RATIO, TIGHT_RATIO), 1: (LOOSE_RATIO, TIGHT_RATIO), 2: (LOOSE_RATIO,)}.get(
        rank, ()
    )


def boxes_of(
    prediction: Prediction,
    rule: BoxRule = "largest",
    *,
    floor: float = 0.0,
    threshold: Threshold = ratio_threshold,
) -> tuple[ClassBox, ...]:
    """Read the boxes of a prediction.

    Args:
        prediction: Its classes that have a map are looked at, the best first.
        rule: "largest" is the paper's rule on the best class; "all" boxes every component of
            that map; "five" is the paper's heuristic, see ``five_ratios``.
        floor: See ``find_boxes``; a model's own is ``info.cam_range[0]``.
        threshold: Of the rules "largest" and "all", see ``camstream.threshold``; "five" has two
            of its own.

    Returns:
        Boxes in pixels of the prediction's frame; those of one class are together, the loose
        before the tight. Empty where nothing is above the floor.
    """
    if rule not in BOX_RULES:
        raise ValueError(f"no rule {rule!r} for boxes; there are {', '.join(BOX_RULES)}")
    size_wh = prediction.frame.picture.size_wh
    cam = prediction.cam
    maps = dict(zip(cam.class_indices.tolist(), cam.shown, strict=True))
    found: list[ClassBox] = []
    for rank, top in enumerate(prediction.top):
        if top.class_index not in maps:
            continue
        fine = cams.enlarge(maps[top.class_index])
        if rule != "five":
            boxes = find_boxes(fine, size_wh, threshold(fine), floor=floor)
            return _named(top, boxes if rule == "all" else boxes[:1])
        for ratio in five_ratios(rank):
            boxes = find_boxes(fine, size_wh, ratio_threshold(fine, ratio), floor=floor)
            found += _named(top, boxes[:1])
    return tuple(found)


def _named(top: TopClass, boxes: Sequence[Box]) -> tuple[ClassBox, ...]:
    return tuple(ClassBox(top, box) for box in boxes)
