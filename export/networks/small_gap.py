"""A small network of the project's own with global average pooling, quick to train without a GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from export.networks.layers import GlobalPool, Pool

if TYPE_CHECKING:
    from collections.abc import Sequence

# (outputs, stride) of each 3x3 convolution.
_LAYERS: Sequence[tuple[int, int]] = ((16, 2), (32, 2), (64, 2), (64, 1), (64, 1))


class SmallGap(nn.Module):
    """Five convolutions, pooling, one linear layer: 98,000 parameters, 8 pixels a cell.

    A cell sees 47x47 pixels, so things should be about that large at the size it is trained at.
    """

    def __init__(self, classes: int = 1000, pool: Pool = "avg") -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for outputs, stride in _LAYERS:
            layers += [
                nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(),
            ]
            inputs = outputs
        self.features = nn.Sequential(*layers)
        self.pool = GlobalPool(pool)
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the logits, (N, C), of a normalised (N, 3, H, W) image."""
        logits: Tensor = self.fc(self.pool(self.features(x)))
        return logits
