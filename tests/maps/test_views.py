"""What is said of the best class: a name or none, somebody, perhaps somebody, or nobody."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from camstream.frame import NAMED_FROM, ClassMaps, Frame, Prediction, TopClass, View
from camstream.maps.presence import PresenceRule, find_intervals
from camstream.maps.select import ClassGroup, MapSelector, Selection
from camstream.maps.smoothing import SMOOTHING_LEVELS, Smoothed, SmoothingLevel
from camstream.maps.views import Decider, contrast_view, decided
from camstream.testing import FAKE_INFO, make_frame, make_prediction

PERSON = dataclasses.replace(FAKE_INFO, labels=("no person", "person"), background="no person")
CUPS = dataclasses.replace(FAKE_INFO, labels=("none", "cup", "mug"), background="none")
MANY = dataclasses.replace(FAKE_INFO, labels=tuple("abcdefghij"))
RULE = PresenceRule()


def smoothed(*scores: float, best: int | None = None) -> Smoothed:
    values = np.array(scores, np.float32)
    maps = {index: np.full((2, 3), index, np.float32) for index in range(len(scores))}
    return Smoothed(values, maps, int(values.argmax()) if best is None else best, False)


def person(probability: float, best: int | None = None) -> Smoothed:
    return smoothed(1 - probability, probability, best=best)


class Model:
    """Gives the frames of a clip these probabilities, one row a frame."""

    def __init__(self, labels: Sequence[str], rows: Sequence[Sequence[float]]) -> None:
        self._labels, self._rows = labels, rows

    def __call__(self, frame: Frame, *, classes: Sequence[int] | None = None) -> Prediction:
        del classes  # the maps of all that these tests ask for are among the five best
        scores = np.array(self._rows[frame.index], np.float32)
        order = np.argsort(-scores)[:5]
        maps = np.zeros((len(order), 3, 4), np.float32)
        maps[:, 1, 1] = 9
        cam = ClassMaps(
            maps=maps,
            class_indices=order,
            bias=np.zeros(len(order), np.float32),
            cam_range=FAKE_INFO.cam_range,
        )
        top = tuple(TopClass(self._labels[i], int(i), float(scores[i]), 0.0) for i in order)
        made = make_prediction(frame, top=top, cam=cam)
        return dataclasses.replace(made, logits=np.log(np.maximum(scores, 1e-9)))


def frame_at(index: int, rate_hz: float = 10) -> Frame:
    return dataclasses.replace(make_frame(0), index=index, pts_s=index / rate_hz)


@pytest.mark.parametrize("level", SMOOTHING_LEVELS)
def test_somebody_at_58_percent_is_not_called_nobody(level: SmoothingLevel) -> None:
    """The margin of the smoothing held "no person" for ever, while the presence was recorded."""
    rows = [(0.95, 0.05)] * 20 + [(0.42, 0.58)] * 60
    selector = MapSelector(Model(PERSON.labels, rows), PERSON, Selection(smoothing=level))
    seen = [selector(frame_at(index)) for index in range(len(rows))]
    first, last = seen[10].displayed[0], seen[-1].displayed[0]
    assert (first.name, first.is_background, seen[10].boxes) == ("no person", True, ())
    assert (last.name, last.is_background) == ("person?", False)
    assert last.score == pytest.approx(0.58, abs=0.01)
    assert [found.score for found in seen[-1].boxes] == [last.score]
    assert seen[-1].presence == pytest.approx(last.score, abs=1e-6)


@pytest.mark.parametrize(
    ("before", "now", "name"),
    [
        (0.0, 0.49, "no person"),
        (0.0, 0.5, "person?"),
        (0.0, 0.649, "person?"),
        (0.0, 0.651, "person"),
        (0.9, 0.3, "person?"),
        (0.9, 0.2, "no person"),
    ],
)
def test_what_is_said_of_somebody(before: float, now: float, name: str) -> None:
    decide = Decider(PERSON)
    decide(0.0, person(before))
    view = decide(0.1, person(now))
    assert view.name == name
    assert view.state is not None
    assert view.state.presence == pytest.approx(now)
    assert view.score == pytest.approx(1 - now if name == "no person" else now)


@given(
    st.lists(st.tuples(st.floats(0.01, 3), st.floats(0, 1, width=32)), min_size=1, max_size=40),
    st.booleans(),
)
def test_the_state_is_the_recorded_presence(
    steps: list[tuple[float, float]], is_held_back: bool
) -> None:
    """Whatever label the smoothing holds: frame by frame what is shown is what is recorded."""
    times = np.cumsum([gap for gap, _ in steps]).tolist()
    decide = Decider(PERSON)
    views = [
        decide(pts_s, person(score, best=0 if is_held_back else None))
        for pts_s, (_, score) in zip(times, steps, strict=True)
    ]
    samples = [
        (pts_s, view.state.presence) for pts_s, view in zip(times, views, strict=True) if view.state
    ]
    exact = dataclasses.replace(RULE, min_duration_s=0, max_gap_s=0)
    intervals = find_intervals(samples, exact)
    for pts_s, view in zip(times, views, strict=True):
        is_recorded = any(one.start_s <= pts_s <= one.end_s for one in intervals)
        if not view.is_background:
            assert is_recorded
        elif is_recorded:  # an interval ends with the first frame after it
            assert any(one.end_s == pts_s for one in intervals)
    for one in find_intervals(samples, RULE):  # short gaps are joined, nothing else is added
        gap_s = 0.0
        for (start_s, end_s), view in zip(pairwise(times), views, strict=False):
            if one.start_s <= start_s and end_s <= one.end_s:
                gap_s = gap_s + end_s - start_s if view.is_background else 0.0
                assert gap_s <= RULE.max_gap_s + 1e-9


def test_where_something_is_there_its_best_class_is_shown() -> None:
    view = Decider(CUPS)(0.0, smoothed(0.4, 0.25, 0.35))
    assert (view.name, view.class_index) == ("mug?", 2)
    assert Decider(CUPS)(0.0, smoothed(0.55, 0.2, 0.25)).name == "none"
    assert Decider(CUPS)(0.0, smoothed(0.1, 0.5, 0.4)).name == "cup"


def test_nothing_is_shown_where_the_class_for_nothing_has_no_map() -> None:
    seen = dataclasses.replace(smoothed(0.9, 0.05, 0.05), maps={1: np.ones((2, 3), np.float32)})
    view = Decider(CUPS)(0.0, seen)
    assert view.is_background
    assert not view.cam.any()


def test_a_stream_that_was_away_or_begins_anew_is_decided_anew() -> None:
    for then_s in (10 + RULE.max_dropout_s + 0.1, 3.0, math.nan):
        decide = Decider(PERSON)
        decide(10.0, person(0.9))
        assert decide(then_s, person(0.4)).is_background
    decide = Decider(PERSON)
    decide(10.0, person(0.9))
    assert not decide(10.0, person(0.4)).is_background  # the same frame once more


def test_under_the_limit_nothing_is_named() -> None:
    rest = (1 - 0.32) / 9
    assert rest < 0.32
    view = Decider(MANY)(0.0, smoothed(0.32, *[rest] * 9))
    assert (view.name, view.label, view.is_sure) == ("not sure", "a", False)
    assert Decider(MANY)(0.0, smoothed(0.34, *[0.66 / 9] * 9)).name == "a"


def test_a_name_does_not_flicker_around_the_limit() -> None:
    decide = Decider(MANY)
    scores = [0.15, NAMED_FROM + 0.01, *[NAMED_FROM - 0.02, NAMED_FROM + 0.02] * 5, 0.14, 0.19]
    names = [
        decide(place / 10, smoothed(score, *[(1 - score) / 9] * 9, best=0)).name
        for place, score in enumerate(scores)
    ]
    assert names == ["not sure", *["a"] * 11, "not sure", "not sure"]
    assert decide(9.0, smoothed(*[0.82 / 9] * 9, 0.18, best=9)).name == "not sure"


def test_one_photo_is_decided_by_itself() -> None:
    for row, name in (((0.42, 0.58), "person?"), ((0.6, 0.4), "no person"), ((0.1, 0.9), "person")):
        assert decided(Model(PERSON.labels, [row])(frame_at(0)), PERSON).name == name
    unsure = Model(MANY.labels, [(0.15, *[0.85 / 9] * 9)])(frame_at(0))
    assert unsure.displayed[0].name == "not sure"
    assert (unsure.displayed[0].label, unsure.top[0].label) == ("a", "a")


def test_what_was_asked_for_is_named_whatever_its_score() -> None:
    rows = [(0.15, *[0.85 / 9] * 9)]
    for selection in (Selection(classes=(ClassGroup("b", (1,)),)), Selection(top_k=3)):
        prediction = MapSelector(Model(MANY.labels, rows), MANY, selection)(frame_at(0))
        assert all(view.name == view.label for view in prediction.displayed)


def test_classes_of_one_label_are_two_classes() -> None:
    cam = np.zeros((2, 3), np.float32)
    first, second = View("crane", 0.6, cam, 134), View("crane", 0.3, cam, 517)
    assert first.key != second.key
    group, other = View("dog", 0.5, cam), View("cat", 0.5, cam)
    assert group.key != other.key
    assert contrast_view(first, second).key not in (first.key, second.key)


def test_two_classes_that_are_called_like_the_one_for_nothing_are_not_it() -> None:
    info = dataclasses.replace(FAKE_INFO, labels=("ok", "ok", "ng"), background="ok")
    view = Decider(info)(0.0, smoothed(0.1, 0.8, 0.1))
    assert not view.is_background
    assert view.class_index == 1
