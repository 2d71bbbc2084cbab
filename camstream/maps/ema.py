"""Means and maxima over time, at whatever times their values come."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Ema:
    """The exponentially weighted mean of one array over time.

    What lies t seconds back counts exp(-t / tau): a frame enters with 1 - exp(-dt / tau), dt
    being the time since the one before. Weights are divided by their sum, so that the first
    frame counts fully and the second brings the mean of the two.

    Attributes:
        values: The mean, always finite; where a value given is not, the mean stays as it was.
        at_s: When the last values came.
    """

    def __init__(self, values: NDArray[np.float32], at_s: float) -> None:
        finite = np.isfinite(values)
        if not finite.all():  # counts as no evidence, as it does where maps are drawn
            values = np.where(finite, values, min(0.0, float(values[finite].min(initial=0.0))))
        self.values, self.at_s = values, at_s
        self._weight: float | None = None  # the sum of all weights; None: of one frame only

    def add(self, values: NDArray[np.float32], at_s: float, tau_s: float) -> None:
        """Let in what was seen at a time, which is not before the last one."""
        entering = 1 - math.exp(-(at_s - self.at_s) / tau_s) if tau_s > 0 else 1.0
        if entering == 0:
            return  # the same frame once more
        if self._weight is None:
            self._weight = entering  # the first frame stands for as long a time as the second
        self._weight += entering * (1 - self._weight)
        share = entering / self._weight
        usable = np.where(np.isfinite(values), values, self.values)
        # Both weights written out: a huge value that leaves again would leave its rounding behind.
        self.values = (np.float32(1 - share) * self.values + np.float32(share) * usable).astype(
            np.float32, copy=False
        )
        self.at_s = at_s


class DecayingMax:
    """The decaying maximum of one array over time.

    Attributes:
        values: The maximum.
        at_s: When the last values came.
    """

    def __init__(self, values: NDArray[np.float32], at_s: float) -> None:
        self.values, self.at_s = values, at_s

    def add(self, values: NDArray[np.float32], at_s: float, tau_s: float) -> None:
        """Rise to the values at once, fall towards them with the time constant."""
        left = math.exp(-(at_s - self.at_s) / tau_s)
        fallen = values + np.float32(left) * (self.values - values)
        self.values = np.maximum(values, fallen).astype(np.float32, copy=False)
        self.at_s = at_s
