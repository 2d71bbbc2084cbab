"""Which labels were found where in a file, as far as it was played."""

from __future__ import annotations

import numpy as np

from camstream.contract import ModelInfo
from camstream.frame import Prediction
from camstream.sources.player import PlayerState

_CELLS = 600  # the timeline is never drawn finer
_LONGEST_S = 2.0  # between two frames that belong together; after a jump nothing is known between


def seen_in(prediction: Prediction, info: ModelInfo) -> str:
    """Return the label of what is seen, whatever was asked for by name; empty for the background."""
    label = prediction.main.label
    return "" if label == info.background else label


class Timeline:
    """Remembers the label of each part of a file.

    Attributes:
        labels: Those that were found, in the order in which they were.
    """

    def __init__(self) -> None:
        self.labels: list[str] = []
        self._cells = np.full(_CELLS, -1, np.int32)  # position in ``labels``; -1: not played so far
        self._last = -1.0

    def add(self, player: PlayerState, label: str) -> None:
        """Add what is seen at the player's position; an empty label is nothing."""
        if not player.length:
            return
        if label and label not in self.labels:
            self.labels.append(label)
        number = self.labels.index(label) if label else -1
        if player.counts == "photos":
            begin, end = player.position, player.position + 1
            share = _CELLS / (player.length + 1)
        else:
            share, end = _CELLS / player.length, player.position
            is_next = 0 <= end - self._last <= _LONGEST_S * max(1.0, player.speed)
            begin, self._last = self._last if is_next else end, end
        self._cells[int(begin * share) : int(end * share) + (begin == end)] = number

    def runs(self) -> list[tuple[float, float, str]]:
        """Return the parts that have a label: begin and end, 0 to 1, and the label."""
        edges = np.flatnonzero(np.diff(self._cells)) + 1
        starts, ends = [0, *edges.tolist()], [*edges.tolist(), _CELLS]
        return [
            (start / _CELLS, end / _CELLS, self.labels[self._cells[start]])
            for start, end in zip(starts, ends, strict=True)
            if self._cells[start] >= 0
        ]
