"""Records: what a frame's prediction is, one JSON line a frame.

    {"index": 0, "pts_s": 0.0,
     "top": [{"label": "Persian cat", "class_index": 283, "score": 0.74, "logit": 9.1}, ...],
     "displayed": [{"label": "Persian cat", "class_index": 283, "score": 0.72}],
     "peak_xy": [189.3, 113.5], "peak": 33.1, "centroid_xy": [201.9, 120.4], "area": 0.41,
     "size_wh": [640, 360], "input_wh": [288, 160], "method": "CAM",
     "boxes": [{"label": "Persian cat", "class_index": 283, "score": 0.74,
                "box_xyxy": [120.0, 64.5, 301.3, 290.0]}]}

index        the frame's number in its source, from 0
pts_s        media time, seconds
top          the five best classes, as the model returned them
displayed    what the picture shows after smoothing, one entry a map; class_index is null where it
             is not one class; "is_asked": true where a class was asked for by name and is displayed
             whether it is there or not; "is_sure": false where the picture shows no name ("not sure") or a
             question ("person?")
peak_xy      where the largest value of the best class's raw map is, pixels of the frame
peak         that value, logit units
centroid_xy  the centre of gravity of the raw map's positive evidence, pixels of the frame
             (``cam.find_centroid``); null where there is no positive evidence
area         the effective part of the frame that has this evidence, up to 1 (``cam.find_area``);
             null where there is no positive evidence
size_wh      width and height of the frame, pixels
input_wh     width and height of the network's input, pixels
method       how the map was made: "CAM", "CAM (max pooling)", "Grad-CAM" or "HiResCAM"
boxes        the boxes of what is displayed (``camstream.maps.boxes``) with its smoothed scores,
             empty where no map is above the floor; box_xyxy is left, top, right, bottom, in pixels from the frame's top left corner

Only where several cameras are looked at: "source", what the frame's camera is called; index and pts_s
are its own.

Only where they were asked for: "refinement", what was done to the maps that were drawn and boxed
("input 1.14 times ..., maps joined ..."; peak, centroid and area are of the raw map all the same), and
"box_threshold", a part of the map's maximum, where it was given. Where a model has one other than 1,
"temperature": scores are softmax(logits / temperature). Where a second look was taken (--zoom),
"second_look": "box_xyxy", the part that it was taken at; "top", the best classes there; and "is_surer",
whether the names and scores that are displayed are those. "top" above is of the whole frame all the same.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from camstream.frame import Annotated, TopClass
from camstream.maps import cam as cams
from camstream.sinks.atomic_file import AtomicFile
from camstream.sinks.lines import LinesFile

# Keys of records and columns of tables as they were before, and as they are now.
_RENAMED = {
    "centre_xy": "centroid_xy",
    "centre_x": "centroid_x",
    "centre_y": "centroid_y",
    "spread": "area",
    "shown": "displayed",
    "sharp": "refinement",
}


# Control characters, line ends, directions and halves of surrogates, which JSON may write as numbers.
_HIDDEN = re.compile(r"[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]")


def upgrade(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record, or the row of a table, with the keys that are written today."""
    return {_RENAMED.get(key, key): value for key, value in record.items()}


def to_json(value: object) -> str:
    """Return a value as JSON in one line that no terminal obeys and every encoding can hold."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:  # JSON has no word for what is no number
        text = json.dumps(_finite(value), ensure_ascii=False, allow_nan=False)
    return text if text.isprintable() else _HIDDEN.sub(lambda one: f"\\u{ord(one[0]):04x}", text)


def _finite(value: object) -> object:
    """Return a value with null in place of each number that is none or is infinite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list | tuple) else value


def to_json_line(record: Mapping[str, object]) -> str:
    """Return a record as a line of JSON."""
    return to_json(record) + "\n"


class RecordsFile:
    """Writes a record for each annotated frame, as text."""

    def __init__(
        self,
        path: Path,
        *,
        overwrite: bool,
        inputs: Sequence[Path] = (),
        once: bool = False,
        to_line: Callable[[Mapping[str, object]], str] = to_json_line,
    ) -> None:
        """Open the file.

        Args:
            path: The file to be.
            overwrite: Whether an existing file may be replaced.
            inputs: Files that must never be replaced.
            once: The run cannot be repeated, see ``AtomicFile``.
            to_line: Returns a record as text, with its line's end.

        Raises:
            SinkError: The file cannot be written.
        """
        self._lines = LinesFile(path, overwrite=overwrite, inputs=inputs, once=once)
        self._to_line = to_line
        self.finish, self.keep, self.discard = (
            self._lines.finish,
            self._lines.keep,
            self._lines.discard,
        )

    def write(self, annotated: Annotated) -> None:
        """Write one line.

        Raises:
            SinkError: It cannot be written.
        """
        self._lines.add(self._to_line(to_record(annotated)))


def to_record(annotated: Annotated) -> dict[str, object]:
    """Return the record of one frame."""
    prediction = annotated.prediction
    best, size_wh = prediction.cam.maps[0], prediction.frame.picture.size_wh
    peak = cams.find_peak(cams.enlarge(best), size_wh)
    centroid, area = cams.find_centroid(best, size_wh), cams.find_area(best)
    record: dict[str, object] = {
        "index": prediction.frame.index,
        "pts_s": round(prediction.frame.pts_s, 6),
        "top": _classes(prediction.top),
        "displayed": [
            {
                "label": view.label,
                "class_index": view.class_index,
                "score": round(view.score, 6),
                **({} if view.is_sure else {"is_sure": False}),
                **({"is_asked": True} if view.is_asked else {}),
            }
            for view in prediction.displayed
        ],
        "peak_xy": [round(value, 1) for value in peak.xy],
        "peak": round(peak.value, 3),
        "centroid_xy": centroid and [round(value, 1) for value in centroid],
        "area": area and round(area, 4),
        "size_wh": list(size_wh),
        "input_wh": list(prediction.image.shape[1::-1]),
        "method": prediction.cam.method,
    }
    if annotated.source:
        record = {"source": annotated.source, **record}
    if prediction.cam.refinement:
        record["refinement"] = prediction.cam.refinement
    if prediction.box_threshold is not None:
        record["box_threshold"] = prediction.box_threshold
    if prediction.temperature != 1:
        record["temperature"] = prediction.temperature
    if (second := prediction.second_look) is not None:
        record["second_look"] = {
            "box_xyxy": [round(value, 1) for value in second.box.xyxy],
            "top": _classes(second.top),
            "is_surer": second.is_surer,
        }
    record["boxes"] = [
        {
            "label": found.label,
            "class_index": found.class_index,
            "score": round(found.score, 6),
            "box_xyxy": [round(value, 1) for value in found.box.xyxy],
        }
        for found in prediction.boxes
    ]
    return record


def _classes(best: Sequence[TopClass]) -> list[dict[str, object]]:
    return [
        {
            "label": top.label,
            "class_index": top.class_index,
            "score": round(top.score, 6),
            "logit": round(top.logit, 4),
        }
        for top in best
    ]


def write_json(path: Path, values: object, *, overwrite: bool) -> None:
    """Write a JSON file, complete or not at all.

    Raises:
        SinkError: It cannot be written.
    """
    atomic_file = AtomicFile(path, overwrite=overwrite)
    try:
        with atomic_file.writing():
            text = json.dumps(values, indent=2) + "\n"
            atomic_file.path.write_text(text, encoding="utf-8")
    except BaseException:
        atomic_file.discard()
        raise
    atomic_file.commit()
