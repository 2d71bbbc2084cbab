"""Completes the files of cameras while the others go on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import TYPE_CHECKING

from camstream.errors import SinkError

if TYPE_CHECKING:
    from camstream.live.camera import Camera


class Finishing:
    """Completes the files of each camera in a thread of its own.

    A video has to be written to its end, and who is told of presence may not answer: that takes
    seconds, and no other camera is to notice.

    Attributes:
        errors: What went wrong, also before.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        """Begin with nothing.

        Args:
            changed: Called, from any thread, when ``poll`` has something new.
        """
        self.errors: list[SinkError] = []
        self._changed = changed
        self._threads: list[threading.Thread] = []
        self._told: SimpleQueue[str] = SimpleQueue()

    def begin(self, camera: Camera) -> None:
        """Complete a camera's files, if there is anything in them; returns at once."""
        self._threads = [one for one in self._threads if one.is_alive()]
        # No daemon: the program ends after the files have.
        thread = threading.Thread(
            target=self._finish, args=(camera,), name=f"camstream-finish-{camera.id}", daemon=False
        )
        self._threads.append(thread)
        thread.start()

    def poll(self) -> list[str]:
        """Return what went wrong since the last call, for the user."""
        return [self._told.get() for _ in range(self._told.qsize())]

    def join(self) -> None:
        """Wait for all of them: a file that is not completed would be lost."""
        for thread in self._threads:
            thread.join()

    def _finish(self, camera: Camera) -> None:
        if not camera.figures.shown:
            camera.outputs.discard()
            return
        try:
            camera.outputs.finish()
        except SinkError as error:
            self.errors.append(error)
            self._told.put(f"{camera.name}: {error}")
            self._changed()
