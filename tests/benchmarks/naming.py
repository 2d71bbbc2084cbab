"""From which score on should a class be named? Error rates over a range of limits.

    python -m tests.benchmarks.naming [PHOTOS]

PHOTOS are files NNNN.jpg, named by the class that each shows; ../shared/data/imagenet1k_photos. A
name is wrong where the best class is not the photo's. The limit is ``camstream.frame.NAMED_FROM``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import camstream
from camstream.frame import NAMED_FROM

_PHOTOS = Path(__file__).parents[3] / "shared" / "data" / "imagenet1k_photos"
_LIMITS = (0.0, 0.1, 0.15, 0.2, 0.25, 0.3, NAMED_FROM, 0.4, 0.5)


def main() -> None:
    """Print the table."""
    photos = sorted(Path(sys.argv[1] if len(sys.argv) > 1 else _PHOTOS).glob("*.jpg"))
    model = camstream.load_model()
    best = [model.predict(photo).top[0] for photo in photos]
    scores = np.array([top.score for top in best])
    is_right = np.array(
        [top.class_index == int(photo.stem) for top, photo in zip(best, photos, strict=True)]
    )
    table = Table(title=f"{len(photos)} photos, {model.info.name}")
    for head in ("limit", "named", "of these wrong", "not named", "of these wrong"):
        table.add_column(head, justify="right")
    for limit in _LIMITS:
        is_named = scores >= limit
        table.add_row(f"{limit:.0%}", *_counts(is_right, is_named), *_counts(is_right, ~is_named))
    Console().print(table)


def _counts(is_right: np.ndarray, chosen: np.ndarray) -> tuple[str, str]:
    count, wrong = int(chosen.sum()), int((chosen & ~is_right).sum())
    return str(count), f"{wrong} ({wrong / count:.1%})" if count else "0"


if __name__ == "__main__":
    main()
