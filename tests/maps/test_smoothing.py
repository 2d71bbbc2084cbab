"""Smoothing in seconds, one class at a time; a steady label; everything new at a cut."""

from __future__ import annotations

import dataclasses
import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from camstream.maps.scene_cuts import SceneCutDetector, dissimilarity
from camstream.maps.smoothing import (
    SETTINGS,
    SMOOTHING_LEVELS,
    Smoothed,
    Smoother,
    SmoothingLevel,
    SmoothingSettings,
)
from camstream.picture import ImageU8, MapF32

_SCENE = np.random.default_rng(5).integers(0, 255, (9, 16, 3), np.uint8)
_OTHER = np.random.default_rng(6).integers(0, 255, (9, 16, 3), np.uint8)
_PLAIN = SmoothingSettings(map_s=0.2, score_s=0.2)
_SMOOTH: tuple[SmoothingLevel, ...] = ("default", "strong")


def _enlarged(image: ImageU8) -> ImageU8:
    return cv2.resize(image, (64, 36), interpolation=cv2.INTER_CUBIC).astype(np.uint8)


def _cam(value: float) -> MapF32:
    return np.full((2, 3), value, np.float32)


def _scores(*values: float) -> NDArray[np.float32]:
    return np.array(values, np.float32)


def _show(
    smoothing: Smoother, pts_s: float, scores: NDArray[np.float32] | None = None, **maps: float
) -> Smoothed:
    """Give a frame; maps as ``c0=1.0``."""
    cams = {int(name[1:]): _cam(value) for name, value in maps.items()}
    return smoothing.update(pts_s, _SCENE, _scores(0.6, 0.4) if scores is None else scores, cams)


def _value(seen: Smoothed, index: int = 0) -> float:
    cam = seen.maps[index]
    assert np.all(cam == cam[0, 0])
    return float(cam[0, 0])


def _signal(pts_s: float) -> float:
    return 10 * math.sin(2 * pts_s) + 3 * pts_s


@pytest.mark.parametrize("level", _SMOOTH)
def test_the_same_at_any_rate(level: SmoothingLevel) -> None:
    ends = []
    for rate in (15, 60, 240):
        smoothing = Smoother(level)
        seen = [_show(smoothing, i / rate, c0=_signal(i / rate)) for i in range(2 * rate + 1)]
        ends.append(_value(seen[-1]))
    # A frame stands for the time up to it: half a frame at the signal's steepest, 23 a second.
    assert ends == pytest.approx([ends[-1]] * 3, abs=23 / 15 / 2)
    assert abs(ends[-1] - _signal(2.0)) > 1.5  # while the lag itself is more


def test_dropped_frames_change_nothing_where_nothing_changes() -> None:
    whole, holes = Smoother(_PLAIN), Smoother(_PLAIN)
    kept = {0, 1, 2, 20, 21, 40, 59, 60}
    for i in range(61):
        value = 0.0 if i <= 2 else 8.0
        last = _show(whole, i / 60, c0=value)
        if i in kept:
            sparse = _show(holes, i / 60, c0=value)
    assert _value(sparse) == pytest.approx(_value(last), abs=0.35)


def test_weights_by_hand() -> None:
    smoothing = Smoother(_PLAIN)
    assert _value(_show(smoothing, 0.0, c0=4.0)) == 4.0
    assert _value(_show(smoothing, 0.1, c0=4.0)) == pytest.approx(4.0)
    assert _value(_show(smoothing, 0.2, c0=7.0)) == pytest.approx(
        # each frame stands for 0.1 s, the newest counts most
        (7 + 4 * math.exp(-0.5) + 4 * math.exp(-1)) / (1 + math.exp(-0.5) + math.exp(-1)),
        rel=1e-6,
    )


@given(
    st.lists(st.tuples(st.floats(0, 0.5), st.floats(-50, 50)), min_size=1, max_size=20),
    st.sampled_from(_SMOOTH),
)
def test_mean_plus_bias_stays_the_logit(
    steps: list[tuple[float, float]], level: SmoothingLevel
) -> None:
    """The logit as a map of one cell, smoothed alike, is the smoothed map's mean plus bias."""
    maps, logits = Smoother(level), Smoother(level)
    rng, bias, pts_s = np.random.default_rng(len(steps)), 0.75, 0.0
    for gap, offset in steps:
        pts_s += gap
        cam = rng.normal(offset, 5, (3, 5)).astype(np.float32)
        logit = np.array([[cam.mean(dtype=np.float64) + bias]], np.float32)
        smooth = maps.update(pts_s, _SCENE, _scores(1.0), {0: cam}).maps[0]
        alone = logits.update(pts_s, _SCENE, _scores(1.0), {0: logit}).maps[0]
        assert float(smooth.mean(dtype=np.float64)) + bias == pytest.approx(
            float(alone[0, 0]), abs=1e-3
        )


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=20))
def test_scores_stay_probabilities_within_what_was_seen(
    steps: list[tuple[float, float]],
) -> None:
    smoothing, pts_s, firsts = Smoother("strong"), 0.0, []
    for gap, first in steps:
        pts_s += gap
        firsts.append(first)
        seen = _show(smoothing, pts_s, _scores(first, 1 - first), c0=0.0, c1=0.0)
        assert float(seen.scores.sum()) == pytest.approx(1, abs=1e-5)
        assert min(firsts) - 1e-5 <= float(seen.scores[0]) <= max(firsts) + 1e-5


def test_classes_are_never_mixed() -> None:
    smoothing = Smoother("strong")
    for i in range(10):
        _show(smoothing, i / 30, c0=100.0)
    seen = _show(smoothing, 10 / 30, c0=100.0, c1=-7.0)
    assert _value(seen, 0) == pytest.approx(100.0)
    assert _value(seen, 1) == -7.0


def test_a_class_long_unseen_starts_anew() -> None:
    smoothing = Smoother(_PLAIN)
    _show(smoothing, 0.0, c0=1.0, c1=50.0)
    for i in range(1, 45):
        _show(smoothing, i / 30, c0=1.0)
    assert _value(_show(smoothing, 1.5, c0=1.0, c1=2.0), 1) == 2.0


def test_a_class_that_was_away_shortly_goes_on() -> None:
    smoothing = Smoother(_PLAIN)
    _show(smoothing, 0.0, c0=1.0, c1=50.0)
    _show(smoothing, 0.1, c0=1.0)
    assert 2.0 < _value(_show(smoothing, 0.2, c0=1.0, c1=2.0), 1) < 50.0


def test_the_same_frame_once_more_changes_nothing() -> None:
    once, twice = Smoother("default"), Smoother("default")
    for i, value in enumerate((1.0, 5.0, 9.0)):
        first = _show(once, i / 10, c0=value)
        _show(twice, i / 10, c0=value)
        again = _show(twice, i / 10, c0=value)
    assert _value(again) == pytest.approx(_value(first), rel=1e-6)


def test_a_label_holds_against_a_rival_that_is_little_better() -> None:
    smoothing = Smoother("default")
    displayed = []
    for i in range(300):
        best = 0.52 if i % 2 else 0.44
        displayed.append(
            _show(smoothing, i / 30, _scores(best, 1 - best), c0=0.0, c1=0.0).class_index
        )
    assert len(set(displayed)) == 1


@pytest.mark.parametrize("rate", [15, 60])
@pytest.mark.parametrize("level", _SMOOTH)
def test_a_label_gives_way_once_and_within_seconds(level: SmoothingLevel, rate: int) -> None:
    smoothing, settings = Smoother(level), SETTINGS[level]
    displayed = []
    for i in range(6 * rate):
        scores = _scores(0.9, 0.1) if i < 2 * rate else _scores(0.1, 0.9)
        displayed.append(_show(smoothing, i / rate, scores, c0=0.0, c1=0.0).class_index)
    changes = [i for i in range(1, len(displayed)) if displayed[i] != displayed[i - 1]]
    assert len(changes) == 1
    delay_s = changes[0] / rate - 2
    assert settings.hold_s <= delay_s <= settings.hold_s + 2 * settings.score_s + 2 / rate


def test_a_rival_must_stay_ahead() -> None:
    smoothing = Smoother(SmoothingSettings(margin=1.5, hold_s=0.19))
    ahead = [False, True, True, False, True, True, True]
    displayed = [
        _show(
            smoothing, i / 10, _scores(0.3, 0.7) if is_ahead else _scores(0.6, 0.4), c0=0.0, c1=0.0
        ).class_index
        for i, is_ahead in enumerate(ahead)
    ]
    assert displayed == [0, 0, 0, 0, 0, 0, 1]


def test_a_label_always_has_a_map() -> None:
    smoothing = Smoother(SmoothingSettings(margin=1.0, hold_s=0.0))
    assert _show(smoothing, 0.0, _scores(0.5, 0.3, 0.2), c0=0.0).class_index == 0
    assert _show(smoothing, 0.1, _scores(0.1, 0.7, 0.2), c0=0.0, c2=0.0).class_index == 2
    assert _show(smoothing, 0.2, _scores(0.1, 0.7, 0.2), c1=0.0).class_index == 1


def test_it_wants_the_shown_label_and_the_best() -> None:
    smoothing = Smoother("strong")
    assert not smoothing.wanted
    few = np.linspace(1, 2, 1000, dtype=np.float32)
    smoothing.update(0.0, _SCENE, few / few.sum(), {999: _cam(1.0)})
    smoothing.update(0.1, _SCENE, few[::-1] / few.sum(), {0: _cam(1.0), 999: _cam(1.0)})
    assert smoothing.wanted[0] == 999
    assert len(set(smoothing.wanted)) == len(smoothing.wanted) <= 8
    assert Smoother("off").wanted == ()


@pytest.mark.parametrize("level", _SMOOTH)
def test_a_cut_begins_anew(level: SmoothingLevel) -> None:
    smoothing = Smoother(level)
    for i in range(10):
        assert not _show(smoothing, i / 30, _scores(0.9, 0.1), c0=5.0, c1=1.0).is_cut
    seen = smoothing.update(10 / 30, _OTHER, _scores(0.2, 0.8), {0: _cam(-3.0), 1: _cam(9.0)})
    assert seen.is_cut
    assert (seen.class_index, _value(seen, 0), _value(seen, 1)) == (1, -3.0, 9.0)
    assert seen.scores.tolist() == _scores(0.2, 0.8).tolist()


@pytest.mark.parametrize("then_s", [-0.1, 9.0, math.nan])
def test_a_jump_in_time_begins_anew(then_s: float) -> None:
    smoothing = Smoother("strong")
    _show(smoothing, 1.0, _scores(0.9, 0.1), c0=5.0, c1=1.0)
    seen = _show(smoothing, then_s, _scores(0.1, 0.9), c0=1.0, c1=7.0)
    assert seen.is_cut
    assert (seen.class_index, _value(seen, 1)) == (1, 7.0)


def test_other_sizes_begin_anew() -> None:
    smoothing = Smoother("strong")
    _show(smoothing, 0.0, c0=5.0)
    larger = np.full((4, 6), 1.0, np.float32)
    seen = smoothing.update(0.1, _SCENE, _scores(0.6, 0.4), {0: larger})
    assert seen.is_cut
    assert np.array_equal(seen.maps[0], larger)
    assert smoothing.update(0.2, _SCENE, _scores(0.2, 0.3, 0.5), {0: larger}).is_cut


@pytest.mark.parametrize("level", SMOOTHING_LEVELS)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_does_not_stay(level: SmoothingLevel, bad: float) -> None:
    smoothing = Smoother(level)
    cam = _cam(2.0)
    cam[0, 0] = bad
    for i in range(3):
        smoothing.update(i / 30, _SCENE, _scores(bad, 0.4), {0: cam, 1: _cam(bad)})
    seen = _show(smoothing, 3 / 30, _scores(0.6, 0.4), c0=2.0, c1=1.0)
    assert np.isfinite(seen.maps[0]).all()
    assert np.isfinite(seen.maps[1]).all()
    assert np.isfinite(seen.scores).all()
    assert float(seen.maps[0][1, 2]) == pytest.approx(2.0)


def test_a_huge_value_leaves_nothing_behind() -> None:
    smoothing = Smoother(_PLAIN)
    _show(smoothing, 0.0, c0=1e30)
    for i in range(1, 600):
        seen = _show(smoothing, i / 30, c0=2.0)
    assert _value(seen) == pytest.approx(2.0, rel=1e-4)


def test_off_gives_what_it_got() -> None:
    smoothing = Smoother("off")
    for i, scores in enumerate((_scores(0.6, 0.4), _scores(0.4, 0.6))):
        maps = {0: _cam(float(i)), 1: _cam(1.0)}
        seen = smoothing.update(float(i), _OTHER if i else _SCENE, scores, maps)
        assert seen.scores is scores
        assert seen.maps is maps
        assert (seen.class_index, seen.is_cut) == (i, False)


def test_given_arrays_are_left_alone() -> None:
    smoothing = Smoother("strong")
    first, second = _cam(1.0), _cam(5.0)
    smoothing.update(0.0, _SCENE, _scores(1.0, 0.0), {0: first})
    smoothing.update(0.1, _SCENE, _scores(1.0, 0.0), {0: second})
    smoothing.update(0.2, _SCENE, _scores(1.0, 0.0), {0: _cam(9.0)})
    assert (first == 1.0).all()
    assert (second == 5.0).all()


@pytest.mark.parametrize("rate", [15, 60])
def test_temporal_maximum_rises_at_once_and_falls_slowly(rate: int) -> None:
    smoothing = Smoother(SmoothingSettings(decay_s=0.5))
    for i in range(rate):
        seen = _show(smoothing, i / rate, c0=8.0 if i == 2 else 0.0)
        if i == 2:
            assert _value(seen) == 8.0
    left_s = (rate - 1 - 2) / rate
    assert _value(seen) == pytest.approx(8 * math.exp(-left_s / 0.5), rel=1e-4)


def test_temporal_maximum_is_never_below_the_mean() -> None:
    plain = Smoother("default")
    maximum = Smoother(dataclasses.replace(SETTINGS["default"], decay_s=1.0))
    for i, value in enumerate(np.random.default_rng(0).normal(0, 5, 60).tolist()):
        low = _show(plain, i / 30, c0=value)
        assert _value(_show(maximum, i / 30, c0=value)) >= _value(low) - 1e-5


@pytest.mark.parametrize(
    "bad", [{"map_s": -1.0}, {"hold_s": math.nan}, {"margin": 0.9}, {"decay_s": math.inf}]
)
def test_settings_out_of_range(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="at least 0"):
        SmoothingSettings(**bad)


def test_no_such_level() -> None:
    with pytest.raises(
        ValueError, match="no level 'loud' of smoothing; there are off, default, strong"
    ):
        Smoother("loud")  # type: ignore[arg-type]


def test_cuts_between_unlike_pictures_only() -> None:
    finder = SceneCutDetector()
    first, second = _enlarged(_SCENE), _enlarged(_OTHER)
    noise = np.random.default_rng(0).normal(0, 10, first.shape)
    darker = np.clip(first * 0.6 + noise, 0, 255).astype(np.uint8)
    shots = [first, first, darker, first, *[second] * 6, first]
    found = [index for index, shot in enumerate(shots) if finder.is_cut(shot)]
    assert found == [4, 10]
    finder.reset()
    assert not finder.is_cut(second)


def test_black_and_noise_are_no_cuts() -> None:
    finder, rng = SceneCutDetector(), np.random.default_rng(0)
    dark = [rng.integers(0, 24, (90, 160, 3), np.uint8) for _ in range(20)]
    assert not any(finder.is_cut(image) for image in dark)
    scene = _enlarged(_SCENE)
    assert [finder.is_cut(scene) for _ in range(6)] == [True] + [False] * 5
    assert finder.is_cut(np.zeros((36, 64, 3), np.uint8))


def test_a_restless_scene_has_few_cuts() -> None:
    """Frames that all differ are no scene each, or nothing would ever be smoothed."""
    finder = SceneCutDetector()
    grey = np.linspace(0, 255, 64, dtype=np.float32)
    rows = [np.roll(grey, 14 * step) for step in range(40)]
    images = [np.dstack([np.tile(row, (36, 1))] * 3).astype(np.uint8) for row in rows]
    assert sum(finder.is_cut(image) for image in images) <= 10


def test_unlikeness_by_hand() -> None:
    image = np.zeros((1, 2, 3), np.float32)
    image[0, 1] = 10
    assert dissimilarity(image, image * 3 + 5) == pytest.approx(0, abs=1e-6)
    assert dissimilarity(image, -image) == pytest.approx(2, abs=1e-6)
    assert dissimilarity(image, np.zeros_like(image)) == 1
