"""Makes one task of the steps that a long video takes: a look at it, its parts, their joining."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from camstream.batch.pool import Done, Engine, Failed
from camstream.batch.task import Json


@dataclass(slots=True)
class _Attempt:
    """A video that is worked on.

    Attributes:
        message: Of its task.
        number: Counts the attempts: a step of an earlier one may still end after its failure.
        cuts: What the look at it returned, where it is long.
        facts: Of the parts that are done, by number.
        is_over: Whether nothing is expected any more.
    """

    message: Json
    number: int
    cuts: Json = field(default_factory=dict)
    facts: dict[int, Json] = field(default_factory=dict)
    is_over: bool = False

    def end(self) -> None:
        """Expect nothing more; of a million videos that were done, only this stays in memory."""
        self.is_over = True
        self.message, self.cuts, self.facts = {}, {}, {}


class Steps:
    """An engine for videos, on top of one for steps.

    A video that is begun comes before those that wait: so videos are finished one after the other, and
    not all of them at the very end. A step is called "TASK/ATTEMPT/STEP". Parts that were done stay
    where they are after a failure: the next attempt finds them.
    """

    def __init__(self, inner: Engine, on_end: Callable[[str], None] = lambda _: None) -> None:
        """Begin.

        Args:
            inner: Does the steps.
            on_end: Called with the name of each step that has ended.
        """
        self._inner, self._on_end = inner, on_end
        self._attempts: dict[str, _Attempt] = {}

    def submit(self, name: str, message: Json, *, first: bool = False) -> None:
        """Have a video read some time; also while results are read.

        Args:
            name: Of its task.
            message: {"video": ..., "key": ...}.
            first: Before all that wait.
        """
        before = self._attempts.get(name)
        attempt = _Attempt(message, before.number + 1 if before else 0)
        self._attempts[name] = attempt
        self._step(name, "video", message | {"step": "video"}, first=first)

    def results(self) -> Iterator[Done | Failed]:
        """Give a result for each video as they come, until the inner engine has no more."""
        for result in self._inner.results():
            self._on_end(result.name)
            name, number, step = result.name.split("/")
            attempt = self._attempts[name]
            if attempt.is_over or attempt.number != int(number):
                continue
            if isinstance(result, Done) and self._goes_on(name, attempt, step, result.result):
                continue
            attempt.end()
            yield dataclasses.replace(result, name=name)

    def _goes_on(self, name: str, attempt: _Attempt, step: str, result: Json) -> bool:
        """Submit what follows a step; returns False where it was the last one."""
        if "uncut" in result:
            number = attempt.number + 1  # the other parts are not wanted any more
            self._attempts[name] = _Attempt(attempt.message, number)
            more = {"step": "video", "uncut": result["uncut"]}
            self._step(name, "whole", attempt.message | more)
        elif "cuts" in result:
            attempt.cuts = result
            start = {key: result[key] for key in ("start", "start_from")}
            for number, span in reversed([*enumerate(result["cuts"])]):  # each goes to the front
                more = {"step": "part", "number": number, "span": span, **start}
                step = f"part {number + 1} of {len(result['cuts'])}"
                self._step(name, step, attempt.message | more)
        elif "facts" in result:
            attempt.facts[int(step.split()[1]) - 1] = result["facts"]
            if len(attempt.facts) == len(attempt.cuts["cuts"]):
                start = {key: attempt.cuts[key] for key in ("start", "start_from")}
                facts = [attempt.facts[number] for number in sorted(attempt.facts)]
                self._step(name, "join", attempt.message | {"step": "join", "facts": facts} | start)
        else:
            return False
        return True

    def _step(self, name: str, step: str, message: Json, *, first: bool = True) -> None:
        full_name = f"{name}/{self._attempts[name].number}/{step}"
        self._inner.submit(full_name, message, first=first)
