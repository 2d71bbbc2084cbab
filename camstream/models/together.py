"""Frames of several cameras in one call of a model, where the device gains by it.

While the model runs, the calls that come wait; when it is free, all that wait go together. So the
window in which a batch is collected is as long as the batch before took: nobody waits for company,
and a busier device gets larger batches. How large they may be is measured on the device itself.
"""

from __future__ import annotations

import logging
import statistics
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from camstream.errors import ModelError
from camstream.frame import Frame, Prediction
from camstream.picture import Picture

if TYPE_CHECKING:
    from camstream.models.session import Model

_log = logging.getLogger(__name__)

SIZES = (2, 4, 8)
_WORTH = 0.9  # of the time a frame of the next smaller size; else the gain is in the noise
_LONGEST_S = 0.05  # for a batch: a frame waits for all others of its own
_RUNS = 5


def best_batch(model: Model) -> int:
    """Measure how many frames this model takes at a time on its device; 1 where more are no faster.

    Each size is run a few times, the first run of each not counted.
    """
    best, best_s = 1, seconds(model, 1)
    for size in SIZES:
        try:
            whole_s = seconds(model, size)
        except ModelError:
            break  # a file of a fixed batch, or no memory for more
        if whole_s / size > _WORTH * best_s or whole_s > _LONGEST_S:
            break
        best, best_s = size, whole_s / size
    _log.info("%s: up to %d frames at a time, %.2f ms each", model.device, best, best_s * 1e3)
    return best


def seconds(model: Model, size: int) -> float:
    """Time of a call with so many frames, s."""
    blank = Picture.from_bgr(np.zeros((*model.info.size_hw, 3), np.uint8))
    frames = [model.prepare(Frame(number, 0.0, 0.0, blank)) for number in range(size)]
    times = []
    for _ in range(_RUNS + 1):
        started = time.perf_counter()
        model.infer_many(frames)
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])


class _Call:
    """One thread's frame, and what became of it."""

    def __init__(self, frame: Frame, classes: Sequence[int] | None) -> None:
        self.frame = frame
        self.classes = None if classes is None else tuple(classes)
        self.prediction: Prediction | None = None
        self.error: Exception | None = None

    @property
    def kind(self) -> object:
        """What calls must share to be run together: the input's size, and the classes."""
        assert self.frame.prepared is not None
        return self.frame.prepared.shape, self.classes

    @property
    def is_over(self) -> bool:
        return self.prediction is not None or self.error is not None


class Together:
    """A model for many threads: those that wait at the same time are served by one call."""

    def __init__(self, model: Model, most: int) -> None:
        """Share a model.

        Args:
            model: The model.
            most: Frames in a call, see ``best_batch``.
        """
        self._model = model
        self._most = most
        self._waiting: deque[_Call] = deque()
        self._is_running = False
        self._changed = threading.Condition()

    def infer(self, frame: Frame, *, classes: Sequence[int] | None = None) -> Prediction:
        """Look at a frame as ``Model.infer`` does, from any thread.

        Raises:
            ModelError: There is no such class, or the device failed; then each frame of the batch
                has this error.
        """
        call = _Call(self._model.prepare(frame), classes)
        with self._changed:
            self._waiting.append(call)
        while True:
            with self._changed:
                self._changed.wait_for(lambda: call.is_over or not self._is_running)
                if call.is_over:
                    break
                self._is_running, batch = True, self._take()
            try:
                self._run(batch)
            finally:
                with self._changed:
                    self._is_running = False
                    self._changed.notify_all()
        if call.error is not None:
            raise call.error
        assert call.prediction is not None
        return call.prediction

    def _take(self) -> list[_Call]:
        """Take the one that waits longest, and those that can go with it."""
        kind = self._waiting[0].kind
        batch = [call for call in self._waiting if call.kind == kind][: self._most]
        self._waiting = deque(call for call in self._waiting if call not in batch)
        return batch

    def _run(self, batch: list[_Call]) -> None:
        try:
            found = self._model.infer_many([call.frame for call in batch], classes=batch[0].classes)
        except (
            Exception
        ) as error:  # of whatever kind: those that wait for it must not wait for ever
            for call in batch:
                call.error = error
        else:
            for call, prediction in zip(batch, found, strict=True):
                call.prediction = prediction
