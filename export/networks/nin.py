"""Network in Network, which brought global average pooling.

Lin, Chen and Yan 2014; the ImageNet version that its authors published for Caffe.
"""

from __future__ import annotations

from torch import Tensor, nn

from export.networks.layers import GlobalPool, Pool, conv_relu


class NIN(nn.Module):
    """NIN: 7.6 M parameters, 6x6 places at 224x224, no linear layer.

    The last 1x1 convolution has one channel a class, so its output (after ReLU) is the map of
    each class already, and the logit is the map's mean.
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
