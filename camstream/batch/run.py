"""Does tasks by an engine and notes what became of each: the rules of going on after an end.

A task that is done is skipped. One that failed is tried once more, in the next run; where its
process died, at the end of the same run. After two tries it is left alone. What is not the fault of
its input, such as a full disk, counts no try; a full disk ends the run, since the rest would fail.
"""

from __future__ import annotations

import errno
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from camstream.batch.pool import Done, Engine, Failed
from camstream.batch.store import TRIES, Failure, Store, Verdict
from camstream.batch.task import Json, Task
from camstream.errors import SinkError

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
_AHEAD = 1000  # tasks that an engine has at once: messages of millions would fill the memory
# Errors that say nothing of the input.
_NOT_ITS_OWN = ("SinkError", "ModelError", "SetupError", "mistake")


@dataclass(slots=True, kw_only=True)
class Plan:
    """What is to be done of many tasks.

    Attributes:
        tasks: All of them.
        verdicts: What is to be done with each, by its id.
        anew: All are done whatever is there: outputs are replaced, whoever made them.
    """

    tasks: Sequence[Task]
    verdicts: dict[str, Verdict]
    anew: bool = False

    def of(self, action: str) -> list[Task]:
        """The tasks that have one verdict: "do", "skip" or "leave"."""
        return [task for task in self.tasks if self.verdicts[task.id].action == action]


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What became of many tasks.

    Attributes:
        failures: Those that failed, now or before, in the tasks' order.
        unfinished: Those that have no result: after a stop, or a full disk.
        trouble: Why the run ended early; None: it did not.
    """

    failures: list[Failure] = field(default_factory=list)
    unfinished: list[Task] = field(default_factory=list)
    trouble: SinkError | None = None


def plan(
    tasks: Sequence[Task], store: Store, *, retry_failed: bool = False, anew: bool = False
) -> Plan:
    """Look up every task; writes nothing.

    Args:
        tasks: With stamps of their inputs as they are now.
        store: The notes.
        retry_failed: Try again what failed often enough.
        anew: Do all of them, whatever is noted.
    """
    if anew:
        verdicts = {task.id: Verdict(action="do") for task in tasks}
        return Plan(tasks=tasks, verdicts=verdicts, anew=True)
    verdicts = {task.id: store.look(task, retry_failed=retry_failed) for task in tasks}
    return Plan(tasks=tasks, verdicts=verdicts)


class Batch:
    """One run over many tasks."""

    def __init__(
        self,
        planned: Plan,
        store: Store,
        *,
        message_of: Callable[[Task, bool], Json],
        problem_of: Callable[[Json], str] = lambda _: "",
        is_whole: Callable[[Json], bool] = lambda _: True,
        on_done: Callable[[Task, Json], None] = lambda *_: None,
        on_failed: Callable[[Task, Failed], None] = lambda *_: None,
        on_again: Callable[[Task, Failed], None] = lambda *_: None,
    ) -> None:
        """Begin with what was planned.

        Args:
            planned: By ``plan``.
            store: The notes.
            message_of: Gives what the work is told of a task, and whether its outputs that are
                there may be replaced, since an earlier run of it made them.
            problem_of: Says of a result what was wrong with the input all the same, in one line.
            is_whole: Says of a result whether the task was done to its end, and not stopped.
            on_done: Called with each result.
            on_failed: Called with each failure that is final for this run.
            on_again: Called with each failure after which the task is tried again in this run.
        """
        self._plan, self._store = planned, store
        self._message_of = message_of
        self._problem_of, self._is_whole = problem_of, is_whole
        self._on_done, self._on_failed, self._on_again = on_done, on_failed, on_again
        self._by_id = {task.id: task for task in planned.tasks}
        self._tries = {name: verdict.tries for name, verdict in planned.verdicts.items()}
        self._again: set[str] = set()  # died once in this run

    def begin(self, name: str) -> None:
        """Note that a task is begun; the engine calls it before the work on it.

        Raises:
            SinkError: That cannot be noted.
        """
        task = self._by_id[name]
        if not self._plan.anew and self._store.look(task).is_blocked:  # it came since the plan
            verdict = self._plan.verdicts[name]
            self._plan.verdicts[name] = replace(verdict, is_blocked=True, may_replace=False)
        if not self._plan.verdicts[name].is_blocked:  # files of others are never claimed
            self._store.begin(task, tries=self._tries[name])

    def run(self, engine: Engine) -> Outcome:
        """Do what is to be done.

        Raises:
            CamstreamError: The engine cannot work at all.
        """
        standing = self._left_alone()
        left = {task.id: task for task in self._plan.of("do")}
        waiting = iter(self._plan.of("do"))
        self._submit(engine, itertools.islice(waiting, _AHEAD))
        trouble: SinkError | None = None
        try:
            for result in engine.results():
                self._submit(engine, itertools.islice(waiting, 1))
                task = self._by_id[result.name]
                if isinstance(result, Done):
                    if self._is_whole(result.result):
                        problem = self._problem_of(result.result)
                        self._store.done(task, result.result, problem=problem)
                        left.pop(task.id)
                        if problem:
                            standing[task.id] = Failure(task=task, problem=problem, tries=1)
                    self._on_done(task, result.result)
                elif (failure := self._failure(task, result)) is None:
                    self._on_again(task, result)
                    may_replace = self._store.look(task).may_replace
                    engine.submit(task.id, self._message_of(task, may_replace))
                else:
                    left.pop(task.id)
                    standing[task.id] = failure
                    self._on_failed(task, result)
                    if not self._plan.verdicts[task.id].is_blocked:
                        self._store.failed(
                            task,
                            failure.problem,
                            tries=failure.tries,
                            is_own=result.errno != errno.EEXIST,
                        )
                    if result.errno in _DISK_FULL:
                        raise SinkError("the disk is full")
        except SinkError as error:
            trouble = error
        failures = [standing[task.id] for task in self._plan.tasks if task.id in standing]
        try:
            self._store.keep_failures(self._plan.tasks, failures)
        except SinkError as error:
            trouble = trouble or error
        return Outcome(failures=failures, unfinished=list(left.values()), trouble=trouble)

    def _submit(self, engine: Engine, tasks: Iterable[Task]) -> None:
        for task in tasks:
            may_replace = self._plan.verdicts[task.id].may_replace
            engine.submit(task.id, self._message_of(task, may_replace))

    def _left_alone(self) -> dict[str, Failure]:
        """What failed before and stays so: left alone, or done as far as it is whole."""
        standing = {}
        for task in self._plan.tasks:
            verdict = self._plan.verdicts[task.id]
            note = verdict.note
            if verdict.action != "do" and note is not None and note.problem:
                tries = max(1, note.tries)
                standing[task.id] = Failure(task=task, problem=note.problem, tries=tries)
        return standing

    def _failure(self, task: Task, result: Failed) -> Failure | None:
        """Return what is noted of a failure; None: the task is tried again at once."""
        if result.kind in _NOT_ITS_OWN:
            return Failure(task=task, problem=result.line, tries=0)
        self._tries[task.id] += 1
        if result.kind == "died" and self._tries[task.id] < TRIES and task.id not in self._again:
            self._again.add(task.id)
            return None
        return Failure(task=task, problem=result.line, tries=self._tries[task.id])
