"""Gradient saliency: how much each pixel would change a class's score. The paper's baseline.

|d score / d input|, the largest of the three channels (Simonyan et al., "Deep Inside Convolutional
Networks", 2014, section 3), then smoothed: the gradient alone varies from pixel to pixel, and boxes
need regions. The backward pass needs torch and cannot be part of an exported file. Zhou et al. 2016
compare their maps with saliency, and so does ``camstream evaluate --saliency``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from camstream.errors import ModelError
from export import networks
from export.source import IMAGENET, PACKAGED, load_named

if TYPE_CHECKING:
    from camstream.contract import ModelInfo
    from camstream.picture import ImageU8, MapF32

SIGMA = 1 / 28  # of the shorter side, a quarter of a cell of a 7 x 7 map
_CELL_PX = 4


def gradient_size(network: nn.Module, image: Tensor, class_index: int) -> Tensor:
    """Compute how much a class's score depends on each pixel.

    Args:
        network: In inference mode.
        image: (1, 3, H, W), normalised.
        class_index: The class's position in the logits.

    Returns:
        (H, W): the gradient's absolute value, the largest of the three channels.
    """
    image = image.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(network(image)[0, class_index], image)
    return gradient[0].abs().amax(dim=0)


class Saliency:
    """The saliency of a model's own network in torch.

    Attributes:
        network: In inference mode.
    """

    def __init__(
        self, info: ModelInfo, *, progress: Callable[[str], None] = lambda _: None
    ) -> None:
        """Build the network that a model file was exported from.

        Args:
            info: The record in the file.
            progress: Called with one line per step.

        Raises:
            ModelError: ``camstream export`` builds no such network, or the file has the user's own
                weights.
            SetupError: The weights are not on this machine and cannot be downloaded.
        """
        known = networks.NETWORKS.get(info.name)
        if known is None:
            raise ModelError(
                f"--saliency needs the network in torch, and camstream export builds no "
                f"{info.name} by name; leave --saliency out"
            )
        source = load_named(info.name, PACKAGED if known.packaged else IMAGENET, progress=progress)
        if source.weights_sha256 != info.weights_sha256:
            raise ModelError(
                f"--saliency needs the weights that {info.name} was made of ({info.weights}), and "
                f"finds only {source.weights}; leave --saliency out"
            )
        self.network = source.network.requires_grad_(requires_grad=False)
        self._is_rgb = info.color == "RGB"
        self._mean = torch.tensor(info.mean).view(3, 1, 1)
        self._std = torch.tensor(info.std).view(3, 1, 1)

    def normalised(self, image: ImageU8) -> Tensor:
        """Normalise an image, (H, W, 3) uint8 BGR, to the network's input, (1, 3, H, W)."""
        pixels = torch.from_numpy(image[np.newaxis])
        pixels = (pixels.flip(-1) if self._is_rgb else pixels).permute(0, 3, 1, 2)
        return (pixels.float() - self._mean) / self._std

    def __call__(self, image: ImageU8, class_index: int) -> MapF32:
        """Map one class.

        Args:
            image: (H, W, 3) uint8 BGR, of the network's size.
            class_index: The class's position in the logits.

        Returns:
            (H / 4, W / 4) float32, at least 0: the gradient's absolute value, smoothed.
        """
        size = gradient_size(self.network, self.normalised(image), class_index).numpy()
        smooth = cv2.GaussianBlur(size, (0, 0), SIGMA * min(size.shape))
        cells = (size.shape[1] // _CELL_PX, size.shape[0] // _CELL_PX)
        return cast("MapF32", cv2.resize(smooth, cells, interpolation=cv2.INTER_AREA))
