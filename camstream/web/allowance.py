"""What every socket may do: so many messages a second; and how one that may not is sent away."""

from __future__ import annotations

import time

# Codes of the end of a socket, RFC 6455.
GOING_AWAY, POLICY = 1001, 1008


class EndedError(Exception):
    """Whoever is on a socket is sent away.

    Attributes:
        code: Of the end.
    """

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code = code


class Allowance:
    """Messages that a socket may send: so many a second, and those of two seconds at once."""

    def __init__(self, rate_hz: float) -> None:
        self._rate_hz, self._most = rate_hz, 2 * rate_hz
        self._left = self._most
        self._last_s = time.perf_counter()

    def pay(self) -> None:
        """Count a message.

        Raises:
            EndedError: There are too many.
        """
        now_s = time.perf_counter()
        earned = (now_s - self._last_s) * self._rate_hz
        self._left = min(self._most, self._left + earned) - 1
        self._last_s = now_s
        if self._left < 0:
            raise EndedError(POLICY, f"more than {self._rate_hz:.0f} messages a second")

    def give_back(self) -> None:
        """Count one less: it was asked for."""
        self._left += 1
