"""Flicker by hand, and that it does not depend on the frame rate of a steady change."""

from __future__ import annotations

import numpy as np
import pytest

from camstream.evaluate.metrics import Flicker, measure_flicker
from camstream.picture import MapF32

_RANGE = (10.0, 30.0)


def _cam(value: float) -> MapF32:
    return np.full((2, 2), value, np.float32)


def test_by_hand() -> None:
    half = _cam(10.0)
    half[0] = 20.0  # half heat in half of the cells
    found = measure_flicker(
        [0.0, 0.5, 1.0], [_cam(0.0), half, _cam(10.0)], [1, 1, 2], [False] * 3, _RANGE
    )
    assert found.heat_per_s == pytest.approx(0.5)
    assert found.labels_per_min == 60.0


def test_what_is_not_seen_does_not_flicker() -> None:
    found = measure_flicker(
        [0.0, 0.1, 0.2], [_cam(-50.0), _cam(9.9), _cam(0.0)], [0] * 3, [False] * 3, _RANGE
    )
    assert found == Flicker(0.0, 0.0)
    high = measure_flicker([0.0, 0.1], [_cam(30.0), _cam(99.0)], [0] * 2, [False] * 2, _RANGE)
    assert high.heat_per_s == 0


@pytest.mark.parametrize("rate", [5, 15, 60])
def test_a_steady_change_counts_the_same_at_every_rate(rate: int) -> None:
    times = [i / rate for i in range(2 * rate + 1)]
    maps = [_cam(10 + 5 * t) for t in times]
    found = measure_flicker(times, maps, [0] * len(times), [False] * len(times), _RANGE)
    assert found.heat_per_s == pytest.approx(0.25, rel=1e-4)


def test_a_cut_is_no_flicker() -> None:
    maps = [_cam(10.0), _cam(10.0), _cam(30.0), _cam(30.0)]
    cut = measure_flicker(
        [0.0, 1.0, 2.0, 3.0], maps, [0, 0, 7, 7], [False, False, True, False], _RANGE
    )
    assert cut == Flicker(0.0, 0.0)


def test_nothing_to_compare() -> None:
    assert measure_flicker([], [], [], [], _RANGE) == Flicker(0.0, 0.0)
    assert measure_flicker([0.0], [_cam(20.0)], [0], [True], _RANGE) == Flicker(0.0, 0.0)
    sizes = [_cam(20.0), np.zeros((3, 3), np.float32)]
    assert measure_flicker([0.0, 1.0], sizes, [0, 1], [False] * 2, _RANGE) == Flicker(0.0, 0.0)
    broken = [_cam(np.nan), _cam(10.0)]
    assert measure_flicker([0.0, 1.0], broken, [0, 0], [False] * 2, _RANGE).heat_per_s == 0
