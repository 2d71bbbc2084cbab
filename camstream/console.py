"""What every command shares with the terminal: errors, notes, signals, the progress bar."""

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

# Results go to stdout; everything that is only said on the way goes to stderr.
console = Console(stderr=True, highlight=False)

OnFrame = Callable[[Prediction, int | None], None]


class Stop:
    """Remembers Ctrl-C and SIGTERM, so that what is running can end in good order.

    Attributes:
        number: The signal that came, None so far.
    """

    def __init__(self) -> None:
        self.number: int | None = None

    def __call__(self) -> bool:
        """Whether a signal came."""
        return self.number is not None

    def note(self, number: int, _: FrameType | None) -> None:
        """Remember a signal; a second one means it, and interrupts at once."""
        if self.number is not None:
            raise KeyboardInterrupt
        self.number = number

    def end(self) -> None:
        """Leave with the exit code that a shell expects after a signal, if there was one."""
        if self.number is not None:
            raise typer.Exit(128 + self.number)


@contextlib.contextmanager
def stoppable() -> Iterator[Stop]:
    """Catch Ctrl-C and SIGTERM while the body runs."""
    stop = Stop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, stop.note) for number in numbers}
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
        complain(str(error))
        raise typer.Exit(2 if isinstance(error, UsageError) else 1) from error


def complain(line: str) -> None:
    """Say what went wrong, in one line."""
    console.print(f"camstream: {' '.join(line.split())}", style="red", markup=False, soft_wrap=True)


def note(line: str) -> None:
    """Say something that the user should know."""
    console.print(f"  note: {line}", style="yellow", markup=False, soft_wrap=True)


@contextlib.contextmanager
def steps(to: Console, first: str) -> Iterator[Callable[[str], None]]:
    """Tell the steps of something that takes long: in place on a terminal, else line by line.

    Yields:
        What to call with each step.
    """
    if to.is_terminal:
        with to.status(first) as status:
            yield status.update
    else:
        yield lambda step: to.print(step, markup=False, soft_wrap=True)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed or 0:.1f} frames/s")


@contextlib.contextmanager
def progress_of(name: str) -> Iterator[OnFrame]:
    """Show a bar with rate and time left while the body runs, where there is a terminal.

    Yields:
        What to call with each prediction and the number of frames to come, if known.
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
