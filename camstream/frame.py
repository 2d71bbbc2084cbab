"""The records that flow: Frame -> Prediction -> Annotated. Each holds the one before.

Words: ``frame`` is the record, ``picture`` its pixels, ``image`` a plain BGR array; ``cam`` is
the raw map in logit units, ``heatmap`` what is drawn of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from camstream.drawing.overlay import Style
    from camstream.picture import ImageU8, MapF32, Picture


NOT_SURE = "not sure"
# A best class with a lower score has no name: another one is likelier. Of 500 photos of ImageNet's
# classes, 15 scored less, and 12 of these were named wrongly (16 % of all are): tests/benchmarks/naming.py.
NAMED_FROM = 1 / 3


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of a source.

    Attributes:
        index: Counts the source's frames from 0; a gap means frames that were dropped.
        pts_s: Media time, seconds; for a live source seconds since its first frame.
        captured_s: ``time.perf_counter()`` when it arrived; for latency only.
        picture: The pixels.
        prepared: (H, W, 3) uint8 BGR, the same picture as the network takes it, where that was made
            already, see ``Model.prepare``; else None.
    """

    index: int
    pts_s: float
    captured_s: float
    picture: Picture
    prepared: ImageU8 | None = None


@dataclass(frozen=True, slots=True)
class TopClass:
    """One of the classes that score best in a frame.

    Attributes:
        label: The class's name.
        class_index: Its position in the logits.
        score: Softmax probability, 0 to 1, see ``Prediction.scores``.
        logit: Raw score.
    """

    label: str
    class_index: int
    score: float
    logit: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassMaps:
    """Raw class activation maps of one frame.

    Attributes:
        maps: (K, h, w) float32, logit units, any sign. Map k covers the whole picture in equal
            cells; a value belongs to its cell's centre. mean(maps[k]) + bias[k] is the logit.
        class_indices: (K,) int64, the class of each map.
        bias: (K,) float32, the classifier's bias of each class.
        cam_range: Map values (logit units) where heat begins and where it is full.
        method: How they were made, see ``ModelInfo.method``.
        refined: (K, h', w') float32, what ``camstream.graph.refine`` made of them: they say better where,
            but their mean is not the logit; None where it was not asked for.
        refinement: What was done to get these, in words; empty where nothing was.
        caveat: A warning to be written wherever they are displayed; empty for none.
    """

    maps: MapF32
    class_indices: NDArray[np.int64]
    bias: NDArray[np.float32]
    cam_range: tuple[float, float]
    method: str = "CAM"
    refined: MapF32 | None = None
    refinement: str = ""
    caveat: str = ""

    @property
    def displayed(self) -> MapF32:
        """The maps to draw and to read places from: the finer ones where there are any."""
        return self.maps if self.refined is None else self.refined


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of a frame.

    Attributes:
        xyxy: Left, top, right, bottom in pixels; (0, 0) is the top left corner of the first
            pixel, so a box around one pixel is 1 wide.
    """

    xyxy: tuple[float, float, float, float]

    @property
    def area(self) -> float:
        """In pixels."""
        x0, y0, x1, y1 = self.xyxy
        return (x1 - x0) * (y1 - y0)


@dataclass(frozen=True, slots=True)
class ClassBox:
    """A box, and the class, group or contrast whose map it was found in.

    Attributes:
        label: What it is called.
        score: Its probability, 0 to 1.
        class_index: Its position in the logits; None where it is not one class.
        box: Where.
    """

    label: str
    score: float
    class_index: int | None
    box: Box

    @property
    def key(self) -> int | str:
        """What tells it from others, see ``View.key``."""
        return self.label if self.class_index is None else self.class_index


@dataclass(frozen=True, slots=True)
class State:
    """The decision of a model with a background class: something is there, or nothing.

    Attributes:
        is_background: Whether it is that class (``ModelInfo.background``); then no heat is drawn.
        presence: Probability that it is any other class, 0 to 1.
    """

    is_background: bool
    presence: float


@dataclass(frozen=True, slots=True)
class View:
    """What is displayed of one class, group of classes or contrast.

    Attributes:
        label: What it is called.
        score: Probability, 0 to 1: of a class, of all classes of a group together, or of the
            first of two contrasted ones when only the two are weighed.
        cam: (h, w) float32, its map in logit units.
        class_index: Its position in the logits; None where it is not one class.
        trail: Where the map's peaks were, one path a thing, each oldest first.
        state: What was decided, where this is the best class of a model with a background class;
            None for any other model, and for what was asked for by name.
        is_sure: False for a best class whose score is too low to name it, and for a state that is
            little more than likely.
        is_contrast: Whether its map is the difference of two: evidence for the second is negative.
        is_asked: Whether it was asked for by name: then it is displayed whether it is there or not.
    """

    label: str
    score: float
    cam: MapF32
    class_index: int | None = None
    trail: tuple[TrailPoint, ...] = ()
    state: State | None = None
    is_sure: bool = True
    is_contrast: bool = False
    is_asked: bool = False

    @property
    def key(self) -> int | str:
        """What tells it from others: the class's position, as labels may be alike; else its label."""
        return self.label if self.class_index is None else self.class_index

    @property
    def name(self) -> str:
        """What it is called where it is shown: its label, "not sure" in place of one, or "person?"."""
        if self.is_sure:
            return self.label
        return NOT_SURE if self.state is None else f"{self.label}?"

    @property
    def is_background(self) -> bool:
        """Whether it was decided that nothing is there."""
        return self.state is not None and self.state.is_background


@dataclass(frozen=True, slots=True)
class TrailPoint:
    """Where a map's peak was.

    Attributes:
        pts_s: When, media time.
        xy: Pixels of the picture.
        is_start: Whether a path begins with it: it is not connected to the point before.
    """

    pts_s: float
    xy: tuple[float, float]
    is_start: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondLook:
    """What the network says of a part of a frame, where it was unsure of the whole.

    Attributes:
        box: The part, pixels of the frame.
        top: The best classes of the part, best first.
        logits: (C,) float32, the raw scores of the part.
        is_surer: Whether its best class scores higher than that of the whole frame; then names and
            scores are those of the part.
    """

    box: Box
    top: tuple[TopClass, ...]
    logits: NDArray[np.float32]
    is_surer: bool


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Prediction:
    """The result of the network for one frame.

    Attributes:
        frame: The frame it was computed from.
        top: The best classes, best first.
        cam: The maps, the top-1 class's first unless other classes were asked for.
        infer_ms: Time that inference took, resize included.
        image: (H, W, 3) uint8 BGR, what the network was given.
        logits: (C,) float32, the raw scores of all classes.
        views: What is displayed of it, see ``camstream.maps.select``; empty is the top-1 class.
        boxes: Where that is, in pixels of the frame, see ``camstream.maps.boxes``; computed
            whether or not they are drawn.
        box_threshold: Where boxes end, as a part of a map's maximum; None where the rule for
            boxes decides.
        temperature: See ``ModelInfo``.
        second_look: At a part of the frame, see ``camstream.models.second_look``; None where none was
            taken. ``top``, ``cam`` and ``logits`` are of the whole frame all the same.
    """

    frame: Frame
    top: tuple[TopClass, ...]
    cam: ClassMaps
    infer_ms: float
    image: ImageU8
    logits: NDArray[np.float32]
    views: tuple[View, ...] = ()
    boxes: tuple[ClassBox, ...] = ()
    box_threshold: float | None = None
    temperature: float = 1.0
    second_look: SecondLook | None = None

    @property
    def scores(self) -> NDArray[np.float32]:
        """The (C,) probabilities of all classes, which sum to 1: those that names are chosen by."""
        second = self.second_look
        logits = second.logits if second is not None and second.is_surer else self.logits
        return softmax(logits, self.temperature)

    def __repr__(self) -> str:
        """Say in one line what was seen, and where."""
        best, boxes = self.top[0], len(self.boxes)
        width, height = self.frame.picture.size_wh
        return (
            f"<camstream.Prediction {best.label!r} {best.score:.0%} in {width}x{height}, "
            f"{boxes} box{'' if boxes == 1 else 'es'}>"
        )

    def _repr_jpeg_(self) -> bytes:
        """Show it in a notebook: the picture with heatmap and label."""
        import cv2

        return cv2.imencode(".jpg", self.draw())[1].tobytes()

    @property
    def displayed(self) -> tuple[View, ...]:
        """What is displayed, at least one view; the first is the main one."""
        if self.views:
            return self.views
        best = self.top[0]
        cam, is_sure = self.cam.displayed[0], best.score >= NAMED_FROM
        return (View(best.label, best.score, cam, best.class_index, is_sure=is_sure),)

    @property
    def main(self) -> View | TopClass:
        """The best class as it is displayed; where classes were asked for by name, the model's own."""
        view = self.displayed[0]
        return self.top[0] if view.is_asked else view

    @property
    def presence(self) -> float:
        """Probability that what is displayed is present, 0 to 1.

        With a model that has a background class, the probability of any other class; else the
        highest score of the views.
        """
        views = self.displayed
        state = views[0].state
        return max(view.score for view in views) if state is None else state.presence

    def draw(self, style: Style | None = None) -> ImageU8:
        """Draw the heatmap and the label onto the frame's picture; no model is needed.

        Args:
            style: How, see ``camstream.Style``; None draws heat and label.

        Returns:
            (H, W, 3) uint8 BGR, a new image of the frame's size.
        """
        from camstream.drawing.overlay import Style, draw  # the one import against the order

        return draw(self, style or Style())


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotated:
    """A prediction and what was drawn of it.

    Attributes:
        prediction: What was drawn.
        picture: The picture with the overlay; the prediction's own is unchanged.
        source: What the source is called, where several are written together; else empty.
    """

    prediction: Prediction
    picture: Picture
    source: str = ""


def softmax(logits: NDArray[np.float32], temperature: float = 1.0) -> NDArray[np.float32]:
    """Return the softmax of the raw scores of all classes, (C,): probabilities that sum to 1.

    Args:
        logits: (C,).
        temperature: What they are divided by; above 1, the probabilities come closer together.
    """
    scores: NDArray[np.float32] = np.exp((logits - logits.max()) / np.float32(temperature))
    scores /= scores.sum()
    return scores
