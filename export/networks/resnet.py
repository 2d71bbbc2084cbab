"""ResNet-18, 34 and 50, with torchvision's parameter names.

He, Zhang, Ren and Sun 2016, "Deep Residual Learning for Image Recognition". In ResNet-50 the 3x3
convolution of a bottleneck strides, not the 1x1 before it ("version 1.5"), as in torchvision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from export.networks.layers import GlobalPool, Pool

if TYPE_CHECKING:
    from collections.abc import Sequence

_WIDTHS = (64, 128, 256, 512)


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)


class _Basic(nn.Module):
    """Two 3x3 convolutions, and a shortcut around them."""

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _conv(inputs, width, 3, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _conv(width, width, 3)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.downsample = _shortcut(inputs, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        out: Tensor = self.relu(y + (x if self.downsample is None else self.downsample(x)))
        return out


class _Bottleneck(nn.Module):
    """1x1 down to the width, 3x3, 1x1 up to four times the width, and a shortcut around them."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _conv(inputs, width, 1)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _conv(width, width, 3, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = _conv(width, 4 * width, 1)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.relu = nn.ReLU()
        self.downsample = _shortcut(inputs, 4 * width, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        out: Tensor = self.relu(y + (x if self.downsample is None else self.downsample(x)))
        return out


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Sequential | None:
    """Make a shortcut of the output's shape; None where the input has that shape."""
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(_conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))


class ResNet(nn.Module):
    """A residual network: GAP by nature, 7x7 positions at 224x224."""

    def __init__(
        self,
        block: type[_Basic | _Bottleneck],
        repeats: Sequence[int],
        classes: int = 1000,
        pool: Pool = "avg",
    ) -> None:
        super().__init__()
        self.conv1 = _conv(3, 64, 7, 2)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        channels, stages = 64, []
        for stage, (width, repeat) in enumerate(zip(_WIDTHS, repeats, strict=True)):
            blocks: list[nn.Module] = []
            for index in range(repeat):
                stride = 2 if stage > 0 and index == 0 else 1
                blocks.append(block(channels, width, stride))
                channels = width * block.expansion
            stages.append(nn.Sequential(*blocks))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.pool = GlobalPool(pool)
        self.fc = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the logits, (N, C), of a normalised (N, 3, H, W) image."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        logits: Tensor = self.fc(self.pool(x))
        return logits


def resnet18(classes: int = 1000, pool: Pool = "avg") -> ResNet:
    """Make ResNet-18: 11.7 M parameters, 512 channels."""
    return ResNet(_Basic, (2, 2, 2, 2), classes, pool)


def resnet34(classes: int = 1000, pool: Pool = "avg") -> ResNet:
    """Make ResNet-34: 21.8 M parameters, 512 channels."""
    return ResNet(_Basic, (3, 4, 6, 3), classes, pool)


def resnet50(classes: int = 1000, pool: Pool = "avg") -> ResNet:
    """Make ResNet-50: 25.6 M parameters, 2048 channels."""
    return ResNet(_Bottleneck, (3, 4, 6, 3), classes, pool)
