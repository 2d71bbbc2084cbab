"""The hand-over between two threads: bounded, closable from both ends, no sentinel."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Generic, Literal, TypeVar

Policy = Literal["every", "latest"]
T = TypeVar("T")


class ChannelClosed(Exception):  # noqa: N818 (not an error: the ordinary end of a hand-over)
    """Nothing comes any more, or nobody wants it any more."""


class Channel(Generic[T]):
    """Hands items from one thread to another.

    Attributes:
        dropped: Items that were replaced before anybody took them; 0 with policy "every".
    """

    def __init__(self, policy: Policy, capacity: int = 1) -> None:
        """Make a channel.

        Args:
            policy: "every" makes ``put`` wait while ``capacity`` items wait; "latest" keeps one
                item, and a new one replaces it.
            capacity: How many items may wait.
        """
        self._latest = policy == "latest"
        self._capacity = 1 if self._latest else capacity
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self.dropped = 0

    def put(self, item: T) -> None:
        """Hand an item over.

        Raises:
            ChannelClosed: The channel was closed, also while this call was waiting.
        """
        with self._changed:
            if self._latest and self._items and not self._closed:
                self._items.clear()
                self.dropped += 1
            self._changed.wait_for(lambda: self._closed or len(self._items) < self._capacity)
            if self._closed:
                raise ChannelClosed
            self._items.append(item)
            self._changed.notify_all()

    def get(self, timeout_s: float | None = None) -> T:
        """Take the next item, waiting for it.

        Args:
            timeout_s: How long to wait at most; None waits for ever.

        Raises:
            ChannelClosed: The channel was closed and holds nothing any more.
            TimeoutError: Nothing came in time.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        with self._changed:
            while not self._items:
                if self._closed:
                    raise ChannelClosed
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    raise TimeoutError
                self._changed.wait(left)
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    def close(self, *, discard: bool = False) -> None:
        """End the hand-over; whoever waits in ``put`` or ``get`` wakes up.

        Args:
            discard: Throw away what still waits, instead of letting it be taken.
        """
        with self._changed:
            self._closed = True
            if discard:
                self._items.clear()
            self._changed.notify_all()
