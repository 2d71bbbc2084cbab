"""What commands share with the terminal: results, errors, notes, signals, progress.

Names of files and labels are never taken for markup or emoji: "[draft] clip.mp4" stays as it is.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from camstream import starting
from camstream.address import HIDDEN, shown
from camstream.errors import CamstreamError, SinkError, UsageError
from camstream.frame import Prediction
from camstream.safe_text import safe_text

_BROKEN_PIPE = 128 + 13  # what a shell reports of a program that SIGPIPE ended


class _Messages(Console):
    def on_broken_pipe(self) -> None:
        """Go on without messages: nobody reads them, but the work is wanted."""
        self.quiet = True


class _Results(Console):
    def print(self, *objects: Any, **how: Any) -> None:
        """Print and flush.

        Raises:
            SinkError: stdout takes no more, such as a file on a full disk.
        """
        try:
            super().print(*objects, **how)
            if sys.stdout is not None:
                sys.stdout.flush()
        except BrokenPipeError:
            self.on_broken_pipe()
        except OSError as error:
            raise lost_results(error) from error

    def on_broken_pipe(self) -> None:
        """End quietly: the reader of the pipe has seen enough."""
        starting.forget_stdout()
        raise SystemExit(_BROKEN_PIPE)


# Results go to stdout; notes, errors and progress go to stderr.
console = _Messages(stderr=True, highlight=False, markup=False, emoji=False)
results = _Results(highlight=False, markup=False, emoji=False, soft_wrap=True)

# A message holds names of files, and says at its end what to do.
_MESSAGE_LIMIT = 2000
_RESULT_LIMIT = 100_000
_WORD = re.compile(r"[^\s'\"]+")
_WORD_LIMIT = 4096  # longer ones are no address that anybody typed
_SPACED_PASSWORD = re.compile(r"(?<=://)[^\s'\"/@]{1,64}:[^'\"@\n]{1,64}@")

OnFrame = Callable[[Prediction, int | None], None]


def say(text: str) -> None:
    """Print lines of results to stdout; tables are printed by ``results.print``.

    Raises:
        SinkError: stdout takes no more, such as a file on a full disk.
    """
    results.print(safe_text(_without_secrets(text), limit=_RESULT_LIMIT, keep="\n\t"))


def _without_secrets(text: str) -> str:
    """Return a message without passwords and keys of addresses, wherever they were given.

    Whoever speaks of a source shows its address by ``camstream.address.shown``; here it is done for what
    was meant as a file, a model or an option, too.
    """
    return _WORD.sub(lambda word: _shown_word(word[0]), _SPACED_PASSWORD.sub("", text))


def _shown_word(word: str) -> str:
    """Return a word; one that may be an address, whole or in parts, without its secrets."""
    _, colon, rest = word.partition(":")
    if not ("//" in word or ":/" in word or (colon and "@" in rest)):
        return word
    return shown(word.lstrip("-")) if len(word) <= _WORD_LIMIT else HIDDEN


def lost_results(error: OSError) -> SinkError:
    """Return the error that says that stdout takes no more; the rest of it is dropped."""
    starting.forget_stdout()  # else Python tries again at its end, and says so in lines of its own
    return SinkError(f"cannot print the results: {os.strerror(error.errno or errno.EIO)}")


def flush() -> int:
    """Write what was printed and not written yet; returns the exit code of that, 0 if it worked."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        starting.forget_stdout()
        return _BROKEN_PIPE
    except OSError as error:
        report_error(str(lost_results(error)))
        return 1
    return 0


class Stop:
    """Remembers Ctrl-C, SIGTERM and SIGHUP, so that the work in progress can be finished.

    Attributes:
        number: The signal that was received; None: none.
    """

    def __init__(self) -> None:
        self.number: int | None = None

    def __call__(self) -> bool:
        """Whether a signal was received."""
        return self.number is not None

    def receive(self, number: int, _: FrameType | None) -> None:
        """Remember a signal; a second one interrupts at once."""
        if self.number is not None:
            raise KeyboardInterrupt
        self.number = number

    def end(self) -> None:
        """Exit with the code that a shell expects after a signal, if one was received."""
        if self.number is not None:
            raise typer.Exit(128 + self.number)


@contextlib.contextmanager
def stoppable() -> Iterator[Stop]:
    """Catch Ctrl-C, SIGTERM and SIGHUP while the body runs; those that are ignored stay so."""
    stop = Stop()
    before = {
        number: signal.signal(number, stop.receive)
        for number in starting.ending_signals()
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def plain_errors(debug: bool) -> Iterator[None]:
    """Turn an error into one line on stderr and an exit code, see ``exit_code``."""
    try:
        yield
    except CamstreamError as error:
        if debug:
            raise
        report_error(error.for_command_line())
        raise typer.Exit(exit_code(error)) from error


def exit_code(error: CamstreamError) -> int:
    """Return 2 for what was asked wrongly, a wrong option or a file that is not there; else 1."""
    return 2 if isinstance(error, UsageError) else 1


def report_error(line: str) -> None:
    """Print an error in one line."""
    _print_line(f"camstream: {line}", style="red")


def note(line: str) -> None:
    """Print a warning or a hint in one line."""
    _print_line(f"  note: {line}", style="yellow")


def remark(line: str) -> None:
    """Print in one line what is good to know, and no warning."""
    _print_line(line, style="dim")


def _print_line(line: str, *, style: str) -> None:
    indent = line[: len(line) - len(line.lstrip())]
    safe = indent + " ".join(safe_text(_without_secrets(line), limit=_MESSAGE_LIMIT).split())
    with contextlib.suppress(OSError):  # a full disk: there is no one to tell
        console.print(safe, style=style, soft_wrap=True)


@contextlib.contextmanager
def steps(to: Console) -> Iterator[Callable[[str], None]]:
    """Print the steps of a long task: in place on a terminal, else line by line.

    Yields:
        A function to call with each step.
    """
    if not to.is_terminal:
        yield lambda step: to.print(safe_text(step), soft_wrap=True)
        return
    status = to.status("")

    def show(step: str) -> None:
        status.update(Text(safe_text(step)))
        status.start()  # not earlier: a terminal has one such display at a time

    try:
        yield show
    finally:
        status.stop()


class _Count(ProgressColumn):
    def render(self, task: Task) -> Text:
        of_all = "" if task.total is None else f"/{task.total:.0f}"
        return Text(f"{task.completed:.0f}{of_all}")


@contextlib.contextmanager
def counting(task: str) -> Iterator[Callable[[int, int | None], None]]:
    """Show a bar with count and time left while the body runs, if there is a terminal.

    Args:
        task: What is done, such as "reading photos".

    Yields:
        A function to call with the number of items done and of all items, None if unknown.
    """
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        _Count(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        row = bar.add_task(safe_text(task), total=None)
        yield lambda done, total: bar.update(row, completed=done, total=total)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed or 0:.1f} fps")


@contextlib.contextmanager
def progress_of(name: str) -> Iterator[OnFrame]:
    """Show a bar with rate, time left and label while the body runs, if there is a terminal.

    Yields:
        A function to call with each prediction and the number of all frames, None if unknown.
    """
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        _Count(),
        _Rate(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[label]}", markup=False),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(safe_text(name), total=None, label="")

        def on_frame(prediction: Prediction, total: int | None) -> None:
            bar.update(task, advance=1, total=total, label=safe_text(prediction.top[0].label))

        yield on_frame
