"""A contact sheet of the best, the typical and the worst: map, true boxes, found box."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import cv2
import numpy as np

from camstream.drawing.boxes import draw_box
from camstream.drawing.overlay import Style, annotate
from camstream.errors import SinkError
from camstream.evaluate.measure import CAM, PhotoResult, read_photo
from camstream.frame import Box
from camstream.models.session import Model
from camstream.picture import ImageU8, Picture
from camstream.sinks.atomic_file import AtomicFile

CONTACT_SHEET_SUFFIXES = (".jpg", ".jpeg", ".png")
_COLUMNS = 6
_TILE_PX, _CAPTION_PX, _GAP_PX, _TITLE_PX = 256, 40, 8, 34
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
    scale = _TILE_PX / max(height, width)
    shrunk = prediction.frame.picture.resized(
        (max(2, round(width * scale)), max(2, round(height * scale)))
    )
    drawn = annotate(prediction, _STYLE, picture=shrunk).picture
    for corners in result.ground_truth.truth.tolist():
        draw_box(drawn, _scaled(corners, (width, height), drawn), colour=_TRUE)
    found = result.localizations[CAM].box
    if found is not None:
        draw_box(drawn, _scaled(found.xyxy, (width, height), drawn), colour=_FOUND)
    canvas = np.full((_TILE_PX + _CAPTION_PX, _TILE_PX, 3), 24, np.uint8)
    w, h = drawn.size_wh
    top, left = (_TILE_PX - h) // 2, (_TILE_PX - w) // 2
    canvas[top : top + h, left : left + w] = drawn.bgr()
    label = model.info.labels[result.ground_truth.class_index]
    warnings = [] if result.rank == 0 else [f"predicted as {prediction.top[0].label}"]
    if result.peak <= model.info.cam_range[0]:
        warnings.append("map under the floor")
    _write(canvas, f"{label}  IoU {result.localizations[CAM].iou:.2f}", (4, _TILE_PX + 16), 14)
    _write(canvas, ", ".join(warnings), (4, _TILE_PX + 33), 12)
    return canvas


def _row(title: str, chosen: Sequence[PhotoResult], model: Model) -> ImageU8:
    width = _COLUMNS * (_TILE_PX + _GAP_PX) + _GAP_PX
    row = np.full((_TITLE_PX + _TILE_PX + _CAPTION_PX, width, 3), 24, np.uint8)
    _write(row, title, (_GAP_PX, 24), 20)
    _write(row, "true box", (_GAP_PX + 120, 24), 15, _TRUE)
    _write(row, "box from the map", (_GAP_PX + 200, 24), 15, _FOUND)
    for column, result in enumerate(chosen):
        left = _GAP_PX + column * (_TILE_PX + _GAP_PX)
        row[_TITLE_PX:, left : left + _TILE_PX] = tile(result, model)
    return row


def _scaled(corners: Sequence[float], size_wh: tuple[int, int], target: Picture) -> Box:
    x, y = (new / old for new, old in zip(target.size_wh, size_wh, strict=True))
    x0, y0, x1, y1 = corners
    return Box((x0 * x, y0 * y, x1 * x, y1 * y))


def _write(
    image: ImageU8,
    text: str,
    xy: tuple[int, int],
    size_px: int,
    colour: tuple[int, int, int] = (230, 230, 230),
) -> None:
    face = cv2.FontFace("sans")
    cv2.putText(cast("cv2.typing.MatLike", image), text, xy, colour, face, size_px, 500)
