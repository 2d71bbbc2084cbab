"""What has evidence at a place of a frame: the classes whose maps are highest there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from camstream.errors import UsageError

if TYPE_CHECKING:
    from camstream.contract import ModelInfo
    from camstream.frame import ClassBox, Prediction
    from camstream.stages import Infer

_COUNT = 5


@dataclass(frozen=True, slots=True)
class Evidence:
    """A class that has evidence at a place.

    Attributes:
        label: The class's name.
        class_index: Its position in the logits.
        value: Of its map there, logit units.
    """

    label: str
    class_index: int
    value: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What has evidence at a place.

    Attributes:
        x: Of the place, from the frame's left edge, 0, to its right one, 1.
        y: From its upper edge, 0, to its lower one, 1.
        classes: Those whose maps are highest there, the highest first; only such whose heat would
            be drawn. Empty where no class has evidence.
        box: The smallest of the boxes around it, None where there is none.
    """

    x: float
    y: float
    classes: tuple[Evidence, ...] = ()
    box: ClassBox | None = None


def ask_at(prediction: Prediction, infer: Infer, info: ModelInfo, x: float, y: float) -> Answer:
    """Compute the maps of all classes of a frame, and compare them at a place.

    Args:
        prediction: Of the frame; its boxes and its range of heat count.
        infer: The model.
        info: What it says of itself; its background class is never evidence.
        x: See ``Answer``.
        y: See ``Answer``.

    Raises:
        UsageError: The place is not in the picture.
    """
    if not (0 <= x <= 1 and 0 <= y <= 1):
        raise UsageError(f"a place in the picture has x and y from 0 to 1, not {x:g} and {y:g}")
    indices = [n for n, label in enumerate(info.labels) if label != info.background]
    cam = infer(prediction.frame, classes=indices).cam
    rows, columns = cam.displayed.shape[1:]
    row, column = min(int(y * rows), rows - 1), min(int(x * columns), columns - 1)
    values = cam.displayed[:, row, column]
    floor = prediction.cam.cam_range[0]
    best = [k for k in np.argsort(-values, kind="stable")[:_COUNT] if values[k] > floor]
    numbers = [int(cam.class_indices[k]) for k in best]
    classes = tuple(
        Evidence(info.labels[number], number, float(values[k]))
        for k, number in zip(best, numbers, strict=True)
    )
    width, height = prediction.frame.picture.size_wh
    around = [found for found in prediction.boxes if _holds(found, x * width, y * height)]
    return Answer(x, y, classes, min(around, key=lambda found: found.box.area, default=None))


def _holds(found: ClassBox, x: float, y: float) -> bool:
    x0, y0, x1, y1 = found.box.xyxy
    return x0 <= x <= x1 and y0 <= y <= y1
