"""Intervals of presence: the laws that hold for any scores, and cases worked out by hand."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camstream.maps.presence import (
    Interval,
    Presence,
    PresenceRule,
    find_intervals,
)

SCORES = st.floats(0, 1) | st.just(math.nan)
STEPS = st.sampled_from([0.04, 0.04, 0.04, 0.5, 3.0])
SAMPLES = st.lists(st.tuples(STEPS, SCORES), max_size=60)
SECONDS = st.sampled_from([0.0, 0.04, 0.1, 1.0, 4.0])


@st.composite
def rules(draw: st.DrawFn) -> PresenceRule:
    off_threshold, on_threshold = sorted(draw(st.tuples(st.floats(0, 1), st.floats(0, 1))))
    return PresenceRule(on_threshold, off_threshold, draw(SECONDS), draw(SECONDS), draw(SECONDS))


def _timed(steps: list[tuple[float, float]]) -> list[tuple[float, float]]:
    pts_s, samples = 0.0, []
    for step, score in steps:
        pts_s += step
        samples.append((pts_s, score))
    return samples


@given(SAMPLES, rules())
@settings(deadline=None)
def test_intervals_are_in_order_apart_and_inside(
    steps: list[tuple[float, float]], rule: PresenceRule
) -> None:
    samples = _timed(steps)
    found = find_intervals(samples, rule)
    for interval in found:
        assert samples[0][0] <= interval.start_s <= interval.end_s <= samples[-1][0]
        assert interval.end_s - interval.start_s >= rule.min_duration_s
    for before, after in itertools.pairwise(found):
        assert after.start_s - before.end_s >= 0
        assert before.start_s < after.start_s
        if rule.min_duration_s == 0:  # else a short one between them was left out
            assert after.start_s - before.end_s > rule.max_gap_s


@given(SAMPLES, rules())
@settings(deadline=None)
def test_every_frame_over_enter_is_in_one_and_sets_its_peak(
    steps: list[tuple[float, float]], rule: PresenceRule
) -> None:
    rule = PresenceRule(
        rule.on_threshold, rule.off_threshold, 0.0, rule.max_gap_s, rule.max_dropout_s
    )
    samples = _timed(steps)
    found = find_intervals(samples, rule)
    for pts_s, score in samples:
        if score >= rule.on_threshold:
            within = [one for one in found if one.start_s <= pts_s <= one.end_s]
            assert within
            assert max(one.peak_score for one in within) >= score
    for interval in found:
        assert any(interval.start_s == pts_s for pts_s, _ in samples)
        assert interval.peak_score in [
            0.0 if math.isnan(score) else score
            for pts_s, score in samples
            if interval.start_s <= pts_s <= interval.end_s
        ]


@given(SAMPLES, rules())
@settings(deadline=None)
def test_without_bridges_no_frame_under_leave_is_inside(
    steps: list[tuple[float, float]], rule: PresenceRule
) -> None:
    rule = PresenceRule(rule.on_threshold, rule.off_threshold, 0.0, 0.0, rule.max_dropout_s)
    samples = _timed(steps)
    for interval in find_intervals(samples, rule):
        inside = [score for pts_s, score in samples if interval.start_s <= pts_s < interval.end_s]
        assert all((0.0 if math.isnan(score) else score) >= rule.off_threshold for score in inside)


@given(SAMPLES, rules())
@settings(deadline=None)
def test_intervals_come_as_soon_as_they_are_complete(
    steps: list[tuple[float, float]], rule: PresenceRule
) -> None:
    presence, samples = Presence(rule), _timed(steps)
    found = []
    for pts_s, score in samples:
        for interval in presence.add(pts_s, score):
            assert interval.end_s <= pts_s
            found.append(interval)
    assert found + presence.finish() == find_intervals(samples, rule)


def _at_10_hz(scores: str) -> list[tuple[float, float]]:
    return [(index / 10, int(score) / 10) for index, score in enumerate(scores)]


@pytest.mark.parametrize(
    ("scores", "want"),
    [
        ("", []),
        ("0000", []),
        ("4444", []),  # never enters
        ("00500", [(0.2, 0.3, 0.5)]),
        ("0055544400", [(0.2, 0.8, 0.5)]),  # wavers between leave and enter
        ("0077", [(0.2, 0.3, 0.7)]),  # there at the end
        ("9002008", [(0.0, 0.1, 0.9), (0.6, 0.6, 0.8)]),
        ("90208", [(0.0, 0.4, 0.9)]),  # a gap of 0.3 s is bridged
        ("50905", [(0.0, 0.4, 0.9)]),
    ],
)
def test_by_hand(scores: str, want: list[tuple[float, float, float]]) -> None:
    rule = PresenceRule(on_threshold=0.5, off_threshold=0.3, min_duration_s=0, max_gap_s=0.35)
    assert find_intervals(_at_10_hz(scores), rule) == [Interval(*values) for values in want]


def test_short_ones_are_left_out_after_bridging() -> None:
    rule = PresenceRule(on_threshold=0.5, off_threshold=0.3, min_duration_s=0.35, max_gap_s=0.15)
    assert find_intervals(_at_10_hz("0550000"), rule) == []
    assert find_intervals(_at_10_hz("0550550"), rule) == [Interval(0.1, 0.6, 0.5)]


def test_what_no_frame_saw_is_no_presence() -> None:
    samples = [(0.0, 0.9), (0.5, 0.9), (60.0, 0.9), (60.5, 0.9)]
    rule = PresenceRule(min_duration_s=0, max_dropout_s=2)
    assert find_intervals(samples, rule) == [Interval(0.0, 0.5, 0.9), Interval(60.0, 60.5, 0.9)]


def test_time_must_grow() -> None:
    with pytest.raises(ValueError, match=r"1 s follows one at 1 s"):
        find_intervals([(1.0, 0.0), (1.0, 0.0)])


@pytest.mark.parametrize("values", [(0.3, 0.5), (0.5, 0.3, -1.0)])
def test_a_rule_that_makes_no_sense(values: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="presence"):
        PresenceRule(*values)
