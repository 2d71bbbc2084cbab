"""Every measure against cases computed by hand, and properties that hold for any."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from camstream.evaluate import metrics
from camstream.evaluate.measure import try_map
from camstream.evaluate.metrics import F64
from camstream.frame import Box
from camstream.picture import MapF32

_coordinates = st.integers(-500, 500).map(float)
_boxes = st.tuples(_coordinates, _coordinates, _coordinates, _coordinates).map(
    lambda c: np.array([min(c[0], c[2]), min(c[1], c[3]), max(c[0], c[2]), max(c[1], c[3])])
)
_ious = hnp.arrays(np.float64, (7, 5), elements=st.floats(0, 1))


def _array(*boxes: tuple[float, float, float, float]) -> F64:
    return np.array(boxes, np.float64)


@pytest.mark.parametrize(
    ("first", "second", "want"),
    [
        ((0, 0, 10, 10), (0, 0, 10, 10), 1.0),
        ((0, 0, 10, 10), (5, 0, 15, 10), 50 / 150),
        ((0, 0, 10, 10), (2, 2, 7, 6), 20 / 100),
        ((0, 0, 10, 10), (10, 0, 20, 10), 0.0),  # they only touch
        ((0, 0, 1, 1), (30, 30, 40, 40), 0.0),
        ((3, 3, 3, 3), (3, 3, 3, 3), 0.0),  # nothing with nothing
    ],
)
def test_iou(
    first: tuple[float, float, float, float],
    second: tuple[float, float, float, float],
    want: float,
) -> None:
    assert metrics.iou(_array(first), _array(second))[0] == pytest.approx(want)


@given(_boxes, _boxes)
def test_iou_is_symmetric_and_a_share(first: F64, second: F64) -> None:
    value = metrics.iou(first, second)
    assert value == metrics.iou(second, first)
    assert 0 <= value <= 1 + 1e-12
    area = float(np.prod(first[2:] - first[:2]))
    if area > 1e-6:
        assert metrics.iou(first, first) == pytest.approx(1)


@given(_boxes, _boxes, st.floats(-100, 100), st.floats(0.1, 10))
def test_iou_ignores_where_and_how_large(first: F64, second: F64, by: float, scale: float) -> None:
    moved = metrics.iou(first * scale + by, second * scale + by)
    assert moved == pytest.approx(float(metrics.iou(first, second)), abs=1e-6)


def test_best_iou_takes_any_pair() -> None:
    truth = _array((0, 0, 10, 10), (100, 100, 110, 110))
    found = [Box((50, 50, 60, 60)), Box((100, 100, 110, 105))]
    assert metrics.best_iou(found, truth) == pytest.approx(0.5)
    assert metrics.best_iou([], truth) == 0


def test_localisation_error_by_hand() -> None:
    """Four things: right; class 2nd; class not among five; class right, box wrong."""
    ious = np.array([0.9, 0.5, 0.8, 0.49])
    ranks = np.array([0, 1, 5, 0])
    assert metrics.share_right(ious) == 0.75
    assert metrics.localisation_error(ious, ranks, 1) == 0.75
    assert metrics.localisation_error(ious, ranks, 5) == 0.5


def test_max_box_acc_by_hand() -> None:
    """Three things at two thresholds. At IoU 0.5: 1/3 and 2/3; 0.3: 2/3 and 2/3; 0.7: 1/3, 0."""
    ious = np.array([[0.8, 0.6], [0.4, 0.5], [0.1, 0.2]])
    assert metrics.max_box_acc(ious) == pytest.approx(2 / 3)
    assert metrics.max_box_acc(ious, 0.7) == pytest.approx(1 / 3)
    assert metrics.max_box_acc_v2(ious) == pytest.approx((2 / 3 + 2 / 3 + 1 / 3) / 3)


@given(_ious, st.integers(0, 4))
def test_no_single_threshold_beats_the_best(ious: F64, column: int) -> None:
    assert metrics.max_box_acc(ious) >= metrics.share_right(ious[:, column])
    v2 = metrics.max_box_acc_v2(ious)
    assert metrics.max_box_acc(ious, 0.7) - 1e-12 <= v2 <= metrics.max_box_acc(ious, 0.3) + 1e-12


def test_box_curves_by_hand() -> None:
    """A large weak region, 2 x 2 of 0.3, and a small strong cell of 1, each of 10 x 10 pixels."""
    score = np.zeros((4, 6), np.float32)
    score[0:2, 0:2] = 0.3
    score[3, 5] = 1
    truth = _array((50, 30, 60, 40))
    largest, every = metrics.box_curves(score, (60, 40), truth)
    steps = metrics.THRESHOLDS
    assert largest[0] == pytest.approx(100 / 2400)  # from 0 on, everything is kept
    assert not largest[(steps > 0) & (steps < 0.295)].any()  # the weak region is the largest
    assert (largest[steps > 0.305] == 1).all()
    assert (every[1:] == 1).all()


@given(hnp.arrays(np.float32, (5, 6), elements=st.floats(0, 1, width=32)))
def test_all_components_find_at_least_what_the_largest_finds(score: MapF32) -> None:
    largest, every = metrics.box_curves(score, (60, 50), _array((10, 10, 40, 30)))
    assert (every >= largest).all()


def test_normalise_stretches_and_leaves_no_constant() -> None:
    stretched = metrics.normalise(np.array([[-2, 0, 2]], np.float32))
    assert stretched.tolist() == [[0, 0.5, 1]]
    assert not metrics.normalise(np.full((2, 2), 7, np.float32)).any()


def test_pointing_by_hand() -> None:
    truth = _array((0, 0, 10, 10), (20, 20, 30, 30))
    assert metrics.is_hit((25, 29), truth)
    assert metrics.is_hit((10, 10), truth)
    assert not metrics.is_hit((15, 15), truth)
    assert not metrics.is_hit((5, 25), truth)


def test_px_ap_by_hand() -> None:
    """Scores 0.9 and 0.5 on the object, 0.7 off it: 1 * 1/2 + 1/2 * 0 + 2/3 * 1/2 = 5/6."""
    score = np.array([[0.9, 0.7, 0.5, 0.1]], np.float32)
    mask = np.array([[1, 0, 1, -1]], np.int8)
    counts = metrics.pixel_counts(score, mask)
    assert counts.sum(axis=1).tolist() == [1, 2]  # the last pixel is ignored
    assert metrics.px_ap(counts) == pytest.approx(5 / 6)


def test_px_ap_of_perfect_and_of_blind_maps() -> None:
    mask = np.array([[1, 1, 0, 0, 0, 0, 0, 0]], np.int8)
    perfect = metrics.pixel_counts(mask.astype(np.float32), mask)
    blind = metrics.pixel_counts(np.zeros(mask.shape, np.float32), mask)
    assert metrics.px_ap(perfect) == 1
    assert metrics.px_ap(blind) == pytest.approx(2 / 8)
    assert metrics.px_ap(perfect + blind) == pytest.approx(1 / 2 + 1 / 2 * 4 / 16)


def test_map_is_tried_by_the_papers_rules() -> None:
    """The five boxes name the class only up to the third place, and a tight one only to the 2nd."""
    cam = np.zeros((7, 7), np.float32)
    cam[3, 3], cam[3, 4] = 10, 3.4  # tight: one cell; loose: two
    tight = [try_map(cam, 0, (70, 70), _array((30, 30, 40, 40)), None).five_iou]
    first, second, third, fourth = (
        try_map(cam, rank, (70, 70), _array((29, 28, 41, 42)), None) for rank in range(4)
    )
    assert first.five_iou == second.five_iou == pytest.approx(tight[0], abs=0.3)
    assert first.five_iou > third.five_iou > 0
    assert fourth.five_iou == 0
    assert first.iou == fourth.iou == third.five_iou  # the 20 % rule is the loose box
    assert first.hit
    assert first.pixels is None
