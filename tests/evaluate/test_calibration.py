"""The calibration error, and the temperature that lowers it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.special import softmax

from camstream.errors import SourceError
from camstream.evaluate.annotations import GroundTruth
from camstream.evaluate.calibration import (
    MIN_PHOTOS,
    calibrate,
    error_at,
    expected_error,
    fit_temperature,
    look_at,
)
from camstream.models.session import Model


def drawn(count: int, *, classes: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose softmax is the truth: each class is drawn with its probability."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (count, classes))
    chances = softmax(logits, axis=1).cumsum(axis=1)
    return logits, (random.random((count, 1)) > chances).sum(axis=1)


def test_the_error_is_the_gap_of_each_bin_by_its_share() -> None:
    scores = np.array([0.9, 0.9, 0.9, 0.9, 0.5, 0.5])
    is_right = np.array([True, True, True, False, True, False])
    # Four of six are 15 points too sure, two are exactly right.
    assert expected_error(scores, is_right) == pytest.approx(4 / 6 * 0.15)
    assert expected_error(np.array([1.0, 1.0]), np.array([True, True])) == 0
    # In one bin for all, gaps of both signs cancel each other.
    opposite = np.array([0.2, 0.8]), np.array([True, False])
    assert expected_error(*opposite, bins=1) == pytest.approx(0)
    assert expected_error(*opposite) == pytest.approx(0.8)


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_the_temperature_is_found_back(factor: float) -> None:
    logits, targets = drawn(4000)
    assert fit_temperature(logits * factor, targets) == pytest.approx(factor, rel=0.1)


def test_scores_that_are_too_sure_become_probabilities() -> None:
    logits, targets = drawn(2000)
    found = calibrate(3 * logits, targets)
    assert found.error_before > 0.15
    assert found.error_after < 0.05
    assert found.photos == 2000
    assert error_at(3 * logits, targets, found.temperature) < 0.05
    # Which class is best does not depend on it.
    np.testing.assert_array_equal(
        softmax(3 * logits / found.temperature, axis=1).argmax(axis=1), logits.argmax(axis=1)
    )


def test_few_photos_show_no_error_of_some_percent(tmp_path: Path, tiny_model: Model) -> None:
    path = tmp_path / "one.png"
    assert cv2.imwrite(str(path), np.full((64, 64, 3), 90, np.uint8))
    one = GroundTruth(path, 1, np.zeros((0, 4)))
    with pytest.raises(SourceError, match=f"49 photos: {MIN_PHOTOS} are needed"):
        look_at(tiny_model, [one] * (MIN_PHOTOS - 1))
    done: list[int] = []
    logits, targets = look_at(tiny_model, [one] * MIN_PHOTOS, on_photo=done.append)
    assert logits.shape == (MIN_PHOTOS, 2)
    assert set(targets.tolist()) == {1}
    assert done == list(range(1, MIN_PHOTOS + 1))
