"""How long a lost camera is waited for."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from camstream.sources.back_off import BackOff


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_waits_are_half_a_second_to_thirty_for_ever(chances: list[float]) -> None:
    left = iter(chances)
    back_off = BackOff(chance=lambda: next(left))
    waits = [back_off.next_s() for _ in chances]
    assert all(0.5 <= wait <= 30 for wait in waits)
    assert all(wait >= 24 for wait in waits[6:])
    assert all(wait <= 0.6 for wait in waits[:1])


def test_two_cameras_do_not_come_back_in_the_same_moment() -> None:
    first, second = BackOff(), BackOff()
    assert [first.next_s() for _ in range(9)] != [second.next_s() for _ in range(9)]


def test_it_begins_anew_after_a_success() -> None:
    back_off = BackOff(chance=lambda: 0.5)
    assert [back_off.next_s() for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    back_off.reset()
    assert back_off.next_s() == 0.5
