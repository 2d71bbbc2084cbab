"""Gives memory that is free back to the system, in runs of days.

The C library of Linux keeps what was freed, in a part for each thread, for the next one that asks.
Pictures of changing sizes leave holes there: an hour of a camera that changes its size keeps 50 MB
of them, see tests/benchmarks/soak.py.
"""

from __future__ import annotations

import ctypes
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
    """Gives spare memory back now and then; it takes a few milliseconds."""

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
        if self._trim is None or self._clock() < self._due_s:
            return False
        self._due_s = self._clock() + _EVERY_S
        self._trim(0)
        return True
