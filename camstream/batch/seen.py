"""Which labels were seen in a clip, in words."""

from __future__ import annotations

from collections import defaultdict

from camstream.frame import Prediction

_MAX_LABELS = 3


class Seen:
    """Which labels were seen in a clip, in how many frames, and how sure the model was."""

    def __init__(self, *, is_asked: bool = False) -> None:
        """Begin with nothing.

        Args:
            is_asked: Whether classes were asked for by name; then the best class counts, else the
                displayed one.
        """
        self._is_asked = is_asked
        self._frames: dict[str, int] = defaultdict(int)
        self._scores: dict[str, float] = defaultdict(float)

    def add(self, prediction: Prediction) -> None:
        """Count one frame."""
        best = (prediction.top if self._is_asked else prediction.displayed)[0]
        self._frames[best.label] += 1
        self._scores[best.label] += best.score

    def __str__(self) -> str:
        """Say it: "cat in 80 % of frames, 71 % sure on average; dog in 15 %, 22 % sure"."""
        total = sum(self._frames.values())
        if total == 1:
            return "".join(f"{label}, {score:.0%} sure" for label, score in self._scores.items())
        parts: list[str] = []
        for label, frames in self.most_frequent()[:_MAX_LABELS]:
            share, sure = frames / total, self._scores[label] / frames
            part = f"{label} in {_percent(share)}{{}}, {_percent(sure)} sure{{}}"
            parts.append(part.format(*(("", "") if parts else (" of frames", " on average"))))
        return "; ".join(parts)

    def most_frequent(self) -> list[tuple[str, int]]:
        """Return the labels and the number of frames of each, most frequent first."""
        return sorted(self._frames.items(), key=lambda item: -item[1])


def _percent(share: float) -> str:
    """Write a share, 0 to 1; what is there is never 0 %, and what is missing never 100 %."""
    if 0 < share < 0.005:
        return "under 1 %"
    if 0.995 <= share < 1:
        return "over 99 %"
    return f"{100 * share:.0f} %"
