"""A second look at what the maps point to, where the first look at a whole frame is unsure.

Where is asked at twice the width and height, at which maps are twice as fine: from all classes
where they are few, else from the best five (``camstream.maps.zoom``). The part is then shown to the same
network at its usual size, and where that names it more surely, the frame has that name. Maps, boxes
and raw scores stay those of the whole frame, so that mean(cam) + bias = logit holds; what the second look
saw stands beside them.

Cost: nothing where the first look is sure; else five looks more, and another one where the new name's map
is not among those of the first.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from camstream.errors import UsageError
from camstream.frame import NAMED_FROM, SecondLook, View
from camstream.maps import zoom

if TYPE_CHECKING:
    from camstream.contract import ModelInfo
    from camstream.frame import Frame, Prediction

Look = Callable[["Frame", "Sequence[int] | None", int], "Prediction"]

_PLACE_SCALE = 2
_FEW_CLASSES = 64  # so many maps cost nothing


def suits(info: ModelInfo) -> bool:
    """Whether a model names things: one that tells one thing from a background only does not."""
    return info.background is None or len(info.labels) > 2


def check(info: ModelInfo) -> None:
    """Refuse a model that decides whether one thing is there.

    Raises:
        UsageError: It has a background class and one other: its thresholds are for whole pictures,
            and a part that looks like the thing can be found in any of them.
    """
    if not suits(info):
        raise UsageError(
            f"--zoom is for models that name things; {info.name} decides whether there is something or "
            f'"{info.background}", for whole pictures'
        )


def take(
    first: Prediction, look: Look, info: ModelInfo, classes: Sequence[int] | None
) -> Prediction:
    """Take a second look where the first one is unsure, or sees the background class.

    Args:
        first: The look at the whole frame.
        look: Looks at a frame and maps classes, as ``Model.infer`` does, at so many times its width and
            height.
        info: The model's record.
        classes: That were asked for in the first look.

    Returns:
        The prediction of the whole frame, with the second look; ``first`` where none was taken.
    """
    best = first.top[0]
    sees_nothing = best.label == info.background
    if best.score >= NAMED_FROM and not sees_nothing:
        return first
    picture = first.frame.picture
    few = list(range(len(info.labels))) if len(info.labels) <= _FEW_CLASSES else None
    place = look(first.frame, few, _PLACE_SCALE)
    box = zoom.crop_around(zoom.joined(place.cam.maps), picture.size_wh)
    infer_ms = first.infer_ms + place.infer_ms
    if box is None:
        return dataclasses.replace(first, infer_ms=infer_ms)
    left, top, right, bottom = (int(value) for value in box.xyxy)
    part = dataclasses.replace(
        first.frame, picture=picture.cropped((left, top, right, bottom)), prepared=None
    )
    second = look(part, None, 1)
    infer_ms += second.infer_ms
    needed = NAMED_FROM if sees_nothing else best.score
    is_surer = second.top[0].score > needed and second.top[0].label != info.background
    found = SecondLook(
        box=box,
        top=second.top,
        logits=second.logits,
        is_surer=is_surer,
    )
    if found.is_surer:
        name = found.top[0]
        mapped = first.cam.class_indices.tolist()
        if name.class_index not in mapped:
            first = look(first.frame, [*mapped, name.class_index], 1)
            infer_ms += first.infer_ms
        if classes is None and info.background is None:
            cam = first.cam.displayed[first.cam.class_indices.tolist().index(name.class_index)]
            is_sure = name.score >= NAMED_FROM
            view = View(name.label, name.score, cam, name.class_index, is_sure=is_sure)
            first = dataclasses.replace(first, views=(view,))
    return dataclasses.replace(first, second_look=found, infer_ms=infer_ms)
