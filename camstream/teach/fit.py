"""Fits a linear layer to pooled features: standardise -> classify -> calibrate -> fold.

Each feature channel is standardised. A linear SVM (Zhou et al. 2016, section 4) or a logistic
regression separates the classes. Cross-validation computes its values for samples that it was not
fitted to, and from those a scale and one offset per class that turn values into logits (Platt
1999). All three steps are linear, so they fold into one weight and one bias. ``choose_range`` then
finds the heat range of the maps of the new layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.svm import LinearSVC

from camstream.models.cores import usable_cores
from camstream.picture import MapF32
from camstream.teach.calibration import Calibration, calibrate

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

_FOLDS = 5
_MIN_STD = 1e-3  # of the largest; a channel that hardly varies must not be scaled up to noise


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingData:
    """Pooled features and their classes.

    Attributes:
        features: (N, D) float32.
        targets: (N,) class indices, 0 to C - 1.
        groups: (N,) group numbers. Samples of one group are variants of one picture, so
            cross-validation keeps them together.
        labels: The names of the C classes.
    """

    features: F32
    targets: I64
    groups: I64
    labels: tuple[str, ...]

    def __getitem__(self, chosen: NDArray[np.bool_] | I64) -> TrainingData:
        """Return some of the samples, by mask or index."""
        return TrainingData(
            features=self.features[chosen],
            targets=self.targets[chosen],
            groups=self.groups[chosen],
            labels=self.labels,
        )


@dataclass(frozen=True, slots=True)
class Candidate:
    """A kind of classifier and its regularisation.

    Attributes:
        kind: "linear SVM" or "logistic regression".
        C: The inverse of the regularisation strength, as scikit-learn defines it.
    """

    kind: str
    C: float

    def __str__(self) -> str:
        return f"{self.kind} (C = {self.C:g})"


CANDIDATES = (
    *(Candidate("logistic regression", c) for c in (1e-4, 1e-3, 1e-2)),
    *(Candidate("linear SVM", c) for c in (1e-5, 1e-4, 1e-3)),
)


@dataclass(frozen=True, slots=True)
class Layer:
    """A linear layer on pooled features.

    Attributes:
        weight: (C, D).
        bias: (C,).
    """

    weight: F64
    bias: F64

    def logits(self, features: NDArray[np.floating]) -> F64:
        """Return the (N, C) logits of (N, D) features."""
        values: F64 = features.astype(np.float64) @ self.weight.T + self.bias
        return values

    def calibrated(self, calibration: Calibration) -> Layer:
        """Return the layer with a calibration folded in."""
        scale, offset = calibration.scale, calibration.offset
        return Layer(self.weight * scale, self.bias * scale + offset)

    def relative_to(self, background: int | None) -> Layer:
        """Subtract one class from all, or their mean where there is no background.

        The softmax stays the same. The map of the background becomes zero, and every other map
        shows the evidence for its class minus that for the background.
        """
        chosen = slice(None) if background is None else slice(background, background + 1)
        weight = self.weight - self.weight[chosen].mean(axis=0)
        return Layer(weight, self.bias - self.bias[chosen].mean())


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """The result of a fit.

    Attributes:
        layer: The chosen candidate, fitted to all samples and calibrated.
        chosen: The candidate with the best balanced accuracy.
        calibration: Turns the values of the chosen candidate into logits.
        tried: Cross-validated balanced accuracy of every candidate.
        out_of_fold: (N, C) logits of each sample, by a layer that was not fitted to it.
    """

    layer: Layer
    chosen: Candidate
    calibration: Calibration
    tried: dict[Candidate, float]
    out_of_fold: F64


def fit(
    data: TrainingData,
    *,
    candidates: Sequence[Candidate] = CANDIDATES,
    folds: int = _FOLDS,
    progress: Callable[[str], None] = lambda _: None,
) -> Fitted:
    """Choose a candidate by cross-validation, calibrate it, and fit it to all samples.

    All classes have the same weight, however many samples they have.

    Args:
        data: At least two groups of each of two classes.
        candidates: The candidate with the best balanced accuracy is chosen; among equals, the one
            with the best likelihood.
        folds: Number of folds of the cross-validation.
        progress: Called with the name of each step.
    """
    groups_of_rarest = min(
        len(np.unique(data.groups[data.targets == index])) for index in range(len(data.labels))
    )
    masks = split(data, min(folds, groups_of_rarest))
    tried: dict[Candidate, tuple[float, float]] = {}
    results: dict[Candidate, tuple[F64, Calibration]] = {}
    for candidate in candidates:
        progress(f"trying {candidate}")
        values = _out_of_fold(data, masks, candidate)
        calibration, loss = calibrate(values, data.targets)
        logits = values * calibration.scale + calibration.offset
        results[candidate] = logits, calibration
        accuracy = balanced_accuracy_score(data.targets, logits.argmax(axis=1))
        tried[candidate] = float(accuracy), -loss
    chosen = max(candidates, key=tried.__getitem__)
    logits, calibration = results[chosen]
    progress(f"fitting the {chosen}")
    return Fitted(
        layer=train(data, chosen).calibrated(calibration),
        chosen=chosen,
        calibration=calibration,
        tried={candidate: tried[candidate][0] for candidate in candidates},
        out_of_fold=logits,
    )


def _out_of_fold(
    data: TrainingData, masks: Sequence[NDArray[np.bool_]], candidate: Candidate
) -> F64:
    """Return the (N, C) values of each sample, by a layer that was not fitted to its fold."""
    values = np.zeros((len(data.targets), len(data.labels)))

    def validate(held_out: NDArray[np.bool_]) -> F64:
        return train(data[~held_out], candidate).logits(data.features[held_out])

    with ThreadPoolExecutor(usable_cores()) as pool:
        for held_out, fold in zip(masks, pool.map(validate, masks), strict=True):
            values[held_out] = fold
    return values


def split(data: TrainingData, folds: int, *, seed: int = 0) -> list[NDArray[np.bool_]]:
    """Split the samples into folds with the same mix of classes; groups stay together.

    Returns:
        One mask (N,) per fold: the samples that are held out.
    """
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    masks = []
    for _, held_out in splitter.split(data.features, data.targets, data.groups):
        mask = np.zeros(len(data.targets), bool)
        mask[held_out] = True
        masks.append(mask)
    return masks


def train(data: TrainingData, candidate: Candidate) -> Layer:
    """Fit one candidate; its values are not calibrated yet."""
    mean = data.features.mean(axis=0, dtype=np.float64)
    std = data.features.std(axis=0, dtype=np.float64)
    std = np.maximum(std, _MIN_STD * max(float(std.max()), _MIN_STD))
    scaled = ((data.features - mean) / std).astype(np.float32)
    if candidate.kind == "linear SVM":
        # The squared hinge on the primal problem: it converges in a few steps at any size.
        estimator = LinearSVC(
            C=candidate.C, dual=False, class_weight="balanced", max_iter=100, tol=1e-3
        )
    else:
        estimator = LogisticRegression(
            C=candidate.C, class_weight="balanced", max_iter=1000, tol=1e-4
        )
    estimator.fit(scaled, data.targets)
    weight, bias = estimator.coef_.astype(np.float64), estimator.intercept_.astype(np.float64)
    if len(data.labels) == 2:  # scikit-learn returns one row, of the second class
        weight, bias = np.stack([-weight[0], weight[0]]) / 2, np.array([-bias[0], bias[0]]) / 2
    weight = weight / std
    return Layer(weight, bias - weight @ mean)


@dataclass(frozen=True, slots=True)
class HeatRule:
    """Percentiles of map peaks between which the heat of a class grows from none to full.

    Attributes:
        low_percentile: Heat begins at this percentile of the peaks of a class in pictures of
            other classes.
        high_percentile: Heat is full at this percentile of its peaks in pictures of the class.
        max_low: Largest begin of heat, as a part of the full value; it keeps a gradation of
            colours where the two percentiles meet.
    """

    low_percentile: float = 97.0
    high_percentile: float = 50.0
    max_low: float = 0.75


_HEAT_RULE = HeatRule()


def peaks_of(maps: Iterable[MapF32], layer: Layer) -> NDArray[np.float64]:
    """Return the largest value of the map of each class.

    Args:
        maps: (D, h, w) feature maps, one per picture.
        layer: The new last layer.

    Returns:
        (N, C) in logit units.
    """
    weight = layer.weight.astype(np.float32)
    return np.array(
        [(weight @ one.reshape(len(one), -1)).max(axis=1) for one in maps], np.float64
    ).reshape(-1, len(weight))


def choose_range(
    peaks: NDArray[np.float64],
    targets: Sequence[int] | NDArray[np.int64],
    background: int | None,
    rule: HeatRule = _HEAT_RULE,
) -> tuple[float, float]:
    """Choose one heat range for the maps of all classes but the background.

    Heat begins above most peaks of a class in pictures of other classes, so that a class that is
    not in a picture has no heat there. It is full at a percentile of the peaks in pictures of the
    class, by default the median. All classes have the same weight.

    Args:
        peaks: (N, C) see ``peaks_of``.
        targets: (N,) the class index of each picture.
        background: The index of the background class, whose map is zero; None: there is none.
        rule: The percentiles.

    Returns:
        Where heat begins and where it is full, logit units.
    """
    own = np.asarray(targets)
    lows, highs = [], []
    for index in range(peaks.shape[1]):
        if index == background or (own == index).all() or not (own == index).any():
            continue
        lows.append(float(np.percentile(peaks[own != index, index], rule.low_percentile)))
        highs.append(float(np.percentile(peaks[own == index, index], rule.high_percentile)))
    high = max(float(np.median(highs)), 1e-3)
    low = min(max(float(np.median(lows)), 0.0), high * rule.max_low)
    return float(f"{low:.3g}"), float(f"{high:.3g}")  # three digits are enough for a colour
