"""Calls that may never return, made in a thread that can be left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

T = TypeVar("T")
_LOOK_S = 0.1  # how often ``waiting`` is called
_CLOSE_S = 0.5  # how long the end of the last call is waited for


class Abandoned(Exception):  # noqa: N818 (not an error: the caller wanted to stop)
    """The worker was stopped; what the call still does is nobody's concern."""


class _Call(Generic[T]):
    """A call, and what came of it."""

    def __init__(self, work: Callable[[], T]) -> None:
        self.work = work
        self.is_done = False
        self.result: T
        self.error: BaseException | None = None


class Worker:
    """One daemon thread that makes calls, one after the other, for a caller who may leave.

    A driver or a server may keep a call for seconds or for ever, and nothing can interrupt it. So
    the device is touched by this thread alone, and whoever wants to stop does not wait for it. The
    thread ends by itself when its last call returns, or with the program.
    """

    def __init__(self, name: str) -> None:
        """Start the thread.

        Args:
            name: Of the thread.
        """
        self._calls: SimpleQueue[_Call[Any] | None] = SimpleQueue()
        self._changed = threading.Condition()
        self._is_stopped = False
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def call(self, work: Callable[[], T], *, waiting: Callable[[float], None] | None = None) -> T:
        """Make a call and wait for its result.

        Args:
            work: What to call.
            waiting: Called about every tenth of a second meanwhile, with the seconds so far; what
                it raises ends the waiting.

        Raises:
            Abandoned: ``stop`` was called, before or meanwhile.
        """
        call = _Call(work)
        started = time.monotonic()
        with self._changed:
            if self._is_stopped:
                raise Abandoned
            self._calls.put(call)
            while not call.is_done and not self._is_stopped:
                self._changed.wait(_LOOK_S if waiting is not None else None)
                if waiting is not None and not call.is_done:
                    waiting(time.monotonic() - started)
            if not call.is_done:
                raise Abandoned
        if call.error is not None:
            raise call.error
        return call.result

    def stop(self) -> None:
        """Wake up whoever waits; from now on every call is abandoned."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()

    def close(self, last: Callable[[], None]) -> None:
        """Stop, let the thread make a last call as soon as it can, and end it.

        Args:
            last: Releases what the thread used; is waited for a moment only.
        """
        self.stop()
        with self._changed:
            if self._is_closed:
                return
            self._is_closed = True
        self._calls.put(_Call(last))
        self._calls.put(None)
        if threading.current_thread() is not self._thread:
            self._thread.join(_CLOSE_S)

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            try:
                call.result = call.work()
            except BaseException as error:  # handed to the caller's thread, whatever it is
                call.error = error
            with self._changed:
                call.is_done = True
                self._changed.notify_all()
