"""A training callback that shows nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from export.train.job import Callback
    from export.train.recipe import Epoch
    from export.train.training import Training


class _Silent:
    def begin(self, training: Training, epochs: int) -> None: ...

    def on_batch(self, loss: float) -> None: ...

    def on_epoch(self, epoch: Epoch) -> None: ...


@contextlib.contextmanager
def silent() -> Iterator[Callback]:
    """Yield a callback that ignores everything."""
    yield _Silent()
