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

from camstream.contract import DEFAULT_TOP_K
from camstream.errors import UsageError
from camstream.maps import cam as cams
from camstream.maps.boxes import BOX_RULES, BoxRule, boxes_of
from camstream.maps.smoothing import SETTINGS, Smoothed, Smoother, SmoothingLevel
from camstream.maps.trail import Trail
from camstream.maps.views import Decider, class_view, contrast_view, group_view

if TYPE_CHECKING:
    from camstream.contract import ModelInfo
    from camstream.frame import ClassMaps, Frame, Prediction, View
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
            self._decide = Decider(info)
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
            smoothed = self._smoother.update(frame.pts_s, prediction.image, prediction.scores, maps)
            best = best_views(self._decide(frame.pts_s, smoothed), smoothed, self._info)
            views = select_views(selection, smoothed, best)
            cam = _first(prediction.cam, min(DEFAULT_TOP_K, len(self._info.labels)))
            cam = dataclasses.replace(cam, cam_range=selection.cam_range or cam.cam_range)
            views[0] = self._with_trail(views[0], frame, smoothed, cam.cam_range)
            return with_boxes(
                dataclasses.replace(prediction, cam=cam, views=tuple(views)), selection, best=best
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

    def _with_trail(
        self, view: View, frame: Frame, smoothed: Smoothed, cam_range: tuple[float, float]
    ) -> View:
        seconds = self.selection.trail_s
        if seconds <= 0 or view.is_background:
            return view
        points = self._trail.add(
            view,
            frame,
            seconds=seconds,
            floor=cams.range_of(view, cam_range)[0],
            is_cut=smoothed.is_cut,
        )
        return dataclasses.replace(view, trail=points)


def with_boxes(
    prediction: Prediction, selection: Selection, *, best: Sequence[View] = ()
) -> Prediction:
    """Read boxes from what is displayed of a prediction, as the selection asks for them.

    Args:
        prediction: Of a frame.
        selection: Has the rule for boxes.
        best: The best classes, see ``boxes.boxes_of``.
    """
    boxes = boxes_of(
        prediction,
        selection.box_rule,
        floor=prediction.cam.cam_range[0],
        ratio=selection.box_threshold,
        best=best,
    )
    return dataclasses.replace(prediction, boxes=boxes, box_threshold=selection.box_threshold)


def best_views(main: View, smoothed: Smoothed, info: ModelInfo) -> list[View]:
    """Make the views of the best classes that have a map: the main one, then by score."""
    ranked = sorted(smoothed.maps, key=lambda index: -float(smoothed.scores[index]))
    others = [index for index in ranked if index != main.class_index]
    return [main, *(class_view(index, smoothed, info) for index in others)]


def select_views(selection: Selection, smoothed: Smoothed, best: Sequence[View]) -> list[View]:
    """Choose the views of a frame.

    Args:
        selection: What to display.
        smoothed: Scores of all classes, and the maps of those that were computed.
        best: The views of the best classes, from ``best_views``.

    Returns:
        At least one view: the best classes, then ``selection.classes``, then the contrast. Of
        several best classes each has its name, whatever its score: it was asked for.
    """
    views = list(best[: selection.top_k])
    if len(views) > 1 and views[0].state is None:
        views[0] = dataclasses.replace(views[0], is_sure=True)
    if selection.top_k == 1 and (selection.classes or selection.contrast is not None):
        views = []
    views += [group_view(group.label, group.indices, smoothed) for group in selection.classes]
    if selection.contrast is not None:
        sides = selection.contrast.sides
        first, second = (
            [group_view(side.label, side.indices, smoothed) for side in sides]
            if sides is not None
            else [*best, *best][:2]
        )
        views.append(contrast_view(first, second))
    return views


def _first(cam: ClassMaps, count: int) -> ClassMaps:
    """Keep the maps of the best classes: the others change from frame to frame."""
    return dataclasses.replace(
        cam,
        maps=cam.maps[:count],
        refined=None if cam.refined is None else cam.refined[:count],
        class_indices=cam.class_indices[:count],
        bias=cam.bias[:count],
    )
