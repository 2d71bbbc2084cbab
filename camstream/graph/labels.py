"""The names of the classes: read from a file, or ImageNet's."""

from __future__ import annotations

import csv
from pathlib import Path

from camstream.errors import ModelError

IMAGENET = "imagenet"
_IMAGENET_TABLE = Path(__file__).parents[1] / "models" / "imagenet1k_labels.csv"


def read_labels(source: str) -> tuple[str, ...]:
    """Read one name a class, in the order of the logits.

    Args:
        source: A text file with one name a line, a .csv with a column "name", or "imagenet" for
            the 1,000 classes of ILSVRC 2012.

    Raises:
        ModelError: There is no such file, or no names are in it.
    """
    path = _IMAGENET_TABLE if source == IMAGENET else Path(source)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"cannot read the labels in {source}: {error}") from error
    if path.suffix.lower() == ".csv":
        rows = list(csv.DictReader(text.splitlines()))
        if not rows or "name" not in rows[0]:
            raise ModelError(f'{source} has no column "name"; give a .txt with one name a line')
        return tuple(row["name"] for row in rows)
    names = tuple(line.strip() for line in text.splitlines() if line.strip())
    if not names:
        raise ModelError(f"{source} is empty; a labels file has one name a line")
    return names
