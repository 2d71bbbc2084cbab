"""VGG16 and its version with global average pooling.

VGG16: Simonyan and Zisserman 2015 (configuration D), with torchvision's parameter names.
VGG16-GAP: Zhou et al. 2016, section 3.1.
"""

from __future__ import annotations

from torch import Tensor, nn

from export.networks.layers import GlobalPool, Pool, conv_relu

_WIDTHS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


def _to_conv5_3() -> list[nn.Module]:
    """Five groups of convolutions with a pooling between two; 14x14 positions at 224x224."""
    layers: list[nn.Module] = []
    inputs = 3
    for group in _WIDTHS:
        if layers:
            layers.append(nn.MaxPool2d(2, 2))
        for outputs in group:
            layers.extend(conv_relu(inputs, outputs, 3, padding=1))
            inputs = outputs
    return layers


class VGG16(nn.Module):
    """VGG16 with its three fully connected layers: 138 M parameters, 224x224 only.

    As in ``AlexNet``, torchvision's adaptive pooling (to 7x7, which the maps have already) is left out.
    """

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        self.features = nn.Sequential(*_to_conv5_3(), nn.MaxPool2d(2, 2))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(4096, classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Compute the logits, (N, C), of a normalised (N, 3, 224, 224) image."""
        logits: Tensor = self.classifier(self.features(x).flatten(1))
        return logits


class VGG16Gap(nn.Module):
    """VGG16 without what follows conv5-3: a new 3x3 convolution, pooling, one linear layer."""

    def __init__(self, classes: int = 1000, pool: Pool = "avg") -> None:
        super().__init__()
        self.features = nn.Sequential(*_to_conv5_3())
        self.surgery = nn.Sequential(*conv_relu(512, 1024, 3, padding=1))
        self.pool = GlobalPool(pool)
        self.fc = nn.Linear(1024, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the logits, (N, C), of a normalised (N, 3, H, W) image."""
        logits: Tensor = self.fc(self.pool(self.surgery(self.features(x))))
        return logits
