"""The hand-over against a model of it: any order of put, get, close and slow threads."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from camstream.channel import Channel, ChannelClosed, Policy


class ChannelMachine(RuleBasedStateMachine):
    """One thread does everything; what would wait for ever is done by another thread."""

    @initialize(
        policy=st.sampled_from(["every", "latest"]),
        capacity=st.integers(1, 4),
    )
    def begin(self, policy: Policy, capacity: int) -> None:
        self.channel: Channel[int] = Channel(policy, capacity)
        self.is_latest = policy == "latest"
        self.capacity = 1 if self.is_latest else capacity
        self.items: deque[int] = deque()
        self.is_closed = False
        self.put_count = self.dropped = self.taken = self.discarded = 0

    @rule()
    def put(self) -> None:
        number = self.put_count
        if self.is_closed:
            with pytest.raises(ChannelClosed):
                self.channel.put(number)
            return
        if not self.is_latest and len(self.items) == self.capacity:
            self.put_and_wait(number)
            return
        self.channel.put(number)
        self.added(number)

    def added(self, number: int) -> None:
        if self.is_latest and self.items:
            self.items.clear()
            self.dropped += 1
        self.items.append(number)
        self.put_count += 1

    def put_and_wait(self, number: int) -> None:
        """A put into a full channel waits for a get in another thread."""
        thread = threading.Thread(target=self.channel.put, args=(number,))
        thread.start()
        time.sleep(0.001)
        assert thread.is_alive()
        assert self.channel.get(timeout_s=5) == self.items.popleft()
        self.taken += 1
        thread.join(5)
        assert not thread.is_alive()
        self.added(number)

    @rule()
    def get(self) -> None:
        if self.items:
            assert self.channel.get(timeout_s=0) == self.items.popleft()
            self.taken += 1
            return
        with pytest.raises(ChannelClosed if self.is_closed else TimeoutError):
            self.channel.get(timeout_s=0)

    @precondition(lambda self: not self.items and not self.is_closed)
    @rule()
    def get_before_put(self) -> None:
        """A get from an empty channel waits for a put."""
        got: list[int] = []
        thread = threading.Thread(target=lambda: got.append(self.channel.get(timeout_s=5)))
        thread.start()
        self.channel.put(self.put_count)
        thread.join(5)
        assert got == [self.put_count]
        self.put_count += 1
        self.taken += 1

    @precondition(lambda self: not self.is_closed)
    @rule(discard=st.booleans())
    def close(self, discard: bool) -> None:
        waiting = []
        if not self.items:
            waiting.append(threading.Thread(target=self.end_of_wait, args=(self.channel.get,)))
        elif not self.is_latest and len(self.items) == self.capacity:
            put: Any = lambda: self.channel.put(-1)  # noqa: E731
            waiting.append(threading.Thread(target=self.end_of_wait, args=(put,)))
        for thread in waiting:
            thread.start()
        self.channel.close(discard=discard)
        for thread in waiting:  # whoever waits wakes up
            thread.join(5)
            assert not thread.is_alive()
        self.is_closed = True
        if discard:
            self.discarded += len(self.items)
            self.items.clear()

    def end_of_wait(self, wait: Any) -> None:
        with pytest.raises(ChannelClosed):
            wait()

    @invariant()
    def counts_add_up(self) -> None:
        if not hasattr(self, "channel"):
            return
        assert self.channel.dropped == self.dropped
        assert list(self.channel._items) == list(self.items)
        assert len(self.items) <= self.capacity
        assert self.put_count == self.taken + self.dropped + self.discarded + len(self.items)


TestChannelMachine = ChannelMachine.TestCase
TestChannelMachine.settings = settings(max_examples=20, stateful_step_count=25, deadline=None)
