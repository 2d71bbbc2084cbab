"""One model for several cameras: threads that look at their newest frames in turn.

Each thread has a frame of another camera. How many there are, and whether they share one call of the
model, is chosen in ``camstream.live.rack.Looking``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from camstream.frame import Frame
from camstream.live.turns import Turns

_JOIN_S = 6.0  # longer than any network takes for one frame


class Desk:
    """Takes the newest frame of each camera, and has it looked at.

    Attributes:
        error: What ended a thread; None while they run.
    """

    def __init__(
        self,
        look: Callable[[int, Frame], None],
        *,
        failed: Callable[[], None],
        workers: int = 1,
    ) -> None:
        """Prepare; ``start`` begins.

        Args:
            look: Called in a thread of the desk with a camera and its frame; for one camera, by one
                thread at a time.
            failed: Called when an error has ended a thread.
            workers: How many threads there are.
        """
        self.error: BaseException | None = None
        self._look = look
        self._failed = failed
        self._turns: Turns[Frame] = Turns()
        self._changed = threading.Condition()
        self._is_stopped = False
        self._threads = [
            threading.Thread(target=self._run, name=f"camstream-infer-{number}", daemon=True)
            for number in range(1, workers + 1)
        ]

    def start(self) -> None:
        """Begin to look."""
        for thread in self._threads:
            thread.start()

    def add(self, camera: int) -> None:
        """Give a camera a place."""
        with self._changed:
            self._turns.add(camera)

    def remove(self, camera: int) -> None:
        """Take a camera's place; a frame of it may still be looked at."""
        with self._changed:
            self._turns.remove(camera)

    def offer(self, camera: int, frame: Frame) -> bool:
        """Have a frame looked at when it is its camera's turn; from any thread.

        Returns:
            Whether one that waited is replaced.
        """
        with self._changed:
            is_replaced = self._turns.offer(camera, frame)
            self._changed.notify()
        return is_replaced

    def is_waiting(self, camera: int) -> bool:
        """Whether a frame of a camera waits for its turn."""
        with self._changed:
            return self._turns.is_waiting(camera)

    def stop(self) -> None:
        """End the threads, and wait for them."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(_JOIN_S)

    def _next(self) -> tuple[int, Frame] | None:
        with self._changed:
            while not self._is_stopped:
                taken = self._turns.take()
                if taken is not None:
                    return taken
                self._changed.wait()
        return None

    def _run(self) -> None:
        try:
            while (taken := self._next()) is not None:
                self._look(*taken)
                with self._changed:
                    self._turns.done(taken[0])
                    self._changed.notify()
        except BaseException as error:  # handed to the session's thread, whatever it is
            self.error = error
            self._failed()
