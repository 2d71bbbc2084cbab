"""Notes of what was done, a file a task, so that a second run goes on where the first one ended.

    STATE/done/3f/3f9a01c2....json    one task: begun, done or failed
    STATE/failed.jsonl                every task that failed, a line each

A note is written before the work, and again after the outputs have their names. So an output that
an earlier run of the same task made, whole or not, is known for that and may be replaced; files of
others never are.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec

from camstream.batch.messages import plain
from camstream.batch.task import Json, Stamp, Task
from camstream.sinks.atomic_file import AtomicFile, plain_reasons
from camstream.sinks.naming import make_folder

TRIES = 2  # then a task is left alone

_CLOCK_NS = 1_000_000_000  # a file system's clock may be that late

State = Literal["begun", "done", "failed"]
FileStamp = tuple[int, int]  # size in bytes, mtime in nanoseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What is noted of a task.

    Attributes:
        state: How far it came.
        source: Its input.
        key: See ``Task.key``.
        recipe: See ``Task.recipe``.
        stamp: Of the input as it was.
        outputs: Its files with (size, mtime in nanoseconds) as they were when this was noted; None:
            it was not there.
        problem: Why it failed, or what was wrong although it was done; one line.
        tries: How often it failed.
        result: What the work returned.
        written_ns: When this was noted, nanoseconds since 1970, a little early.
    """

    state: State
    source: str
    key: str
    recipe: str
    stamp: Stamp
    outputs: dict[str, FileStamp | None]
    problem: str = ""
    tries: int = 0
    result: dict[str, Any] = field(default_factory=dict)
    written_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is to be done with a task.

    Attributes:
        action: "do" it, or "skip" it since it is done, or "leave" it since it failed often enough.
        note: What was noted of it; None: nothing.
        may_replace: Whether there are outputs, all made by this task before.
        is_blocked: Whether there is an output that this task did not make.
        tries: How often it failed, of the same input with the same options.
    """

    action: Literal["do", "skip", "leave"]
    note: Note | None = None
    may_replace: bool = False
    is_blocked: bool = False
    tries: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A task that failed.

    Attributes:
        task: Which one.
        problem: Why, in one line.
        tries: How often; 0: for a reason that is not its own.
    """

    task: Task
    problem: str
    tries: int


_NOTES = msgspec.json.Decoder(Note)


class Store:
    """The notes in one folder."""

    def __init__(self, folder: Path) -> None:
        """Create nothing yet.

        Args:
            folder: The state's own folder.
        """
        self.folder = folder
        self.failures = folder / "failed.jsonl"
        self._done = f"{folder}/done"

    def look(self, task: Task, *, retry_failed: bool = False) -> Verdict:
        """Say what is to be done with a task; writes nothing.

        Args:
            task: The task, with the stamp of its input as it is now.
            retry_failed: Do it although it failed often enough.
        """
        note = self.read(task)
        left = _outputs_of(task)
        there = {path: now for path, now in left.items() if now is not None}
        if note is None:
            return Verdict(action="do", is_blocked=bool(there))
        is_same = note.recipe == task.recipe and task.stamp.agrees(note.stamp)
        is_left = all(note.outputs.get(path, -1) == now for path, now in left.items())
        if note.state == "done" and is_same and is_left:
            return Verdict(action="skip", note=note)
        tries = note.tries if is_same else 0
        if note.state == "failed" and tries >= TRIES and not retry_failed:
            return Verdict(action="leave", note=note, tries=tries)
        is_blocked = not all(_is_own(note, path, now) for path, now in there.items())
        may_replace = bool(there) and not is_blocked
        return Verdict(
            action="do", note=note, may_replace=may_replace, is_blocked=is_blocked, tries=tries
        )

    def begin(self, task: Task, *, tries: int = 0) -> None:
        """Note that a task is begun; what is there now under its outputs' names is to be replaced.

        Raises:
            SinkError: The note cannot be written.
        """
        self._write(task, "begun", tries=tries)

    def done(self, task: Task, result: Json | None = None, *, problem: str = "") -> None:
        """Note that a task is done, after its outputs have their names.

        Args:
            task: The task.
            result: What the work returned, to be kept with the note.
            problem: What was wrong all the same, in one line.

        Raises:
            SinkError: The note cannot be written.
        """
        self._write(task, "done", result=result, problem=problem)

    def failed(self, task: Task, problem: str, *, tries: int, is_own: bool = True) -> None:
        """Note that a task failed, and add a line to ``failed.jsonl``.

        Args:
            task: The task.
            problem: Why, in one line.
            tries: How often, this time included; 0: for a reason that is not its own.
            is_own: Whether outputs that are there now were made by the task.

        Raises:
            SinkError: The note cannot be written.
        """
        self._write(task, "failed", tries=tries, problem=problem, is_own=is_own)
        with plain_reasons(self.failures), self.failures.open("a", encoding="ascii") as file:
            file.write(_line(_failure(task, problem, tries)))

    def read(self, task: Task) -> Note | None:
        """Return what is noted of a task; None: nothing that can be read."""
        try:
            # There may be thousands: neither a path is made nor is the text looked at twice.
            with open(f"{self._done}/{task.id[:2]}/{task.id}.json", "rb", 0) as file:  # noqa: PTH123
                content = file.read()
        except OSError:
            return None
        try:
            return _NOTES.decode(content)
        except ValueError:  # also a name that is no text in UTF-8, which only Python's own reads
            pass
        try:
            return msgspec.convert(json.loads(content), Note)
        except ValueError:
            return None

    def path_of(self, task: Task) -> Path:
        """Where a task's note is."""
        return self.folder / "done" / task.id[:2] / f"{task.id}.json"

    def read_failures(self) -> list[Json]:
        """Return the lines of ``failed.jsonl``, the latest one of each task."""
        latest: dict[str, Json] = {}
        with contextlib.suppress(OSError), self.failures.open(encoding="ascii") as file:
            for line in file:
                with contextlib.suppress(ValueError, TypeError, KeyError):
                    failure = json.loads(line)
                    latest[str(failure["task"])] = failure
        return list(latest.values())

    def keep_failures(self, tasks: Iterable[Task], standing: Iterable[Failure]) -> None:
        """Write ``failed.jsonl`` anew: what still stands of this run's tasks, and other runs' lines.

        Args:
            tasks: All of this run.
            standing: Those of them that failed, and why.

        Raises:
            SinkError: It cannot be written.
        """
        own = {task.id for task in tasks}
        others = [line for line in self.read_failures() if line["task"] not in own]
        lines = [_failure(one.task, one.problem, one.tries) for one in standing]
        if not (lines or others or self.failures.exists()):
            return
        _write_text(self.failures, "".join(map(_line, others + lines)))

    def _write(
        self,
        task: Task,
        state: State,
        *,
        result: Json | None = None,
        tries: int = 0,
        problem: str = "",
        is_own: bool = True,
    ) -> None:
        note = Note(
            state=state,
            source=task.source,
            key=task.key,
            recipe=task.recipe,
            stamp=task.stamp,
            outputs=_outputs_of(task) if is_own else {},
            problem=problem,
            tries=tries,
            result=result or {},
            written_ns=time.time_ns() - _CLOCK_NS,
        )
        _write_text(self.path_of(task), json.dumps(plain(note)))


def _write_text(path: Path, text: str) -> None:
    make_folder(path.parent)
    file = AtomicFile(path, overwrite=True)
    try:
        with file.writing():
            file.path.write_text(text, encoding="ascii")
        file.commit()
    finally:
        if not file.is_done:
            file.discard()


def _is_own(note: Note, path: str, now: FileStamp) -> bool:
    """Whether an output that is there was made by the task of a note."""
    if path not in note.outputs:
        return False
    if note.outputs[path] == now:
        return True
    return note.state == "begun" and now[1] >= note.written_ns


def _outputs_of(task: Task) -> dict[str, FileStamp | None]:
    # Methods of Path take ten times as long, and there are thousands.
    return {os.path.abspath(path): _stamp_of(path) for path in task.outputs}  # noqa: PTH100


def _stamp_of(path: Path) -> FileStamp | None:
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def _failure(task: Task, problem: str, tries: int) -> Json:
    return {"task": task.id, "input": task.source, "error": problem, "tries": tries}


def _line(failure: Json) -> str:
    return json.dumps(failure) + "\n"
