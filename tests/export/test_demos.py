"""The demos: the ground truth fits the drawn images, and a short training learns from them."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest

from camstream.annotation import run as annotate
from camstream.models.session import Model
from export.demos import digits, sweep
from export.demos.demo import SIZE_WH, Demo, Detection, GroundTruth, Sets, score
from export.demos.digits import DIGITS, DigitExamples
from export.demos.run import DEMOS, accuracy_on_test_set, annotate_clip, job_of
from export.demos.sweep import NG, OK, SWEEP, Fault, record
from export.train.job import run
from tests.export.callbacks import silent


def train(demo: Demo, path: Path) -> Model:
    assert run(job_of(demo, path), silent()) is not None
    return Model(path, device="cpu")


def zeros_and_ones() -> Demo:
    """The demo of digits with two of them, for a few seconds."""
    classes = digits.glyphs_and_classes()[1]
    train_set, validation, test = (
        DigitExamples([number for number in part if classes[number] < 2])
        for part in digits.split_digits()
    )
    return dataclasses.replace(
        DIGITS,
        recipe=dataclasses.replace(DIGITS.recipe, epochs=6, batch=16),
        sets=lambda: Sets(train_set, validation, test),
        scenes=lambda: itertools.islice(digits.scenes(), 40, 80),
    )


def test_a_short_training_learns_digits_and_the_clip_is_annotated(tmp_path: Path) -> None:
    demo = zeros_and_ones()
    model = train(demo, tmp_path / "digits.onnx")
    accuracy, pictures = accuracy_on_test_set(demo, model)
    assert pictures > 50
    assert accuracy > 0.7  # by chance 45 %

    image = demo.sets().test.image(0, np.random.default_rng(0))
    found = model.predict(image, classes=[0, 1, 10])
    sums = found.cam.maps.mean(axis=(1, 2)) + found.cam.bias
    np.testing.assert_allclose(sums, found.logits[[0, 1, 10]], atol=1e-4)
    assert np.abs(found.cam.maps[2]).max() < 1e-4  # of "no digit"

    output = tmp_path / "digits.mp4"
    result, scored = annotate_clip(demo, model, output, lambda job: annotate(job, model))
    assert output.stat().st_size > 10_000
    assert sum(result.labels.values()) == 40
    assert scored is not None
    assert 0 < scored.object_frames < scored.frames < 40  # those that fade are not scored
    assert len(demo.figures(scored)) == 3


@pytest.mark.parametrize("seed", range(5))
def test_a_digit_is_where_its_box_says(seed: int) -> None:
    examples = DigitExamples(digits.split_digits()[2])
    image, box = examples.scene(seed, np.random.default_rng(seed))
    assert box is not None
    x0, y0, x1, y1 = map(int, box)
    height, width = image.shape[:2]
    assert 0 <= x0 < x1 <= width
    assert 0 <= y0 < y1 <= height
    outside = image.copy()
    outside[y0:y1, x0:x1] = 0
    assert image[y0:y1, x0:x1].mean() > 2 * outside.mean()


def test_no_digit_is_drawn_where_the_class_says_so() -> None:
    examples = DigitExamples(digits.split_digits()[2])
    index = examples.classes.index(digits.LABELS.index(digits.NOTHING))
    assert examples.scene(index, np.random.default_rng(0))[1] is None


def test_the_sets_of_digits_have_nothing_in_common() -> None:
    parts = digits.split_digits()
    together = [number for part in parts for number in part]
    assert len(set(together)) == len(together) == 1797


@pytest.mark.parametrize("seed", range(4))
def test_a_fault_is_where_the_ground_truth_says(seed: int) -> None:
    """Its box is brighter than the same frequencies a little before it."""
    run_ = record(30, np.random.default_rng(seed), faults_every_s=7)
    assert run_.faults
    for fault in run_.faults:
        before = dataclasses.replace(fault, begin_s=fault.begin_s - 0.3, end_s=fault.begin_s - 0.1)
        assert strongest(run_.levels, fault) > strongest(run_.levels, before) + 15


def strongest(levels: np.ndarray, fault: Fault) -> float:
    """The level that the strongest tenth of a fault's cells exceeds."""
    rows = len(levels)
    top, bottom = (round(rows * (1 - hertz / 4096)) for hertz in (fault.high_hz, fault.low_hz))
    first, last = (round(second * 128) for second in (fault.begin_s, fault.end_s))
    return float(np.quantile(levels[top:bottom, first:last], 0.9))


def test_a_window_is_ng_while_most_of_a_fault_is_in_it() -> None:
    fault = Fault(begin_s=10, end_s=11, low_hz=1024, high_hz=2048)
    at = {
        begin_s: sweep.ground_truth([fault], begin_s)
        for begin_s in (5.0, 5.98, 6.5, 7.0, 10.5, 11.2)
    }
    assert [truth.label for truth in at.values()] == [OK, None, None, NG, None, OK]
    ((x0, y0, x1, y1),) = at[7.0].boxes
    assert (x1, y0, y1) == (SIZE_WH[0], SIZE_WH[1] / 2, SIZE_WH[1] * 3 / 4)
    assert x0 == pytest.approx(SIZE_WH[0] * 3 / 4, abs=6)  # the transform blurs its beginning


def test_a_picture_of_a_window_has_the_newest_at_the_right() -> None:
    levels = np.zeros((257, 512), np.uint8)
    levels[:, -60:] = 255
    image = cv2.cvtColor(sweep.draw_window(levels), cv2.COLOR_BGR2GRAY)
    assert image.shape == SIZE_WH[::-1]
    assert image[:, -70:].mean() > 5 * max(1.0, image[:, :70].mean())


def test_the_score_of_frames_made_by_hand() -> None:
    box = (10.0, 10.0, 20.0, 20.0)
    truths = [
        GroundTruth(NG, (box,)),
        GroundTruth(NG, (box,)),
        GroundTruth(NG, (box,)),
        GroundTruth(None),
        GroundTruth(OK),
    ]
    detections = [
        Detection(NG, (15.0, 12.0), 9.0),  # on it
        Detection(NG, (24.0, 12.0), 9.0),  # 4 pixels off
        Detection(OK, (15.0, 40.0), 0.0),  # 20 pixels off, and taken for OK
        Detection(NG, (0.0, 0.0), 9.0),  # not scored
        Detection(OK, (0.0, 0.0), 2.0),  # heat where nothing is
    ]
    found = score(detections, truths, background=OK, floor=1.0, cell_px=5.0)
    assert (found.frames, found.object_frames, found.hot_background) == (4, 3, 1)
    assert found.accuracy == 3 / 4
    assert found.on_object == pytest.approx(1 / 3)
    assert found.near_object == pytest.approx(2 / 3)
    np.testing.assert_allclose(found.off_px, [(0, 0), (4, 0), (0, 20)])


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", DEMOS)
def test_the_figures_of_a_demo(name: str, tmp_path: Path) -> None:
    demo = DEMOS[name]
    model = train(demo, tmp_path / "net.onnx")
    assert accuracy_on_test_set(demo, model)[0] >= 0.97
    _, scored = annotate_clip(demo, model, tmp_path / "a.mp4", lambda job: annotate(job, model))
    assert scored is not None
    assert scored.accuracy >= 0.97
    assert scored.near_object >= 0.95
    assert scored.on_object >= (0.95 if demo is DIGITS else 0)
    assert scored.hot_background == 0
    if demo is SWEEP:
        ms = scored.off_px[:, 0] / SIZE_WH[0] * sweep.WINDOW_S * 1e3
        assert np.quantile(ms, 0.95) < 100
