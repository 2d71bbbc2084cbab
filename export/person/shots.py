"""The frames and photos that ``person`` is fitted on and judged on, in five folds of whole sources.

A shot is a frame of ``person_video`` or a photo of ``person``, ``boxes`` or ``flowers17``. Sources that
show one place are in one fold, and so are photos of one publisher. Boxes are a detector's, nothing
that anybody has corrected: they say where people probably are, not whether there are any.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.person.score_frames import read

F32 = NDArray[np.float32]

FOLDS = 5
_ALWAYS = -1  # the fold of what is always fitted to, and never judged
_LABELLED = Path(__file__).with_name("person_boxes.csv")
_ONE_PLACE = {
    "restaurant_cctv_b": "restaurant_cctv",
    "shopfront_cctv": "restaurant_cctv",
    "fall_room_b": "fall_room",
}
_PHOTO_FOLDS = {
    "imagenet1k": 0,
    "jetson": 0,
    "humanv2": 1,
    "houses": 1,
    "pedlab": 2,
    "roadsign": 2,
    "caltech101": 3,
    "imagenette": 3,
    "facemask": 4,
    "imagenette_val": 3,
}
_EACH_FLOWER = 6  # one in so many photos of flowers


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """One picture with its label.

    Attributes:
        path: Of the picture.
        person: Whether somebody is there.
        source: The camera, or the publisher of the photo.
        kind: "video"; "photo"; or "more": fitted to, never judged.
        fold: 0 to 4, or -1: fitted to in every fold.
        boxes: (N, 4) float32, x0, y0, x1, y1 in pixels, where a detector saw people.
        background: Whether it is made of frames from which people were taken out.
    """

    path: Path
    person: bool
    source: str
    kind: str
    fold: int
    boxes: F32
    background: bool = False


def read_shots(
    folder: Path, photo_boxes: dict[str, F32], backgrounds: Path | None = None
) -> list[Shot]:
    """List all shots.

    Args:
        folder: Contains ``person_video``, ``person``, ``boxes`` and ``flowers17``.
        photo_boxes: For paths of photos relative to the folder: (N, 4) boxes.
        backgrounds: Folder with SOURCE.png, what a camera of ``person_video`` sees when people are
            taken out; fitted to, never judged.

    Raises:
        SourceError: A list of labels is missing.
    """
    nowhere = np.zeros((0, 4), np.float32)
    video, photos = read(folder / "person_video"), read(folder / "person")
    places = [_ONE_PLACE.get(str(source), str(source)) for source in video.sources]
    folds = spread(places, video.person)
    boxes = _video_boxes(folder / "person_video")
    shots = [
        Shot(path, bool(person), str(source), "video", folds[place], boxes.get(path, nowhere))
        for path, person, source, place in zip(
            video.paths, video.person, video.sources, places, strict=True
        )
    ]
    for path, person, source in zip(photos.paths, photos.person, photos.sources, strict=True):
        found = photo_boxes.get(str(path.relative_to(folder)), nowhere)
        shots.append(Shot(path, bool(person), str(source), "photo", fold_of(str(source)), found))
    with _LABELLED.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            path, source = folder / "boxes" / row["file"], row["file"].partition("/")[0]
            person = row["person"] == "yes"
            shots.append(Shot(path, person, source, "more", fold_of(source), nowhere))
    flowers = sorted((folder / "flowers17").glob("*/*.jpg"))[::_EACH_FLOWER]
    shots += [Shot(path, False, "flowers17", "more", _ALWAYS, nowhere) for path in flowers]
    for path in sorted(backgrounds.glob("*.png")) if backgrounds is not None else ():
        fold = folds[_ONE_PLACE.get(path.stem, path.stem)]
        shots.append(Shot(path, False, path.stem, "more", fold, nowhere, background=True))
    return shots


def fold_of(photo_source: str) -> int:
    """Give the fold of a source of photos."""
    return _PHOTO_FOLDS.get(photo_source, _ALWAYS)


def spread(places: Sequence[str], person: NDArray[np.bool_]) -> dict[str, int]:
    """Spread places over folds so that each fold has about as many frames of each label.

    Args:
        places: (N,) of the frames.
        person: (N,) whether somebody is there.
    """
    yes = Counter(place for place, one in zip(places, person, strict=True) if one)
    no = Counter(place for place, one in zip(places, person, strict=True) if not one)
    counts = np.zeros((FOLDS, 2))
    folds: dict[str, int] = {}
    random = np.random.default_rng(3)
    for place in sorted(set(places), key=lambda one: (-yes[one] - no[one], one)):
        cost = (counts[:, 0] + yes[place]) ** 2 * (yes[place] > 0)
        cost = cost + 1.5 * (counts[:, 1] + no[place]) ** 2 * (no[place] > 0)
        fold = int(np.argmin(cost + random.random(FOLDS)))
        folds[place] = fold
        counts[fold] += (yes[place], no[place])
    return folds


def _video_boxes(folder: Path) -> dict[Path, F32]:
    """Read ``boxes.csv``: by path, (N, 4), those of a score of 0.45 or more."""
    rows: dict[Path, list[list[float]]] = {}
    with (folder / "boxes.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if float(row["score"]) >= 0.45:
                corners = [float(row[key]) for key in ("x0", "y0", "x1", "y1")]
                rows.setdefault(folder / row["file"], []).append(corners)
    return {path: np.array(boxes, np.float32) for path, boxes in rows.items()}
