"""A contact sheet of the best, the typical and the worst: map, true boxes, found box."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from camstream.drawing.boxes import draw_box
from camstream.drawing.overlay import Style, annotate
from camstream.drawing.sheet import (
    CAPTION_PX,
    GAP_PX,
    SHEET_SUFFIXES,
    TILE_PX,
    ground,
    make_tile,
    tile_size,
    write_text,
)
from camstream.errors import SinkError
from camstream.evaluate.measure import CAM, PhotoResult, read_photo
from camstream.frame import Box
from camstream.models.session import Model
from camstream.picture import ImageU8, Picture
from camstream.sinks.atomic_file import AtomicFile

CONTACT_SHEET_SUFFIXES = SHEET_SUFFIXES
_COLUMNS = 6
_TITLE_PX = 34
_TRUE, _FOUND = (90, 230, 90), (255, 90, 255)  # BGR
_STYLE = Style(show_label=False)


def choose(results: Sequence[PhotoResult]) -> dict[str, list[PhotoResult]]:
    """Choose the photos to show by the IoU of the map's box: the first, the middle and the last."""
    ordered = sorted(results, key=lambda result: -result.localizations[CAM].iou)
    middle = max(0, (len(ordered) - _COLUMNS) // 2)
    return {
        "best": ordered[:_COLUMNS],
        "typical": ordered[middle : middle + _COLUMNS],
        "worst": ordered[-_COLUMNS:],
    }


def write_contact_sheet(
    path: Path, results: Sequence[PhotoResult], model: Model, *, overwrite: bool = False
) -> None:
    """Write the sheet as a picture; its suffix is one of CONTACT_SHEET_SUFFIXES.

    Args:
        path: The file to write.
        results: With boxes; the inference of the chosen ones is repeated.
        model: The model that was evaluated.
        overwrite: Whether an existing file may be replaced.

    Raises:
        SinkError: The file cannot be written.
    """
    atomic_file = AtomicFile(path, overwrite=overwrite)
    rows = [_row(title, chosen, model) for title, chosen in choose(results).items()]
    contact_sheet = np.concatenate(rows)
    try:
        atomic_file.path.write_bytes(cv2.imencode(path.suffix, contact_sheet)[1].tobytes())
    except OSError as error:
        atomic_file.discard()
        raise SinkError(f"cannot write {path}: {error.strerror}") from error
    atomic_file.commit()


def tile(result: PhotoResult, model: Model) -> ImageU8:
    """Draw one result: the heat of its class's map, its true boxes, the map's box.

    Returns:
        (tile + caption, tile, 3) uint8 BGR.
    """
    image = read_photo(result.ground_truth)
    prediction = model.predict(image, classes=[result.ground_truth.class_index])
    height, width = image.shape[:2]
    shrunk = prediction.frame.picture.resized(tile_size(width, height))
    drawn = annotate(prediction, _STYLE, picture=shrunk).picture
    for corners in result.ground_truth.truth.tolist():
        draw_box(drawn, _scaled(corners, (width, height), drawn), colour=_TRUE)
    found = result.localizations[CAM].box
    if found is not None:
        draw_box(drawn, _scaled(found.xyxy, (width, height), drawn), colour=_FOUND)
    label = model.info.labels[result.ground_truth.class_index]
    warnings = [] if result.rank == 0 else [f"predicted as {prediction.top[0].label}"]
    if result.peak <= model.info.cam_range[0]:
        warnings.append("map under the floor")
    caption = f"{label}  IoU {result.localizations[CAM].iou:.2f}"
    return make_tile(drawn.bgr(), caption, ", ".join(warnings))


def _row(title: str, chosen: Sequence[PhotoResult], model: Model) -> ImageU8:
    width = _COLUMNS * (TILE_PX + GAP_PX) + GAP_PX
    row = ground(_TITLE_PX + TILE_PX + CAPTION_PX, width)
    write_text(row, title, (GAP_PX, 24), 20)
    write_text(row, "true box", (GAP_PX + 120, 24), 15, _TRUE)
    write_text(row, "box from the map", (GAP_PX + 200, 24), 15, _FOUND)
    for column, result in enumerate(chosen):
        left = GAP_PX + column * (TILE_PX + GAP_PX)
        row[_TITLE_PX:, left : left + TILE_PX] = tile(result, model)
    return row


def _scaled(corners: Sequence[float], size_wh: tuple[int, int], target: Picture) -> Box:
    x, y = (new / old for new, old in zip(target.size_wh, size_wh, strict=True))
    x0, y0, x1, y1 = corners
    return Box((x0 * x, y0 * y, x1 * x, y1 * y))
