"""The networks that can be exported by name, one module a family."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from camstream.errors import ModelError
from export.networks.efficientnet_lite import EfficientNetLite0
from export.weights import Weights, packaged_efficientnet_lite0


class GapNetwork(Protocol):
    """A classifier that ends in global average pooling and one linear layer."""

    @property
    def classifier(self) -> nn.Linear: ...

    def features(self, x: Tensor) -> Tensor: ...

    def load_state_dict(self, state_dict: dict[str, Tensor], strict: bool = True) -> object: ...

    def eval(self) -> nn.Module: ...

    def __call__(self, x: Tensor) -> Tensor: ...


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """All that the export must know of a network; the fields go into the file's ModelInfo.

    Attributes:
        build: Makes the network with random weights.
        weights: Loads the weights.
        labels: Loads one name a class.
        size_hw: Preferred input height and width, pixels.
        size_multiple: Stride of the maps; None where only ``size_hw`` works.
        mean: Subtracted from each RGB channel (0 to 255).
        std: Each channel is then divided by this.
        layer: Name of the layer whose output the maps are made of.
        cam_range: Map values (logit units) where heat begins and where it is full.
    """

    build: Callable[[], GapNetwork]
    weights: Callable[[], Weights]
    labels: Callable[[], tuple[str, ...]]
    size_hw: tuple[int, int]
    size_multiple: int | None
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    layer: str
    cam_range: tuple[float, float]


def imagenet_labels() -> tuple[str, ...]:
    """Read the names of the 1,000 ImageNet classes, in the order of the logits."""
    table = Path(__file__).parent.parent / "imagenet1k_labels.csv"
    with table.open(newline="", encoding="utf-8") as file:
        return tuple(row["name"] for row in csv.DictReader(file))


NETWORKS: dict[str, NetworkSpec] = {
    "efficientnet_lite0": NetworkSpec(
        build=EfficientNetLite0,
        weights=packaged_efficientnet_lite0,
        labels=imagenet_labels,
        size_hw=(224, 224),
        size_multiple=32,
        mean=(127.0, 127.0, 127.0),
        std=(128.0, 128.0, 128.0),
        layer="_bn1 (after ReLU6)",
        cam_range=(14.0, 40.0),
    ),
}


def find(name: str) -> NetworkSpec:
    """Look a network up by name.

    Raises:
        ModelError: There is none of that name.
    """
    if name not in NETWORKS:
        raise ModelError(f"unknown network {name!r}; known: {', '.join(NETWORKS)}")
    return NETWORKS[name]


def load(name: str) -> tuple[GapNetwork, Weights]:
    """Build a network, load its weights strictly and put it into inference mode."""
    spec = find(name)
    network, weights = spec.build(), spec.weights()
    network.load_state_dict(weights.state, strict=True)
    network.eval()
    return network, weights


class Reference(nn.Module):
    """The exported model's whole contract in plain torch: what every file is compared with."""

    def __init__(self, network: GapNetwork, spec: NetworkSpec) -> None:
        super().__init__()
        self.network = network
        self._mean = torch.tensor(spec.mean).view(3, 1, 1)
        self._std = torch.tensor(spec.std).view(3, 1, 1)

    @torch.inference_mode()
    def forward(self, frames: Tensor, classes: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Compute logits, cam, cam_classes and cam_bias as ``camstream.contract`` says.

        Args:
            frames: (N, H, W, 3) uint8 BGR.
            classes: (K,) int64, a class index or minus a rank.
        """
        rgb = frames.flip(-1).permute(0, 3, 1, 2).float()
        features = self.network.features((rgb - self._mean) / self._std)  # (N, D, h, w)
        head = self.network.classifier
        logits = head(features.mean(dim=(2, 3)))  # (N, C)
        order = logits.argsort(dim=1, descending=True)
        ranked = order[:, (-classes - 1).clamp(min=0)]  # (N, K)
        cam_classes = torch.where(classes < 0, ranked, classes)
        cam = torch.einsum("nkd,ndhw->nkhw", head.weight[cam_classes], features)
        return logits, cam, cam_classes, head.bias[cam_classes]
