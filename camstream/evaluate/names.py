"""Finds a class of a model by its number, its label or its WordNet id."""

from __future__ import annotations

import csv
import importlib.util
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from camstream.errors import SourceError

_WNID = re.compile(r"n\d{8}")


class ClassNames:
    """The names that a model's classes go by."""

    def __init__(self, labels: Sequence[str]) -> None:
        """Take the labels in the order of the logits; WordNet ids where they are ImageNet's."""
        self._count = len(labels)
        self._counts = Counter(label.casefold() for label in labels)
        self._indices = {label.casefold(): index for index, label in enumerate(labels)}
        self._wnids = _imagenet_ids(labels)

    def index_of(self, name: int | str) -> int | None:
        """Give the class's number, or None where the model has no such class.

        Raises:
            SourceError: Several classes have this label.
        """
        if isinstance(name, int):
            return name if 0 <= name < self._count else None
        if _WNID.fullmatch(name):
            return self._wnids.get(name)
        key = name.casefold()
        if self._counts[key] > 1:
            raise SourceError(f"several classes are called {name!r}; give the class's number")
        if key in self._indices:
            return self._indices[key]
        return self.index_of(int(name)) if name.isdecimal() else None


def _imagenet_ids(labels: Sequence[str]) -> dict[str, int]:
    """Read the WordNet ids of ImageNet's classes, if these are its labels."""
    spec = importlib.util.find_spec("export")  # the table is data of the package, not its code
    table = Path(spec.origin).with_name("imagenet1k_labels.csv") if spec and spec.origin else None
    if table is None or not table.is_file():
        return {}
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if [row["name"] for row in rows] != list(labels):
        return {}
    return {row["wnid"]: int(row["class_index"]) for row in rows}
