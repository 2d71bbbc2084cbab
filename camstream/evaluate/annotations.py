"""Reads ground truth: of photos, boxes as CSV, Pascal VOC or COCO, or classes as folders.

CSV: a header and a row a box; columns ``file, x0, y0, x1, y1`` in pixels from the corner of the
first pixel, ``class_index`` (or ``class_index_imagenet``) or, where that is missing or empty,
``label`` (or ``wnid_or_name``); ``width, height`` of the photo are checked if they are there.

Of a clip: a CSV with a row for each frame, or for each box; columns ``frame`` (or ``index``),
counted from 0, ``x0, y0, x1, y1``, and ``class_index`` or, where that is missing or empty, ``label``.
``accepted`` may list every class number that is as true, separated by spaces. A row without class
and box means that there is nothing to find in its frame.
"""

from __future__ import annotations

import contextlib
import csv
import glob
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from camstream.errors import NotFoundError, SourceError, first_line, reading
from camstream.evaluate.metrics import F64
from camstream.media import PHOTO_SUFFIXES
from camstream.models.classes import ClassNames
from camstream.teach.dataset import class_folders

_FARTHEST_PX = 1e6  # a box that reaches further is none of a picture, nor one of NaN


@dataclass(frozen=True, slots=True)
class GroundTruth:
    """One class in one photo.

    Attributes:
        path: The photo.
        class_index: The true class.
        truth: (G, 4) float64, its boxes in pixels; (0, 4) where only the class is known.
        size_wh: The size that the photo must have, pixels; None: unknown.
    """

    path: Path
    class_index: int
    truth: F64
    size_wh: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class _Row:
    """One box as it was read; ``where`` is for the error's message."""

    file: str
    name: int | str
    xyxy: tuple[float, ...]
    size_wh: tuple[int, int] | None
    where: str


def read_ground_truths(
    photos: Path, annotations: Path, names: ClassNames
) -> tuple[list[GroundTruth], int]:
    """Read the boxes of a folder of photos.

    Args:
        photos: The folder that file names are of.
        annotations: A .csv file, a COCO .json file, or a folder of Pascal VOC .xml files.
        names: The model's classes.

    Returns:
        One record for each photo and class, in the order of the photos' names, and the number of
        boxes left out because the model does not know their class.

    Raises:
        SourceError: A file cannot be read, is malformed, or names a photo that does not exist.
    """
    if not photos.is_dir():
        raise NotFoundError(f"cannot evaluate {photos}: there is no such folder of photos")
    boxes: dict[tuple[str, int], list[_Row]] = {}
    unknown = 0
    for row in _rows(annotations):
        x0, y0, x1, y1 = row.xyxy
        if not (all(abs(value) <= _FARTHEST_PX for value in row.xyxy) and x0 < x1 and y0 < y1):
            raise SourceError(f"{row.where}: no box: left {x0}, top {y0}, right {x1}, bottom {y1}")
        index = names.index_of(row.name)
        if index is None:
            unknown += 1
        else:
            boxes.setdefault((row.file, index), []).append(row)
    if not boxes:
        raise SourceError(f"{annotations} holds no box of a class that the model knows")
    ground_truths = [
        GroundTruth(
            find_photo(photos, file, rows[0].where),
            index,
            np.array([row.xyxy for row in rows], np.float64),
            rows[0].size_wh,
        )
        for (file, index), rows in sorted(boxes.items())
    ]
    return ground_truths, unknown


def read_folders(photos: Path, names: ClassNames) -> list[GroundTruth]:
    """Take the sub-folders of a folder for the classes of the photos in them.

    Raises:
        SourceError: There is no photo, or a sub-folder's name is no class.
    """
    ground_truths = []
    for folder in class_folders(photos):
        index = names.index_of(folder.name)
        if index is None:
            raise SourceError(
                f"{folder}: the model has no class {folder.name!r}; name a folder by the "
                "label, the WordNet id or the class's number"
            )
        inside = sorted(path for path in folder.iterdir() if path.suffix.lower() in PHOTO_SUFFIXES)
        ground_truths += [GroundTruth(path, index, np.zeros((0, 4))) for path in inside]
    if not ground_truths:
        raise SourceError(f"{photos} holds no photos in sub-folders, one a class")
    return ground_truths


def find_photo(folder: Path, file: str, where: str) -> Path:
    """Find a photo by its name, which in Pascal VOC may lack its suffix."""
    candidates = [folder / file, *sorted(folder.glob(f"{glob.escape(file)}.*"))]
    with contextlib.suppress(OSError):  # a name that no file can have
        for path in candidates:
            if path.is_file() and path.suffix.lower() in PHOTO_SUFFIXES:
                return path
    raise SourceError(f"{where}: the photo {file} is not in {folder}")


def _rows(annotations: Path) -> Iterable[_Row]:
    with reading(annotations):
        if annotations.is_dir():
            files = sorted(annotations.glob("*.xml"))
            if not files:
                raise SourceError(f"there is no .xml file in the folder {annotations}")
            return [row for file in files for row in _read_voc(file)]
        if annotations.suffix.lower() == ".xml":
            return list(_read_voc(annotations))
        if annotations.suffix.lower() == ".json":
            return list(_read_coco(annotations))
        return list(_read_csv(annotations))


def _read_csv(path: Path) -> Iterator[_Row]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        header = reader.fieldnames or []
        missing = [name for name in ("file", "x0", "y0", "x1", "y1") if name not in header]
        if missing:
            raise SourceError(f"{path}: its first line lacks the columns {', '.join(missing)}")
        for values in reader:
            where = f"{path} line {reader.line_num}"
            try:
                number = values.get("class_index") or values.get("class_index_imagenet")
                name = values.get("label") or values.get("wnid_or_name")
                if not number and not name:
                    raise SourceError(f"{where}: no class_index and no label")
                sizes = [values.get("width"), values.get("height")]
                yield _Row(
                    values["file"],
                    int(number) if number else str(name),
                    tuple(float(values[key]) for key in ("x0", "y0", "x1", "y1")),
                    (int(sizes[0]), int(sizes[1])) if sizes[0] and sizes[1] else None,
                    where,
                )
            except (TypeError, ValueError, OverflowError) as error:
                raise SourceError(f"{where} is malformed ({first_line(error)})") from error


def _read_voc(path: Path) -> Iterator[_Row]:
    """Pascal VOC counts pixels from 1 and names the last one inside."""
    try:
        root = ElementTree.parse(path).getroot()
        size = [root.findtext(f"size/{key}") for key in ("width", "height")]
        for ground_truth in root.iter("object"):
            left, top, right, bottom = (
                float(ground_truth.findtext(f"bndbox/{key}", ""))
                for key in ("xmin", "ymin", "xmax", "ymax")
            )
            yield _Row(
                root.findtext("filename") or path.stem,
                ground_truth.findtext("name", "").strip(),
                (left - 1, top - 1, right, bottom),
                (int(size[0]), int(size[1])) if size[0] and size[1] else None,
                str(path),
            )
    except (ElementTree.ParseError, ValueError, OverflowError, LookupError) as error:
        raise SourceError(f"{path} is not a Pascal VOC file ({first_line(error)})") from error


def _read_coco(path: Path) -> Iterator[_Row]:
    """Boxes are left, top, width, height; crowds are not single objects and are left out."""
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        images = {image["id"]: image for image in values["images"]}
        names = {kind["id"]: str(kind["name"]) for kind in values["categories"]}
        for number, entry in enumerate(values["annotations"]):
            if entry.get("iscrowd"):
                continue
            image = images[entry["image_id"]]
            x, y, width, height = (float(value) for value in entry["bbox"])
            size = image.get("width"), image.get("height")
            yield _Row(
                _text(image["file_name"]),
                names[entry["category_id"]],
                (x, y, x + width, y + height),
                (int(size[0]), int(size[1])) if size[0] and size[1] else None,
                f"{path} annotation {entry.get('id', number)}",
            )
    except UnicodeDecodeError:
        raise
    except _MALFORMED as error:
        raise SourceError(f"{path} is not a COCO file ({first_line(error)})") from error


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a file's name is {value!r}")
    return value


_MALFORMED = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
_CORNERS = ("x0", "y0", "x1", "y1")


@dataclass(frozen=True, slots=True)
class FrameGroundTruth:
    """One class in one frame.

    Attributes:
        class_index: The true class.
        accepted: Every class that is a right answer, the true one among them.
        truth: (G, 4) float64, its boxes in pixels of the frame.
    """

    class_index: int
    accepted: frozenset[int]
    truth: F64


@dataclass(frozen=True, slots=True)
class _TrackRow:
    frame: int
    name: int | str
    accepted: frozenset[int]
    xyxy: tuple[float, ...]


def read_track(path: Path, names: ClassNames) -> tuple[dict[int, list[FrameGroundTruth]], int]:
    """Read the ground truth of a clip.

    Args:
        path: A .csv file.
        names: The model's classes.

    Returns:
        The ground truths of each frame, and the number of boxes left out because the model does not
        know their class.

    Raises:
        SourceError: The file cannot be read, or is malformed.
    """
    boxes: dict[tuple[int, int], list[_TrackRow]] = {}
    unknown = 0
    for row in _read_track_row(path):
        index = names.index_of(row.name)
        if index is None:
            unknown += 1
        else:
            boxes.setdefault((row.frame, index), []).append(row)
    if not boxes:
        raise SourceError(f"{path} holds no box of a class that the model knows")
    frame_truths: dict[int, list[FrameGroundTruth]] = {}
    for (frame, index), rows in sorted(boxes.items()):
        accepted = rows[0].accepted | {index}
        truth = np.array([row.xyxy for row in rows], np.float64)
        frame_truths.setdefault(frame, []).append(FrameGroundTruth(index, accepted, truth))
    return frame_truths, unknown


def _read_track_row(path: Path) -> list[_TrackRow]:
    if path.suffix.lower() != ".csv":
        raise SourceError(f"cannot read {path}: the boxes of a clip are a .csv file")
    with reading(path), path.open(newline="", encoding="utf-8-sig") as file:
        return list(_track_rows(path, csv.DictReader(file)))


def _track_rows(path: Path, reader: csv.DictReader[str]) -> Iterator[_TrackRow]:
    header = reader.fieldnames or []
    counter = "frame" if "frame" in header else "index"
    missing = [name for name in (counter, *_CORNERS) if name not in header]
    if missing:
        raise SourceError(
            f"{path}: its first line lacks the columns {', '.join(missing)}; "
            "the boxes of a clip have a row a frame"
        )
    for values in reader:
        where = f"{path} line {reader.line_num}"
        try:
            row = _parse(values, counter)
        except (TypeError, ValueError, AttributeError, OverflowError) as error:
            raise SourceError(f"{where} is malformed ({first_line(error)})") from error
        if row is not None:
            yield row


def _parse(values: dict[str, str], counter: str) -> _TrackRow | None:
    """Return the box of a line; None where there is none.

    Raises:
        ValueError: The line is malformed.
    """
    number, label = values.get("class_index"), values.get("label")
    corners = [values[key].strip() for key in _CORNERS]
    frame = int(values[counter])
    if frame < 0:
        raise ValueError("frames are counted from 0")
    if not number and not label and not any(corners):
        return None
    if not number and not label:
        raise ValueError("no class_index and no label")
    x0, y0, x1, y1 = (float(corner) for corner in corners)
    if not (all(abs(value) <= _FARTHEST_PX for value in (x0, y0, x1, y1)) and x0 < x1 and y0 < y1):
        raise ValueError(f"no box: left {x0}, top {y0}, right {x1}, bottom {y1}")
    accepted = frozenset(int(name) for name in (values.get("accepted") or "").split())
    return _TrackRow(frame, int(number) if number else str(label), accepted, (x0, y0, x1, y1))
