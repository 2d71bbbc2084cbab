"""MobileNetV2, with torchvision's parameter names.

Sandler, Howard, Zhu, Zhmoginov and Chen 2018, "MobileNetV2: Inverted Residuals and Linear
Bottlenecks".
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from export.networks.layers import GlobalPool, Pool


class _Stage(NamedTuple):
    expand: int
    channels: int
    repeat: int
    stride: int


_STAGES = (
    _Stage(1, 16, 1, 1),
    _Stage(6, 24, 2, 2),
    _Stage(6, 32, 3, 2),
    _Stage(6, 64, 4, 2),
    _Stage(6, 96, 3, 1),
    _Stage(6, 160, 3, 2),
    _Stage(6, 320, 1, 1),
)


def _conv(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    """Convolution, batch normalisation, ReLU6."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU6(),
    )


class _InvertedResidual(nn.Module):
    """Expand 1x1, depthwise 3x3, project 1x1 without an activation."""

    def __init__(self, inputs: int, outputs: int, expand: int, stride: int) -> None:
        super().__init__()
        hidden = inputs * expand
        self._residual = stride == 1 and inputs == outputs
        self.conv = nn.Sequential(
            *([_conv(inputs, hidden, 1)] if expand != 1 else []),
            _conv(hidden, hidden, 3, stride, groups=hidden),
            nn.Conv2d(hidden, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return x + y if self._residual else y


class MobileNetV2(nn.Module):
    """MobileNetV2: 3.5 M parameters, GAP by nature, 1280 channels, 7x7 positions at 224x224."""

    def __init__(self, classes: int = 1000, pool: Pool = "avg") -> None:
        super().__init__()
        layers: list[nn.Module] = [_conv(3, 32, 3, 2)]
        channels = 32
        for stage in _STAGES:
            for index in range(stage.repeat):
                stride = stage.stride if index == 0 else 1
                layers.append(_InvertedResidual(channels, stage.channels, stage.expand, stride))
                channels = stage.channels
        layers.append(_conv(channels, 1280, 1))
        self.features = nn.Sequential(*layers)
        self.pool = GlobalPool(pool)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, classes))

    def forward(self, x: Tensor) -> Tensor:
        """Compute the logits, (N, C), of a normalised (N, 3, H, W) image."""
        logits: Tensor = self.classifier(self.pool(self.features(x)))
        return logits
