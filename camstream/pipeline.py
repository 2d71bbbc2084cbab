"""Capture and inference, each in a thread of its own, in front of whoever takes the result.

    source --(frames)--> inference --(predictions)--> the caller's thread

The drop policy follows the source, once: a live source hands over the newest frame, a file
every one. There is one way to stop: close the hand-overs, join the threads, raise the first
error that one of them met, close the source.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from camstream.channel import Channel, ChannelClosed, Policy
from camstream.frame import Frame, Prediction
from camstream.stages import Source
from camstream.stats import StageTimes

_log = logging.getLogger(__name__)

_WAITING_FRAMES = 8  # 25 MB each way at 1080p; evens out the encoder's uneven pace
_JOIN_S = 6.0  # longer than a network stream may take to say that nothing comes

Looking = Callable[[Frame], Prediction]


class Pipeline:
    """Runs a source through a model; use it in a ``with`` statement.

    Attributes:
        frames: Every frame captured, for a live display that shows more pictures than the model
            can look at. Filled only with ``show_frames``.
        predictions: The predictions.
        times: Milliseconds of the stages "capture" and "infer".
        captured: Frames that the source gave.
        inferred: Frames that went through the model.
    """

    def __init__(self, source: Source, infer: Looking, *, show_frames: bool = False) -> None:
        """Put the stages together; nothing runs before the ``with`` statement begins.

        Args:
            source: Is closed at the end.
            infer: Frame in, prediction out; called in one thread only.
            show_frames: Fill ``frames`` as well.
        """
        policy: Policy = "latest" if source.is_live else "every"
        self._source = source
        self._infer = infer
        self._show_frames = show_frames
        self._waiting: Channel[Frame] = Channel(policy, _WAITING_FRAMES)
        self.frames: Channel[Frame] = Channel(policy, _WAITING_FRAMES)
        self.predictions: Channel[Prediction] = Channel(policy, _WAITING_FRAMES)
        self.times = StageTimes()
        self.captured = 0
        self.inferred = 0
        self._errors: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._guard, args=(work,), name=name, daemon=True)
            for name, work in (
                ("camstream-capture", self._capture_all),
                ("camstream-infer", self._infer_all),
            )
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._source.stop()
        for channel in (self._waiting, self.frames, self.predictions):
            channel.close(discard=True)
        deadline = time.monotonic() + _JOIN_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                # A driver that never returns. The thread is a daemon and ends with the program;
                # closing its device under it would crash.
                _log.error("%s does not end within %g s", thread.name, _JOIN_S)
        if not self._threads[0].is_alive():
            self._source.close()
        if kind is None:
            self.raise_error()

    def __iter__(self) -> Iterator[Prediction]:
        """Give the predictions until the source ends; raises what stopped a thread.

        Raises:
            RuntimeError: It is used without a ``with`` statement, so nothing runs.
        """
        if self._threads[0].ident is None:
            raise RuntimeError("nothing runs yet: use it as `with camstream.stream(...) as ...`")
        while True:
            try:
                yield self.predictions.get()
            except ChannelClosed:
                self.raise_error()
                return

    def raise_error(self) -> None:
        """Raise the first error that a thread ended with, if there is one."""
        if self._errors:
            raise self._errors[0]

    def _guard(self, work: Callable[[], None]) -> None:
        try:
            work()
        except ChannelClosed:
            pass
        except BaseException as error:  # handed to the caller's thread, whatever it is
            self._errors.append(error)
            self._source.stop()
            for channel in (self._waiting, self.frames, self.predictions):
                channel.close(discard=True)

    def _capture_all(self) -> None:
        started = time.perf_counter()
        for frame in self._source:
            self.times.add("capture", (time.perf_counter() - started) * 1e3)
            self.captured += 1
            if self._show_frames:
                self.frames.put(frame)
            self._waiting.put(frame)
            started = time.perf_counter()
        self._waiting.close()
        self.frames.close()

    def _infer_all(self) -> None:
        while True:
            try:
                frame = self._waiting.get()
            except ChannelClosed:
                self.predictions.close()
                return
            prediction = self._infer(frame)
            self.times.add("infer", prediction.infer_ms)
            self.inferred += 1
            self.predictions.put(prediction)
