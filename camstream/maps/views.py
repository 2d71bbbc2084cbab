"""Makes views from smoothed scores and maps, and decides what is named.

A model with a background class decides by presence, the probability of any other class, with the
two thresholds of ``PresenceRule``: the picture, the boxes, the records and the file of presences
say the same. Any other model names its best class from ``NAMED_FROM`` on.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from camstream.frame import NAMED_FROM, State, View
from camstream.maps.presence import PresenceRule, Switch
from camstream.maps.smoothing import Smoothed

if TYPE_CHECKING:
    from camstream.contract import ModelInfo
    from camstream.frame import Prediction

_SURE_ABOVE = 0.65  # presence up to here is shown as a question
# Once named, a class keeps its name a little under NAMED_FROM, so that the two do not alternate.
_NAMING = PresenceRule(on_threshold=NAMED_FROM, off_threshold=0.75 * NAMED_FROM)


class Decider:
    """Decides frame by frame what is said of the best class; remembers what it said before."""

    def __init__(self, info: ModelInfo) -> None:
        self._info = info
        self._background = background_index(info)
        self._presence, self._naming = Switch(), Switch(_NAMING)
        self._named: int | None = None

    def __call__(self, pts_s: float, smoothed: Smoothed) -> View:
        """Make the main view of a frame: the next one, or the last one once more.

        Args:
            pts_s: Media time of the frame, seconds.
            smoothed: Its scores and maps.
        """
        if self._background is not None:
            return self._with_state(pts_s, smoothed, self._background)
        view = class_view(smoothed.class_index, smoothed, self._info)
        if view.class_index != self._named:
            self._named, self._naming = view.class_index, Switch(_NAMING)
        return dataclasses.replace(view, is_sure=self._naming.update(pts_s, view.score))

    def _with_state(self, pts_s: float, smoothed: Smoothed, background: int) -> View:
        presence = 1 - float(smoothed.scores[background])
        is_present = self._presence.update(pts_s, presence)
        best = smoothed.class_index
        others = [index for index in smoothed.maps if index != background]
        if not is_present:
            best = background
        elif best == background and others:
            best = max(others, key=lambda index: float(smoothed.scores[index]))
        return dataclasses.replace(
            class_view(best, smoothed, self._info),
            state=State(is_background=not is_present, presence=presence),
            is_sure=not is_present or presence > _SURE_ABOVE,
        )


def decided(prediction: Prediction, info: ModelInfo) -> View:
    """Make the main view of one frame by itself, from the maps of its best classes."""
    cam = prediction.cam
    maps = dict(zip(cam.class_indices.tolist(), cam.displayed, strict=True))
    best = prediction.top[0].class_index
    return Decider(info)(0.0, Smoothed(prediction.scores, maps, best, False))


def asked_for(prediction: Prediction, info: ModelInfo) -> View:
    """Make the view of the first class that was mapped, which need not be among the best."""
    index = int(prediction.cam.class_indices[0])
    score = float(prediction.scores[index])
    return View(info.labels[index], score, prediction.cam.displayed[0], index)


def background_index(info: ModelInfo) -> int | None:
    """Return the class that means that nothing is there, None where no class does."""
    return None if info.background is None else info.labels.index(info.background)


def class_view(index: int, smoothed: Smoothed, info: ModelInfo) -> View:
    """Make the view of one class; one without a map has no evidence."""
    cam = smoothed.maps.get(index)
    if cam is None:
        cam = np.zeros_like(next(iter(smoothed.maps.values())))
    return View(info.labels[index], float(smoothed.scores[index]), cam, index)


def group_view(label: str, indices: Sequence[int], smoothed: Smoothed) -> View:
    """Make the view of a group of classes.

    Its score is the sum of the classes' probabilities, its map the mean of their maps weighted by
    each class's share of that sum. These weights are the gradient of log(sum(exp(logits))) over the
    group, so the map stays in logit units, and that of one class is its own.
    """
    scores = np.array([smoothed.scores[index] for index in indices], np.float64)
    total = float(scores.sum())
    shares = scores / total if total > 0 else np.full(len(indices), 1 / len(indices))
    cam = np.tensordot(shares, np.stack([smoothed.maps[index] for index in indices]), 1)
    only = indices[0] if len(indices) == 1 else None
    return View(label, min(1.0, total), cam.astype(np.float32), only, is_asked=True)


def contrast_view(first: View, second: View) -> View:
    """Make the view of a contrast: positive where there is more evidence for the first."""
    both = first.score + second.score
    score = first.score / both if both > 0 else 0.5
    label = f"{first.label} against {second.label}"
    return View(label, score, first.cam - second.cam, is_contrast=True, is_asked=True)
