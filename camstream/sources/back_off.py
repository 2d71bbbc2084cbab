"""How long to wait before something that failed is tried again."""

from __future__ import annotations

import random
from collections.abc import Callable

_FIRST_S, _LONGEST_S = 0.5, 30.0
_SPREAD = 0.2  # of a wait: cameras that were lost together do not come back in the same moment
_MOST_DOUBLINGS = 10


class BackOff:
    """Half a second, then twice as long each time, up to 30 s, for ever; a fifth of it by chance."""

    def __init__(self, chance: Callable[[], float] = random.random) -> None:
        """Begin with the shortest wait.

        Args:
            chance: Returns a number from 0 to 1; 0.5 is no change.
        """
        self._chance = chance
        self._tries = 0

    def next_s(self) -> float:
        """Return the next wait, seconds: 0.5 to 30."""
        wait_s = _FIRST_S * 2.0 ** min(self._tries, _MOST_DOUBLINGS)
        self._tries += 1
        wait_s = min(wait_s, _LONGEST_S) * (1 + _SPREAD * (2 * self._chance() - 1))
        return min(_LONGEST_S, max(_FIRST_S, wait_s))

    def reset(self) -> None:
        """Begin anew: it succeeded."""
        self._tries = 0
