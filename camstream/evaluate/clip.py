"""Measures how well a model localises objects in a clip, and how much label and heat flicker."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from rich.table import Table

from camstream.errors import SourceError
from camstream.evaluate import metrics
from camstream.evaluate.annotations import FrameGroundTruth
from camstream.evaluate.measure import CENTRE, centre_box
from camstream.frame import Frame
from camstream.maps import cam as cams
from camstream.maps.boxes import PAPER_RATIO, find_boxes, ratio_threshold
from camstream.maps.scene_cuts import SceneCutDetector
from camstream.maps.smoothing import Smoothed, Smoother, SmoothingLevel
from camstream.models.session import Model
from camstream.picture import MapF32

_BEST = tuple(range(-1, -6, -1))  # the five best classes, in the words of the model's contract


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipFigures:
    """The figures of a clip at one level of smoothing; shares are 0 to 1.

    Attributes:
        corloc: Share of objects whose box has an IoU of at least 0.5 with a true one: the box
            around the largest region over the threshold of the true class's map.
        pointing: Share of objects in whose box that map's peak lies.
        top1_accuracy: Share of objects for which the displayed label is right.
        heat_per_s: See ``metrics.Flicker``.
        labels_per_min: See ``metrics.Flicker``.
    """

    corloc: float
    pointing: float
    top1_accuracy: float
    heat_per_s: float
    labels_per_min: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CentreFigures:
    """The figures of a box in the middle of every frame, with half its area and its shape.

    Attributes:
        corloc: As ``ClipFigures.corloc``.
        pointing: Share of objects in whose box the frame's middle lies.
    """

    corloc: float
    pointing: float


ROWS = {
    "corloc": "CorLoc, {rule}",
    "pointing": "pointing game",
    "top1_accuracy": "right top-1 label",
    "heat_per_s": "flicker of the heat, a second",
    "labels_per_min": "label changes a minute",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipReport:
    """The result of the evaluation of a clip.

    Attributes:
        clip: Its name.
        model: The model's name.
        weights_sha256: Of the weights it was made from.
        frames: How many the clip has.
        ground_truths: How many pairs of a frame and a class there were to find.
        unknown_boxes: Boxes left out as the model has no such class.
        cuts: Frames with which a new scene begins, as ``camstream.maps.scene_cuts`` finds them.
        smoothing: The level of smoothing.
        figures: The figures at that level.
        centre: The centre-box baseline.
        refinement: What was done to the maps, see ``frame.ClassMaps``; empty: nothing.
        box_threshold: Where boxes end, as a part of a map's maximum.
    """

    clip: str
    model: str
    weights_sha256: str
    frames: int
    ground_truths: int
    unknown_boxes: int
    cuts: tuple[int, ...]
    smoothing: SmoothingLevel
    figures: ClipFigures
    centre: CentreFigures
    refinement: str
    box_threshold: float

    def to_dict(self) -> dict[str, object]:
        """Return plain values for JSON."""
        return dataclasses.asdict(self)


@dataclass(slots=True)
class _Tally:
    """The raw measures of every frame."""

    smoother: Smoother
    box_threshold: float
    ious: list[float] = field(default_factory=list)
    hits: list[bool] = field(default_factory=list)
    right: list[bool] = field(default_factory=list)
    maps: list[MapF32] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)

    def add(
        self, smoothed: Smoothed, frame_truths: Sequence[FrameGroundTruth], size_wh: tuple[int, int]
    ) -> None:
        """Compare the displayed values of a frame with its ground truth."""
        self.maps.append(smoothed.maps[smoothed.class_index])
        self.labels.append(smoothed.class_index)
        for truth_of_frame in frame_truths:
            fine = cams.enlarge(smoothed.maps[truth_of_frame.class_index])
            found = find_boxes(fine, size_wh, ratio_threshold(fine, self.box_threshold))[:1]
            self.ious.append(metrics.best_iou(found, truth_of_frame.truth))
            self.hits.append(metrics.is_hit(cams.find_peak(fine, size_wh).xy, truth_of_frame.truth))
            self.right.append(smoothed.class_index in truth_of_frame.accepted)


def measure_clip(
    frames: Iterable[Frame],
    frame_truths: dict[int, list[FrameGroundTruth]],
    model: Model,
    *,
    clip: str,
    unknown_boxes: int = 0,
    box_threshold: float = PAPER_RATIO,
    smoothing: SmoothingLevel = "default",
) -> ClipReport:
    """Predict every frame of a clip and compare what is displayed with the ground truth.

    Args:
        frames: Of the clip, all of them.
        frame_truths: Frame index to its ground truths; at least one.
        model: The model to measure.
        clip: The clip's name, for errors and the report.
        unknown_boxes: How many boxes were left out.
        box_threshold: Where boxes end, as a part of a map's maximum.
        smoothing: The level of smoothing.

    Raises:
        SourceError: The frames cannot be read, or boxes are of other frames than the clip's.
    """
    tally, detector = _Tally(Smoother(smoothing), box_threshold), SceneCutDetector()
    centre: list[tuple[float, bool]] = []
    # Smoothing needs the map of a class in every frame: so every true class is always mapped.
    true = {
        truth_of_frame.class_index for group in frame_truths.values() for truth_of_frame in group
    }
    best = _BEST[: len(model.info.labels)]
    times: list[float] = []
    cuts: list[bool] = []
    for frame in frames:
        prediction = model.infer(frame, classes=[*best, *sorted(true.union(tally.smoother.wanted))])
        maps = dict(
            zip(prediction.cam.class_indices.tolist(), prediction.cam.displayed, strict=True)
        )
        here = frame_truths.get(frame.index, [])
        _check_inside(here, frame, clip)
        smoothed = tally.smoother.update(frame.pts_s, prediction.image, prediction.scores, maps)
        tally.add(smoothed, here, frame.picture.size_wh)
        centre += [_try_centre(truth_of_frame, frame.picture.size_wh) for truth_of_frame in here]
        times.append(frame.pts_s)
        # Detected here as well: without smoothing, the smoother does not detect cuts.
        cuts.append(detector.is_cut(prediction.image) or smoothed.is_cut)
    if max(frame_truths) >= len(times):
        raise SourceError(
            f"{clip} has {len(times)} frames, but a box is of frame {max(frame_truths)}"
        )
    return ClipReport(
        clip=clip,
        model=model.info.name,
        weights_sha256=model.info.weights_sha256,
        frames=len(times),
        ground_truths=sum(len(group) for group in frame_truths.values()),
        unknown_boxes=unknown_boxes,
        cuts=tuple(index for index, is_cut in enumerate(cuts) if is_cut),
        smoothing=smoothing,
        figures=_sum_up(tally, times, cuts, model.info.cam_range),
        centre=CentreFigures(
            corloc=metrics.share_right(np.array([value for value, _ in centre])),
            pointing=float(np.mean([hit for _, hit in centre])),
        ),
        refinement=model.refinement,
        box_threshold=box_threshold,
    )


def _try_centre(truth_of_frame: FrameGroundTruth, size_wh: tuple[int, int]) -> tuple[float, bool]:
    """Return the IoU of the centre box, and whether the centre lies in a true box."""
    middle = size_wh[0] / 2, size_wh[1] / 2
    value = metrics.best_iou([centre_box(size_wh, 0.5)], truth_of_frame.truth)
    return value, metrics.is_hit(middle, truth_of_frame.truth)


def _check_inside(frame_truths: Sequence[FrameGroundTruth], frame: Frame, clip: str) -> None:
    width, height = frame.picture.size_wh
    for truth_of_frame in frame_truths:
        x0, y0 = truth_of_frame.truth[:, :2].max(axis=0)
        if x0 >= width or y0 >= height or truth_of_frame.truth[:, 2:].min() <= 0:
            raise SourceError(
                f"{clip} is {width}x{height}, but a box of frame {frame.index} lies outside: "
                "are the boxes in the pixels of another size?"
            )


def _sum_up(
    tally: _Tally, times: Sequence[float], cuts: Sequence[bool], cam_range: tuple[float, float]
) -> ClipFigures:
    flicker = metrics.measure_flicker(times, tally.maps, tally.labels, cuts, cam_range)
    return ClipFigures(
        corloc=metrics.share_right(np.array(tally.ious)),
        pointing=float(np.mean(tally.hits)),
        top1_accuracy=float(np.mean(tally.right)),
        heat_per_s=flicker.heat_per_s,
        labels_per_min=flicker.labels_per_min,
    )


def to_table(report: ClipReport) -> Table:
    """Make a table of the figures; shares in percent."""
    table = Table(box=None, pad_edge=False)
    table.add_column(f"{report.ground_truths} things in {report.frames} frames", no_wrap=True)
    table.add_column(f"smoothing {report.smoothing}", justify="right")
    table.add_column(CENTRE, justify="right")
    for name, title in ROWS.items():
        value = getattr(report.figures, name)
        is_share = name in ("corloc", "pointing", "top1_accuracy")
        baseline = getattr(report.centre, name, None)
        table.add_row(
            title.format(rule=f"{100 * report.box_threshold:g} % rule"),
            f"{100 * value:.1f} %" if is_share else f"{value:.3g}" if value else "0",
            "-" if baseline is None else f"{100 * baseline:.1f} %",
        )
    return table
