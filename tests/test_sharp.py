"""``camstream.sharp``: laws of the joined maps, on features made by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from camstream import cam as cams
from camstream.boxes import largest_box
from camstream.evaluate.metrics import iou
from camstream.picture import MapF32
from camstream.sharp import affinity, sharpen
from camstream.threshold import parse_threshold

_SIZE_WH = (140, 140)


def _disc(side: int = 14, radius: float = 4.0) -> NDArray[np.bool_]:
    rows, columns = np.mgrid[:side, :side] - (side - 1) / 2
    return np.asarray(rows**2 + columns**2 < radius**2)


def _two_kinds() -> MapF32:
    """Features of two kinds of place: a disc, and all around it."""
    return np.stack([_disc(), ~_disc()]).astype(np.float32)


def _blob(width: float = 2.5) -> MapF32:
    rows, columns = np.mgrid[:7, :7] - 3.0
    return np.asarray(20 * np.exp(-(rows**2 + columns**2) / (2 * width**2)), np.float32)


def _random(seed: int) -> tuple[MapF32, MapF32]:
    random = np.random.default_rng(seed)
    maps, early = random.normal(0, 10, (3, 7, 7)), random.normal(0, 1, (8, 14, 14))
    return maps.astype(np.float32), early.astype(np.float32)


@given(st.integers(0, 1000))
def test_range_is_the_raw_maps(seed: int) -> None:
    maps, early = _random(seed)
    sharp = sharpen(maps, early)
    assert sharp.shape == (3, 14, 14)
    assert sharp.dtype == np.float32
    assert sharp.min() >= 0
    np.testing.assert_allclose(sharp.max(axis=(1, 2)), maps.max(axis=(1, 2)), rtol=1e-4)


@given(st.integers(0, 1000))
def test_flipped_picture_gives_flipped_map(seed: int) -> None:
    maps, early = _random(seed)
    flipped = sharpen(maps[..., ::-1].copy(), early[..., ::-1].copy())
    np.testing.assert_allclose(flipped[..., ::-1], sharpen(maps, early), atol=1e-2)


@pytest.mark.parametrize("value", [-3.0, 0.0, 30.0, np.nan])
def test_constant_map_stays_without_heat(value: float) -> None:
    early = _random(0)[1]
    sharp = sharpen(np.full((1, 7, 7), value, np.float32), early)[0]
    assert not cams.heat(cams.enlarge(sharp), (5, 20)).any()


def test_map_without_evidence_stays_without() -> None:
    maps, early = _random(1)
    assert sharpen(-np.abs(maps), early).max() <= 0


def test_box_follows_the_outline() -> None:
    true = np.array([30, 30, 110, 110], np.float64)
    plain = largest_box(_blob(), _SIZE_WH)
    sharp = largest_box(sharpen(_blob()[np.newaxis], _two_kinds())[0], _SIZE_WH)
    assert plain is not None
    assert sharp is not None
    plain_iou, sharp_iou = (float(iou(np.array(box.xyxy), true)) for box in (plain, sharp))
    assert sharp_iou > plain_iou + 0.1
    assert sharp_iou > 0.8


def test_rows_of_the_affinity_sum_to_one_even_without_features() -> None:
    early = _random(2)[1]
    early[:, 3, 3] = 0
    np.testing.assert_allclose(affinity(early).sum(axis=1), 1, rtol=1e-4)


def test_thresholds_as_written() -> None:
    fine = np.arange(100, dtype=np.float32).reshape(10, 10)
    assert parse_threshold("0.2")(fine) == pytest.approx(19.8)
    assert parse_threshold("p80")(fine) == pytest.approx(79.2)


@pytest.mark.parametrize("text", ["", "0", "1", "-0.2", "p", "p0", "p100", "pnan", "high"])
def test_odd_thresholds_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a box threshold is"):
        parse_threshold(text)
