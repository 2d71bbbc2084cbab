"""Delivers events in a thread of its own: whoever posts one never waits."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Mapping

from camstream.sinks.receivers import Receiver, UndeliveredError

_log = logging.getLogger(__name__)

_MOST = 100  # events that wait
_WAITS_S = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)  # before the next attempt; the last is repeated
_GRACE_S = 2.0


class Post:
    """A bounded queue before a receiver.

    Events arrive in their order. One that does not is tried again, with growing pauses up to
    30 seconds, until the run ends; where more than 100 wait, the oldest is given up.

    Attributes:
        posted: Events so far.
        lost: Those that were given up.
        reason: Why the last attempt that failed did.
    """

    def __init__(self, receiver: Receiver, *, most: int = _MOST) -> None:
        """Prepare; the thread starts with the first event.

        Args:
            receiver: Gets the events, in that thread.
            most: How many may wait.
        """
        self.posted = 0
        self.lost = 0
        self.reason = ""
        self._receiver = receiver
        self._most = most
        self._waiting: deque[Mapping[str, object]] = deque()
        self._changed = threading.Condition()
        self._is_closing = False
        self._failures = 0  # of attempts, since the last that worked
        self._thread: threading.Thread | None = None

    def put(self, event: Mapping[str, object]) -> None:
        """Post an event; returns at once."""
        with self._changed:
            if self._is_closing:
                return
            self.posted += 1
            self._waiting.append(event)
            if len(self._waiting) > self._most:
                self._waiting.popleft()
                self.lost += 1
            self._changed.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="camstream-post", daemon=True
                )
                self._thread.start()

    def close(self, grace_s: float = _GRACE_S) -> str:
        """Deliver what waits, as far as it can be done in so many seconds, and end.

        Returns:
            What was lost, for the user; empty where everything arrived.
        """
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(grace_s)
            if self._thread.is_alive():
                with self._changed:  # it begins none of those that are told to be lost
                    self.lost += len(self._waiting)
                    self._waiting.clear()
                self._receiver.abort()
                self._thread.join(1.0)  # a name that is being looked up cannot be interrupted
        with self._changed:
            self.lost += len(self._waiting)
            self._waiting.clear()
            if not self.lost:
                return ""
            why = f" ({self.reason})" if self.reason else ""
            return f"{self.lost} of {self.posted} events did not reach {self._receiver}{why}"

    def _run(self) -> None:
        while (event := self._next()) is not None:
            try:
                self._receiver.deliver(event)
            except UndeliveredError as error:
                if not self._failed(event, error):
                    return
            else:
                with self._changed:
                    self._taken(event)
                if self._failures:
                    _log.warning("%s: events arrive again", self._receiver)
                self._failures = 0

    def _next(self) -> Mapping[str, object] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closing)
            return self._waiting[0] if self._waiting else None

    def _taken(self, event: Mapping[str, object]) -> bool:
        """Take an event out of the queue; returns False where it was given up meanwhile."""
        if self._waiting and self._waiting[0] is event:
            self._waiting.popleft()
            return True
        return False

    def _failed(self, event: Mapping[str, object], error: UndeliveredError) -> bool:
        """Wait after an attempt that failed; returns False where there is no time for another."""
        if not self._failures or error.is_final:
            what = "an event is lost" if error.is_final else "tried again"
            _log.warning("%s: %s; %s", self._receiver, error.reason, what)
        with self._changed:
            self.reason = error.reason
            if error.is_final:
                self.lost += self._taken(event)
                return True
            pause_s = _WAITS_S[min(self._failures, len(_WAITS_S) - 1)]
            self._failures += 1
            was_last = self._is_closing
            self._changed.wait_for(lambda: self._is_closing, pause_s)
            return not was_last
