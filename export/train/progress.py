"""Shows a training on the terminal: a bar with the time left, or a line an epoch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from rich.console import Console

    from export.train.job import Callback
    from export.train.recipe import Epoch
    from export.train.training import Training


class _Callback:
    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task = bar.add_task("training", total=None, loss="")
        self._epochs = 0

    def begin(self, training: Training, epochs: int) -> None:
        self._epochs = epochs
        done = len(training.history) * training.steps + training.done
        self._bar.reset(self._task, total=training.total, completed=done)
        self._describe(len(training.history) + 1)

    def on_batch(self, loss: float) -> None:
        self._bar.update(self._task, advance=1, loss=f"loss {loss:.3f}")

    def on_epoch(self, epoch: Epoch) -> None:
        self._bar.console.print(
            f"epoch {epoch.epoch} of {self._epochs}: loss {epoch.train_loss:.3f}, set aside "
            f"{epoch.check_loss:.3f}, right {epoch.check_accuracy:.1%}",
            soft_wrap=True,
        )
        self._describe(epoch.epoch + 1)

    def _describe(self, epoch: int) -> None:
        self._bar.update(self._task, description=f"epoch {min(epoch, self._epochs)}")


@contextlib.contextmanager
def watching(console: Console) -> Iterator[Callback]:
    """Show a training while the body runs.

    Yields:
        What to tell it.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} batches"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[loss]}"),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        yield _Callback(bar)
