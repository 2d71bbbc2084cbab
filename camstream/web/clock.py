"""The clock of another machine, seen from here."""

from __future__ import annotations

from collections import deque

_KEPT_S = 60.0  # clocks drift apart, by a millisecond or two in that time


class Clock:
    """Tells when something that the other clock dates was by this one's.

    A question and its answer take the same time there and back, or nearly so where both were
    quick: of the last minute the quickest pair counts, and it is wrong by half of its time at
    most (Cristian 1989).
    """

    def __init__(self) -> None:
        self._pairs: deque[tuple[float, float, float]] = deque()  # when, round trip, offset

    @property
    def is_known(self) -> bool:
        """Whether there was an answer."""
        return bool(self._pairs)

    @property
    def error_s(self) -> float:
        """How wrong ``here`` is at most, seconds."""
        return min(trip for _, trip, _ in self._pairs) / 2

    def add(self, asked_s: float, there_s: float, answered_s: float) -> None:
        """Add a question and its answer.

        Args:
            asked_s: When it was asked, by this clock, seconds.
            there_s: What the other clock showed.
            answered_s: When the answer came, by this clock.
        """
        trip_s = answered_s - asked_s
        self._pairs.append((answered_s, trip_s, there_s - (asked_s + answered_s) / 2))
        while self._pairs[0][0] < answered_s - _KEPT_S:
            self._pairs.popleft()

    def here(self, there_s: float) -> float:
        """Return the time by this clock when the other one shows so many seconds."""
        _, _, offset_s = min(self._pairs, key=lambda pair: pair[1])
        return there_s - offset_s
