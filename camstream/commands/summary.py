"""What a command says at its end: which inputs failed, and what is not done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import typer

from camstream.batch.run import Outcome
from camstream.batch.task import Task
from camstream.console import Stop, note, report_error

_MAX_FAILURES = 20


def report_failures(failed: Sequence[tuple[Path, str]], total: int) -> None:
    """Print which inputs of many failed, and why, a line each.

    Args:
        failed: The inputs and what went wrong with each.
        total: Number of all inputs.
    """
    report_error(f"{len(failed)} of {total} inputs failed:")
    for path, reason in failed[:_MAX_FAILURES]:
        report_error(f"{path}: {reason}")
    if (more := len(failed) - _MAX_FAILURES) > 0:
        report_error(f"and {more} more")


def report_outcome(
    outcome: Outcome, total: int, what: str, *, name_of: Callable[[Task], Path], stop: Stop
) -> None:
    """Say what of a batch was not done, and exit with the code for that.

    Args:
        outcome: Of the batch.
        total: Number of all inputs.
        what: What they are: "files".
        name_of: Gives what a task's input is called.
        stop: Ended it, where a signal was received.

    Raises:
        Exit: Something was not done.
    """
    if outcome.failures:
        report_failures([(name_of(one.task), one.problem) for one in outcome.failures], total)
    left = len(outcome.unfinished)
    if outcome.trouble is not None:
        left += sum(one.tries == 0 for one in outcome.failures)  # the disk's fault, not theirs
        why = outcome.trouble.for_command_line()
        report_error(f"{why}; {left} of {total} {what} are not done: run it again later")
    elif left:
        note(f"{left} of {total} {what} are not done; the same command goes on from here")
    stop.end()
    if outcome.failures or outcome.trouble is not None:
        raise typer.Exit(1)
