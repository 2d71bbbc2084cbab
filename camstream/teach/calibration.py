"""Turns a classifier's values into probabilities: one scale, and one offset a class (Platt 1999)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Calibration:
    """From a classifier's values to logits: scale * value + offset.

    Attributes:
        scale: One number.
        offset: (C,).
    """

    scale: float
    offset: F64


def calibrate(values: F64, targets: I64) -> tuple[Calibration, float]:
    """Find the scale and the offsets that make a classifier's values probabilities.

    Args:
        values: (N, C) of samples that it was not fitted to.
        targets: (N,) their classes.

    Returns:
        The calibration, and the mean negative log-likelihood with it; classes count alike.

    Source: Platt 1999, with its smoothed targets, by which values that separate all samples do
    not become certainty.
    """
    count = values.shape[1]
    sizes = np.bincount(targets, minlength=count).astype(np.float64)
    wanted = np.tile(1 / (sizes[targets, np.newaxis] + count), (1, count))
    wanted[np.arange(len(targets)), targets] *= sizes[targets] + 1
    weight = 1 / (sizes[targets] * count)
    unit = float(values.std()) or 1.0

    def loss(parameters: F64) -> tuple[float, F64]:
        scale, offset = np.exp(parameters[0]) / unit, parameters[1:]
        logits = values * scale + offset
        logits = logits - logits.max(axis=1, keepdims=True)
        logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        error = (np.exp(logs) - wanted) * weight[:, np.newaxis]
        gradient = np.array([(error * values).sum() * scale, *error.sum(axis=0)])
        return float(-(wanted * logs).sum(axis=1) @ weight), gradient

    found = minimize(loss, np.zeros(count + 1), jac=True, method="L-BFGS-B")
    offset = found.x[1:] - found.x[1:].mean()
    return Calibration(float(np.exp(found.x[0]) / unit), offset), float(found.fun)
