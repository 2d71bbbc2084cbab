"""Are scores probabilities, and what is "not sure" worth? Before and after a temperature.

    python -m tests.benchmarks.calibration [PHOTOS] [--halves 100]

PHOTOS are files NNNN.jpg, named by the class that each shows; ../shared/data/imagenet1k_photos. For
each input size a temperature is fitted on half of the photos, and the expected calibration error
(15 bins) is measured on the other half, for many halves drawn at random: mean and spread. An error
that perfect scores would show on as many photos is printed beside it, as it is not 0: it comes from
names that were drawn as the scores say.

The second table: with the temperature of all photos, what is named from a score on, and how much of it
is wrong; and what is not named, and how much of that would have been wrong.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.special import softmax

from camstream import media
from camstream.evaluate.calibration import (
    F64,
    I64,
    error_at,
    expected_error,
    fit_temperature,
)
from camstream.frame import NAMED_FROM
from camstream.models import zoo

PHOTOS = Path(__file__).parents[3] / "shared" / "data" / "imagenet1k_photos"
SIDES = (224, 256, 288, 320)
LIMITS = (0.0, 0.1, 0.15, 0.2, 0.25, 0.3, NAMED_FROM, 0.4, 0.5)
HALVES = 100


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", nargs="?", type=Path, default=PHOTOS)
    parser.add_argument("--halves", type=int, default=HALVES, help="how many are drawn")
    arguments = parser.parse_args()
    photos = sorted(arguments.photos.glob("*.jpg"))
    if not photos:
        sys.exit(f"no photos are in {arguments.photos}")
    targets = np.array([int(photo.stem) for photo in photos], np.int64)
    looks = {side: look(photos, side) for side in SIDES}
    console = Console(width=120)
    console.print(errors(looks, targets, arguments.halves))
    for side, logits in looks.items():
        console.print(limits(logits, targets, side))


def look(photos: list[Path], side: int) -> F64:
    """Compute the logits of whole photos."""
    model = zoo.load_model(device="cpu", input_size=side)
    return np.stack([model.predict(media.read_photo(photo)).logits for photo in photos]).astype(
        np.float64
    )


def errors(looks: dict[int, F64], targets: I64, halves: int) -> Table:
    """Lay out the calibration errors."""
    table = Table(title=f"expected calibration error of {len(targets)} photos, %")
    table.add_column("input")
    heads = ("T of all", "T of halves", "before", "after, not fitted to", "perfect scores")
    for head in heads:
        table.add_column(head, justify="right")
    rng = np.random.default_rng(0)
    for side, logits in looks.items():
        found, before, after, perfect = [], [], [], []
        for _ in range(halves):
            order = rng.permutation(len(targets))
            fitted, held = np.array_split(order, 2)
            temperature = fit_temperature(logits[fitted], targets[fitted])
            found.append(temperature)
            before.append(error_at(logits[held], targets[held], 1.0))
            after.append(error_at(logits[held], targets[held], temperature))
            best = softmax(logits[held] / temperature, axis=1).max(axis=1)
            perfect.append(expected_error(best, rng.random(len(best)) < best))
        shares = (_spread(100 * np.array(values)) for values in (before, after, perfect))
        table.add_row(
            str(side),
            f"{fit_temperature(logits, targets):.3f}",
            _spread(np.array(found), 3),
            *shares,
        )
    return table


def limits(logits: F64, targets: I64, side: int) -> Table:
    """Lay out what naming from a score on leaves out, before and after."""
    temperature = fit_temperature(logits, targets)
    right = logits.argmax(axis=1) == targets
    table = Table(title=f"input {side}: {right.mean():.1%} named right")
    table.add_column("limit")
    for name in ("T = 1", f"T = {temperature:.2f}"):
        for head in ("named", "of these wrong", "not named", "of these wrong"):
            table.add_column(f"{name}: {head}", justify="right")
    for limit in LIMITS:
        cells: list[str] = []
        for one in (1.0, temperature):
            is_named = softmax(logits / one, axis=1).max(axis=1) >= limit
            cells += [*_counts(right, is_named), *_counts(right, ~is_named)]
        table.add_row(f"{limit:.0%}", *cells)
    return table


def _counts(right: NDArray[np.bool_], chosen: NDArray[np.bool_]) -> tuple[str, str]:
    count, wrong = int(chosen.sum()), int((chosen & ~right).sum())
    return str(count), f"{wrong} ({wrong / count:.1%})" if count else "0"


def _spread(values: F64, digits: int = 1) -> str:
    return f"{values.mean():.{digits}f} +- {values.std():.{digits}f}"


if __name__ == "__main__":
    main()
