"""Which map goes with which picture of a live source.

Pictures are shown at the source's own rate, however slow the model is. Where the model is quick
enough, a picture waits for its own map; where it is not, it goes with the latest one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from camstream.channel import Channel, ChannelClosed
from camstream.frame import Frame, Prediction
from camstream.pipeline import Pipeline

_WAIT_FOR_MAP_S = 0.030  # the longest that a picture waits for its own map
_CARE_S = 0.003  # the time between two calls of ``meanwhile``

T = TypeVar("T")


class Sync:
    """Takes pictures and maps as they come."""

    def __init__(self, pipeline: Pipeline, *, meanwhile: Callable[[], None] | None = None) -> None:
        """Begin without a map.

        Args:
            pipeline: Where pictures and maps come from.
            meanwhile: Called every 3 ms while waiting; should take no longer than that.
        """
        self._newest: Prediction | None = None
        self._pipeline = pipeline
        self._meanwhile = meanwhile

    def frame(self, timeout_s: float) -> Frame:
        """Take the next picture.

        Raises:
            ChannelClosed: None comes any more.
            TimeoutError: None came in time.
        """
        return self._wait_for(self._pipeline.frames, time.perf_counter() + timeout_s)

    def prediction_for(self, frame: Frame, *, patience_s: float = 0.0) -> Prediction | None:
        """Take the newest prediction; wait for the frame's own where it will be here soon.

        Args:
            frame: That is to be shown.
            patience_s: How long after its arrival its own map is worth waiting for, however slow
                the model is.

        Returns:
            None where the model has not answered yet.
        """
        newest = self._newest
        quick = newest is None or newest.infer_ms < _WAIT_FOR_MAP_S * 1e3
        deadline = frame.captured_s + _WAIT_FOR_MAP_S if quick else 0.0
        deadline = max(deadline, frame.captured_s + patience_s)
        while newest is None or newest.frame.index < frame.index:
            try:
                newest = self._wait_for(self._pipeline.predictions, deadline)
            except (TimeoutError, ChannelClosed):
                break
        self._newest = newest
        return newest

    def late(self) -> Prediction | None:
        """Take the newest prediction without waiting; None where no other one has come."""
        found = None
        try:
            while True:
                found = self._pipeline.predictions.get(0)
        except (TimeoutError, ChannelClosed):
            self._newest = found or self._newest
        return found

    def last(self) -> Prediction | None:
        """Take the last prediction of a source that has ended, waiting for it."""
        found = None
        try:
            while True:
                found = self._pipeline.predictions.get()
        except ChannelClosed:
            return found

    def forget(self) -> None:
        """Make the next picture wait for a new map: the model is another one now."""
        self._newest = None

    def _wait_for(self, channel: Channel[T], deadline: float) -> T:
        while True:
            left_s = max(0.0, deadline - time.perf_counter())
            try:
                return channel.get(left_s if self._meanwhile is None else min(left_s, _CARE_S))
            except TimeoutError:
                if time.perf_counter() >= deadline:
                    raise
            if self._meanwhile is not None:
                self._meanwhile()
