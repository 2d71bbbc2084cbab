"""Small networks of the project's own with global pooling, quick to train without a GPU."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from export.networks.layers import GlobalPool, Pool

# (outputs, kernel, stride). Where a 3x3 kernel strides by 2, a cell's value belongs half a pixel
# left of and above the cell's centre, and over three such layers 3.5 pixels; 4x4 is exact.
Layers = Sequence[tuple[int, int, int]]
_LAYERS: Layers = ((16, 4, 2), (32, 4, 2), (48, 4, 2), (64, 3, 1), (64, 1, 1))
_NEAR: Layers = ((16, 4, 2), (32, 4, 2), (48, 4, 2), (64, 1, 1), (64, 1, 1))


class SmallGap(nn.Module):
    """Five convolutions, pooling, one linear layer; 8 pixels a cell.

    A cell sees 38x38 pixels, so that what decides should be about that large at the size it is
    trained at; the map says no better where it is.
    """

    def __init__(
        self, classes: int = 1000, pool: Pool = "avg", *, layers_of: Layers = _LAYERS
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for outputs, kernel, stride in layers_of:
            padding = (kernel - 1) // 2
            layers += [
                nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False),
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


def small_gap_near(classes: int = 1000, pool: Pool = "avg") -> SmallGap:
    """Build it with cells that see 22x22 pixels only, for what is small."""
    return SmallGap(classes, pool, layers_of=_NEAR)
