"""What a network is trained on: numbered pictures, each of one class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

if TYPE_CHECKING:
    from collections.abc import Sequence

    from camstream.picture import ImageU8

# The epoch that pictures are drawn for which only check what was learnt.
CHECKING = 0

Key = tuple[int, int]
Batch = tuple[Tensor, Tensor]


class Examples(Protocol):
    """Pictures of known classes, all of one size.

    Attributes:
        classes: The class index of each picture.
    """

    @property
    def classes(self) -> Sequence[int]: ...

    def image(self, index: int, random: np.random.Generator) -> ImageU8:
        """Give a picture.

        Args:
            index: Which.
            random: Decides how it is varied; the same generator gives the same picture.

        Returns:
            (H, W, 3) uint8 BGR.
        """
        ...


class _Drawn(Dataset[Batch]):
    """Draws pictures for an epoch, whatever was drawn before and in whichever process."""

    def __init__(self, examples: Examples, seed: int) -> None:
        self._examples, self._seed = examples, seed

    def __getitem__(self, key: Key) -> Batch:
        epoch, index = key
        random = np.random.default_rng((self._seed, epoch, index))
        image = np.ascontiguousarray(self._examples.image(index, random))
        return torch.from_numpy(image), torch.tensor(self._examples.classes[index])


def loader(
    examples: Examples, *, epoch: int, batch: int, seed: int, first: int = 0, workers: int = 0
) -> DataLoader[Batch]:
    """Give the batches of an epoch.

    The order and every variation follow from the seed, the epoch and the picture's number, so an
    epoch can be entered in its middle.

    Args:
        examples: Where the pictures come from.
        epoch: Counted from 1; CHECKING gives the pictures in their own order.
        batch: Pictures a batch.
        seed: Of the whole training.
        first: The batch to begin with.
        workers: Processes that draw pictures; 0 draws them in this one.

    Returns:
        Batches of (N, H, W, 3) uint8 BGR and (N,) int64.
    """
    order = torch.arange(len(examples.classes))
    if epoch != CHECKING:
        mixed = int(np.random.SeedSequence((seed, epoch)).generate_state(1)[0])
        order = torch.randperm(len(order), generator=torch.Generator().manual_seed(mixed))
    parts = torch.split(order, batch)
    keys = [[(epoch, index) for index in part.tolist()] for part in parts]
    return DataLoader(
        _Drawn(examples, seed),
        batch_sampler=keys[first:],
        num_workers=workers,
        # Without one of its own, it would draw from the generator that dropout draws from.
        generator=torch.Generator(),
    )


def batches(examples: Examples, batch: int) -> int:
    """How many batches an epoch has."""
    return -(-len(examples.classes) // batch)
