"""What cameras of ``person_video`` see when the people are taken out of their frames.

Where a camera does not move, each place is free of people in some frames: the median of those, by a
detector's boxes, is an empty frame of a source that has none. Cameras that move, and those with a
place that is never free, give none.
"""

from __future__ import annotations

import csv
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from camstream.media import read_photo
from camstream.picture import ImageU8
from export.person.shots import F32

_FEWEST = 14  # frames of a clip
_MOST = 40
_FREE = 3  # frames in which a place must be free of people
_NEVER_FREE = 0.02  # share of the places that may be less often, and are filled in
_STILL = 6.0  # a median deviation of more grey levels: the camera moves
_MARGIN = 0.15  # around a box, as a share of its sides
_LEAST_SCORE = 0.1


def write_backgrounds(folder: Path, output: Path) -> list[str]:
    """Write SOURCE.png for each source with people and a still camera; return their names.

    Args:
        folder: ``person_video``.
        output: Folder to write to, made where needed.
    """
    output.mkdir(parents=True, exist_ok=True)
    boxes: dict[str, list[list[float]]] = {}
    with (folder / "boxes.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if float(row["score"]) >= _LEAST_SCORE:
                corners = [float(row[key]) for key in ("x0", "y0", "x1", "y1")]
                boxes.setdefault(row["file"], []).append(corners)
    found = []
    for source, files in _clips(folder):
        images = [read_photo(folder / name) for name in files]
        of_each = [np.array(boxes.get(name, []), np.float32).reshape(-1, 4) for name in files]
        background = without_people(images, of_each)
        if background is not None:
            cv2.imwrite(str(output / f"{source}.png"), background)
            found.append(source)
    return found


def without_people(images: Sequence[ImageU8], boxes: Sequence[F32]) -> ImageU8 | None:
    """Give what is behind the people; None where that cannot be told.

    Args:
        images: (H, W, 3) uint8 BGR, of one camera.
        boxes: (N, 4) x0, y0, x1, y1 of the people in each.
    """
    if len({image.shape for image in images}) != 1:
        return None
    stack = np.stack(images).astype(np.float32)
    for image, own in zip(stack, boxes, strict=True):
        margin = np.tile((own[:, 2:] - own[:, :2]) * _MARGIN, 2) * np.array([-1, -1, 1, 1])
        for x0, y0, x1, y1 in np.maximum(own + margin, 0).astype(int):
            image[y0:y1, x0:x1] = np.nan
    free = (~np.isnan(stack[..., 0])).sum(axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of places that are never free
        median = np.nanmedian(stack, axis=0)
        moves = np.nanmedian(np.nanmedian(np.abs(stack - median).mean(axis=3), axis=0))
    seldom = free < _FREE
    if moves > _STILL or seldom.mean() > _NEVER_FREE:
        return None
    result = np.asarray(np.nan_to_num(median), np.uint8)
    return np.asarray(cv2.inpaint(result, seldom.astype(np.uint8), 5, cv2.INPAINT_TELEA), np.uint8)


def _clips(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the source and the files of each clip with people and enough frames."""
    clips: dict[tuple[str, str], list[str]] = {}
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["label"] == "yes":
                clips.setdefault((row["source"], row["clip"]), []).append(row["file"])
    for (source, _), files in sorted(clips.items()):
        if len(files) >= _FEWEST:
            yield source, files[:: max(1, len(files) // _MOST)]
