"""The fit: the folded layer equals the fitted steps, probabilities are right, and the heat range."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from camstream.teach.calibration import Calibration, calibrate
from camstream.teach.fit import (
    CANDIDATES,
    Candidate,
    Layer,
    TrainingData,
    choose_range,
    fit,
    peaks_of,
    split,
    train,
)


def samples(
    count: int = 300, classes: int = 2, channels: int = 20, apart: float = 1.5
) -> TrainingData:
    """Overlapping clouds in channels of very different scales; one channel never changes."""
    random = np.random.default_rng(classes)
    targets = np.arange(count) % classes
    means = random.normal(0, apart / np.sqrt(channels), (classes, channels)) * 2
    features = means[targets] + random.normal(0, 1, (count, channels))
    features = features * np.geomspace(0.01, 10, channels) + 3
    features[:, 0] = 0.5
    return TrainingData(
        features=features.astype(np.float32),
        targets=targets.astype(np.int64),
        groups=np.arange(count, dtype=np.int64),
        labels=tuple(f"class {n}" for n in range(classes)),
    )


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of (N, C) logits, in float64."""
    return np.asarray(scipy.special.softmax(logits, axis=1))


@pytest.mark.parametrize("classes", [2, 4])
def test_folded_layer_is_scaler_and_classifier(classes: int) -> None:
    some = samples(classes=classes)
    layer = train(some, Candidate("logistic regression", 1e-2))
    scaler = StandardScaler().fit(some.features)
    estimator = LogisticRegression(C=1e-2, class_weight="balanced", max_iter=1000)
    estimator.fit(scaler.transform(some.features), some.targets)
    want = estimator.predict_proba(scaler.transform(some.features))
    np.testing.assert_allclose(softmax(layer.logits(some.features)), want, atol=1e-3)


@pytest.mark.parametrize("candidate", CANDIDATES, ids=str)
@pytest.mark.parametrize("classes", [2, 5])
def test_every_candidate_separates(candidate: Candidate, classes: int) -> None:
    some = samples(classes=classes, apart=6)
    assert (train(some, candidate).logits(some.features).argmax(1) == some.targets).mean() > 0.9


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), classes=st.integers(2, 6), background=st.integers(-1, 1))
def test_background_has_no_evidence_and_probabilities_stay(
    seed: int, classes: int, background: int
) -> None:
    random = np.random.default_rng(seed)
    layer = Layer(random.normal(size=(classes, 7)), random.normal(size=classes))
    index = None if background < 0 else background
    moved = layer.relative_to(index)
    features = random.normal(size=(5, 7))
    np.testing.assert_allclose(
        softmax(moved.logits(features)), softmax(layer.logits(features)), atol=1e-12
    )
    if index is not None:
        assert not moved.weight[index].any()
        assert moved.bias[index] == 0
    else:
        np.testing.assert_allclose(moved.weight.sum(axis=0), 0, atol=1e-12)


def test_calibration_finds_the_true_scale_and_offset() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, (20_000, 3))
    offsets = np.array([0.5, -0.2, -0.3])
    probability = softmax(logits)
    targets = (random.random((len(logits), 1)) > probability.cumsum(axis=1)).sum(axis=1)
    values = (logits - offsets) / 7
    # Classes count alike; here they are as frequent as they are, so weight that out first.
    found, _ = calibrate(values, targets.astype(np.int64))
    assert found.scale == pytest.approx(7, rel=0.05)
    np.testing.assert_allclose(found.offset - found.offset[0], offsets - offsets[0], atol=0.15)


@pytest.mark.parametrize("count", [10, 400])
def test_values_that_separate_all_do_not_become_certainty(count: int) -> None:
    targets = np.arange(count) % 2
    values = np.where(targets[:, np.newaxis] == [0, 1], 1.0, -1.0)
    found, _ = calibrate(values, targets.astype(np.int64))
    sure = softmax(values * found.scale + found.offset).max()
    assert sure == pytest.approx((count / 2 + 1) / (count / 2 + 2), abs=1e-3)


@pytest.mark.parametrize(("classes", "of_each"), [(3, 20), (17, 4)])
def test_few_samples_of_many_classes_are_not_unsure(classes: int, of_each: int) -> None:
    """With a sample more of each class in each class, as Platt has it, 17 classes of 4 reach 24 %."""
    targets = np.repeat(np.arange(classes), of_each)
    values = np.where(targets[:, np.newaxis] == np.arange(classes), 1.0, -1.0)
    found, _ = calibrate(values, targets)
    scores = softmax(values * found.scale + found.offset)
    assert (scores.argmax(axis=1) == targets).all()
    count = classes * of_each
    assert scores.max(axis=1) == pytest.approx((count + 2 / classes) / (count + 2), abs=1e-3)


def test_scores_of_many_classes_are_as_high_as_names_are_right() -> None:
    learnt, others = (samples(count=count, classes=12, apart=1.5) for count in (96, 1296))
    layer = fit(learnt, candidates=CANDIDATES[1:2]).layer
    held = slice(len(learnt.targets), None)  # the same clouds, other samples of them
    scores = softmax(layer.logits(others.features[held]))
    right = (scores.argmax(axis=1) == others.targets[held]).mean()
    assert 0.4 < right < 0.95
    assert abs(scores.max(axis=1).mean() - right) < 0.15


def test_calibrated_probabilities_are_frequencies() -> None:
    some = samples(count=1500, apart=1.0)
    fitted = fit(some, candidates=CANDIDATES[:2])
    sure = softmax(fitted.out_of_fold)[:, 1]
    for low in (0.2, 0.4, 0.6):
        inside = (sure >= low) & (sure < low + 0.2)
        assert abs(some.targets[inside].mean() - sure[inside].mean()) < 0.12


def test_rare_class_counts_as_much() -> None:
    some = samples(count=600)
    keep = (some.targets == 0) | (np.arange(600) % 12 == 1)
    fitted = fit(some[keep])
    predicted = fitted.out_of_fold.argmax(axis=1)
    recalls = [(predicted[some.targets[keep] == n] == n).mean() for n in (0, 1)]
    assert min(recalls) > 0.6


def test_variants_of_one_picture_are_never_apart() -> None:
    some = samples(count=100)
    paired = TrainingData(
        features=np.repeat(some.features, 2, axis=0),
        targets=np.repeat(some.targets, 2),
        groups=np.repeat(some.groups, 2),
        labels=some.labels,
    )
    for held_out in split(paired, 5):
        assert not set(paired.groups[held_out]) & set(paired.groups[~held_out])
    assert sum(held_out.sum() for held_out in split(paired, 5)) == 200


def test_random_labels_have_an_accuracy_of_one_half() -> None:
    """The layers that are validated were not fitted to the validation samples."""
    random = np.random.default_rng(0)
    some = TrainingData(
        features=random.normal(size=(200, 50)).astype(np.float32),
        targets=(np.arange(200) % 2).astype(np.int64),
        groups=np.arange(200, dtype=np.int64),
        labels=("a", "b"),
    )
    assert 0.35 < max(fit(some).tried.values()) < 0.65


def test_calibration_is_folded() -> None:
    layer = Layer(np.ones((2, 3)), np.array([1.0, 2.0]))
    folded = layer.calibrated(Calibration(3.0, np.array([0.5, -0.5])))
    features = np.arange(6.0).reshape(2, 3)
    np.testing.assert_allclose(
        folded.logits(features), layer.logits(features) * 3 + np.array([0.5, -0.5])
    )


def test_heat_begins_above_peaks_of_other_classes() -> None:
    random = np.random.default_rng(0)
    quiet, loud = random.uniform(0, 5, 100), random.uniform(10, 30, 100)
    peaks = np.stack([np.concatenate([loud, quiet]), np.zeros(200)], axis=1)
    low, high = choose_range(peaks, [0] * 100 + [1] * 100, 1)
    assert (quiet <= low).mean() == pytest.approx(0.97, abs=0.011)
    assert high == pytest.approx(np.median(loud), rel=0.01)


@given(shift=st.floats(-50, 50), spread=st.floats(0, 10), background=st.sampled_from([None, 0, 1]))
def test_heat_is_always_a_range(shift: float, spread: float, background: int | None) -> None:
    random = np.random.default_rng(0)
    peaks = random.normal(shift, spread, (40, 2))
    low, high = choose_range(peaks, [0, 1] * 20, background)
    assert 0 <= low < high


def test_peaks_of_maps() -> None:
    maps = np.zeros((2, 3, 4), np.float32)
    maps[0, 1, 2], maps[1, 2, 3] = 5, 2
    layer = Layer(np.array([[1.0, 0.0], [0.0, -3.0]]), np.zeros(2))
    np.testing.assert_allclose(peaks_of([maps], layer), [[5, 0]])
