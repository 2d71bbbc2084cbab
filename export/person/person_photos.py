"""The photos that ``person`` is taught on."""

from __future__ import annotations

import csv
from pathlib import Path

from camstream.errors import SourceError
from camstream.teach.dataset import ImageFolder, Item, open_dataset

LABELS = ("no person", "person")
_MORE = Path(__file__).with_name("person_boxes.csv")


def photos(folder: Path) -> ImageFolder:
    """List the photos.

    Those of ``person`` are sorted by folder, those of ``boxes`` by ``person_boxes.csv``: ours,
    by eye, without the doubtful ones and what is smaller than a tenth of the picture.

    Args:
        folder: Holds ``person`` and ``boxes``.

    Raises:
        SourceError: One of them is not there, or not what is expected.
    """
    sorted_ones = open_dataset(folder / "person")
    if sorted_ones.labels != ("no", "yes"):
        raise SourceError(f"{folder / 'person'} does not hold the folders no and yes")
    with _MORE.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    more = [_item(folder / "boxes", row["file"], row["person"]) for row in rows]
    items = sorted((*sorted_ones.items, *more), key=lambda item: item.class_index)
    return ImageFolder(folder, LABELS, tuple(items))


def _item(folder: Path, file: str, person: str) -> Item:
    return Item(folder / file, f"boxes/{file}", int(person == "yes"), file.partition("/")[0])
