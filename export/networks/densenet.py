"""DenseNet-121, with torchvision's parameter names.

Huang, Liu, van der Maaten and Weinberger 2017, "Densely Connected Convolutional Networks".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from export.networks.layers import GlobalPool, Pool

if TYPE_CHECKING:
    from collections.abc import Mapping

_GROWTH = 32
_BOTTLENECK = 4 * _GROWTH
_REPEATS = (6, 12, 24, 16)


class _DenseLayer(nn.Module):
    """Appends ``_GROWTH`` channels to its input."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, _BOTTLENECK, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(_BOTTLENECK)
        self.conv2 = nn.Conv2d(_BOTTLENECK, _GROWTH, 3, padding=1, bias=False)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(self.relu(self.norm1(x)))
        y = self.conv2(self.relu(self.norm2(y)))
        return torch.cat([x, y], dim=1)


def _transition(inputs: int) -> nn.Sequential:
    """Halve the channels, the height and the width."""
    layers = nn.Sequential()
    layers.add_module("norm", nn.BatchNorm2d(inputs))
    layers.add_module("relu", nn.ReLU())
    layers.add_module("conv", nn.Conv2d(inputs, inputs // 2, 1, bias=False))
    layers.add_module("pool", nn.AvgPool2d(2, 2))
    return layers


class DenseNet121(nn.Module):
    """DenseNet-121: 7.98 M parameters, GAP by nature, 7x7 positions at 224x224."""

    def __init__(self, classes: int = 1000, pool: Pool = "avg") -> None:
        super().__init__()
        self.features = nn.Sequential()
        self.features.add_module("conv0", nn.Conv2d(3, 64, 7, 2, 3, bias=False))
        self.features.add_module("norm0", nn.BatchNorm2d(64))
        self.features.add_module("relu0", nn.ReLU())
        self.features.add_module("pool0", nn.MaxPool2d(3, 2, 1))
        channels = 64
        for number, repeat in enumerate(_REPEATS, start=1):
            block = nn.Sequential()
            for index in range(1, repeat + 1):
                block.add_module(f"denselayer{index}", _DenseLayer(channels))
                channels += _GROWTH
            self.features.add_module(f"denseblock{number}", block)
            if number < len(_REPEATS):
                self.features.add_module(f"transition{number}", _transition(channels))
                channels //= 2
        self.features.add_module("norm5", nn.BatchNorm2d(channels))
        self.features.add_module("relu5", nn.ReLU())
        self.pool = GlobalPool(pool)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the logits, (N, C), of a normalised (N, 3, H, W) image."""
        logits: Tensor = self.classifier(self.pool(self.features(x)))
        return logits


_OLD_NAME = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)")


def new_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the parameters of the published file, which has ``norm.1`` for ``norm1``."""
    return {_OLD_NAME.sub(r"\1\2", name): tensor for name, tensor in state.items()}
