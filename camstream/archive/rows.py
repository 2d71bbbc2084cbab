"""The row of a frame: what the model said of this frame alone, and the one decision with a memory.

Nothing here is smoothed over time. So a row depends on its frame only, and the parts of a long
video have the rows that the whole video has. What does depend on the frames before, whether
something is present, is decided by ``Decided`` when the rows of all parts follow each other.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from camstream.contract import DEFAULT_TOP_K
from camstream.frame import State
from camstream.maps import cam as cams
from camstream.maps.presence import PresenceRule, Switch
from camstream.maps.select import Selection, best_views, select_views, with_boxes
from camstream.maps.smoothing import Smoothed
from camstream.maps.views import background_index, class_view

if TYPE_CHECKING:
    from camstream.contract import ModelInfo
    from camstream.frame import ClassBox, Frame, Prediction, View
    from camstream.models.session import Model

Row = dict[str, Any]

# Only in the rows of parts: what a row says where it is decided that nothing is there.
ABSENT = ("absent_label", "absent_index", "absent_score", "absent_logit")


class Look:
    """Looks at frames with a model: a frame in, a prediction with raw views and boxes out.

    The first view is that of the best class; of a model with a background class that of the best
    other class, which is what is shown where something is present. Then come the classes that were
    asked for. The boxes are those of the latter, where there are any.
    """

    def __init__(self, model: Model, selection: Selection) -> None:
        """Take a model.

        Args:
            model: The model.
            selection: Has the classes asked for and the rule for boxes.
        """
        self._model, self._selection = model, selection
        self._background = background_index(model.info)
        more = sorted(set(selection.indices))
        count = min(DEFAULT_TOP_K, len(model.info.labels))
        self._classes = [*range(-1, -count - 1, -1), *more] if more else None

    def __call__(self, frame: Frame) -> Prediction:
        """Look at one frame."""
        prediction = self._model.infer(frame, classes=self._classes)
        cam, info = prediction.cam, self._model.info
        maps = dict(zip(cam.class_indices.tolist(), cam.displayed, strict=True))
        scores = prediction.scores
        best = max(maps, key=lambda index: float(scores[index]))
        smoothed = Smoothed(scores, maps, best, False)
        ranked = best_views(self._main(smoothed, info), smoothed, info)
        chosen = select_views(self._selection, smoothed, ranked)
        raw = dataclasses.replace(prediction, views=tuple(chosen))
        boxed = with_boxes(raw, self._selection, best=ranked)
        asked = chosen if self._selection.classes else []
        return dataclasses.replace(boxed, views=(ranked[0], *asked))

    def _main(self, smoothed: Smoothed, info: ModelInfo) -> View:
        if self._background is None:
            return class_view(smoothed.class_index, smoothed, info)
        others = [index for index in smoothed.maps if index != self._background]
        best = max(others, key=lambda index: float(smoothed.scores[index]))
        presence = 1 - float(smoothed.scores[self._background])
        state = State(is_background=False, presence=presence)
        return dataclasses.replace(class_view(best, smoothed, info), state=state)


def to_row(prediction: Prediction, info: ModelInfo) -> Row:
    """Return the row of a frame as it is before the decision.

    Args:
        prediction: From ``Look``.
        info: Of the model.
    """
    main, *asked = prediction.views
    assert main.class_index is not None  # it is one class
    size_wh = prediction.frame.picture.size_wh
    peak = cams.find_peak(cams.enlarge(main.cam), size_wh)
    row: Row = {
        "index": prediction.frame.index,
        "pts_s": prediction.frame.pts_s,
        "label": safe(main.label),
        "class_index": main.class_index,
        "score": main.score,
        "logit": float(prediction.logits[main.class_index]),
        "top": [
            {"label": safe(top.label), "class_index": top.class_index, "score": top.score}
            for top in prediction.top
        ],
        "presence": None if main.state is None else main.state.presence,
        "presence_label": None if main.state is None else safe(main.label),
        "peak_x": peak.xy[0],
        "peak_y": peak.xy[1],
        "peak": peak.value,
        "area": cams.find_area(main.cam),
        "width": size_wh[0],
        "height": size_wh[1],
        "boxes": [_box(found) for found in prediction.boxes],
        "asked": [
            {"label": safe(view.label), "class_index": view.class_index, "score": view.score}
            for view in asked
        ],
    }
    background = background_index(info)
    if background is not None:
        score = float(prediction.scores[background])
        values = (
            safe(info.background or ""),
            background,
            score,
            float(prediction.logits[background]),
        )
        row.update(zip(ABSENT, values, strict=True))
    return row


def _box(found: ClassBox) -> Row:
    x0, y0, x1, y1 = found.box.xyxy
    return {
        "label": safe(found.label),
        "class_index": found.class_index,
        "score": found.score,
        "x0": x0,
        "y0": y0,
        "x1": x1,
        "y1": y1,
    }


def safe(text: str) -> str:
    """Return text without halves of surrogates, which no file in UTF-8 can hold."""
    return text.encode(errors="backslashreplace").decode()


class Decided:
    """Decides row by row whether something is present, as ``Decider`` does for what is drawn."""

    def __init__(self, rate_hz: float | None = None) -> None:
        """Begin a video.

        Args:
            rate_hz: Frames a second that are looked at; None: every frame.
        """
        rule = PresenceRule()
        if rate_hz:  # samples that follow each other are no dropout
            dropout_s = max(rule.max_dropout_s, 1.5 / rate_hz)
            rule = dataclasses.replace(rule, max_dropout_s=dropout_s)
        self._switch = Switch(rule)

    def __call__(self, row: Row) -> Row:
        """Decide the next row of a video.

        Args:
            row: From ``to_row``.

        Returns:
            The row as it is kept: where nothing is present, its label is the background class,
            and it has no peak and no boxes but those of classes that were asked for.
        """
        absent = [row.pop(name, None) for name in ABSENT]
        row["present"] = None
        if row["presence"] is None:
            return row
        row["present"] = self._switch.update(row["pts_s"], row["presence"])
        if not row["present"]:
            row.update(zip(("label", "class_index", "score", "logit"), absent, strict=True))
            row.update(dict.fromkeys(("peak_x", "peak_y", "peak", "area")))
            row["boxes"] = row["boxes"] if row["asked"] else []
        return row
