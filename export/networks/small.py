"""Networks with few parameters and global average pooling: NIN, SqueezeNet 1.1, SmallGap.

NIN: Lin, Chen and Yan 2014, "Network in Network", which introduced global average pooling; the
ImageNet version that its authors published for Caffe.
SqueezeNet 1.1: Iandola et al. 2016, "SqueezeNet: AlexNet-level accuracy with 50x fewer
parameters"; version 1.1 of the authors' repository, 2.4 times cheaper than the paper's, with
torchvision's parameter names.
SmallGap: this project's own, quick to train without a GPU.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from export.networks.layers import GlobalPool, Pool, conv_relu


class NIN(nn.Module):
    """NIN: 7.6 M parameters, 6x6 positions at 224x224, no linear layer.

    The last 1x1 convolution has one channel per class, so its output (after ReLU) is the map of
    each class, and the logit is the map's mean.
    """

    def __init__(self, classes: int = 1000, pool: Pool = "avg") -> None:
        super().__init__()
        # Caffe's pooling rounds up, torch's rounds down.
        self.features = nn.Sequential(
            *conv_relu(3, 96, 11, stride=4),
            *conv_relu(96, 96, 1),
            *conv_relu(96, 96, 1),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            *conv_relu(96, 256, 5, padding=2),
            *conv_relu(256, 256, 1),
            *conv_relu(256, 256, 1),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            *conv_relu(256, 384, 3, padding=1),
            *conv_relu(384, 384, 1),
            *conv_relu(384, 384, 1),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            nn.Dropout(),
            *conv_relu(384, 1024, 3, padding=1),
            *conv_relu(1024, 1024, 1),
        )
        self.classifier = nn.Sequential(*conv_relu(1024, classes, 1))
        self.pool = GlobalPool(pool)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the logits, (N, C), of a normalised (N, 3, H, W) image."""
        logits: Tensor = self.pool(self.classifier(self.features(x)))
        return logits


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
    """SqueezeNet 1.1: 1.24 M parameters, 13x13 positions at 224x224, no linear layer.

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


# (outputs, kernel, stride). With stride 2, a 3x3 kernel shifts a map by half a pixel to the left and
# up, and three such layers shift it by 3.5 pixels; a 4x4 kernel does not shift it.
Layers = Sequence[tuple[int, int, int]]
_LAYERS: Layers = ((16, 4, 2), (32, 4, 2), (48, 4, 2), (64, 3, 1), (64, 1, 1))
_NEAR: Layers = ((16, 4, 2), (32, 4, 2), (48, 4, 2), (64, 1, 1), (64, 1, 1))


class SmallGap(nn.Module):
    """Five convolutions, pooling, one linear layer; 8 pixels per cell.

    A cell's receptive field is 38x38 pixels. What decides the class should be about that large at
    the training size; the map cannot locate it more exactly.
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
    """Build it with a receptive field of 22x22 pixels, for small objects."""
    return SmallGap(classes, pool, layers_of=_NEAR)
