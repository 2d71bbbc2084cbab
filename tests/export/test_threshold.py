"""The threshold of ``person``, from frames of cameras and from photos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from camstream.graph.new_head import LinearHead
from export.person.shots import Shot
from export.person.threshold import calibrated, even_threshold, show_left_out, threshold_of

NOWHERE = np.zeros((0, 4), np.float32)


def some_shots() -> tuple[np.ndarray, list[Shot]]:
    """Logits that are 2 too low on frames, and right on photos."""
    random = np.random.default_rng(0)
    shots, logits = [], []
    for number in range(1000):
        kind, person = ("video", "photo")[number % 2], number % 4 < 2
        shots.append(Shot(Path(f"{number}"), person, f"{number % 20}", kind, number % 5, NOWHERE))
        logits.append((3 if person else -3) - 2 * (kind == "video") + random.normal())
    return np.array(logits), shots


def test_over_the_threshold_lies_one_empty_frame_in_fifty() -> None:
    logits, shots = some_shots()
    threshold = threshold_of(logits, shots)
    empty = np.array([shot.kind == "video" and not shot.person for shot in shots])
    assert (logits[empty] > threshold).mean() == pytest.approx(0.02)
    assert threshold_of(logits + 5, shots) == pytest.approx(threshold + 5)


def test_the_even_threshold_lies_between_both_labels() -> None:
    logits, shots = some_shots()
    threshold = even_threshold(logits, shots)
    person = np.array([shot.person for shot in shots])
    right = ((logits > threshold) == person).mean()
    assert right > 0.85
    assert right > ((logits > threshold_of(logits, shots)) == person).mean()
    assert even_threshold(logits + 5, shots) == pytest.approx(threshold + 5, abs=0.05)


def test_the_threshold_of_a_fold_is_that_of_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    logits, shots = some_shots()
    logits[[shot.fold == 0 for shot in shots]] += 100  # all of it is called people
    show_left_out(logits, shots)
    said = capsys.readouterr().out
    assert said.count("left out") == 4


def test_a_calibrated_head_is_undecided_at_the_threshold() -> None:
    logits, shots = some_shots()
    row = np.array([[0, 0], [1, 2]], np.float32)
    head = LinearHead(
        labels=("no person", "person"),
        weight=row,
        bias=np.array([0, 0.5], np.float32),
        background="no person",
        cam_range=(10, 100),
        size_hw=(224, 224),
        taught_on="9 photos",
    )
    found = calibrated(head, logits, shots)
    scale = found.weight[1, 0]
    assert found.cam_range == pytest.approx((10 * scale, 100 * scale), rel=0.01)
    offset = found.bias[1] - 0.5 * scale
    assert scale * threshold_of(logits, shots) + offset == pytest.approx(
        0, abs=1e-2
    )  # half precision
    assert found.size_hw == (288, 288)
    assert found.taught_on == "9 photos"
    assert not found.weight[0].any()
