"""Turns the values of a classifier into logits whose softmax are probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

_CHANCE = 2.0  # samples; as many as Platt adds to each of two classes
_LOG_FACTORS = (-3.0, 3.0)  # bounds: from 1/20 to 20


@dataclass(frozen=True, slots=True)
class Calibration:
    """Turns the values of a classifier into logits: scale * value + offset.

    Attributes:
        scale: One number for all classes.
        offset: (C,).
    """

    scale: float
    offset: F64


def calibrate(values: F64, targets: I64) -> tuple[Calibration, float]:
    """Find the scale and the offsets with which the softmax of the values are probabilities.

    Args:
        values: (N, C) of samples that the classifier was not fitted to.
        targets: (N,) their class indices.

    Returns:
        The calibration, and the mean negative log-likelihood with Platt's targets; all classes have
        the same weight.

    Source: Platt 1999, with its smoothed targets: even values that separate all samples do not
    become probabilities of 0 and 1. Of many classes these targets are far too low (4 samples each of
    17: 24 %), so there the scale is fitted once more, see ``_sharpened``.
    """
    count = values.shape[1]
    sizes = np.bincount(targets, minlength=count).astype(np.float64)
    goal = np.tile(1 / (sizes[targets, np.newaxis] + count), (1, count))
    goal[np.arange(len(targets)), targets] *= sizes[targets] + 1
    weight = 1 / (sizes[targets] * count)
    unit = float(values.std()) or 1.0

    def loss(parameters: F64) -> tuple[float, F64]:
        scale, offset = np.exp(parameters[0]) / unit, parameters[1:]
        logits = values * scale + offset
        logits = logits - logits.max(axis=1, keepdims=True)
        logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        error = (np.exp(logs) - goal) * weight[:, np.newaxis]
        gradient = np.array([(error * values).sum() * scale, *error.sum(axis=0)])
        return float(-(goal * logs).sum(axis=1) @ weight), gradient

    found = minimize(loss, np.zeros(count + 1), jac=True, method="L-BFGS-B")
    offset = found.x[1:] - found.x[1:].mean()
    scale = float(np.exp(found.x[0]) / unit)
    factor = 1.0 if count == 2 else _sharpened(values * scale + offset, targets, weight)
    return Calibration(factor * scale, factor * offset), float(found.fun)


def _sharpened(logits: F64, targets: I64, weight: F64) -> float:
    """Find the factor with which the softmax of logits are probabilities; the best class stays.

    Platt's targets are as if one sample more of each class had been in each class; those here as if
    two of all samples had been of a class by chance, as all samples have one factor. With two classes
    Platt's are the usual ones.

    Args:
        logits: (N, C) of samples that the classifier was not fitted to.
        targets: (N,) their class indices.
        weight: (N,) of the samples.
    """
    samples, count = logits.shape
    chance = _CHANCE / count / (samples + _CHANCE)
    goal = np.full((samples, count), chance)
    goal[np.arange(samples), targets] += samples / (samples + _CHANCE)

    def loss(log_factor: float) -> float:
        return float(
            -(goal * log_softmax(logits * np.exp(log_factor), axis=1)).sum(axis=1) @ weight
        )

    return float(np.exp(minimize_scalar(loss, bounds=_LOG_FACTORS, method="bounded").x))
