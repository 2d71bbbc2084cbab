"""The training loop, and its checkpoints.

A training can be stopped after any batch; continued later, it ends with the same weights.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from camstream.errors import ModelError, SinkError, first_line
from camstream.models.cores import usable_cores
from camstream.sinks.atomic_file import AtomicFile
from export.train.examples import VALIDATION, Examples, batch_count, loader
from export.train.recipe import Epoch, Recipe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from export.networks import Triple
    from export.train.network import Start

_BACKBONE_LR = 0.1  # of the new layers' rate, where the recipe states none
_WARM_UP = 0.1  # share of all batches in which the learning rates rise to their highest

Settings = dict[str, str]
State = dict[str, Any]


class Training:
    """A network being trained.

    Attributes:
        network: The network after the last batch.
        best: Its weights after the epoch with the smallest validation loss.
        history: The epochs so far.
        done: Finished batches of the present epoch.
    """

    def __init__(
        self,
        start: Start,
        train: Examples,
        validation: Examples,
        recipe: Recipe,
        *,
        device: str = "cpu",
    ) -> None:
        """Prepare the optimizer and the schedule of the learning rates.

        Args:
            start: The network; it is changed in place.
            train: Training images.
            validation: Validation images, which decide when the training ends.
            recipe: The settings.
            device: "cpu" or "cuda".
        """
        self.network = start.network.to(device)
        self.best: State = {}
        self.history: list[Epoch] = []
        self.done = 0
        self._train, self._validation, self._recipe = train, validation, recipe
        self._device = torch.device(device)
        self._is_cuda = self._device.type == "cuda"
        self._workers = min(8, usable_cores()) if self._is_cuda else 0
        self._loss = self._seen = 0.0
        self._mean, self._std = (_channels(x, device) for x in (start.spec.mean, start.spec.std))
        backbone, head = start.groups()
        share = _BACKBONE_LR if start.new else 1.0
        backbone_lr = recipe.head_lr * share if recipe.backbone_lr is None else recipe.backbone_lr
        groups = [{"params": backbone, "lr": backbone_lr}, {"params": head, "lr": recipe.head_lr}]
        self._optimizer = torch.optim.AdamW(groups, weight_decay=recipe.weight_decay)
        self._scheduler = torch.optim.lr_scheduler.OneCycleLR(
            self._optimizer,
            max_lr=[backbone_lr, recipe.head_lr],
            total_steps=self.total + 1,
            pct_start=_WARM_UP,
        )
        self._scaler = torch.amp.GradScaler("cuda", enabled=self._is_cuda)
        self._criterion = nn.CrossEntropyLoss(weight=self._class_weights())

    @property
    def steps(self) -> int:
        """Batches per epoch."""
        return batch_count(self._train, self._recipe.batch)

    @property
    def total(self) -> int:
        """Batches of all epochs, unless the training ends early."""
        return self.steps * self._recipe.epochs

    @property
    def best_epoch(self) -> Epoch:
        """The epoch whose weights are ``best``."""
        return min(self.history, key=lambda epoch: epoch.val_loss)

    def run(
        self,
        *,
        stop: Callable[[], bool] = lambda: False,
        on_batch: Callable[[float], None] = lambda _: None,
        on_epoch: Callable[[Epoch], None] = lambda _: None,
    ) -> bool:
        """Train to the end, or until stopped; a new training sets torch's seed.

        Args:
            stop: Called before each batch; True stops.
            on_batch: Called with the loss of each batch.
            on_epoch: Called after each epoch, when ``state`` is worth saving.

        Returns:
            Whether the end was reached.

        Raises:
            ModelError: The memory is not enough, or the loss is not finite.
        """
        if not self.history and not self.done:
            torch.manual_seed(self._recipe.seed)
        with self._memory_errors():
            while not self._is_over():
                if not self._train_epoch(stop, on_batch):
                    return False
                self._close_epoch()
                on_epoch(self.history[-1])
        return True

    def state(self) -> State:
        """Return everything that ``restore`` needs: tensors and plain values only."""
        return {
            "network": self.network.state_dict(),
            "best": self.best,
            "optimizer": self._optimizer.state_dict(),
            "scheduler": self._scheduler.state_dict(),
            "scaler": self._scaler.state_dict(),
            "history": [dataclasses.asdict(epoch) for epoch in self.history],
            "position": {"done": self.done, "loss": self._loss, "seen": self._seen},
            "random": torch.get_rng_state(),
            "cuda_random": torch.cuda.get_rng_state() if self._is_cuda else None,
        }

    def restore(self, state: State) -> None:
        """Continue from a value of ``state``."""
        self.network.load_state_dict(state["network"])
        self.best = state["best"]
        self._optimizer.load_state_dict(state["optimizer"])
        self._scheduler.load_state_dict(state["scheduler"])
        self._scaler.load_state_dict(state["scaler"])
        self.history = [Epoch(**values) for values in state["history"]]
        position = state["position"]
        self.done, self._loss, self._seen = position["done"], position["loss"], position["seen"]
        torch.set_rng_state(state["random"])
        if self._is_cuda and state["cuda_random"] is not None:
            torch.cuda.set_rng_state(state["cuda_random"])

    def _is_over(self) -> bool:
        if not self.history:
            return False
        last = self.history[-1].epoch
        return last >= self._recipe.epochs or last - self.best_epoch.epoch >= self._recipe.patience

    def _train_epoch(self, stop: Callable[[], bool], on_batch: Callable[[float], None]) -> bool:
        """Train with the remaining batches of an epoch; False where it was stopped."""
        self.network.train()
        epoch = len(self.history) + 1
        source = loader(
            self._train,
            epoch=epoch,
            batch=self._recipe.batch,
            seed=self._recipe.seed,
            first=self.done,
            workers=self._workers,
        )
        for frames, classes in source:
            if stop():
                return False
            loss = self._step(frames, classes.to(self._device))
            if not np.isfinite(loss):
                raise ModelError(
                    f"the loss is {loss} in epoch {epoch}, batch {self.done + 1}: the training "
                    "has diverged; give a smaller --head-lr and --backbone-lr"
                )
            self.done += 1
            self._loss += loss * len(frames)
            self._seen += len(frames)
            on_batch(loss)
        return not stop()

    def _step(self, frames: Tensor, classes: Tensor) -> float:
        self._optimizer.zero_grad()
        with torch.autocast(self._device.type, torch.float16, enabled=self._is_cuda):
            logits = self.network(self._images(frames))
        loss = self._criterion(logits.float(), classes)
        self._scaler.scale(loss).backward()
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._scheduler.step()
        return float(loss.detach())

    def _close_epoch(self) -> None:
        val_loss, accuracy = self._validate()
        rates = self._scheduler.get_last_lr()
        epoch = Epoch(
            epoch=len(self.history) + 1,
            train_loss=self._loss / self._seen,
            val_loss=val_loss,
            val_accuracy=accuracy,
            backbone_lr=float(rates[0]),
            head_lr=float(rates[1]),
        )
        self.history.append(epoch)
        self.done, self._loss, self._seen = 0, 0.0, 0.0
        if self.best_epoch is epoch:
            own = self.network.state_dict()
            self.best = {name: tensor.detach().cpu().clone() for name, tensor in own.items()}

    @torch.inference_mode()
    def _validate(self) -> tuple[float, float]:
        """Compute loss and accuracy on the validation images."""
        self.network.eval()
        loss, right, count = 0.0, 0, 0
        source = loader(
            self._validation, epoch=VALIDATION, batch=self._recipe.batch, seed=self._recipe.seed
        )
        for frames, classes in source:
            logits = self.network(self._images(frames)).float()
            classes = classes.to(self._device)
            loss += float(nn.functional.cross_entropy(logits, classes, reduction="sum"))
            right += int((logits.argmax(dim=1) == classes).sum())
            count += len(frames)
        return loss / count, right / count

    def _images(self, frames: Tensor) -> Tensor:
        """Normalise (N, H, W, 3) uint8 BGR to the network's input, (N, 3, H, W) float32."""
        pixels = frames.to(self._device).flip(-1).permute(0, 3, 1, 2)
        return (pixels.float() - self._mean) / self._std

    def _class_weights(self) -> Tensor | None:
        """Weight each class by its rarity: all images / (classes x its images)."""
        if not self._recipe.balance:
            return None
        counts = np.bincount(self._train.classes)
        weights = counts.sum() / (len(counts) * np.maximum(counts, 1))
        return torch.tensor(weights, dtype=torch.float32, device=self._device)

    @contextlib.contextmanager
    def _memory_errors(self) -> Iterator[None]:
        try:
            yield
        except (MemoryError, RuntimeError) as error:
            # torch's allocator of the CPU raises a plain RuntimeError ("can't allocate memory").
            is_memory = isinstance(error, MemoryError | torch.OutOfMemoryError)
            if not is_memory and not (type(error) is RuntimeError and "alloc" in str(error)):
                raise
            raise ModelError(
                f"the memory of this {self._device.type} is not enough for batches of "
                f"{self._recipe.batch}; give a smaller --batch or --model-size"
            ) from error


def _channels(values: Triple, device: str) -> Tensor:
    return torch.tensor(values, device=device).view(3, 1, 1)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The file of an interrupted training; it is complete or absent, and reading it runs no code.

    Attributes:
        path: The file.
        settings: Everything that the result depends on; a training continues only with the same.
    """

    path: Path
    settings: Settings

    @classmethod
    def of(cls, output: Path, settings: Mapping[str, object]) -> Checkpoint:
        """Return the checkpoint for a model file, which lies beside it."""
        values = {name: json.dumps(value, default=str) for name, value in settings.items()}
        return cls(output.with_suffix(".checkpoint.pt"), values)

    def save(self, training: Training) -> None:
        """Save a training; an earlier checkpoint is replaced.

        Raises:
            SinkError: It cannot be written; the earlier checkpoint stays.
        """
        atomic_file = AtomicFile(self.path, overwrite=True)
        try:
            torch.save({"settings": self.settings, "training": training.state()}, atomic_file.path)
        except (OSError, RuntimeError) as error:  # torch raises RuntimeError for a full disk
            atomic_file.discard()
            raise SinkError(f"cannot write {self.path}: {error}") from error
        atomic_file.commit()

    def restore(self, training: Training) -> None:
        """Continue a training from the file.

        Raises:
            ModelError: It cannot be read, or was made with other settings, by a camstream with
                other settings' names, or for a network that is built differently now. The file
                does not change.
        """
        settings, state = self._read()
        unknown = sorted(self.settings.keys() ^ settings.keys())
        if unknown:
            raise ModelError(
                f"cannot go on from {self.path}: another version of camstream made it (only one of "
                f"the two knows {', '.join(unknown)}); go on with the camstream that began it, or "
                "--overwrite to begin again"
            )
        other = [name for name, value in self.settings.items() if settings[name] != value]
        if other:
            name = other[0]
            raise ModelError(
                f"cannot go on from {self.path}: its {name} was {settings[name]}, now it is "
                f"{self.settings[name]}; give what it began with, or --overwrite to begin again"
            )
        try:
            changed = _difference(state["network"], training.network.state_dict())
            if not changed:
                training.restore(state)
        except (RuntimeError, ValueError, LookupError, TypeError, AttributeError) as error:
            changed = first_line(error)
        if changed:
            raise ModelError(
                f"cannot go on from {self.path}: it does not fit the network as it is built now "
                f"({changed}); go on with the camstream that began it, or --overwrite to begin again"
            )

    def remove(self) -> None:
        """Delete the file, if it is there."""
        self.path.unlink(missing_ok=True)

    def _read(self) -> tuple[Settings, State]:
        try:
            stored: Any = torch.load(self.path, map_location="cpu", weights_only=True)
            return dict(stored["settings"]), stored["training"]
        except (
            OSError,
            RuntimeError,
            EOFError,
            KeyError,
            TypeError,
            ValueError,
            pickle.UnpicklingError,
        ) as error:
            raise ModelError(f"cannot go on from {self.path}: {first_line(error)}") from error


def _difference(saved: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> str:
    """Name the first parameter whose shape differs from the saved one; empty where none does."""
    for name in [*own, *saved]:
        was, now = (tuple(x[name].shape) if name in x else "missing" for x in (saved, own))
        if was != now:
            return f"{name} was {was}, now it is {now}"
    return ""
