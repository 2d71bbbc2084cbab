"""One model for several cameras: a thread that looks at their newest frames in turn."""

from __future__ import annotations

import threading
from collections.abc import Callable

from camstream.frame import Frame
from camstream.live.turns import Turns

_JOIN_S = 6.0  # longer than any network takes for one frame


class Desk:
    """Takes the newest frame of each camera, and has it looked at.

    Attributes:
        error: What ended the thread; None while it runs.
    """

    def __init__(self, look: Callable[[int, Frame], None], *, failed: Callable[[], None]) -> None:
        """Prepare; ``start`` begins.

        Args:
            look: Called in the desk's thread with a camera and its frame.
            failed: Called when an error has ended the thread.
        """
        self.error: BaseException | None = None
        self._look = look
        self._failed = failed
        self._turns: Turns[Frame] = Turns()
        self._changed = threading.Condition()
        self._is_stopped = False
        self._thread = threading.Thread(target=self._run, name="camstream-infer", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

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

    def stop(self) -> None:
        """End the thread, and wait for it."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join(_JOIN_S)

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
        except BaseException as error:  # handed to the session's thread, whatever it is
            self.error = error
            self._failed()
