"""One training from its start to the file, for folders of photos and for the demos."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from camstream.errors import CamstreamError, ModelError, SinkError
from camstream.sinks.atomic_file import AtomicFile
from export.train.network import Measured, write_model
from export.train.recipe import Epoch, Recipe
from export.train.training import Checkpoint, Training

if TYPE_CHECKING:
    from rich.console import Console

    from camstream.contract import ModelInfo
    from export.train.examples import Examples
    from export.train.network import Start


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to train.

    Attributes:
        start: The network.
        labels: One name per class.
        train: Training images.
        validation: Validation images.
        recipe: The settings of the training.
        output: The file to write.
        about: The images in words, for the file's record.
        settings: What else the result depends on, for the checkpoint.
        background: Index of the negative (background) class, see ``network.set_origin``.
        device: "cpu" or "cuda".
    """

    start: Start
    labels: tuple[str, ...]
    train: Examples
    validation: Examples
    recipe: Recipe
    output: Path
    about: str
    settings: dict[str, object]
    background: int | None = None
    device: str = "cpu"

    @property
    def history(self) -> Path:
        """The CSV file of the epochs' losses and learning rates."""
        return self.output.with_suffix(".history.csv")

    @property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint of this training, while it is interrupted."""
        recipe = dataclasses.asdict(self.recipe)
        own = {"network": self.start.name, "device": self.device, "labels": self.labels}
        return Checkpoint.of(self.output, own | self.settings | recipe)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The result of a training.

    Attributes:
        info: The record in the file.
        measured: The file's output for the validation images.
        history: The epochs.
        best: The epoch whose weights are in the file.
    """

    info: ModelInfo
    measured: Measured
    history: Sequence[Epoch]
    best: Epoch


class Callback(Protocol):
    """Receives the progress of a training."""

    def begin(self, training: Training, epochs: int) -> None: ...

    def on_batch(self, loss: float) -> None: ...

    def on_epoch(self, epoch: Epoch) -> None: ...


def run(
    job: Job,
    display: AbstractContextManager[Callback],
    *,
    resume: bool = False,
    stop: Callable[[], bool] = lambda: False,
    progress: Callable[[str], None] = lambda _: None,
) -> Result | None:
    """Train, and write the file.

    Args:
        job: What to train.
        display: Open while it trains, see ``progress_bar``.
        resume: Continue from the checkpoint, if there is one.
        stop: Called before each batch; True saves a checkpoint and returns.
        progress: Called with one line per step after the training.

    Returns:
        None where it was stopped.

    Raises:
        ModelError: The network cannot be trained or exported so; the last checkpoint stays.
        SinkError: A file cannot be written.
    """
    checkpoint = job.checkpoint
    training = Training(job.start, job.train, job.validation, job.recipe, device=job.device)
    if resume and checkpoint.path.exists():
        checkpoint.restore(training)

    with display as callback, _name_checkpoint(checkpoint):
        callback.begin(training, job.recipe.epochs)

        def on_epoch(epoch: Epoch) -> None:
            checkpoint.save(training)
            write_history(job.history, training.history)
            callback.on_epoch(epoch)

        is_done = training.run(stop=stop, on_batch=callback.on_batch, on_epoch=on_epoch)
        if not is_done:
            checkpoint.save(training)
            return None
    job.start.network.load_state_dict(training.best)
    best = training.best_epoch
    info, measured = write_model(
        job.start,
        job.output,
        labels=job.labels,
        origin=f"trained on {job.about}, from {job.start.origin}, {best.epoch} epochs, "
        f"seed {job.recipe.seed}",
        validation=job.validation,
        background=job.background,
        seed=job.recipe.seed,
        progress=progress,
    )
    checkpoint.remove()
    return Result(info=info, measured=measured, history=training.history, best=best)


def write_history(path: Path, history: Sequence[Epoch]) -> None:
    """Write the epochs as CSV.

    Raises:
        SinkError: It cannot be written.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in dataclasses.fields(Epoch)])
    writer.writeheader()
    writer.writerows(dataclasses.asdict(epoch) for epoch in history)
    atomic_file = AtomicFile(path, overwrite=True)
    try:
        atomic_file.path.write_text(text.getvalue(), encoding="utf-8", newline="")
    except OSError as error:
        atomic_file.discard()
        raise SinkError(f"cannot write {path}: {error.strerror}") from error
    atomic_file.commit()


@contextlib.contextmanager
def _name_checkpoint(checkpoint: Checkpoint) -> Iterator[None]:
    """Name the saved checkpoint in an error."""
    try:
        yield
    except CamstreamError as error:
        if not checkpoint.path.exists():
            raise
        raise ModelError(f"{error} (kept: {checkpoint.path}, the epochs before)") from error


class _ProgressBar:
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
            f"epoch {epoch.epoch} of {self._epochs}: loss {epoch.train_loss:.3f}, validation loss "
            f"{epoch.val_loss:.3f}, accuracy {epoch.val_accuracy:.1%}",
            soft_wrap=True,
        )
        self._describe(epoch.epoch + 1)

    def _describe(self, epoch: int) -> None:
        self._bar.update(self._task, description=f"epoch {min(epoch, self._epochs)}")


@contextlib.contextmanager
def progress_bar(console: Console) -> Iterator[Callback]:
    """Show a training on the terminal: a bar with the time left, and a line per epoch.

    Yields:
        The callback for the training.
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
        yield _ProgressBar(bar)
