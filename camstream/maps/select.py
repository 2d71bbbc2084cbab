"""Chooses which maps of a frame are displayed, smooths them over time, and finds their boxes.

``MapSelector`` turns a Frame into a Prediction in the inference thread, between the model and the
drawing code. The raw values of the five best classes stay in the prediction, for the records. The
views are added: the best classes, the classes asked for by name, and the contrast of two classes,
each smoothed over time; then the boxes of the views.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from camstream.contract import DEFAULT_TOP_K
from camstream.errors import UsageError
from camstream.frame import ClassMaps, State, TrailPoint, View
from camstream.maps import cam as cams
from camstream.maps.boxes import BOX_RULES, BoxRule, boxes_of
from camstream.maps.smoothing import SETTINGS, Smoothed, Smoother, SmoothingLevel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from camstream.contract import ModelInfo
    from camstream.frame import Frame, Prediction
    from camstream.stages import Infer

MAX_TOP_K = 9


@dataclass(frozen=True, slots=True)
class ClassGroup:
    """One class, or several that go by one name.

    Attributes:
        label: What to call it.
        indices: Positions in the logits, at least one.
    """

    label: str
    indices: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Contrast:
    """The difference of two maps: evidence for the first class, minus that for the second.

    Attributes:
        sides: The two classes or groups; None takes the two best classes of each frame.
    """

    sides: tuple[ClassGroup, ClassGroup] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which maps are displayed, and how.

    Attributes:
        top_k: How many of the best classes have a view, 1 to 9. With 1, the best class has none
            where ``classes`` or ``contrast`` is given.
        classes: Classes or groups that always have a view, whatever scores best.
        contrast: Adds the view of a contrast.
        smoothing: The level of smoothing over time.
        trail_s: Length of the path of the main map's peak, seconds; 0 keeps none.
        decay_s: Time constant with which heat fades, seconds; 0 follows the map. See
            ``SmoothingSettings.decay_s``.
        box_rule: Which boxes are found, see ``boxes.boxes_of``; None is that function's default.
        box_threshold: Where boxes end, as a part of a map's maximum; None is the rule's own.
        cam_range: Map values (logit units) where heat begins and where it is full; None takes
            the model's own.

    Raises:
        UsageError: A value is out of its range.
    """

    top_k: int = 1
    classes: tuple[ClassGroup, ...] = ()
    contrast: Contrast | None = None
    smoothing: SmoothingLevel = "default"
    trail_s: float = 0.0
    decay_s: float = 0.0
    box_rule: BoxRule | None = None
    box_threshold: float | None = None
    cam_range: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.cam_range is not None and not self.cam_range[0] < self.cam_range[1]:
            low, high = self.cam_range
            raise UsageError(f"the range of heat begins below its end, not {low:g} to {high:g}")
        if self.box_rule is not None and self.box_rule not in BOX_RULES:
            raise UsageError(f"box_rule is one of {', '.join(BOX_RULES)}; not {self.box_rule!r}")
        if self.box_threshold is not None and not 0 < self.box_threshold < 1:
            raise UsageError(f"box_threshold is above 0 and below 1, not {self.box_threshold}")
        if not 1 <= self.top_k <= MAX_TOP_K:
            raise UsageError(f"top_k is 1 to {MAX_TOP_K}, not {self.top_k}")

    @property
    def indices(self) -> tuple[int, ...]:
        """The classes that need a map besides the best ones."""
        groups = [*self.classes]
        if self.contrast is not None and self.contrast.sides is not None:
            groups += self.contrast.sides
        return tuple(index for group in groups for index in group.indices)


class MapSelector:
    """Runs the model on each frame and adds views and boxes.

    Attributes:
        selection: May be replaced at any time, from any thread; used from the next frame on.
    """

    def __init__(self, infer: Infer, info: ModelInfo, selection: Selection) -> None:
        self._one_at_a_time = threading.Lock()
        self.replace(infer, info, selection)

    def replace(self, infer: Infer, info: ModelInfo, selection: Selection) -> None:
        """Use another model from the next frame on; smoothing starts anew."""
        with self._one_at_a_time:
            self.selection = selection
            self._infer = infer
            self._info = info
            self._smoother, self._smoothing_level = (
                self._smoother_for(selection),
                selection.smoothing,
            )
            self._trail = Trail()

    def __call__(self, frame: Frame) -> Prediction:
        """Predict a frame: the next one of its source, or the same one once more."""
        with self._one_at_a_time:
            selection = self.selection
            if selection.smoothing != self._smoothing_level:
                self._smoother, self._smoothing_level = (
                    self._smoother_for(selection),
                    selection.smoothing,
                )
            prediction = self._infer(frame, classes=self._classes(selection))
            maps = dict(
                zip(prediction.cam.class_indices.tolist(), prediction.cam.displayed, strict=True)
            )
            smoothed = self._smoother.update(
                frame.pts_s, prediction.image, softmax(prediction.logits), maps
            )
            views = select_views(selection, smoothed, self._info)
            cam = _first(prediction.cam, min(DEFAULT_TOP_K, len(self._info.labels)))
            return with_boxes(
                dataclasses.replace(
                    prediction,
                    cam=dataclasses.replace(cam, cam_range=selection.cam_range or cam.cam_range),
                    views=(self._with_trail(views[0], frame, smoothed), *views[1:]),
                ),
                selection,
            )

    def _smoother_for(self, selection: Selection) -> Smoother:
        settings = dataclasses.replace(SETTINGS[selection.smoothing], decay_s=selection.decay_s)
        if self._info.background is not None:
            # A label that is held would contradict the probability that stands beside it.
            settings = dataclasses.replace(settings, hold_s=0.0)
        return Smoother(settings)

    def _classes(self, selection: Selection) -> list[int] | None:
        more = sorted({*selection.indices, *self._smoother.wanted})
        if not more and selection.top_k <= DEFAULT_TOP_K:
            return None  # the model's own default
        count = min(max(DEFAULT_TOP_K, selection.top_k), len(self._info.labels))
        return [*range(-1, -count - 1, -1), *more]

    def _with_trail(self, view: View, frame: Frame, smoothed: Smoothed) -> View:
        seconds = self.selection.trail_s
        if seconds <= 0:
            return view
        points = self._trail.add(
            view,
            frame,
            seconds=seconds,
            floor=self._info.cam_range[0],
            is_cut=smoothed.is_cut,
        )
        return dataclasses.replace(view, trail=points)


def with_boxes(prediction: Prediction, selection: Selection) -> Prediction:
    """Read boxes from what is displayed of a prediction, as the selection asks for them."""
    boxes = boxes_of(
        prediction,
        selection.box_rule,
        floor=prediction.cam.cam_range[0],
        ratio=selection.box_threshold,
    )
    return dataclasses.replace(prediction, boxes=boxes, box_threshold=selection.box_threshold)


class Trail:
    """Remembers where the peak of the main map was."""

    def __init__(self) -> None:
        self._points: tuple[TrailPoint, ...] = ()
        self._label = ""
        self._is_broken = True

    def add(
        self, view: View, frame: Frame, *, seconds: float, floor: float, is_cut: bool
    ) -> tuple[TrailPoint, ...]:
        """Add a frame and return the points of the last seconds, oldest first."""
        now = frame.pts_s
        kept = [point for point in self._points if now - seconds <= point.pts_s < now]
        if is_cut or view.label != self._label:
            kept, self._is_broken = [], True
        self._label = view.label
        peak = cams.find_peak(cams.enlarge(view.cam), frame.picture.size_wh)
        if peak.value > floor:
            kept.append(TrailPoint(now, peak.xy, self._is_broken or not kept))
        self._is_broken = not peak.value > floor
        self._points = tuple(kept)
        return self._points


def select_views(selection: Selection, smoothed: Smoothed, info: ModelInfo) -> list[View]:
    """Choose the views of a frame.

    Args:
        selection: What to display.
        smoothed: Scores of all classes, and the maps of those that were computed.
        info: The model's record.

    Returns:
        At least one view: the best classes, then ``selection.classes``, then the contrast.
    """
    ranked = sorted(smoothed.maps, key=lambda index: -float(smoothed.scores[index]))
    best = [smoothed.class_index, *(index for index in ranked if index != smoothed.class_index)]
    views = [
        View(info.labels[index], float(smoothed.scores[index]), smoothed.maps[index], index)
        for index in best[: selection.top_k]
    ]
    views[0] = decided(views[0], smoothed.scores, info)
    if selection.top_k == 1 and (selection.classes or selection.contrast is not None):
        views = []
    views += [group_view(group.label, group.indices, smoothed) for group in selection.classes]
    if selection.contrast is not None:
        sides = selection.contrast.sides
        first, second = (
            [group_view(side.label, side.indices, smoothed) for side in sides]
            if sides is not None
            else [group_view(info.labels[index], (index,), smoothed) for index in (best * 2)[:2]]
        )
        views.append(contrast_view(first, second))
    return views


def group_view(label: str, indices: Sequence[int], smoothed: Smoothed) -> View:
    """Make the view of a group of classes.

    Its score is the sum of the classes' probabilities, its map the mean of their maps weighted by
    each class's share of that sum. These weights are the gradient of log(sum(exp(logits))) over the group, so the map stays in
    logit units, and that of one class is its own.
    """
    scores = np.array([smoothed.scores[index] for index in indices], np.float64)
    total = float(scores.sum())
    shares = scores / total if total > 0 else np.full(len(indices), 1 / len(indices))
    cam = np.tensordot(shares, np.stack([smoothed.maps[index] for index in indices]), 1)
    only = indices[0] if len(indices) == 1 else None
    return View(label, min(1.0, total), cam.astype(np.float32), only)


def contrast_view(first: View, second: View) -> View:
    """Make the view of a contrast: positive where there is more evidence for the first."""
    both = first.score + second.score
    score = first.score / both if both > 0 else 0.5
    return View(f"{first.label} against {second.label}", score, first.cam - second.cam)


def _first(cam: ClassMaps, count: int) -> ClassMaps:
    """Keep the maps of the best classes: the others change from frame to frame."""
    return dataclasses.replace(
        cam,
        maps=cam.maps[:count],
        refined=None if cam.refined is None else cam.refined[:count],
        class_indices=cam.class_indices[:count],
        bias=cam.bias[:count],
    )


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the softmax of the raw scores of all classes, (C,): probabilities that sum to 1."""
    scores: NDArray[np.float32] = np.exp(logits - logits.max())
    scores /= scores.sum()
    return scores


def decided(view: View, scores: NDArray[np.float32], info: ModelInfo) -> View:
    """Add the state to the view of the best class, where the model has a background class.

    Args:
        view: Of the best class.
        scores: (C,) probabilities of all classes.
        info: The model's record.
    """
    if info.background is None:
        return view
    nothing = float(scores[info.labels.index(info.background)])
    state = State(is_background=view.label == info.background, presence=1 - nothing)
    return dataclasses.replace(view, state=state)
