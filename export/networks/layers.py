"""Small parts that several families share."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

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


class SamePadConv2d(nn.Conv2d):
    """Convolution with TensorFlow's SAME padding for even inputs.

    At stride 2, TensorFlow pads an even input by one less at the top and left: (0, 1) for a 3x3
    and (1, 2) for a 5x5 kernel. The amounts are constants here, so that the exported graph has
    no shape arithmetic and the maps have one geometry at every input size. For heights and
    widths that are multiples of 32 the result equals TensorFlow's exactly.

    At stride 1 the padding is the same on all sides, whatever the dilation; so a layer whose
    stride ``export.networks.dilate`` has removed gives the values that it gave before at every
    second place, beginning with the second (torch's padding: with the first).
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int, groups: int = 1
    ) -> None:
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        total = (self.kernel_size[0] - 1) * self.dilation[0] + 1 - self.stride[0]
        before = total // 2
        pads = (before, total - before) * 2
        return super().forward(F.pad(x, pads) if any(pads) else x)
