"""The settings of a training, and the record of an epoch; nothing here needs torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a network is trained.

    Attributes:
        epochs: The largest number of epochs.
        batch: Images per batch.
        head_lr: Highest learning rate of the new layers.
        backbone_lr: Highest learning rate of the others; None: a tenth of ``head_lr``, or the same
            where the whole network is new.
        weight_decay: AdamW's.
        patience: The training ends after so many epochs without a smaller validation loss.
        balance: Whether the loss weights classes so that all count the same.
        seed: Seed of everything random.
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
class Variation:
    """How a photo is augmented, so that the network learns what does not depend on the view.

    Attributes:
        flip: Whether half of the photos are mirrored left to right.
        crop: The smallest part of the photo's area that is shown, 0 to 1; 1 always shows all.
        colour: How far brightness, contrast and each channel are changed, 0 (not) to 1.
    """

    flip: bool = True
    crop: float = 0.4
    colour: float = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """The result of one epoch.

    Attributes:
        epoch: Counted from 1.
        train_loss: Mean cross-entropy of the training images, while they were learnt.
        val_loss: Mean cross-entropy of the validation images.
        val_accuracy: Share of the validation images that were classified correctly, 0 to 1.
        backbone_lr: Learning rate at its end.
        head_lr: Learning rate at its end.
    """

    epoch: int
    train_loss: float
    val_loss: float
    val_accuracy: float
    backbone_lr: float
    head_lr: float
