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
import weakref
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


class _Run:
    """The threads of a pipeline and what they share; it knows nothing of who uses it.

    So a pipeline that its user forgot is collected, and its end ends the threads.
    """

    def __init__(self, source: Source, infer: Looking, *, show_frames: bool) -> None:
        policy: Policy = "latest" if source.is_live else "every"
        self.source = source
        self.infer = infer
        self.show_frames = show_frames
        self.waiting: Channel[Frame] = Channel(policy, _WAITING_FRAMES)
        self.frames: Channel[Frame] = Channel(policy, _WAITING_FRAMES)
        self.predictions: Channel[Prediction] = Channel(policy, _WAITING_FRAMES)
        self.times = StageTimes()
        self.captured = 0
        self.inferred = 0
        self.errors: list[BaseException] = []
        self.is_forgotten = False
        self.threads = [
            threading.Thread(target=self._guard, args=(work,), name=name, daemon=True)
            for name, work in (
                ("camstream-capture", self._capture_all),
                ("camstream-infer", self._infer_all),
            )
        ]

    def stop(self) -> None:
        """Make the threads end soon."""
        self.source.stop()
        for channel in (self.waiting, self.frames, self.predictions):
            channel.close(discard=True)

    def forget(self) -> None:
        """Stop; the capture thread closes the source, since nobody waits for it."""
        self.is_forgotten = True
        self.stop()
        if not self.threads[0].is_alive():
            self.source.close()

    def _guard(self, work: Callable[[], None]) -> None:
        try:
            work()
        except ChannelClosed:
            pass
        except BaseException as error:  # handed to the caller's thread, whatever it is
            self.errors.append(error)
            self.stop()
        if self.is_forgotten and threading.current_thread() is self.threads[0]:
            self.source.close()

    def _capture_all(self) -> None:
        started = time.perf_counter()
        for frame in self.source:
            self.times.add("capture", (time.perf_counter() - started) * 1e3)
            self.captured += 1
            if self.show_frames:
                self.frames.put(frame)
            self.waiting.put(frame)
            started = time.perf_counter()
        self.waiting.close()
        self.frames.close()

    def _infer_all(self) -> None:
        while True:
            try:
                frame = self.waiting.get()
            except ChannelClosed:
                self.predictions.close()
                return
            prediction = self.infer(frame)
            self.times.add("infer", prediction.infer_ms)
            self.inferred += 1
            self.predictions.put(prediction)


class Pipeline:
    """Runs a source through a model; use it in a ``with`` statement.

    Attributes:
        frames: Every frame captured, for a live display that shows more pictures than the model
            can look at. Filled only with ``show_frames``.
        predictions: The predictions.
        times: Milliseconds of the stages "capture" and "infer".
    """

    def __init__(self, source: Source, infer: Looking, *, show_frames: bool = False) -> None:
        """Put the stages together; nothing runs before the ``with`` statement begins.

        Args:
            source: Is closed at the end.
            infer: Frame in, prediction out; called in one thread only.
            show_frames: Fill ``frames`` as well.
        """
        self._run = _Run(source, infer, show_frames=show_frames)
        self.frames = self._run.frames
        self.predictions = self._run.predictions
        self.times = self._run.times
        # Runs where somebody drops a pipeline without the end of its ``with`` statement.
        self._forgotten = weakref.finalize(self, self._run.forget)

    @property
    def source(self) -> Source:
        """Where the frames come from."""
        return self._run.source

    @property
    def is_begun(self) -> bool:
        """Whether it runs or has run; it does that once."""
        return self._run.threads[0].ident is not None

    @property
    def captured(self) -> int:
        """Frames that the source gave."""
        return self._run.captured

    @property
    def inferred(self) -> int:
        """Frames that went through the model."""
        return self._run.inferred

    def __enter__(self) -> Self:
        for thread in self._run.threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._forgotten.detach()
        self._run.stop()
        deadline = time.monotonic() + _JOIN_S
        for thread in self._run.threads:
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                # A driver that never returns. The thread is a daemon and ends with the program;
                # closing its device under it would crash.
                _log.error("%s does not end within %g s", thread.name, _JOIN_S)
        if not self._run.threads[0].is_alive():
            self._run.source.close()
        if kind is None:
            self.raise_error()

    def __iter__(self) -> Iterator[Prediction]:
        """Give the predictions until the source ends; raises what stopped a thread.

        Raises:
            RuntimeError: It is used without a ``with`` statement, so nothing runs.
        """
        if not self.is_begun:
            raise RuntimeError("nothing runs yet: use it as `with camstream.stream(...) as ...`")
        while True:
            try:
                yield self.predictions.get()
            except ChannelClosed:
                self.raise_error()
                return

    def raise_error(self) -> None:
        """Raise the first error that a thread ended with, if there is one."""
        if self._run.errors:
            raise self._run.errors[0]
