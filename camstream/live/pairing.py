"""Which map goes with which picture of one of several cameras, without waiting.

As ``camstream.live.sync`` does it for one camera: a picture has a moment's time to get its own map;
after that it goes with the latest one. Nobody waits here: the other cameras are not to notice.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from camstream.frame import Frame, Prediction

_PATIENCE_S = 0.030  # the longest that a picture waits for its own map


@dataclass(frozen=True, slots=True)
class Pair:
    """What is to be shown of a camera.

    Attributes:
        frame: The picture.
        prediction: Its map, or the latest one before it.
        is_new: Whether the picture was not shown before.
    """

    frame: Frame
    prediction: Prediction
    is_new: bool


class Pairing:
    """Takes pictures and maps from two threads, and gives out what is to be shown next.

    Attributes:
        turn: How often the model was another one.
    """

    def __init__(self) -> None:
        """Begin without a picture."""
        self._lock = threading.Lock()
        self._held: Frame | None = None  # the first that was not shown
        self._newest: Frame | None = None
        self._arrived: Prediction | None = None  # not given out
        self._latest: Prediction | None = None
        self._shown: Frame | None = None
        self.turn = 0

    def add_frame(self, frame: Frame) -> None:
        """Take a picture, as it comes."""
        with self._lock:
            self._newest = frame
            self._held = self._held or frame

    def add_prediction(self, prediction: Prediction, turn: int | None = None) -> None:
        """Take a map, as it comes; one that was begun in an earlier turn is of another model."""
        with self._lock:
            if turn in (None, self.turn):
                self._arrived = prediction

    def forget(self) -> None:
        """Show no picture with a map of before: the model is another one now."""
        with self._lock:
            self._latest = self._arrived = None
            self.turn += 1

    @property
    def has_news(self) -> bool:
        """Whether a map was not given out."""
        return self._arrived is not None

    @property
    def due_s(self) -> float | None:
        """When a picture will have waited long enough, ``time.perf_counter()``; None for none."""
        held = self._held
        return None if held is None or self._latest is None else held.captured_s + _PATIENCE_S

    def next(self, now_s: float) -> Pair | None:
        """Give what is to be shown now; None where nothing changes.

        Args:
            now_s: ``time.perf_counter()``.
        """
        with self._lock:
            prediction, self._arrived = self._arrived, None
            if prediction is not None:
                self._latest = prediction
                if self._shown is None or prediction.frame.index > self._shown.index:
                    return self._show(prediction.frame, prediction)
                return Pair(self._shown, prediction, is_new=False)
            held = self._held
            if held is None or self._latest is None or now_s < held.captured_s + _PATIENCE_S:
                return None
            return self._show(held, self._latest)

    def _show(self, frame: Frame, prediction: Prediction) -> Pair:
        self._shown = frame
        newest, self._held = self._newest, None
        if newest is not None and newest.index > frame.index:
            self._held = newest
        return Pair(frame, prediction, is_new=True)
