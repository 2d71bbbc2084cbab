"""One training from its start to the file: what folders of photos and the demos share."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from camstream.errors import CamstreamError, ModelError, SinkError
from camstream.sinks.atomic_file import AtomicFile
from export.train.checkpoint import Checkpoint
from export.train.finish import Measured, write_model
from export.train.recipe import Epoch, Recipe
from export.train.training import Training

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from camstream.contract import ModelInfo
    from export.train.examples import Examples
    from export.train.start import Start


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to train.

    Attributes:
        start: The network.
        labels: One name a class.
        train: Pictures to learn from.
        check: Pictures set aside.
        recipe: How.
        output: The file to write.
        about: The pictures in words, for the file's record.
        settings: What the result follows from beside the recipe, for the checkpoint.
        background: The class that is nothing to be shown, see ``finish.zeroed``.
        device: "cpu" or "cuda".
    """

    start: Start
    labels: tuple[str, ...]
    train: Examples
    check: Examples
    recipe: Recipe
    output: Path
    about: str
    settings: dict[str, object]
    background: int | None = None
    device: str = "cpu"

    @property
    def curves(self) -> Path:
        """Where the losses of each epoch are written."""
        return self.output.with_suffix(".curves.csv")

    @property
    def checkpoint(self) -> Checkpoint:
        """Where an interrupted training is kept."""
        recipe = dataclasses.asdict(self.recipe)
        own = {"network": self.start.name, "device": self.device, "labels": self.labels}
        return Checkpoint.of(self.output, own | self.settings | recipe)


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a training.

    Attributes:
        info: The record in the file.
        measured: By the file, on pictures not learnt from.
        history: The epochs.
        best: The one whose weights are in the file.
    """

    info: ModelInfo
    measured: Measured
    history: Sequence[Epoch]
    best: Epoch


class Callback(Protocol):
    """Is told how a training goes."""

    def begin(self, training: Training, epochs: int) -> None: ...

    def on_batch(self, loss: float) -> None: ...

    def on_epoch(self, epoch: Epoch) -> None: ...


def run(
    job: Job,
    watching: AbstractContextManager[Callback],
    *,
    resume: bool = False,
    stop: Callable[[], bool] = lambda: False,
    progress: Callable[[str], None] = lambda _: None,
) -> Result | None:
    """Train, and write the file.

    Args:
        job: What to do.
        watching: Shows the progress while it trains.
        resume: Go on from the checkpoint, if there is one.
        stop: Asked before each batch; True keeps a checkpoint and returns.
        progress: Is told the steps behind the training.

    Returns:
        None where it was stopped.

    Raises:
        ModelError: It cannot be trained or exported so; the last checkpoint stays.
        SinkError: Something cannot be written.
    """
    checkpoint = job.checkpoint
    training = Training(job.start, job.train, job.check, job.recipe, device=job.device)
    if resume and checkpoint.path.exists():
        checkpoint.restore(training)

    with watching as callback, _what_stays(checkpoint):
        callback.begin(training, job.recipe.epochs)

        def on_epoch(epoch: Epoch) -> None:
            checkpoint.save(training)
            write_curves(job.curves, training.history)
            callback.on_epoch(epoch)

        is_done = training.run(stop=stop, on_batch=callback.on_batch, on_epoch=on_epoch)
        if not is_done:
            checkpoint.save(training)
            return None
    job.start.network.load_state_dict(training.best)
    best = training.best_epoch
    info, measured = write_model(
        job.start,
        job.labels,
        f"trained on {job.about}, from {job.start.origin}, {best.epoch} epochs, "
        f"seed {job.recipe.seed}",
        job.output,
        job.check,
        background=job.background,
        seed=job.recipe.seed,
        progress=progress,
    )
    checkpoint.remove()
    return Result(info, measured, training.history, best)


def write_curves(path: Path, history: Sequence[Epoch]) -> None:
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
def _what_stays(checkpoint: Checkpoint) -> Iterator[None]:
    """Say in an error what was kept."""
    try:
        yield
    except CamstreamError as error:
        if not checkpoint.path.exists():
            raise
        raise ModelError(f"{error} (kept: {checkpoint.path}, the epochs before)") from error
