"""Maps are never stretched: what is no evidence has no heat, what is equal looks equal."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from camstream.maps import cam as cams
from camstream.picture import MapF32

RANGE = (10.0, 110.0)
SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=16)
ANY = st.floats(-1e6, 1e6, width=32)


def maps(values: st.SearchStrategy[float]) -> st.SearchStrategy[MapF32]:
    return hnp.arrays(np.float32, SHAPES, elements=values)


def heat(cam: MapF32) -> np.ndarray:
    return cams.heat(cams.enlarge(cam), RANGE)


@given(SHAPES, ANY)
@settings(max_examples=50, deadline=None)
def test_a_constant_map_has_no_heat(shape: tuple[int, int], value: float) -> None:
    assert not heat(np.full(shape, value, np.float32)).any()


@given(maps(st.floats(-1e6, RANGE[0], width=32)))
@settings(max_examples=100, deadline=None)
def test_what_is_below_the_range_has_no_heat(cam: MapF32) -> None:
    assert not heat(cam).any()


@given(maps(st.floats(-100, 100, width=32) | st.sampled_from([np.nan, np.inf, -np.inf])))
@settings(max_examples=100, deadline=None)
def test_what_is_not_finite_has_no_heat(cam: MapF32) -> None:
    fine = cams.enlarge(cam)
    assert np.isfinite(fine).all()
    factor = fine.shape[0] // cam.shape[0]
    middle = factor // 2
    centres = heat(cam)[middle::factor, middle::factor]
    assert not centres[~np.isfinite(cam)].any()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_map_without_one_finite_value_has_no_heat(value: float) -> None:
    assert not heat(np.full((7, 9), value, np.float32)).any()


@given(maps(ANY))
@settings(max_examples=100, deadline=None)
def test_enlarging_invents_no_evidence(cam: MapF32) -> None:
    fine = cams.enlarge(cam)
    assert fine.min() >= cam.min()
    assert fine.max() <= cam.max()


@given(maps(st.floats(-50, 300, width=32)))
@settings(max_examples=100, deadline=None)
def test_heat_grows_with_the_value_and_never_wraps(cam: MapF32) -> None:
    fine = cams.enlarge(cam)
    warm = cams.heat(fine, RANGE).ravel()
    order = np.argsort(fine, axis=None)
    assert (np.diff(warm[order].astype(int)) >= 0).all()


def test_a_value_has_the_same_heat_whatever_else_is_in_the_map() -> None:
    weak, strong = np.zeros((8, 8), np.float32), np.zeros((8, 8), np.float32)
    weak[2, 2] = strong[2, 2] = 60
    strong[6, 6] = 1000
    first, second = heat(weak), heat(strong)
    factor = first.shape[0] // 8
    at = 2 * factor + factor // 2
    assert 100 < first[at, at] == second[at, at] < 150
    assert second.max() == 255


def test_a_cell_keeps_its_value_at_its_centre() -> None:
    cam = np.random.default_rng(1).normal(0, 10, (5, 9)).astype(np.float32)
    fine = cams.enlarge(cam)
    factor = fine.shape[1] // 9
    assert factor % 2 == 1  # so that one value lies exactly at each centre
    assert fine[factor // 2 :: factor, factor // 2 :: factor] == pytest.approx(cam, abs=1e-3)


def test_the_peak_is_where_the_largest_value_is() -> None:
    cam = np.zeros((5, 10), np.float32)
    cam[1, 7] = 42
    peak = cams.find_peak(cams.enlarge(cam), (1000, 500))
    assert peak.xy == pytest.approx((750, 150), abs=4)
    assert peak.value == pytest.approx(42, abs=0.5)


@given(maps(st.floats(-100, 100, width=32) | st.sampled_from([np.nan, np.inf, -np.inf])))
@settings(max_examples=100, deadline=None)
def test_centre_and_spread_exist_with_evidence_and_keep_their_ranges(cam: MapF32) -> None:
    has_evidence = bool((np.isfinite(cam) & (cam > 0)).any())
    centroid, spread = cams.find_centroid(cam, (640, 360)), cams.find_area(cam)
    assert (centroid is not None) == (spread is not None) == has_evidence
    if centroid is not None and spread is not None:
        assert 0 < centroid[0] < 640
        assert 0 < centroid[1] < 360
        assert 1 / cam.size - 1e-9 <= spread <= 1


@given(SHAPES, st.integers(1, 256), st.floats(0.5, 1000, width=32))
@settings(max_examples=50, deadline=None)
def test_the_spread_of_evenly_filled_cells_is_their_part(
    shape: tuple[int, int], count: int, value: float
) -> None:
    cam = np.full(shape, -1, np.float32)
    count = min(count, cam.size)
    cam.flat[:count] = value
    assert cams.find_area(cam) == pytest.approx(count / cam.size)


@given(SHAPES, st.data())
@settings(max_examples=50, deadline=None)
def test_the_centre_of_one_cell_is_its_middle_and_mirrors(
    shape: tuple[int, int], data: st.DataObject
) -> None:
    row, column = (data.draw(st.integers(0, side - 1)) for side in shape)
    cam = np.zeros(shape, np.float32)
    cam[row, column] = 3
    middle = ((column + 0.5) * 640 / shape[1], (row + 0.5) * 360 / shape[0])
    assert cams.find_centroid(cam, (640, 360)) == pytest.approx(middle)
    mirrored = cams.find_centroid(cam[:, ::-1], (640, 360))
    assert mirrored == pytest.approx((640 - middle[0], middle[1]))
