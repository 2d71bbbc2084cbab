"""Runs tasks in children, each of which takes one after the other.

A child that crashes, takes too long or too much memory costs the task that it worked on, and is
replaced. Children are started afresh, not forked: so the same code serves Linux, macOS and Windows.
"""

from __future__ import annotations

import logging
import queue
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from camstream.batch.child import Child
from camstream.batch.messages import error_from_json
from camstream.batch.task import Json
from camstream.errors import CamstreamError, SetupError

_log = logging.getLogger(__name__)

_TICK_S = 0.1  # memory, time and a stop are looked at so often
_GRACE_S = 1.5  # after a stop, to finish what is begun
_STARTS = 3  # so many children in a row may die before they are ready


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A task that was done.

    Attributes:
        name: Of the task.
        result: What the work returned.
    """

    name: str
    result: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A task that failed.

    Attributes:
        name: Of the task.
        error: Why, in one line.
        kind: "died" (a crash, a kill), "timeout", "memory", "mistake" (a bug of ours), or the class
            of the error, such as "SourceError".
        option: See ``CamstreamError``.
        errno: Of the error of the system behind it; 0: none.
    """

    name: str
    error: str
    kind: str
    option: str = ""
    errno: int = 0

    @classmethod
    def of(cls, name: str, told: Json) -> Self:
        """Make one of what ``error_to_json`` gives, or of a mistake's kind and message."""
        return cls(
            name=name,
            error=told["message"],
            kind=told["kind"],
            option=told.get("option", ""),
            errno=told.get("errno", 0),
        )

    @property
    def line(self) -> str:
        """What a user of the command line is told."""
        return CamstreamError(self.error, option=self.option).for_command_line()


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a task is.

    Attributes:
        name: Of the task.
        done: Frames, or what the work counts.
        total: Of all; None: unknown.
        label: What is seen now.
    """

    name: str
    done: int
    total: int | None
    label: str


class Engine(Protocol):
    """What runs tasks: a ``Pool``, or a cluster."""

    def submit(self, name: str, message: Json, *, first: bool = False) -> None:
        """Have a task done some time, or before all that wait; also while results are read."""
        ...

    def results(self) -> Iterator[Done | Failed]:
        """Give results as they come, until every task has one or the engine was stopped."""
        ...


class Pool:
    """Children that work.

    with Pool("package.module:open_work", options={...}, jobs=2) as pool:
        pool.submit("a", {...})
        for result in pool.results():
            ...
    """

    def __init__(
        self,
        work: str,
        *,
        options: Json | None = None,
        jobs: int,
        timeout_s: float | None = None,
        memory_bytes: int | None = None,
        on_ready: Callable[[Json], None] = lambda _: None,
        on_begin: Callable[[str], None] = lambda _: None,
        on_progress: Callable[[Progress], None] = lambda _: None,
        stop: Callable[[], bool] = lambda: False,
        debug: bool = False,
    ) -> None:
        """Prepare it; nothing is started before there are results to wait for.

        Args:
            work: "module:function" of what opens the work in each child, see ``OpenWork``.
            options: What that function is given.
            jobs: How many children there are at most.
            timeout_s: How long a task may take.
            memory_bytes: How much memory a child may have; it is looked at ten times a second.
            on_ready: Called once, with what the first child tells of its work.
            on_begin: Called with the name of each task before a child is given it.
            on_progress: Called ten times a second and task at most.
            stop: Asked ten times a second; True: what is begun is asked to finish early, and what
                has not within 1.5 s is killed.
            debug: Show what children write on stderr.

        All of them are called in the thread that reads the results, which is also the one that
        starts the children: on Linux they end with that thread.
        """
        self._begin: Json = {"work": work, "options": options or {}}
        self._jobs = max(1, jobs)
        self._timeout_s, self._memory_bytes = timeout_s, memory_bytes
        self._on_ready, self._on_begin, self._on_progress = on_ready, on_begin, on_progress
        self._stop, self._debug = stop, debug
        self._waiting: deque[tuple[str, Json]] = deque()
        self._children: list[Child] = []
        self._events: queue.SimpleQueue[tuple[Child, Json | None]] = queue.SimpleQueue()
        self._is_known = False  # whether on_ready was called
        self._failed_starts = 0

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def submit(self, name: str, message: Json, *, first: bool = False) -> None:
        """Have a task done some time; also while results are read.

        Args:
            name: Stands in its result.
            message: What the work is given.
            first: Before all that wait.
        """
        put = self._waiting.appendleft if first else self._waiting.append
        put((name, message))

    def results(self) -> Iterator[Done | Failed]:
        """Do the tasks, and give results as they come; ends early after a stop.

        Raises:
            CamstreamError: What the children work with cannot be opened.
            SetupError: Children cannot be started, or die before they are ready.
        """
        stopped_s: float | None = None
        while self._waiting or self._busy:
            if stopped_s is None and self._stop():
                stopped_s = time.monotonic()
                self._waiting.clear()
                for child in self._busy:
                    child.tell({"stop": True})
            if stopped_s is not None and time.monotonic() - stopped_s > _GRACE_S:
                break  # ``close`` kills them
            if stopped_s is None:
                self._hand_out()
            result = self._next_event()
            if result is not None:
                yield result
        self.close()

    def close(self) -> None:
        """End all children, whatever they do."""
        children, self._children = self._children, []
        for child in children:
            if child.name or not child.is_ready:  # one that starts may not hear for a second
                child.kill()
        for child in children:
            child.close()

    @property
    def _busy(self) -> list[Child]:
        return [child for child in self._children if child.name]

    def _hand_out(self) -> None:
        for child in self._children:
            if self._waiting and child.is_ready and not child.name and child.killed is None:
                name, message = self._waiting.popleft()
                self._on_begin(name)
                child.give(name, message)
        starting = sum(not child.is_ready for child in self._children)
        while len(self._children) < self._jobs and starting < len(self._waiting):
            self._children.append(Child(self._begin, self._events, debug=self._debug))
            starting += 1

    def _next_event(self) -> Done | Failed | None:
        """Wait for what a child says, a tick at most."""
        try:
            child, message = self._events.get(timeout=_TICK_S)
        except queue.Empty:
            self._check_limits()
            return None
        self._check_limits()
        if message is None:
            return self._buried(child)
        if "progress" in message:
            done, total, label = message["progress"]
            self._on_progress(Progress(name=child.name, done=done, total=total, label=label))
        elif "log" in message:
            _log.warning("%s", message["log"])
        elif "ready" in message:
            child.is_ready, self._failed_starts = True, 0
            if not self._is_known:
                self._is_known = True
                self._on_ready(message["ready"])
        elif "unusable" in message:
            raise error_from_json(message["unusable"])
        else:
            return self._ended(child, message)
        return None

    def _ended(self, child: Child, message: Json) -> Done | Failed:
        name, child.name = child.name, ""
        # What a file leaves behind is no reason to kill the next one.
        if self._memory_bytes and child.memory_bytes() > self._memory_bytes / 2:
            self._children.remove(child)
            child.close()
        if "done" in message:
            return Done(name=name, result=message["done"])
        return Failed.of(name, message["failed"])

    def _buried(self, child: Child) -> Failed | None:
        """Deal with a child that has ended."""
        if child not in self._children:
            return None
        self._children.remove(child)
        name, (kind, why) = child.name, child.how_it_ended()
        child.name = ""
        child.close()
        if name:
            return Failed(name=name, error=why, kind=kind)
        if not child.is_ready:
            self._failed_starts += 1
            if self._failed_starts >= _STARTS:
                raise SetupError(f"the processes that work die at their start: {why}")
        return None

    def _check_limits(self) -> None:
        now = time.monotonic()
        for child in self._busy:
            if self._timeout_s is not None and now - child.begun_s > self._timeout_s:
                why = f"it took longer than {self._timeout_s:g} s (--file-timeout)"
                child.kill("timeout", why)
            elif self._memory_bytes and child.memory_bytes() > self._memory_bytes:
                size = self._memory_bytes / 1e9
                child.kill("memory", f"it took more than {size:.3g} GB of memory (--file-memory)")
