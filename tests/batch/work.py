"""Work for the children of a pool: each message says what goes wrong."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time

from camstream.batch.task import Json
from camstream.batch.worker import Control
from camstream.errors import SinkError, SourceError, UsageError


class Acting:
    """Does what its messages say."""

    def __init__(self) -> None:
        self.about: Json = {"pid": os.getpid()}
        self.left: list[bytearray] = []

    def run(self, message: Json, control: Control) -> Json:
        what = message["do"]
        control.progress(1, 2, what)
        if what == "crash":
            ctypes.string_at(0)
        elif what == "be killed":
            os.kill(os.getpid(), signal.SIGKILL)
        elif what == "exit":
            os._exit(3)
        elif what == "hang":
            time.sleep(60)
        elif what == "hang in a library":  # which keeps Python's lock
            ctypes.PyDLL(None).sleep(60)
        elif what == "eat":
            for _ in range(100):
                self.left.append(bytearray(b"x" * 20_000_000))
            time.sleep(60)
        elif what == "leave memory":
            self.left.append(bytearray(b"x" * message["bytes"]))
        elif what == "fail":
            raise SourceError(f"cannot read {message['name']}: it is damaged")
        elif what == "exist":
            raise SinkError("out.mp4 exists already; replace it", option="overwrite")
        elif what == "no space":
            try:
                raise OSError(28, "No space left on device")
            except OSError as error:
                raise SinkError("cannot write out.mp4: No space left on device") from error
        elif what == "be wrong":
            raise ZeroDivisionError("division by zero")
        elif what == "garble":  # what a library may write where only messages go
            for fd in range(3, 20):
                with contextlib.suppress(OSError):
                    os.write(fd, b"no message\n")
            time.sleep(60)
        elif what == "print":
            os.write(1, b'{"done": {}}\n')
        elif what == "wait for stop":
            while not control.is_stopped():
                time.sleep(0.01)
            return {"stopped": True}
        return {"pid": os.getpid(), **message}


def open_work(options: Json) -> Acting:
    """Open it, or do not."""
    if options.get("refuse"):
        raise UsageError("there is no such class; did you mean cat?")
    if options.get("die"):
        os._exit(4)
    if options.get("hang"):
        ctypes.PyDLL(None).sleep(60)
    return Acting()
