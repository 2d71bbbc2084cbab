"""The threshold of ``person``, from what it says of frames and photos that it was not fitted to."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from camstream.graph.new_head import LinearHead
from export.person.judge_person import Judgement
from export.person.score_frames import Labelled, figures, show, show_kinds
from export.person.shots import FOLDS, Shot

F64 = NDArray[np.float64]
KINDS = ("video", "photo")
SIDE = 288  # the shipped model's input size
# Of the empty frames of cameras, so many are to be called empty. The highest balanced accuracy lies at
# fewer; but in front of a camera there is nobody most of the time, and false alarms annoy.
EMPTY = 0.98

Rule = Callable[[F64, Sequence[Shot]], float]


def threshold_of(logits: F64, shots: Sequence[Shot]) -> float:
    """Find the lowest logit over which ``EMPTY`` of the empty frames of cameras do not lie."""
    empty = [shot.kind == "video" and not shot.person for shot in shots]
    return float(np.quantile(logits[np.array(empty)], EMPTY))


def even_threshold(logits: F64, shots: Sequence[Shot]) -> float:
    """Find the logit at which both labels are as likely, classes counting alike."""
    person = np.array([shot.person for shot in shots])
    scale, offset = Judgement(logits.astype(np.float32), person).calibration()
    return -offset / scale


RULES: dict[str, Rule] = {
    f"{EMPTY:.0%} of empty frames empty": threshold_of,
    "both labels alike": even_threshold,
}


def show_left_out(logits: F64, shots: Sequence[Shot], *, usual: F64 | None = None) -> None:
    """Print what score_frames prints, by each rule; the threshold of a fold is that of the others.

    Args:
        logits: (N,) of the class person.
        shots: Judged.
        usual: (N,) logits at the usual size, whose threshold is used; None: those are ``logits``.
    """
    given = logits if usual is None else usual
    folds = np.array([shot.fold for shot in shots])
    for name, rule in RULES.items():
        thresholds = np.zeros(len(shots))
        for fold in range(FOLDS):
            others = np.flatnonzero(folds != fold).tolist()
            thresholds[folds == fold] = rule(given[others], [shots[n] for n in others])
        for kind in KINDS:
            rows = np.flatnonzero([shot.kind == kind for shot in shots]).tolist()
            chosen = [shots[row] for row in rows]
            images = Labelled(
                tuple(shot.path for shot in chosen),
                np.array([shot.person for shot in chosen]),
                np.array([shot.source for shot in chosen]),
            )
            above = (logits - thresholds)[rows]
            show(f"{kind}, left out, {name}", figures(above, 0.0, images), by_source=True)
            if kind == "video":
                show_kinds(above, 0.0, images)


def calibrated(head: LinearHead, logits: F64, shots: Sequence[Shot]) -> LinearHead:
    """Give the head whose logit is 0 at the threshold, for the shipped model's input size.

    Args:
        head: With the classes no person and person.
        logits: (N,) of the class person, by heads that were fitted without the shot's fold.
        shots: Judged.
    """
    person = np.array([shot.person for shot in shots])
    scale, _ = Judgement(logits.astype(np.float32), person).calibration()
    offset = -scale * threshold_of(logits, shots)
    print(f"calibrated: logits times {scale:.2f} plus {offset:.2f}")
    low, full = (float(f"{value * scale:.3g}") for value in head.cam_range)
    return dataclasses.replace(
        head,
        weight=_rounded(head.weight * scale),
        bias=_rounded(head.bias * scale + np.array([0, offset])),
        cam_range=(low, full),
        size_hw=(SIDE, SIDE),
    )


def _rounded(values: NDArray[np.floating]) -> NDArray[np.float32]:
    return np.asarray(values.astype(np.float16).astype(np.float32))
