"""Gives memory that nobody needs back to the system, in runs of days.

Two things keep it, see tests/benchmarks/soak.py. A stream of PyAV that was closed refers to itself with
its decoder's pictures, 2 MB at 720p, and Python looks for such circles seldom where few objects are made:
a hundred lost connections kept 100 MB. And the C library of Linux keeps what was freed, in a part for
each thread, for the next one that asks: pictures of changing sizes left holes of 50 MB in an hour.
"""

from __future__ import annotations

import ctypes
import gc
import time
from collections.abc import Callable

_EVERY_S = 30.0


def _trim() -> Callable[[int], int] | None:
    """Find what gives it back; None where the C library is another one."""
    try:
        trim: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    except (OSError, TypeError):  # Windows has no library without a name
        return None
    return trim


class SpareMemory:
    """Gives spare memory back now and then; it takes some milliseconds, a tenth of that after ``freeze``."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        """Begin to wait.

        Args:
            clock: Returns seconds, monotonic; a parameter for tests.
        """
        self._clock = clock
        self._trim = _trim()
        self._due_s = clock() + _EVERY_S

    def give_back(self) -> bool:
        """Give it back if it is time; returns whether it was. To be called all the time."""
        if self._clock() < self._due_s:
            return False
        self._due_s = self._clock() + _EVERY_S
        gc.collect()
        if self._trim is not None:
            self._trim(0)
        return True


def freeze() -> None:
    """Leave what there is now out of the search for circles, in a process that is camstream's own."""
    gc.collect()
    gc.freeze()
