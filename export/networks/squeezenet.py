"""SqueezeNet 1.1, with torchvision's parameter names.

Iandola et al. 2016, "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters"; version 1.1
of the authors' repository, 2.4 times cheaper than the paper's.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from export.networks.layers import GlobalPool, Pool, conv_relu


class _Fire(nn.Module):
    """Squeeze to few channels with 1x1, expand again with 1x1 and 3x3 side by side."""

    def __init__(self, inputs: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.squeeze(x))
        return torch.cat([self.relu(self.expand1x1(x)), self.relu(self.expand3x3(x))], dim=1)


class SqueezeNet11(nn.Module):
    """SqueezeNet 1.1: 1.24 M parameters, 13x13 places at 224x224, no linear layer.

    As in ``NIN``, the output of the last 1x1 convolution is the map of each class.
    """

    def __init__(self, classes: int = 1000, pool: Pool = "avg") -> None:
        super().__init__()
        self.features = nn.Sequential(
            *conv_relu(3, 64, 3, stride=2),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            _Fire(64, 16, 64),
            _Fire(128, 16, 64),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            _Fire(128, 32, 128),
            _Fire(256, 32, 128),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            _Fire(256, 48, 192),
            _Fire(384, 48, 192),
            _Fire(384, 64, 256),
            _Fire(512, 64, 256),
        )
        self.classifier = nn.Sequential(nn.Dropout(), *conv_relu(512, classes, 1), GlobalPool(pool))

    def forward(self, x: Tensor) -> Tensor:
        """Compute the logits, (N, C), of a normalised (N, 3, H, W) image."""
        logits: Tensor = self.classifier(self.features(x))
        return logits
