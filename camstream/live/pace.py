"""How often something happens, of late."""

from __future__ import annotations

from collections import deque

_SPAN_S = 3.0
_MOST = 256


class Pace:
    """Counts events of the last seconds; one thread adds, others may ask."""

    def __init__(self) -> None:
        """Begin without an event."""
        self._times_s: deque[float] = deque(maxlen=_MOST)

    def add(self, now_s: float) -> None:
        """Count one, at a time on a clock that grows."""
        self._times_s.append(now_s)
        while len(self._times_s) > 2 and self._times_s[0] < now_s - _SPAN_S:
            self._times_s.popleft()

    @property
    def last_s(self) -> float | None:
        """When the last one was, None before the first."""
        return self._times_s[-1] if self._times_s else None

    @property
    def rate_hz(self) -> float:
        """How many a second: the number over the span, as single gaps say little."""
        times = self._times_s
        span_s = times[-1] - times[0] if len(times) > 1 else 0.0
        return (len(times) - 1) / span_s if span_s > 0 else 0.0

    def is_late(self, now_s: float, *, patience_s: float) -> bool:
        """Whether the next one should have come long ago: after three times the usual gap."""
        last_s, rate_hz = self.last_s, self.rate_hz
        if last_s is None:
            return False
        gap_s = 1 / rate_hz if rate_hz else patience_s
        return now_s - last_s > max(patience_s, 3 * gap_s)

    def clear(self) -> None:
        """Forget what was: a pause or an outage is no slow event."""
        self._times_s.clear()
