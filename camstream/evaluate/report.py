"""Sums up the results of photos: figures, as a table and as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich.table import Table

from camstream.evaluate import metrics
from camstream.evaluate.measure import CAM, PhotoResult
from camstream.maps.boxes import PAPER_RATIO


@dataclass(frozen=True, slots=True)
class Figures:
    """The accuracy of one method; shares, 0 to 1, None where one is not defined.

    Attributes:
        top1_error: Top-1 localisation error, see ``metrics.localisation_error``.
        top5_error: Top-5 localisation error, one box for each of the five best classes.
        five_box_error: Top-5 localisation error with the paper's five boxes.
        gt_known: Share right at IoU 0.5 (CorLoc), by the paper's 20 % rule unless another
            threshold was asked for.
        as_drawn: The same, without a box where the map is under the model's floor.
        max_box_acc: See ``metrics.max_box_acc``.
        best_threshold: Of the stretched map, where ``max_box_acc`` is reached.
        max_box_acc_v2: See ``metrics.max_box_acc_v2``.
        pointing: See ``metrics.is_hit``.
        px_ap: See ``metrics.px_ap``; only with masks.
    """

    top1_error: float | None
    top5_error: float | None
    five_box_error: float | None
    gt_known: float | None
    as_drawn: float | None
    max_box_acc: float
    best_threshold: float | None
    max_box_acc_v2: float
    pointing: float
    px_ap: float | None


ROWS = {
    "top1_error": "top-1 localisation error",
    "top5_error": "top-5 localisation error",
    "five_box_error": "  with the paper's five boxes",
    "gt_known": "GT-known (CorLoc), {rule}",
    "as_drawn": "  none under the floor",
    "max_box_acc": "MaxBoxAcc",
    "best_threshold": "  reached at threshold",
    "max_box_acc_v2": "MaxBoxAccV2",
    "pointing": "pointing game",
    "px_ap": "PxAP",
}


@dataclass(frozen=True, slots=True)
class Report:
    """The result of an evaluation.

    Attributes:
        model: The model's name.
        weights_sha256: Of the weights it was made from.
        refinement: What was done to the maps, see ``frame.ClassMaps``; empty: nothing.
        box_threshold: Where boxes end, see ``camstream.maps.boxes``.
        photos: How many photos were evaluated.
        ground_truths: How many pairs of a photo and a class.
        unknown_boxes: Boxes left out as the model has no such class.
        class_top1_error: Classification error.
        class_top5_error: The true class is none of the best five.
        under_floor: Objects whose map has nothing above the model's floor.
        ways: The map and the baselines; empty where no boxes are known.
    """

    model: str
    weights_sha256: str
    refinement: str
    box_threshold: float
    photos: int
    ground_truths: int
    unknown_boxes: int
    class_top1_error: float
    class_top5_error: float
    under_floor: int
    ways: dict[str, Figures]

    def to_dict(self) -> dict[str, object]:
        """Return the values for JSON."""
        return dataclasses.asdict(self)


def sum_up(
    results: Sequence[PhotoResult],
    *,
    model: str,
    weights_sha256: str,
    floor: float,
    unknown_boxes: int = 0,
    refinement: str = "",
    box_threshold: float = PAPER_RATIO,
) -> Report:
    """Compute every figure.

    Args:
        results: At least one.
        model: The model's name.
        weights_sha256: Of its weights.
        floor: Maps without a value above it have no box when they are drawn, logit units.
        unknown_boxes: How many boxes were left out.
        refinement: What was done to the maps.
        box_threshold: Where their boxes end.
    """
    ranks = np.array([result.rank for result in results], np.int64)
    drawn = np.array([result.peak > floor for result in results], np.bool_)
    return Report(
        model=model,
        weights_sha256=weights_sha256,
        refinement=refinement,
        box_threshold=box_threshold,
        photos=len({result.ground_truth.path for result in results}),
        ground_truths=len(results),
        unknown_boxes=unknown_boxes,
        class_top1_error=float((ranks >= 1).mean()),
        class_top5_error=float((ranks >= 5).mean()),
        under_floor=int((~drawn).sum()),
        ways={way: _figures(results, way, ranks, drawn) for way in results[0].localizations},
    )


def _figures(
    results: Sequence[PhotoResult],
    way: str,
    ranks: np.ndarray[tuple[int], np.dtype[np.int64]],
    drawn: np.ndarray[tuple[int], np.dtype[np.bool_]],
) -> Figures:
    localizations = [result.localizations[way] for result in results]
    ious = np.array([localization.iou for localization in localizations])
    five = np.array([localization.five_iou for localization in localizations])
    largest, every = np.stack([localization.curves for localization in localizations], axis=1)
    counts = [
        localization.pixels for localization in localizations if localization.pixels is not None
    ]
    has_rule = not np.isnan(ious).any()
    has_threshold = bool(np.ptp(largest, axis=1).any())
    best = int((largest >= metrics.IOU).mean(axis=0).argmax())
    return Figures(
        top1_error=metrics.localisation_error(ious, ranks, 1) if has_rule else None,
        top5_error=metrics.localisation_error(ious, ranks, 5) if has_rule else None,
        five_box_error=metrics.localisation_error(five, ranks, 5) if has_rule else None,
        gt_known=metrics.share_right(ious) if has_rule else None,
        as_drawn=metrics.share_right(ious * drawn) if way == CAM else None,
        max_box_acc=metrics.max_box_acc(largest),
        best_threshold=float(metrics.THRESHOLDS[best]) if has_threshold else None,
        max_box_acc_v2=metrics.max_box_acc_v2(every),
        pointing=float(np.mean([localization.hit for localization in localizations])),
        px_ap=metrics.px_ap(np.sum(counts, axis=0)) if counts else None,
    )


def to_table(report: Report) -> Table:
    """Lay the figures out; errors and shares in percent."""
    table = Table(box=None, pad_edge=False)
    table.add_column(f"{report.ground_truths} things in {report.photos} photos", no_wrap=True)
    for way in report.ways or ("",):
        table.add_column(way, justify="right")
    blanks = [""] * (len(report.ways) - 1)
    table.add_row("top-1 classification error", _percent(report.class_top1_error), *blanks)
    table.add_row("top-5 classification error", _percent(report.class_top5_error), *blanks)
    for name, title in ROWS.items():
        values = [getattr(figures, name) for figures in report.ways.values()]
        if any(value is not None for value in values):
            rule = f"{100 * report.box_threshold:g} % rule"
            table.add_row(title.format(rule=rule), *(_percent(value) for value in values))
    return table


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"
