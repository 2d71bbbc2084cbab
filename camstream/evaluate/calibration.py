"""Whether scores are probabilities: the calibration error, and the temperature that makes it small.

A network is calibrated where, of the pictures that it names with a score of 80 %, 80 % are named
right. One number that all logits are divided by before the softmax, fitted on pictures of known
classes, is enough for most networks, and changes neither their best class nor their maps.

Sources: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017 (temperature, and the
expected calibration error, after Naeini et al., AAAI 2015).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from camstream.contract import MAX_TEMPERATURE, MIN_TEMPERATURE
from camstream.errors import SourceError
from camstream.evaluate.measure import read_photo

if TYPE_CHECKING:
    from camstream.evaluate.annotations import GroundTruth
    from camstream.models.session import Model

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

BINS = 15
MIN_PHOTOS = 50  # fewer do not show an error of some percent


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What dividing logits by a temperature does to the scores of a model.

    Attributes:
        temperature: Fitted to all photos.
        photos: How many there were.
        error_before: The expected calibration error without a temperature, 0 to 1.
        error_after: The same with a temperature, each photo with one that was fitted to the other half.
    """

    temperature: float
    photos: int
    error_before: float
    error_after: float


def expected_error(scores: F64, is_right: NDArray[np.bool_], *, bins: int = BINS) -> float:
    """Return the expected calibration error: how far scores and shares of right names lie apart.

    Args:
        scores: (N,) of the best classes, 0 to 1.
        is_right: (N,) whether the best class is the true one.
        bins: Of equal width; the gap of each counts as often as it has pictures.
    """
    bin_of = np.clip(np.ceil(scores * bins).astype(np.int64) - 1, 0, bins - 1)
    gaps = np.bincount(bin_of, weights=scores - is_right, minlength=bins)
    return float(np.abs(gaps).sum() / len(scores))


def fit_temperature(logits: F64, targets: I64) -> float:
    """Find the temperature with which the true classes are most likely.

    Args:
        logits: (N, C), before softmax.
        targets: (N,) the true classes.
    """
    rows = np.arange(len(targets))

    def loss(log_temperature: float) -> float:
        logs = log_softmax(logits / np.exp(log_temperature), axis=1)
        return -float(logs[rows, targets].mean())

    bounds = np.log([MIN_TEMPERATURE, MAX_TEMPERATURE])
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def error_at(logits: F64, targets: I64, temperature: float | F64) -> float:
    """Return the expected calibration error with a temperature, one or (N, 1)."""
    scores = softmax(logits / temperature, axis=1)
    return expected_error(scores.max(axis=1), logits.argmax(axis=1) == targets)


def calibrate(logits: F64, targets: I64) -> Calibration:
    """Fit a temperature, and measure what it brings to photos that it was not fitted to.

    Args:
        logits: (N, C), before softmax.
        targets: (N,) the true classes.
    """
    halves = np.random.default_rng(0).permutation(len(targets)) % 2
    of_each = np.empty((len(targets), 1))
    for half in (0, 1):
        other = halves != half
        of_each[~other] = fit_temperature(logits[other], targets[other])
    return Calibration(
        temperature=fit_temperature(logits, targets),
        photos=len(targets),
        error_before=error_at(logits, targets, 1.0),
        error_after=error_at(logits, targets, of_each),
    )


def look_at(
    model: Model,
    ground_truths: Sequence[GroundTruth],
    *,
    on_photo: Callable[[int], None] = lambda _: None,
) -> tuple[F64, I64]:
    """Compute the logits of photos of known classes.

    Args:
        model: At the input size that it is used at: a temperature is of one size.
        ground_truths: The photos and their classes.
        on_photo: Called with the number of photos done.

    Returns:
        The (N, C) logits and the (N,) classes.

    Raises:
        SourceError: A photo cannot be read, or there are too few.
    """
    if len(ground_truths) < MIN_PHOTOS:
        raise SourceError(
            f"cannot calibrate scores on {len(ground_truths)} photos: {MIN_PHOTOS} are needed at "
            "least, some hundreds are better"
        )
    logits = []
    for number, one in enumerate(ground_truths, start=1):
        logits.append(model.predict(read_photo(one)).logits.astype(np.float64))
        on_photo(number)
    return np.stack(logits), np.array([one.class_index for one in ground_truths], np.int64)
