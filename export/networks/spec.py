"""What the export must know of a network beside its layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from export.networks.layers import Pool
from export.weights import Weights

Triple = tuple[float, float, float]
State = Mapping[str, Tensor]

# Of the RGB channels, 0 to 255: ImageNet's own mean and deviation, which torchvision's networks
# were trained with.
IMAGENET_MEAN: Triple = (123.675, 116.28, 103.53)
IMAGENET_STD: Triple = (58.395, 57.12, 57.375)


def _as_it_is(state: State) -> State:
    return state


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSpec:
    """One network that can be exported by name.

    Attributes:
        build: Makes it with random weights, for so many classes and with that global pooling.
        last: Name of its last layer, whose bias has one number a class.
        size_hw: The input height and width it was made for, pixels.
        size_multiple: Other heights and widths that are multiples of this work as well; None:
            only ``size_hw`` does.
        mean: Subtracted from each RGB channel (0 to 255).
        std: Each channel is then divided by this.
        poolable: Whether it has a global pooling that may be the maximum.
        packaged: Loads weights that an installed package carries.
        published: File name of the publisher's ImageNet weights.
        adapt: Gives a published file's parameters this network's names.
        new: Layers that the published file does not have: with it, only the trunk is trained.
        cam_range: Map values (logit units) where heat begins and where it is full, measured with
            the packaged weights; None: not measured.
    """

    build: Callable[[int, Pool], nn.Module]
    last: str
    size_hw: tuple[int, int] = (224, 224)
    size_multiple: int | None = 32
    mean: Triple = IMAGENET_MEAN
    std: Triple = IMAGENET_STD
    poolable: bool = True
    packaged: Callable[[], Weights] | None = None
    published: str | None = None
    adapt: Callable[[State], State] = _as_it_is
    new: tuple[str, ...] = ()
    cam_range: tuple[float, float] | None = None
