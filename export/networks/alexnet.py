"""AlexNet and its two versions with global average pooling.

AlexNet: Krizhevsky, Sutskever and Hinton 2012, in the one-column form of Krizhevsky 2014 ("One
weird trick for parallelizing convolutional neural networks") that torchvision publishes; its
parameter names. AlexNet-GAP, AlexNet*-GAP: Zhou et al. 2016, section 3.1.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from torch import Tensor, nn

from export.networks.layers import GlobalPool, Pool, conv_relu

if TYPE_CHECKING:
    from collections.abc import Sequence


def _to_conv5() -> list[nn.Module]:
    """The five convolutions; 13x13 positions of 256 channels at 224x224 (and at 227x227)."""
    return [
        *conv_relu(3, 64, 11, stride=4, padding=2),
        nn.MaxPool2d(3, 2),
        *conv_relu(64, 192, 5, padding=2),
        nn.MaxPool2d(3, 2),
        *conv_relu(192, 384, 3, padding=1),
        *conv_relu(384, 256, 3, padding=1),
        *conv_relu(256, 256, 3, padding=1),
    ]


class AlexNet(nn.Module):
    """AlexNet with its three fully connected layers: 61.1 M parameters, 224x224 only.

    torchvision pools adaptively to 6x6 before the first of them; at 224x224 the maps are 6x6
    already, so that layer (which has no parameters) is left out.
    """

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        self.features = nn.Sequential(*_to_conv5(), nn.MaxPool2d(3, 2))
        self.classifier = nn.Sequential(
            nn.Dropout(),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Linear(4096, classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Compute the logits, (N, C), of a normalised (N, 3, 224, 224) image."""
        logits: Tensor = self.classifier(self.features(x).flatten(1))
        return logits


class AlexNetGap(nn.Module):
    """AlexNet without what follows conv5: new 3x3 convolutions, global pooling, one linear layer.

    AlexNet-GAP has one new convolution of 1024 filters. AlexNet*-GAP replaces the removed fully
    connected layers by two; the paper states no widths, and the authors' published model has 512
    filters in each.
    """

    def __init__(
        self, classes: int = 1000, pool: Pool = "avg", *, new: Sequence[int] = (1024,)
    ) -> None:
        super().__init__()
        self.features = nn.Sequential(*_to_conv5())
        widths = (256, *new)
        self.surgery = nn.Sequential(
            *(
                layer
                for inputs, outputs in pairwise(widths)
                for layer in conv_relu(inputs, outputs, 3, padding=1)
            )
        )
        self.pool = GlobalPool(pool)
        self.fc = nn.Linear(widths[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the logits, (N, C), of a normalised (N, 3, H, W) image."""
        logits: Tensor = self.fc(self.pool(self.surgery(self.features(x))))
        return logits
