"""GoogLeNet and its version with finer maps.

GoogLeNet: Szegedy et al. 2015, with batch normalisation and torchvision's parameter names (where
the 5x5 convolutions are 3x3 by mistake; the published weights were trained so). GoogLeNet-GAP:
Zhou et al. 2016, section 3.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from export.networks.layers import GlobalPool, Pool, conv_relu

if TYPE_CHECKING:
    from collections.abc import Mapping


class _Widths(NamedTuple):
    """Channels of an inception module's branches."""

    one: int
    three_reduced: int
    three: int
    five_reduced: int
    five: int
    pooled: int


_MODULES = {
    "3a": _Widths(64, 96, 128, 16, 32, 32),
    "3b": _Widths(128, 128, 192, 32, 96, 64),
    "4a": _Widths(192, 96, 208, 16, 48, 64),
    "4b": _Widths(160, 112, 224, 24, 64, 64),
    "4c": _Widths(128, 128, 256, 24, 64, 64),
    "4d": _Widths(112, 144, 288, 32, 64, 64),
    "4e": _Widths(256, 160, 320, 32, 128, 128),
    "5a": _Widths(256, 160, 320, 32, 128, 128),
    "5b": _Widths(384, 192, 384, 48, 128, 128),
}


class _Conv(nn.Module):
    """Convolution, batch normalisation, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.relu(self.bn(self.conv(x)))
        return y


class _Inception(nn.Module):
    """Four branches side by side."""

    def __init__(self, inputs: int, widths: _Widths) -> None:
        super().__init__()
        self.branch1 = _Conv(inputs, widths.one, 1)
        self.branch2 = nn.Sequential(
            _Conv(inputs, widths.three_reduced, 1), _Conv(widths.three_reduced, widths.three, 3)
        )
        self.branch3 = nn.Sequential(
            _Conv(inputs, widths.five_reduced, 1), _Conv(widths.five_reduced, widths.five, 3)
        )
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, 1), _Conv(inputs, widths.pooled, 1))

    def forward(self, x: Tensor) -> Tensor:
        branches = (self.branch1, self.branch2, self.branch3, self.branch4)
        return torch.cat([branch(x) for branch in branches], dim=1)


class GoogLeNet(nn.Module):
    """GoogLeNet: GAP by nature, 7x7 positions at 224x224.

    With ``surgery`` it is GoogLeNet-GAP: what follows inception4e is replaced by a new 3x3
    convolution of 1024 filters, and the map has 14x14 positions.
    """

    def __init__(self, classes: int = 1000, pool: Pool = "avg", *, surgery: bool = False) -> None:
        super().__init__()
        self.conv1 = _Conv(3, 64, 7, stride=2)
        self.conv2 = _Conv(64, 64, 1)
        self.conv3 = _Conv(64, 192, 3)
        # ceil_mode: the windows are not padded at the top and left, so 112 becomes 56, not 55.
        self.halve = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.halve_before_5a = nn.MaxPool2d(2, 2, ceil_mode=True)
        names = list(_MODULES)
        self._kept = names[: names.index("4e") + 1] if surgery else names
        channels = 192
        for name in self._kept:
            widths = _MODULES[name]
            self.add_module(f"inception{name}", _Inception(channels, widths))
            channels = widths.one + widths.three + widths.five + widths.pooled
        new = conv_relu(channels, 1024, 3, padding=1) if surgery else ()
        self.surgery = nn.Sequential(*new)
        self.pool = GlobalPool(pool)
        self.fc = nn.Linear(1024, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the logits, (N, C), of a normalised (N, 3, H, W) image."""
        x = self.halve(self.conv1(x))
        x = self.halve(self.conv3(self.conv2(x)))
        for name in self._kept:
            if name == "4a":
                x = self.halve(x)
            elif name == "5a":
                x = self.halve_before_5a(x)
            x = self.get_submodule(f"inception{name}")(x)
        logits: Tensor = self.fc(self.pool(self.surgery(x)))
        return logits


def without_training_heads(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Leave out the two side classifiers of the published file, which only help training."""
    return {
        name: tensor for name, tensor in state.items() if not name.startswith(("aux1.", "aux2."))
    }
