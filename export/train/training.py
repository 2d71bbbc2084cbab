"""The training loop: it can stop after any batch and goes on later to the same result."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from camstream.errors import ModelError
from export.train.examples import CHECKING, Examples, batches, loader
from export.train.recipe import Epoch, Recipe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from export.networks.spec import Triple
    from export.train.start import Start

_TRUNK_PART = 0.1
_RISING = 0.1  # part of all batches in which the learning rates rise to their highest

State = dict[str, Any]


class Training:
    """A network being trained.

    Attributes:
        network: As it is after the last batch.
        best: Its weights after the epoch with the smallest loss on the pictures set aside.
        history: The epochs so far.
        done: Batches of the present epoch that are done.
    """

    def __init__(
        self, start: Start, train: Examples, check: Examples, recipe: Recipe, *, device: str = "cpu"
    ) -> None:
        """Make everything ready.

        Args:
            start: The network; it is changed in place.
            train: Pictures to learn from.
            check: Pictures set aside, which decide when to end.
            recipe: How.
            device: "cpu" or "cuda".
        """
        self.network = start.network.to(device)
        self.best: State = {}
        self.history: list[Epoch] = []
        self.done = 0
        self._train, self._check, self._recipe = train, check, recipe
        self._device = torch.device(device)
        self._is_cuda = self._device.type == "cuda"
        self._workers = min(8, os.cpu_count() or 1) if self._is_cuda else 0
        self._loss = self._seen = 0.0
        self._mean, self._std = (_channels(x, device) for x in (start.spec.mean, start.spec.std))
        backbone, head = start.groups()
        share = _TRUNK_PART if start.fresh else 1.0
        backbone_lr = recipe.head_lr * share if recipe.backbone_lr is None else recipe.backbone_lr
        groups = [{"params": backbone, "lr": backbone_lr}, {"params": head, "lr": recipe.head_lr}]
        self._optimizer = torch.optim.AdamW(groups, weight_decay=recipe.weight_decay)
        self._scheduler = torch.optim.lr_scheduler.OneCycleLR(
            self._optimizer,
            max_lr=[backbone_lr, recipe.head_lr],
            total_steps=self.total + 1,
            pct_start=_RISING,
        )
        self._scaler = torch.amp.GradScaler("cuda", enabled=self._is_cuda)
        self._criterion = nn.CrossEntropyLoss(weight=self._class_weights())

    @property
    def steps(self) -> int:
        """Batches an epoch."""
        return batches(self._train, self._recipe.batch)

    @property
    def total(self) -> int:
        """Batches of all epochs, if it does not end early."""
        return self.steps * self._recipe.epochs

    @property
    def best_epoch(self) -> Epoch:
        """The epoch whose weights are ``best``."""
        return min(self.history, key=lambda epoch: epoch.check_loss)

    def run(
        self,
        *,
        stop: Callable[[], bool] = lambda: False,
        on_batch: Callable[[float], None] = lambda _: None,
        on_epoch: Callable[[Epoch], None] = lambda _: None,
    ) -> bool:
        """Train to the end, or until stopped; sets torch's seed, or what was restored goes on.

        Args:
            stop: Asked before each batch.
            on_batch: Is told the loss of each batch.
            on_epoch: Is told each epoch, after which ``state`` is worth keeping.

        Returns:
            Whether the end was reached.

        Raises:
            ModelError: The memory is not enough, or the loss is no number any more.
        """
        if not self.history and not self.done:
            torch.manual_seed(self._recipe.seed)
        with self._memory_errors():
            while not self._is_over():
                if not self._learn(stop, on_batch):
                    return False
                self._close_epoch()
                on_epoch(self.history[-1])
        return True

    def state(self) -> State:
        """Everything that ``restore`` needs, tensors and plain values only."""
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
        """Go back to where ``state`` was taken."""
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

    def _learn(self, stop: Callable[[], bool], on_batch: Callable[[float], None]) -> bool:
        """Learn what is left of an epoch; False where it was stopped."""
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
                    "has come apart; give a smaller --head-rate and --trunk-rate"
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
        check_loss, accuracy = self._checked()
        rates = self._scheduler.get_last_lr()
        epoch = Epoch(
            epoch=len(self.history) + 1,
            train_loss=self._loss / self._seen,
            check_loss=check_loss,
            check_accuracy=accuracy,
            backbone_lr=float(rates[0]),
            head_lr=float(rates[1]),
        )
        self.history.append(epoch)
        self.done, self._loss, self._seen = 0, 0.0, 0.0
        if self.best_epoch is epoch:
            own = self.network.state_dict()
            self.best = {name: tensor.detach().cpu().clone() for name, tensor in own.items()}

    @torch.inference_mode()
    def _checked(self) -> tuple[float, float]:
        """Give loss and accuracy on the pictures set aside."""
        self.network.eval()
        loss, right, count = 0.0, 0, 0
        source = loader(
            self._check, epoch=CHECKING, batch=self._recipe.batch, seed=self._recipe.seed
        )
        for frames, classes in source:
            logits = self.network(self._images(frames)).float()
            classes = classes.to(self._device)
            loss += float(nn.functional.cross_entropy(logits, classes, reduction="sum"))
            right += int((logits.argmax(dim=1) == classes).sum())
            count += len(frames)
        return loss / count, right / count

    def _images(self, frames: Tensor) -> Tensor:
        """Turn (N, H, W, 3) uint8 BGR into what the network takes, (N, 3, H, W)."""
        pixels = frames.to(self._device).flip(-1).permute(0, 3, 1, 2)
        return (pixels.float() - self._mean) / self._std

    def _class_weights(self) -> Tensor | None:
        """So much as a class is rarer than the mean, its pictures count more."""
        if not self._recipe.balance:
            return None
        counts = np.bincount(self._train.classes)
        weights = counts.sum() / (len(counts) * np.maximum(counts, 1))
        return torch.tensor(weights, dtype=torch.float32, device=self._device)

    @contextlib.contextmanager
    def _memory_errors(self) -> Iterator[None]:
        try:
            yield
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if type(error) is RuntimeError and "alloc" not in str(error):
                raise
            raise ModelError(
                f"the memory of this {self._device.type} is not enough for batches of "
                f"{self._recipe.batch}; give a smaller --batch or --size"
            ) from error


def _channels(values: Triple, device: str) -> Tensor:
    return torch.tensor(values, device=device).view(3, 1, 1)
