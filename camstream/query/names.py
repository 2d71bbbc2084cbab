"""Finds a class of an archive by name, over all the models whose results are in it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

from camstream.errors import UsageError
from camstream.models.classes import ClassNames, imagenet_labels
from camstream.query.entries import Key
from camstream.query.index import Index
from camstream.safe_text import safe_text

_MOST_NAMES = 5


def find_keys(name: str, index: Index, folder: Path) -> list[Key]:
    """Find the classes that a name means.

    Args:
        name: A label, a group such as "dog", a class's number, or a WordNet id; in any case.
        index: Of the archive.
        folder: Of the archive, for the error's message.

    Returns:
        Those that were seen, of whatever model; none where the class is known but was never seen.

    Raises:
        UsageError: Nothing in the archive has this name, or several classes have this number.
    """
    best = _best(index)
    text = name.strip()
    wanted = text.casefold()
    # A group's own name is a label where boxes of the group were asked for in the run.
    found = [key for key in best if key[0].casefold() == wanted]
    is_imagenet = _are_imagenet(best)
    if text.isdecimal() and not found:
        found = [key for key in best if key[1] == int(text)]
        labels = sorted({label for label, _ in found})
        if len(labels) > 1:
            raise UsageError(
                f"several classes in {folder} have the number {text}: {_some(labels)}; give the label"
            )
        if found:
            return found
    if is_imagenet:
        known = ClassNames(imagenet_labels())
        try:
            group = known.find(text)
        except UsageError:
            pass
        else:
            members = set(group.indices)
            names = imagenet_labels()
            return [
                key
                for key in best
                if key in found or (key[1] in members and names[key[1]] == key[0])
            ]
    if found:
        return found
    raise UsageError(f"nothing in {folder} is called {name!r}; {_hint(text, best, is_imagenet)}")


def _best(index: Index) -> dict[Key, float]:
    """Every class that was seen, the one that ever scored highest first."""
    best: dict[Key, float] = {}
    for segment in index.segments:
        for key, score in segment.best.items():
            best[key] = max(score, best.get(key, 0.0))
    return dict(sorted(best.items(), key=lambda one: -one[1]))


def _are_imagenet(keys: Iterable[Key]) -> bool:
    """Whether some of the classes are ImageNet's: they have its labels at its numbers."""
    labels = imagenet_labels()
    return any(0 <= number < len(labels) and labels[number] == label for label, number in keys)


def _hint(text: str, best: dict[Key, float], is_imagenet: bool) -> str:
    labels = list(dict.fromkeys(label for label, _ in best))
    near = ClassNames(labels).suggest(text, _MOST_NAMES)
    if not near and is_imagenet:
        near = ClassNames(imagenet_labels()).suggest(text, _MOST_NAMES)
    if not near:
        near = difflib.get_close_matches(text.casefold(), labels, _MOST_NAMES, 0.5)
    if near:
        return f"did you mean {_some(near)}?"
    if not labels:
        return "nothing was seen in it at all"
    return f"what scored highest in it: {_some(labels[:_MOST_NAMES])}"


def _some(labels: list[str]) -> str:
    more = len(labels) - _MOST_NAMES
    shown = ", ".join(safe_text(label, limit=60) for label in labels[:_MOST_NAMES])
    return f"{shown} and {more} more" if more > 0 else shown
