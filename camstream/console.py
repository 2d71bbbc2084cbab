"""What commands share with the terminal: errors, notes, signals, progress."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from camstream.errors import CamstreamError, UsageError
from camstream.frame import Prediction
from camstream.safe_text import safe_text

# Results go to stdout; notes, errors and progress go to stderr.
console = Console(stderr=True, highlight=False)

# A message holds names of files, and says at its end what to do.
_MESSAGE_LIMIT = 2000

OnFrame = Callable[[Prediction, int | None], None]


class Stop:
    """Remembers Ctrl-C and SIGTERM, so that the work in progress can be finished.

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
    """Catch Ctrl-C and SIGTERM while the body runs."""
    stop = Stop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, stop.receive) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def plain_errors(debug: bool) -> Iterator[None]:
    """Turn an error into one line on stderr and exit code 1, or 2 for a wrong option or name."""
    try:
        yield
    except CamstreamError as error:
        if debug:
            raise
        report_error(str(error))
        raise typer.Exit(2 if isinstance(error, UsageError) else 1) from error


def report_error(line: str) -> None:
    """Print an error in one line."""
    _print_line(f"camstream: {line}", style="red")


def note(line: str) -> None:
    """Print a warning or a hint in one line."""
    _print_line(f"  note: {line}", style="yellow")


def _print_line(line: str, *, style: str) -> None:
    indent = line[: len(line) - len(line.lstrip())]
    safe = indent + " ".join(safe_text(line, limit=_MESSAGE_LIMIT).split())
    console.print(safe, style=style, markup=False, soft_wrap=True)


@contextlib.contextmanager
def steps(to: Console) -> Iterator[Callable[[str], None]]:
    """Print the steps of a long task: in place on a terminal, else line by line.

    Yields:
        A function to call with each step.
    """
    if not to.is_terminal:
        yield lambda step: to.print(step, markup=False, soft_wrap=True)
        return
    status = to.status("")

    def show(step: str) -> None:
        status.update(step)
        status.start()  # not earlier: a terminal has one such display at a time

    try:
        yield show
    finally:
        status.stop()


@contextlib.contextmanager
def counting(task: str) -> Iterator[Callable[[int, int | None], None]]:
    """Show a bar with count and time left while the body runs, if there is a terminal.

    Args:
        task: What is done, such as "reading photos".

    Yields:
        A function to call with the number of items done and of all items, None if unknown.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        row = bar.add_task(task, total=None)
        yield lambda done, total: bar.update(row, completed=done, total=total)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed or 0:.1f} frames/s")


@contextlib.contextmanager
def progress_of(name: str) -> Iterator[OnFrame]:
    """Show a bar with rate, time left and label while the body runs, if there is a terminal.

    Yields:
        A function to call with each prediction and the number of all frames, None if unknown.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        _Rate(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[label]}"),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(name, total=None, label="")

        def on_frame(prediction: Prediction, total: int | None) -> None:
            bar.update(task, advance=1, total=total, label=prediction.top[0].label)

        yield on_frame
