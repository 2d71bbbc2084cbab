"""A second look at what the maps point to, where the first look at a whole frame is unsure.

A small thing is found by the maps of the best classes even where they name it wrongly
(``camstream.maps.zoom``). The part around it is shown to the same network, and where that names it
more surely, the frame has that name. Maps, boxes and raw scores stay those of the whole frame, so
that mean(cam) + bias = logit holds; what the second look saw stands beside them.

Cost: nothing where the first look is sure; else one look more, and another one where the new name's
map is not among those of the first.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from camstream.errors import UsageError
from camstream.frame import NAMED_FROM, SecondLook, View
from camstream.maps import zoom

if TYPE_CHECKING:
    from camstream.frame import Frame, Prediction
    from camstream.models.session import Model

Look = Callable[["Frame", "Sequence[int] | None"], "Prediction"]


def check(model: Model) -> None:
    """Refuse a model that decides whether something is there at all.

    Raises:
        UsageError: It has a background class: its thresholds are for whole pictures, and a part
            that looks like something can be found in any of them.
    """
    info = model.info
    if info.background is not None:
        raise UsageError(
            f"--zoom is for models that name things; {info.name} decides whether there is something or "
            f'"{info.background}", for whole pictures'
        )


def take(first: Prediction, look: Look, classes: Sequence[int] | None) -> Prediction:
    """Take a second look where the first one is unsure.

    Args:
        first: The look at the whole frame.
        look: Looks at a frame and maps classes, as ``Model.infer`` does.
        classes: That were asked for in the first look.

    Returns:
        The prediction of the whole frame, with the second look; ``first`` where none was taken.
    """
    if first.top[0].score >= zoom.UNSURE_UNDER:
        return first
    picture = first.frame.picture
    # Maps that were asked for by name say nothing of what is there; one of them may be negative.
    best = {top.class_index for top in first.top}
    chosen = [index in best for index in first.cam.class_indices.tolist()]
    if not any(chosen):
        return first
    box = zoom.crop_around(zoom.joined(first.cam.maps[chosen]), picture.size_wh)
    if box is None:
        return first
    left, top, right, bottom = (int(value) for value in box.xyxy)
    part = dataclasses.replace(
        first.frame, picture=picture.cropped((left, top, right, bottom)), prepared=None
    )
    second = look(part, None)
    found = SecondLook(
        box=box,
        top=second.top,
        logits=second.logits,
        is_surer=second.top[0].score > first.top[0].score,
    )
    infer_ms = first.infer_ms + second.infer_ms
    if found.is_surer:
        name = found.top[0]
        mapped = first.cam.class_indices.tolist()
        if name.class_index not in mapped:
            first = look(first.frame, [*mapped, name.class_index])
            infer_ms += first.infer_ms
        if classes is None:
            cam = first.cam.displayed[first.cam.class_indices.tolist().index(name.class_index)]
            is_sure = name.score >= NAMED_FROM
            view = View(name.label, name.score, cam, name.class_index, is_sure=is_sure)
            first = dataclasses.replace(first, views=(view,))
    return dataclasses.replace(first, second_look=found, infer_ms=infer_ms)
