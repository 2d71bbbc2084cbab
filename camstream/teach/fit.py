"""Fits a linear layer to pooled features: standardise -> classify -> calibrate -> fold.

The features of each channel are centred and scaled, a linear SVM (Zhou et al. 2016, section 4)
or a logistic regression separates them, and the values that it gives to samples it was not
fitted to are scaled to probabilities (Platt 1999; for several classes one scale and one offset a
class). All three steps are linear, so they fold into one weight and one bias.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.svm import LinearSVC

from camstream.teach.calibration import F64, I64, Calibration, calibrate

F32 = NDArray[np.float32]

_FOLDS = 5
_STEADY = 1e-3  # a channel that hardly ever varies must not be scaled up to noise


@dataclass(frozen=True, slots=True)
class Samples:
    """Pooled features and what they are of.

    Attributes:
        features: (N, D) float32.
        targets: (N,) which class each is of, 0 to C - 1.
        groups: (N,) samples of one group are variants of one picture: none of them may be used to
            judge what was fitted to another.
        labels: The names of the C classes.
    """

    features: F32
    targets: I64
    groups: I64
    labels: tuple[str, ...]

    def __getitem__(self, chosen: NDArray[np.bool_] | I64) -> Samples:
        """Keep some of the samples."""
        return Samples(
            self.features[chosen], self.targets[chosen], self.groups[chosen], self.labels
        )


@dataclass(frozen=True, slots=True)
class Candidate:
    """A kind of classifier and how strictly it is held.

    Attributes:
        kind: "linear SVM" or "logistic regression".
        strength: scikit-learn's C: the smaller, the simpler.
    """

    kind: str
    strength: float

    def __str__(self) -> str:
        return f"{self.kind} (C = {self.strength:g})"


CANDIDATES = (
    *(Candidate("logistic regression", strength) for strength in (1e-4, 1e-3, 1e-2)),
    *(Candidate("linear SVM", strength) for strength in (1e-5, 1e-4, 1e-3)),
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
        """Give the (N, C) logits of (N, D) features."""
        values: F64 = features.astype(np.float64) @ self.weight.T + self.bias
        return values

    def calibrated(self, calibration: Calibration) -> Layer:
        """Fold a calibration in."""
        scale, offset = calibration.scale, calibration.offset
        return Layer(self.weight * scale, self.bias * scale + offset)

    def relative_to(self, background: int | None) -> Layer:
        """Subtract one class from all, or their mean where there is no background.

        Softmax does not notice. The background's map becomes zero, and every other map the
        evidence for its class against the background.
        """
        chosen = slice(None) if background is None else slice(background, background + 1)
        weight = self.weight - self.weight[chosen].mean(axis=0)
        return Layer(weight, self.bias - self.bias[chosen].mean())


@dataclass(frozen=True, slots=True)
class Fitted:
    """What came of a fit.

    Attributes:
        layer: Fitted to all samples, calibrated.
        chosen: The candidate that it is.
        calibration: From the chosen one's values to logits.
        tried: Balanced accuracy of every candidate on samples it was not fitted to.
        out_of_fold: (N, C) logits of each sample by a layer that was not fitted to it.
    """

    layer: Layer
    chosen: Candidate
    calibration: Calibration
    tried: dict[Candidate, float]
    out_of_fold: F64


def fit(
    samples: Samples,
    *,
    candidates: Sequence[Candidate] = CANDIDATES,
    folds: int = _FOLDS,
    progress: Callable[[str], None] = lambda _: None,
) -> Fitted:
    """Choose a candidate by cross-validation, calibrate it, and fit it to all samples.

    Classes count alike however many samples they have, in the fit as in the probabilities.

    Args:
        samples: At least two groups of each of two classes.
        candidates: What to choose from, by balanced accuracy; of equals, by the likelihood.
        folds: How many parts the samples are cut into.
        progress: Is told each step.
    """
    groups_of_rarest = min(
        len(np.unique(samples.groups[samples.targets == index]))
        for index in range(len(samples.labels))
    )
    parts = split(samples, min(folds, groups_of_rarest))
    tried: dict[Candidate, tuple[float, float]] = {}
    results: dict[Candidate, tuple[F64, Calibration]] = {}
    for candidate in candidates:
        progress(f"trying {candidate}")
        values = _out_of_fold(samples, parts, candidate)
        calibration, loss = calibrate(values, samples.targets)
        logits = values * calibration.scale + calibration.offset
        results[candidate] = logits, calibration
        right = balanced_accuracy_score(samples.targets, logits.argmax(axis=1))
        tried[candidate] = float(right), -loss
    chosen = max(candidates, key=tried.__getitem__)
    logits, calibration = results[chosen]
    progress(f"fitting the {chosen}")
    layer = train(samples, chosen).calibrated(calibration)
    return Fitted(layer, chosen, calibration, {c: tried[c][0] for c in candidates}, logits)


def _out_of_fold(samples: Samples, parts: Sequence[NDArray[np.bool_]], candidate: Candidate) -> F64:
    """Give (N, C) values of each sample by a layer that was not fitted to its part."""
    values = np.zeros((len(samples.targets), len(samples.labels)))

    def judge(held_out: NDArray[np.bool_]) -> F64:
        return train(samples[~held_out], candidate).logits(samples.features[held_out])

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for held_out, judged in zip(parts, pool.map(judge, parts), strict=True):
            values[held_out] = judged
    return values


def split(samples: Samples, folds: int, *, seed: int = 0) -> list[NDArray[np.bool_]]:
    """Cut the samples into parts with the same mix of classes; groups stay whole.

    Returns:
        A mask of (N,) for each part: the samples that are held out.
    """
    cutter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    masks = []
    for _, held_out in cutter.split(samples.features, samples.targets, samples.groups):
        mask = np.zeros(len(samples.targets), bool)
        mask[held_out] = True
        masks.append(mask)
    return masks


def train(samples: Samples, candidate: Candidate) -> Layer:
    """Fit one candidate; its values are not calibrated yet."""
    mean = samples.features.mean(axis=0, dtype=np.float64)
    spread = samples.features.std(axis=0, dtype=np.float64)
    spread = np.maximum(spread, _STEADY * max(float(spread.max()), _STEADY))
    scaled = ((samples.features - mean) / spread).astype(np.float32)
    if candidate.kind == "linear SVM":
        # The squared hinge on the primal problem: it converges in a few steps at any size.
        estimator = LinearSVC(
            C=candidate.strength, dual=False, class_weight="balanced", max_iter=100, tol=1e-3
        )
    else:
        estimator = LogisticRegression(
            C=candidate.strength, class_weight="balanced", max_iter=1000, tol=1e-4
        )
    estimator.fit(scaled, samples.targets)
    weight, bias = estimator.coef_.astype(np.float64), estimator.intercept_.astype(np.float64)
    if len(samples.labels) == 2:  # scikit-learn gives one row, of the second class
        weight, bias = np.stack([-weight[0], weight[0]]) / 2, np.array([-bias[0], bias[0]]) / 2
    weight = weight / spread
    return Layer(weight, bias - weight @ mean)
