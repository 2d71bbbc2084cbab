"""What a demo is, the ground truth of its clip, and the score of the annotated clip."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from camstream.picture import ImageU8, Picture
from camstream.sinks.encoding import Encoding
from camstream.sinks.video import VideoFile
from export.train.recipe import Recipe

if TYPE_CHECKING:
    from pathlib import Path

    from export.train.examples import Examples

RATE_HZ = 30
SIZE_WH = (640, 480)  # of a clip

BoxXyxy = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class GroundTruth:
    """What a frame shows.

    Attributes:
        label: Its class; None where it lies between two classes and is not scored.
        boxes: The objects: left, top, right, bottom in pixels of the frame. The peak of the map
            belongs into one of them. Empty where there is no object.
    """

    label: str | None
    boxes: tuple[BoxXyxy, ...] = ()


@dataclass(frozen=True, slots=True)
class Sets:
    """A demo's training, validation and test images, which have nothing in common."""

    train: Examples
    validation: Examples
    test: Examples


@dataclass(frozen=True, slots=True)
class Detection:
    """The model's output for a frame.

    Attributes:
        label: The top-1 class.
        peak_xy: The position of its map's largest value, pixels of the frame.
        peak: That value, logit units.
    """

    label: str
    peak_xy: tuple[float, float]
    peak: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How well the frames of a clip were classified, and the objects located.

    Attributes:
        frames: The number of scored frames.
        accuracy: Share of them with the right label.
        object_frames: The number of them with an object.
        on_object: Share of those whose peak lies on an object, whatever the label.
        near_object: Share of those whose peak lies on an object, or at most one cell of the map
            away from it, across and along.
        off_px: (object_frames, 2) float64: distance of each of those peaks from the nearest
            object, across and along, pixels of the frame; 0 where it lies on one.
        hot_background: The number of frames without an object that have heat.
    """

    frames: int
    accuracy: float
    object_frames: int
    on_object: float
    near_object: float
    off_px: NDArray[np.float64]
    hot_background: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """One demonstration.

    Attributes:
        name: Its name.
        labels: Its classes.
        background: The negative (background) class.
        network: One of ``export.networks``.
        recipe: The settings of the training.
        sets: Draws its images.
        scenes: Draws its clip, frame by frame.
        object_name: The object to be found, with its article.
        more_figures: Describes in lines what else the clip's score means.
    """

    name: str
    labels: tuple[str, ...]
    background: str
    network: str
    recipe: Recipe
    sets: Callable[[], Sets]
    scenes: Callable[[], Iterator[tuple[ImageU8, GroundTruth]]]
    object_name: str
    more_figures: Callable[[Score], list[str]] = lambda _: []

    def figures(self, score: Score) -> list[str]:
        """Describe a clip's score in lines."""
        return [
            f"the clip: {score.accuracy:.1%} of {score.frames} frames classified correctly",
            f"the peak of the map is on {self.object_name} in {score.on_object:.1%} of "
            f"{score.object_frames} frames, and within one cell of it in {score.near_object:.1%}",
            *self.more_figures(score),
            f"{score.hot_background} frames without {self.object_name} have heat",
        ]


def write_clip(scenes: Iterator[tuple[ImageU8, GroundTruth]], path: Path) -> list[GroundTruth]:
    """Encode a demo's clip.

    Args:
        scenes: Frames and the ground truth of each.
        path: The file to write; an existing one is replaced.

    Returns:
        The ground truth, frame by frame.

    Raises:
        SinkError: It cannot be written.
    """
    encoding = Encoding(quality=14)
    file = VideoFile(path, encoding=encoding, overwrite=True, rate_hz=RATE_HZ)
    truths = []
    try:
        for index, (image, truth) in enumerate(scenes):
            picture = Picture.from_bgr(image)
            frame = picture.video_frame
            frame.pts, frame.time_base = index, Fraction(1, RATE_HZ)
            file.write_picture(picture)
            truths.append(truth)
        file.finish()
    except BaseException:
        file.discard()
        raise
    return truths


def score(
    detections: Sequence[Detection],
    truths: Sequence[GroundTruth],
    *,
    background: str,
    floor: float,
    cell_px: float,
) -> Score:
    """Compare detections with the ground truth; frames without a true label are left out.

    Args:
        detections: The model's output for each frame.
        truths: What each frame shows.
        background: The negative (background) class.
        floor: Map value where heat begins.
        cell_px: Side of a cell of the map, pixels of the frame.
    """
    pairs = [(d, t) for d, t in zip(detections, truths, strict=True) if t.label is not None]
    right = sum(d.label == t.label for d, t in pairs)
    with_object = [(d, t) for d, t in pairs if t.label != background]
    off = np.array([_off(d.peak_xy, t.boxes) for d, t in with_object]).reshape(-1, 2)
    on_object, near_object = (
        float((off <= limit).all(axis=1).mean()) if with_object else 0.0 for limit in (0, cell_px)
    )
    return Score(
        frames=len(pairs),
        accuracy=right / max(1, len(pairs)),
        object_frames=len(with_object),
        on_object=on_object,
        near_object=near_object,
        off_px=off,
        hot_background=sum(d.peak > floor for d, t in pairs if t.label == background),
    )


def _off(xy: tuple[float, float], boxes: Sequence[BoxXyxy]) -> tuple[float, float]:
    """Compute how far a position lies outside the nearest box, across and along."""
    x, y = xy
    distances = [(max(x0 - x, 0.0, x - x1), max(y0 - y, 0.0, y - y1)) for x0, y0, x1, y1 in boxes]
    return min(distances, key=sum)
