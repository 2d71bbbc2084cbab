"""A child of a pool, seen from the parent."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time

import psutil

from camstream.batch.messages import from_line, to_line
from camstream.batch.task import Json
from camstream.errors import SetupError

_END_S = 5.0  # a process that has closed its output ends sooner
_LONGEST_LINE = 16_000_000  # bytes of one message


class Child:
    """A process that works, and the thread that hears it.

    Attributes:
        name: Of the task that it works on; empty: none.
        is_ready: Whether it has opened what it works with.
        begun_s: When it was given its task, by ``time.monotonic``.
        killed: Why it was killed by us: "timeout" or "memory", and in words; None: it was not.
    """

    def __init__(
        self, begin: Json, events: queue.SimpleQueue[tuple[Child, Json | None]], *, debug: bool
    ) -> None:
        """Start it.

        Args:
            begin: The first message.
            events: Is given what it says; None when it has ended.
            debug: Whether what it writes on stderr is shown.

        Raises:
            SetupError: No process can be started.
        """
        self.name = ""
        self.is_ready = False
        self.begun_s = 0.0
        self.killed: tuple[str, str] | None = None
        self._events = events
        # -P: the folder in which it works is no place to import from.
        command = [sys.executable, "-P", "-m", "camstream.batch.worker", str(os.getpid())]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=None if debug else subprocess.DEVNULL,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        except OSError as error:
            raise SetupError(f"no process can be started: {error.strerror}") from error
        self._memory = psutil.Process(self._process.pid)
        self._ear = threading.Thread(target=self._hear, name="batch child", daemon=True)
        self._ear.start()
        self.tell(begin)

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def tell(self, message: Json) -> None:
        """Send a message; one that has died says so by its end."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.write(to_line(message))
            self._process.stdin.flush()

    def give(self, name: str, message: Json) -> None:
        """Let it work on a task."""
        self.name, self.begun_s = name, time.monotonic()
        self.tell({"task": message})

    def memory_bytes(self) -> int:
        """Return how much memory it has now (resident); 0 where that is not to be known."""
        try:
            return int(self._memory.memory_info().rss)
        except (psutil.Error, OSError):
            return 0

    def kill(self, kind: str = "", why: str = "") -> None:
        """End it at once.

        Args:
            kind: "timeout" or "memory"; empty: its task is not to be told of.
            why: What is told of its task.
        """
        if kind and self.killed is None:
            self.killed = kind, why
        with contextlib.suppress(OSError):
            self._process.kill()

    def close(self) -> None:
        """Let it end if it has no task, else end it; wait until it has ended."""
        if self.name:
            self.kill()
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(1)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()
        self._ear.join(5)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def how_it_ended(self) -> tuple[str, str]:
        """Say why it is dead: "timeout", "memory" or "died", and in words about its task."""
        try:
            code = self._process.wait(_END_S)
        except subprocess.TimeoutExpired:  # it lives, but what it says is no message
            self.kill()
            self._process.wait()
            return self.killed or ("died", "its process wrote what is no message, and was ended")
        return self.killed or ("died", self._how_it_died(code))

    def _how_it_died(self, code: int) -> str:
        if code >= 0:
            return f"its process ended by itself (exit code {code}), most likely a library's doing"
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        if name == "SIGKILL":
            return "its process was killed (SIGKILL), by somebody or for want of memory"
        return f"a library crashed ({name}), most likely because the file is damaged"

    def _hear(self) -> None:
        assert self._process.stdout is not None
        is_begun = False
        with contextlib.suppress(OSError, ValueError):
            while line := self._process.stdout.readline(_LONGEST_LINE):
                try:
                    self._events.put((self, from_line(line)))
                    is_begun = True
                except ValueError:
                    if is_begun:
                        break
                    # What Python printed at its start, such as by a sitecustomize.
        self._events.put((self, None))
