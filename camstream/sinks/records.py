"""One JSON line a frame: what was seen, and where.

    {"index": 0, "pts_s": 0.0,
     "top": [{"label": "Persian cat", "class_index": 283, "score": 0.74, "logit": 9.1}, ...],
     "shown": [{"label": "Persian cat", "score": 0.72}],
     "peak_xy": [189.3, 113.5], "peak": 33.1, "centre_xy": [201.9, 120.4], "spread": 0.41,
     "size_wh": [640, 360], "input_wh": [288, 160], "method": "CAM"}

``index`` counts the source's frames from 0, ``pts_s`` is media time in seconds, ``top`` the five
best classes as the model gave them, ``displayed`` what the picture says after smoothing (one entry a
map), ``peak_xy`` the place of the best class's raw map's largest value in pixels of the frame,
``peak`` that value in logit units, ``centroid_xy`` the centre of gravity of the raw map's positive
evidence in pixels of the frame (``cam.find_centroid``), ``spread`` the effective part of the frame
that carries this evidence, up to 1 (``cam.find_area``), ``size_wh`` the frame's width and
height, ``input_wh`` those that the network got it in, and ``method`` how the map was made ("CAM",
"CAM (max pooling)", "Grad-CAM" or "HiResCAM"). ``centroid_xy`` and ``spread`` are null where a map has no positive evidence.

With ``--sharp`` there is also ``"sharp": "input 1.14 times ..., maps joined ..."``: what was done to
the maps that were drawn and boxed. ``peak_xy``, ``peak``, ``centroid_xy`` and ``spread`` are of the
raw map all the same.

Where boxes were asked for (``--boxes``) there is also, empty where nothing is above the floor:

     "boxes": [{"label": "Persian cat", "class_index": 283, "score": 0.74,
                "box_xyxy": [120.0, 64.5, 301.3, 290.0]}]

``box_xyxy`` is left, top, right, bottom in pixels of the frame, from the top left corner of the
first pixel; which boxes there are is told in ``camstream.maps.boxes``. With ``--box-threshold`` there
is also ``"box_threshold": "p80"``, as it was written.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from camstream.errors import SinkError
from camstream.frame import Annotated
from camstream.maps import cam as cams
from camstream.sinks.atomic_file import AtomicFile


def to_json_line(record: Mapping[str, object]) -> str:
    """Write a record as a line of JSON."""
    return json.dumps(record, ensure_ascii=False) + "\n"


class RecordsFile:
    """Writes a record for each annotated frame, as lines of text."""

    def __init__(
        self,
        path: Path,
        *,
        overwrite: bool,
        inputs: Sequence[Path] = (),
        to_line: Callable[[Mapping[str, object]], str] = to_json_line,
    ) -> None:
        """Open the file.

        Args:
            path: The file to be.
            overwrite: Whether one that is there may be replaced.
            inputs: Files that must never be replaced.
            to_line: Writes a record as text, with its line's end.

        Raises:
            SinkError: It cannot be written.
        """
        self._atomic_file = AtomicFile(path, overwrite=overwrite, inputs=inputs)
        self._to_line = to_line
        try:
            self._file: TextIO = self._atomic_file.path.open("w", encoding="utf-8", newline="")
        except OSError as error:
            raise SinkError(f"cannot write {path}: {error.strerror}") from error

    def write(self, annotated: Annotated) -> None:
        """Write one line."""
        try:
            self._file.write(self._to_line(to_record(annotated)))
        except OSError as error:
            raise SinkError(f"cannot write {self._atomic_file.target}: {error.strerror}") from error

    def finish(self) -> None:
        """Close the file and give it its name."""
        try:
            self._file.close()
        except OSError as error:
            raise SinkError(f"cannot write {self._atomic_file.target}: {error.strerror}") from error
        self._atomic_file.commit()

    def discard(self) -> None:
        """Close and remove the file."""
        # Closing writes what is left, which fails again where the disk is full.
        with contextlib.suppress(OSError):
            self._file.close()
        self._atomic_file.discard()


def to_record(annotated: Annotated) -> dict[str, object]:
    """Give the values of one line."""
    prediction = annotated.prediction
    displayed, size_wh = prediction.cam.maps[0], prediction.frame.picture.size_wh
    peak = cams.find_peak(cams.enlarge(displayed), size_wh)
    centroid, spread = cams.find_centroid(displayed, size_wh), cams.find_area(displayed)
    record: dict[str, object] = {
        "index": prediction.frame.index,
        "pts_s": round(prediction.frame.pts_s, 6),
        "top": [
            {
                "label": top.label,
                "class_index": top.class_index,
                "score": round(top.score, 6),
                "logit": round(top.logit, 4),
            }
            for top in prediction.top
        ],
        "shown": [
            {"label": view.label, "score": round(view.score, 6)} for view in prediction.displayed
        ],
        "peak_xy": [round(value, 1) for value in peak.xy],
        "peak": round(peak.value, 3),
        "centre_xy": centroid and [round(value, 1) for value in centroid],
        "spread": spread and round(spread, 4),
        "size_wh": list(size_wh),
        "input_wh": list(prediction.image.shape[1::-1]),
        "method": prediction.cam.method,
    }
    if prediction.cam.refinement:
        record["sharp"] = prediction.cam.refinement
    if prediction.box_threshold is not None:
        record["box_threshold"] = prediction.box_threshold
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


def write_json(path: Path, values: object, *, overwrite: bool) -> None:
    """Write a JSON file that is whole or not there."""
    atomic_file = AtomicFile(path, overwrite=overwrite)
    try:
        atomic_file.path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        atomic_file.discard()
        raise SinkError(f"cannot write {path}: {error.strerror}") from error
    atomic_file.commit()
