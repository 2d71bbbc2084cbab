"""The hand-over: order, bounds, drops, and both ways to end it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

import pytest

from camstream.channel import Channel, ChannelClosed, Policy

T = TypeVar("T")
POLICIES: list[Policy] = ["every", "latest"]


def _in_thread(work: Callable[[], T]) -> tuple[threading.Thread, Future[T]]:
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    thread = threading.Thread(target=run, name="test-channel")
    thread.start()
    return thread, future


def test_every_keeps_all_in_order_and_never_more_than_its_capacity() -> None:
    channel: Channel[int] = Channel("every", capacity=3)
    most = 0

    def produce() -> None:
        for number in range(500):
            channel.put(number)
        channel.close()

    thread, produced = _in_thread(produce)
    taken = []
    while True:
        most = max(most, len(channel._items))
        try:
            taken.append(channel.get(timeout_s=10))
        except ChannelClosed:
            break
    thread.join()
    produced.result()
    assert taken == list(range(500))
    assert 1 <= most <= 3
    assert channel.dropped == 0


def test_every_makes_put_wait_until_there_is_room() -> None:
    channel: Channel[int] = Channel("every", capacity=1)
    channel.put(1)
    thread, second = _in_thread(lambda: channel.put(2))
    assert not second.done()
    assert channel.get() == 1
    second.result(timeout=10)
    thread.join()
    assert channel.get() == 2


def test_latest_keeps_the_newest_and_counts_what_it_replaced() -> None:
    channel: Channel[int] = Channel("latest", capacity=8)
    for number in range(10):
        channel.put(number)
    assert channel.get() == 9
    assert channel.dropped == 9
    with pytest.raises(TimeoutError):
        channel.get(timeout_s=0)


@pytest.mark.parametrize("policy", POLICIES)
def test_get_waits_for_an_item(policy: Policy) -> None:
    channel: Channel[str] = Channel(policy)
    thread, got = _in_thread(channel.get)
    channel.put("here")
    assert got.result(timeout=10) == "here"
    thread.join()


@pytest.mark.parametrize("policy", POLICIES)
def test_closing_wakes_a_waiting_get(policy: Policy) -> None:
    channel: Channel[str] = Channel(policy)
    thread, got = _in_thread(channel.get)
    channel.close()
    with pytest.raises(ChannelClosed):
        got.result(timeout=10)
    thread.join()


def test_closing_wakes_a_waiting_put() -> None:
    channel: Channel[int] = Channel("every", capacity=1)
    channel.put(1)
    thread, second = _in_thread(lambda: channel.put(2))
    channel.close(discard=True)
    with pytest.raises(ChannelClosed):
        second.result(timeout=10)
    thread.join()


@pytest.mark.parametrize("policy", POLICIES)
def test_what_waits_may_be_taken_after_closing_unless_it_is_discarded(policy: Policy) -> None:
    channel: Channel[int] = Channel(policy)
    channel.put(1)
    channel.close()
    with pytest.raises(ChannelClosed):
        channel.put(2)
    assert channel.get() == 1
    with pytest.raises(ChannelClosed):
        channel.get()

    discarded: Channel[int] = Channel(policy)
    discarded.put(1)
    discarded.close(discard=True)
    with pytest.raises(ChannelClosed):
        discarded.get()
    assert channel.dropped == discarded.dropped == 0
