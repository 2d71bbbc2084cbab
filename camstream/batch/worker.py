"""The child of a pool: opens what it works with once, then does one task after the other.

A pool starts it as ``python -m camstream.batch.worker``. It speaks on what were its standard
input and output, and ends when the input does: so it never outlives its parent, however that ends.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import IO, Protocol

from camstream import starting
from camstream.batch.messages import error_to_json, from_line, to_line
from camstream.batch.task import Json
from camstream.errors import CamstreamError

_EVERY_S = 0.1  # progress is told so often
_PR_SET_PDEATHSIG = 1


class Control(Protocol):
    """What the work is given beside its task."""

    def progress(self, done: int, total: int | None = None, label: str = "") -> None:
        """Tell how far it is."""
        ...

    def is_stopped(self) -> bool:
        """Whether it is asked to finish early."""
        ...


class Work(Protocol):
    """What a child does.

    Attributes:
        about: What the pool is told of it when it is ready.
    """

    about: Json

    def run(self, message: Json, control: Control) -> Json:
        """Do one task and say what came of it.

        Raises:
            CamstreamError: The task failed.
        """
        ...


# Opens what is needed, once, and returns the work: this is what ``Pool(work=...)`` names.
OpenWork = Callable[[Json], Work]


class _Control:
    def __init__(self, tell: Callable[[Json], None]) -> None:
        self.stopped = threading.Event()
        self._tell = tell
        self._told_s = 0.0

    def begin(self) -> None:
        """Tell of the first step of a new task at once."""
        self._told_s = 0.0

    def progress(self, done: int, total: int | None = None, label: str = "") -> None:
        now = time.monotonic()
        if now - self._told_s >= _EVERY_S:
            self._told_s = now
            self._tell({"progress": [done, total, label]})

    def is_stopped(self) -> bool:
        return self.stopped.is_set()


class _Forwarded(logging.Handler):
    """Sends what modules log to the parent, which prints it."""

    def __init__(self, tell: Callable[[Json], None]) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        self._tell({"log": self.format(record)})


def find(name: str) -> OpenWork:
    """Import a function by "module:function"."""
    module, _, function = name.partition(":")
    found: OpenWork = getattr(importlib.import_module(module), function)
    return found


def serve(hears: IO[bytes], says: IO[bytes]) -> None:
    """Work until there is nothing more to hear.

    Args:
        hears: Messages of the parent.
        says: Where answers go.
    """
    lock = threading.Lock()

    def tell(message: Json) -> None:
        try:
            with lock:
                says.write(to_line(message))
                says.flush()
        except OSError:  # the parent is gone
            os._exit(1)

    first = hears.readline()
    if not first:
        return
    begin = from_line(first)
    logging.basicConfig(handlers=[_Forwarded(tell)])
    control, tasks = _Control(tell), queue.SimpleQueue[Json]()
    threading.Thread(target=_listen, args=(hears, control, tasks), daemon=True).start()
    try:
        work = find(begin["work"])(begin["options"])
    except CamstreamError as error:
        tell({"unusable": error_to_json(error)})
        return
    tell({"ready": work.about})
    while True:
        message = tasks.get()
        control.begin()
        try:
            tell({"done": work.run(message, control)})
        except CamstreamError as error:
            traceback.print_exc()  # is seen with --debug only
            tell({"failed": error_to_json(error)})
        except Exception as error:  # a mistake of ours costs this file, and says so
            traceback.print_exc()
            line = " ".join(f"{type(error).__name__}: {error}".split())
            why = f"{line}; this is a mistake in camstream: --debug shows where"
            tell({"failed": {"kind": "mistake", "message": why}})


def _listen(hears: IO[bytes], control: _Control, tasks: queue.SimpleQueue[Json]) -> None:
    for line in hears:
        message = from_line(line)
        if "task" in message:
            tasks.put(message["task"])
        else:
            control.stopped.set()
    os._exit(0)  # at once, whatever the other threads do: the parent is done, or dead


def _die_with(parent: int) -> None:
    """Have the system end this process with its parent, where it can: also while it hangs."""
    if sys.platform == "linux":
        import ctypes

        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:  # it died before that
                os._exit(1)
        with contextlib.suppress(OSError):  # where memory ends, this process goes, not the parent
            Path("/proc/self/oom_score_adj").write_text("500", encoding="ascii")


def main() -> None:
    """Be a child of a pool."""
    for number in starting.ending_signals():  # a terminal sends them to all; the parent decides
        signal.signal(number, signal.SIG_IGN)
    _die_with(int(sys.argv[1]))
    # What a library prints must not get between the messages.
    says = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    import cv2

    cv2.setNumThreads(1)  # as in the program
    serve(sys.stdin.buffer, says)


if __name__ == "__main__":
    main()
