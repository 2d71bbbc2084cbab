"""What an actor of a Ray cluster is: the work of an archive, opened once. Nothing of Ray is imported."""

from __future__ import annotations

from camstream.archive.work import open_work
from camstream.batch.messages import error_to_json
from camstream.batch.task import Json
from camstream.errors import CamstreamError


class _Alone:
    """The control of an actor: nobody watches it, and it is ended from outside."""

    def progress(self, done: int, total: int | None = None, label: str = "") -> None:
        """Tell nobody."""

    def is_stopped(self) -> bool:
        """Never."""
        return False


class Worker:
    """What an actor is: the work, opened once."""

    def __init__(self, options: Json) -> None:
        """Open it; an error of ours is kept, to be told in words."""
        import cv2

        cv2.setNumThreads(1)  # as in the program
        self._unusable: Json | None = None
        try:
            self._work = open_work(options)
        except CamstreamError as error:
            self._unusable = error_to_json(error)

    def about(self) -> Json:
        """Tell what it works with, or why it cannot."""
        if self._unusable is not None:
            return {"unusable": self._unusable}
        return {"ready": self._work.about}

    def run(self, message: Json) -> Json:
        """Do one step."""
        try:
            return {"done": self._work.run(message, _Alone())}
        except CamstreamError as error:
            return {"failed": error_to_json(error)}
