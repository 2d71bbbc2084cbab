"""EfficientNet-Lite as a plain torch module whose parameter names match the published weights.

Source of the architecture: Tan and Le, "EfficientNet" (ICML 2019), and TensorFlow's
EfficientNet-Lite variant: ReLU6 instead of swish, no squeeze-and-excitation; stem, head and the
repeats of the first and last stage not scaled. Names are those of efficientnet_pytorch, so the
packaged state dicts load strictly.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

from export.networks.layers import GlobalPool, Pool, SamePadConv2d

_BATCH_NORM_EPS = 1e-3  # TensorFlow's, not torch's 1e-5


class _Stage(NamedTuple):
    expand: int
    channels: int
    repeat: int
    kernel: int
    stride: int


_STAGES = (  # of Lite0
    _Stage(1, 16, 1, 3, 1),
    _Stage(6, 24, 2, 3, 2),
    _Stage(6, 40, 2, 5, 2),
    _Stage(6, 80, 3, 3, 2),
    _Stage(6, 112, 3, 5, 1),
    _Stage(6, 192, 4, 5, 2),
    _Stage(6, 320, 1, 3, 1),
)


def _scaled(width: float, depth: float) -> Iterator[_Stage]:
    for stage in _STAGES:
        is_inner = stage not in (_STAGES[0], _STAGES[-1])
        yield stage._replace(
            channels=int(stage.channels * width + 4) // 8 * 8,  # the nearest multiple of 8
            repeat=math.ceil(stage.repeat * depth) if is_inner else stage.repeat,
        )


class _Block(nn.Module):
    """Inverted residual: expand 1x1, depthwise k x k, project 1x1."""

    def __init__(self, inputs: int, outputs: int, expand: int, kernel: int, stride: int) -> None:
        super().__init__()
        hidden = inputs * expand
        self._residual = stride == 1 and inputs == outputs
        if expand != 1:
            self._expand_conv = nn.Conv2d(inputs, hidden, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(hidden, eps=_BATCH_NORM_EPS)
        self._expands = expand != 1
        self._depthwise_conv = SamePadConv2d(hidden, hidden, kernel, stride, groups=hidden)
        self._bn1 = nn.BatchNorm2d(hidden, eps=_BATCH_NORM_EPS)
        self._project_conv = nn.Conv2d(hidden, outputs, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(outputs, eps=_BATCH_NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = F.relu6(self._bn0(self._expand_conv(x))) if self._expands else x
        y = F.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))  # no activation: a linear bottleneck
        return x + y if self._residual else y


class EfficientNetLite(nn.Module):
    """EfficientNet-Lite: 1280 channels, 7x7 places at 224x224; unscaled it is Lite0."""

    def __init__(
        self,
        classes: int = 1000,
        pool: Pool = "avg",
        *,
        width: float = 1.0,
        depth: float = 1.0,
    ) -> None:
        """Build it with random weights.

        Args:
            classes: How many.
            pool: Global average or maximum pooling.
            width: Times as many channels as Lite0 in each stage.
            depth: Times as many blocks as Lite0 in each stage but the first and the last.
        """
        super().__init__()
        self._conv_stem = SamePadConv2d(3, 32, 3, 2)
        self._bn0 = nn.BatchNorm2d(32, eps=_BATCH_NORM_EPS)
        blocks: list[nn.Module] = []
        channels = 32
        for stage in _scaled(width, depth):
            for index in range(stage.repeat):
                stride = stage.stride if index == 0 else 1
                blocks.append(_Block(channels, stage.channels, stage.expand, stage.kernel, stride))
                channels = stage.channels
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = nn.Conv2d(channels, 1280, 1, bias=False)
        self._bn1 = nn.BatchNorm2d(1280, eps=_BATCH_NORM_EPS)
        self._head_relu = nn.ReLU6()
        self._pool = GlobalPool(pool)
        self._fc = nn.Linear(1280, classes)

    def features(self, x: Tensor) -> Tensor:
        """Compute the last feature maps.

        Args:
            x: (N, 3, H, W) float32 RGB, normalised as (value - 127) / 128.

        Returns:
            (N, 1280, H/32, W/32) float32, all values >= 0.
        """
        x = F.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        maps: Tensor = self._head_relu(self._bn1(self._conv_head(x)))
        return maps

    def forward(self, x: Tensor) -> Tensor:
        """Compute the logits, (N, C)."""
        logits: Tensor = self._fc(self._pool(self.features(x)))
        return logits
