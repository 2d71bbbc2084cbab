"""The photos that ``person`` is taught on, and their features at several sizes."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import numpy as np

from camstream.errors import SourceError
from export.teach.album import Album, Item, open_album
from export.teach.command import look_with_bar
from export.teach.features import Gallery, Look
from export.teach.trunk import Trunk

LABELS = ("no person", "person")
SIZE = 256  # the model's own, pixels
SIZES = (SIZE, 224, 288)  # of the squares that are learnt from; the first is judged at
_MORE = Path(__file__).with_name("person_boxes.csv")


def photos(folder: Path) -> Album:
    """List the photos.

    Those of ``person`` are sorted by folder, those of ``boxes`` by ``person_boxes.csv``: ours,
    by eye, without the doubtful ones and what is smaller than a tenth of the picture.

    Args:
        folder: Holds ``person`` and ``boxes``.

    Raises:
        SourceError: One of them is not there, or not what is expected.
    """
    sorted_ones = open_album(folder / "person")
    if sorted_ones.labels != ("no", "yes"):
        raise SourceError(f"{folder / 'person'} does not hold the folders no and yes")
    with _MORE.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    more = [_item(folder / "boxes", row["file"], row["person"]) for row in rows]
    items = sorted((*sorted_ones.items, *more), key=lambda item: item.class_index)
    return Album(folder, LABELS, tuple(items))


def look_at_all(album: Album, trunk: Trunk) -> Gallery:
    """Compute the features of every photo at each size and in a mirror; those at SIZE come first.

    The photos are stretched to squares, since some publishers did so to theirs, and the shape
    would tell the label.
    """
    galleries = [look_with_bar(album, trunk, look_at(side)) for side in SIZES]
    features = np.concatenate([gallery.features for gallery in galleries], axis=1)
    return dataclasses.replace(galleries[0], features=features)


def look_at(side: int) -> Look:
    """How the photos are looked at, at one size."""
    return Look((side, side), stretch=True)


def _item(folder: Path, file: str, person: str) -> Item:
    return Item(folder / file, f"boxes/{file}", int(person == "yes"), file.partition("/")[0])
