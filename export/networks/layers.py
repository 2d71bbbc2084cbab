"""Small parts that several families share."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

Pool = Literal["avg", "max"]


class GlobalPool(nn.Module):
    """One number a channel: the mean over all places (GAP), or the largest (GMP).

    The mean makes the network look at the whole of a thing, the maximum only at its most telling
    part (Zhou et al. 2016, section 2.1).
    """

    def __init__(self, pool: Pool = "avg") -> None:
        super().__init__()
        self.pool = pool

    def forward(self, x: Tensor) -> Tensor:
        """Pool (N, D, h, w) to (N, D)."""
        return x.mean(dim=(2, 3)) if self.pool == "avg" else x.amax(dim=(2, 3))

    def extra_repr(self) -> str:
        return self.pool


def conv_relu(
    inputs: int, outputs: int, kernel: int, *, stride: int = 1, padding: int = 0
) -> tuple[nn.Conv2d, nn.ReLU]:
    """Make a convolution with bias and its ReLU, two entries of an ``nn.Sequential``."""
    return nn.Conv2d(inputs, outputs, kernel, stride, padding), nn.ReLU()
