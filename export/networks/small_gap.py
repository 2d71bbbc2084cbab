"""A small network of the project's own with global average pooling, quick to train without a GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from export.networks.layers import GlobalPool, Pool

if TYPE_CHECKING:
    from collections.abc import Sequence

# (outputs, kernel, stride). Where a 3x3 kernel strides by 2, a cell's value belongs half a pixel
# left of and above the cell's centre, and over three such layers 3.5 pixels; 4x4 is exact.
_LAYERS: Sequence[tuple[int, int, int]] = (
    (16, 4, 2),
    (32, 4, 2),
    (48, 4, 2),
    (48, 3, 1),
    (64, 3, 1),
)


class SmallGap(nn.Module):
    """Five convolutions, pooling, one linear layer: 82,000 parameters, 8 pixels a cell.

    A cell sees 54x54 pixels, so things should be about that large at the size it is trained at.
    """

    def __init__(self, classes: int = 1000, pool: Pool = "avg") -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for outputs, kernel, stride in _LAYERS:
            layers += [
                nn.Conv2d(inputs, outputs, kernel, stride, 1, bias=False),
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
