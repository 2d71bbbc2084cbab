"""The peak of an enlarged map lies in the middle of its flat top, not at the top's first cell."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from camstream.maps import cam as cams


@given(st.integers(1, 3), st.integers(1, 7), st.integers(64, 2000), st.integers(64, 2000))
def test_peak_lies_at_the_centre_of_its_cell(
    row: int, column: int, width: int, height: int
) -> None:
    cam = np.zeros((5, 9), np.float32)
    cam[row, column] = 8
    peak = cams.find_peak(cams.enlarge(cam), (width, height))
    assert peak.value == 8
    assert abs(peak.xy[0] - (column + 0.5) * width / 9) <= width / 256
    assert abs(peak.xy[1] - (row + 0.5) * height / 5) <= height / 140


def test_peak_of_a_turned_map_is_the_turned_peak() -> None:
    """Between two high cells interpolation overshoots, and the cut leaves a wide flat top."""
    random = np.random.default_rng(8)
    for _ in range(50):
        cam = random.normal(size=(7, 7)).astype(np.float32)
        x, y = cams.find_peak(cams.enlarge(cam), (224, 224)).xy
        turned = cams.find_peak(cams.enlarge(cam[::-1, ::-1].copy()), (224, 224)).xy
        assert turned == pytest.approx((224 - x, 224 - y), abs=1.8)


def test_peak_of_two_tops_is_one_of_them() -> None:
    fine = np.zeros((4, 10), np.float32)
    fine[1, 1:4] = fine[2, 8] = 3
    assert cams.find_peak(fine, (10, 4)).xy in {(1.5, 1.5), (2.5, 1.5), (3.5, 1.5), (8.5, 2.5)}
