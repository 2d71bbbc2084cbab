"""Finds a class of a model by its number, its label or its WordNet id; and groups of classes.

A group is a word for many classes, such as "dog" for 118 breeds of ImageNet. The table
``imagenet_groups.csv`` names them by the first and the last label of runs in ImageNet's order,
so it holds for every model that has these labels, and for no other.
"""

from __future__ import annotations

import csv
import difflib
import functools
import importlib.resources
import re
from collections import Counter
from collections.abc import Sequence

from camstream.errors import SourceError, UsageError
from camstream.maps.select import ClassGroup

_MOST_DIGITS = 9  # of a class's number; Python refuses to read thousands
_WNID = re.compile(r"n\d{8}")


class ClassNames:
    """The names that a model's classes go by."""

    def __init__(self, labels: Sequence[str]) -> None:
        """Take the labels in the order of the logits; WordNet ids where they are ImageNet's."""
        self._labels = tuple(labels)
        self._counts = Counter(label.casefold() for label in labels)
        self._indices = {label.casefold(): index for index, label in enumerate(labels)}
        self._wnids = _imagenet_ids(labels)
        self._groups = _imagenet_groups(self._indices)

    def index_of(self, name: int | str) -> int | None:
        """Give the class's number, or None where the model has no such class.

        Raises:
            SourceError: Several classes have this label.
        """
        if isinstance(name, int):
            return name if 0 <= name < len(self._labels) else None
        if _WNID.fullmatch(name):
            return self._wnids.get(name)
        key = name.casefold()
        if self._counts[key] > 1:
            raise SourceError(f"several classes are called {name!r}; use the number of the class")
        if key in self._indices:
            return self._indices[key]
        is_number = name.isdecimal() and len(name) <= _MOST_DIGITS
        return self.index_of(int(name)) if is_number else None

    def find(self, name: str) -> ClassGroup:
        """Find a class or a group of classes.

        Args:
            name: A label, a class's number, a WordNet id, or a group such as "dog"; in any case.

        Raises:
            UsageError: The model has no such class; the message suggests the nearest names.
        """
        try:
            index = self.index_of(name.strip())
        except SourceError as error:
            raise UsageError(str(error)) from error
        if index is not None:
            return ClassGroup(self._labels[index], (index,))
        key = name.strip().casefold()
        if key in self._groups:
            return ClassGroup(key, self._groups[key])
        near = self.suggest(key)
        hint = (
            f"did you mean {', '.join(near)}?" if near else "give a label, a number or a WordNet id"
        )
        raise UsageError(f"the model has no class {name!r}; {hint}")

    def name_of(self, label: str, index: int) -> str:
        """Give the name that ``find`` finds a class by: its number where several share its label."""
        return label if self._counts[label.casefold()] == 1 else str(index)

    def suggest(self, text: str, count: int = 5) -> list[str]:
        """Give names that begin with a text, then those that hold it; else those like it."""
        key = text.strip().casefold()
        if not key:
            return []
        known = dict.fromkeys([*self._groups, *self._labels])
        begin = [name for name in known if name.casefold().startswith(key)]
        found = list(dict.fromkeys([*begin, *(n for n in known if key in n.casefold())]))
        if found:
            return found[:count]
        folded = {name.casefold(): name for name in known}
        return [folded[near] for near in difflib.get_close_matches(key, folded, count, 0.7)]


def complete(begun: str) -> list[str]:
    """Give ImageNet's names that complete a word, for the shell; models are too slow to ask."""
    return ClassNames(imagenet_labels()).suggest(begun, 20)


@functools.cache
def imagenet_labels() -> tuple[str, ...]:
    """Give ImageNet's labels, in the order of their numbers."""
    return tuple(row["name"] for row in _imagenet_rows())


def _imagenet_rows() -> list[dict[str, str]]:
    return _rows("imagenet1k_labels.csv")


def _rows(table: str) -> list[dict[str, str]]:
    """Read a table that comes with camstream."""
    text = (importlib.resources.files("camstream.models") / table).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def _imagenet_ids(labels: Sequence[str]) -> dict[str, int]:
    """Read the WordNet ids of ImageNet's classes, if these are its labels."""
    rows = _imagenet_rows()
    if [row["name"] for row in rows] != list(labels):
        return {}
    return {row["wnid"]: int(row["class_index"]) for row in rows}


def _imagenet_groups(indices: dict[str, int]) -> dict[str, tuple[int, ...]]:
    """Read the groups, as far as the model has their labels."""
    groups: dict[str, tuple[int, ...]] = {}
    if not {"tench", "toilet tissue"} <= indices.keys():  # the runs are in ImageNet's order
        return groups
    for row in _rows("imagenet_groups.csv"):
        first, last = (indices.get(row[end].casefold()) for end in ("first", "last"))
        if first is not None and last is not None:
            groups[row["group"]] = (*groups.get(row["group"], ()), *range(first, last + 1))
    return groups
