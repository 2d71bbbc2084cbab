"""How to train, and what came of each epoch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How to train.

    Attributes:
        epochs: The most epochs.
        batch: Pictures a batch.
        head_lr: Highest learning rate of what is new.
        backbone_lr: Highest learning rate of the rest; None: a tenth of ``head_lr``, or the same
            where the whole network is new.
        weight_decay: AdamW's.
        patience: Epochs without a smaller loss on the pictures set aside, after which it ends.
        balance: Whether rare classes count more, so that all classes count the same.
        seed: Of everything that is left to chance.
    """

    epochs: int = 20
    batch: int = 32
    head_lr: float = 1e-3
    backbone_lr: float | None = None
    weight_decay: float = 1e-2
    patience: int = 6
    balance: bool = True
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """What came of one epoch.

    Attributes:
        epoch: Counted from 1.
        train_loss: Mean cross-entropy of the pictures learnt from, while they were learnt.
        check_loss: Of the pictures set aside.
        check_accuracy: Part of those that were classified right, 0 to 1.
        backbone_lr: Learning rate at its end.
        head_lr: Learning rate at its end.
    """

    epoch: int
    train_loss: float
    check_loss: float
    check_accuracy: float
    backbone_lr: float
    head_lr: float
