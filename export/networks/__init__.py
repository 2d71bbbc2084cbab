"""The networks that can be exported by name, one module a family."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn

from camstream.errors import UsageError
from export.networks.alexnet import AlexNet, AlexNetGap
from export.networks.densenet import DenseNet121, new_names
from export.networks.efficientnet_lite import EfficientNetLite
from export.networks.googlenet import GoogLeNet, without_training_heads
from export.networks.layers import Pool
from export.networks.mobilenet_v2 import MobileNetV2
from export.networks.resnet import resnet18, resnet34, resnet50
from export.networks.small import NIN, SmallGap, SqueezeNet11, small_gap_near
from export.networks.vgg import VGG16, VGG16Gap
from export.weights import Weights, packaged_efficientnet_lite

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


IMAGENET_CLASSES = 1000

_ALEXNET, _VGG16 = "alexnet-owt-7be5be79.pth", "vgg16-397923af.pth"
_GOOGLENET = "googlenet-1378be20.pth"
_NEW = ("surgery", "fc")
# As the packaged weights of EfficientNet-Lite were trained.
_LITE_MEAN: Triple = (127.0, 127.0, 127.0)
_LITE_STD: Triple = (128.0, 128.0, 128.0)
# torchvision's GoogLeNet computes this inside, from what the others are fed.
_HALF: Triple = (127.5, 127.5, 127.5)


def _alexnet(classes: int, _: Pool) -> nn.Module:
    return AlexNet(classes)


def _alexnet_star_gap(classes: int, pool: Pool) -> nn.Module:
    return AlexNetGap(classes, pool, new=(512, 512))


def _vgg16(classes: int, _: Pool) -> nn.Module:
    return VGG16(classes)


def _googlenet_gap(classes: int, pool: Pool) -> nn.Module:
    return GoogLeNet(classes, pool, surgery=True)


NETWORKS: dict[str, NetworkSpec] = {
    "efficientnet_lite0": NetworkSpec(
        build=EfficientNetLite,
        last="_fc",
        mean=_LITE_MEAN,
        std=_LITE_STD,
        packaged=partial(packaged_efficientnet_lite, 0),
        cam_range=(14.0, 40.0),
    ),
    # Trained at 240 and 260 pixels; docs/networks.md tells why 224 and 256 were chosen.
    "efficientnet_lite1": NetworkSpec(
        build=partial(EfficientNetLite, depth=1.1),
        last="_fc",
        mean=_LITE_MEAN,
        std=_LITE_STD,
        packaged=partial(packaged_efficientnet_lite, 1),
        cam_range=(15.0, 41.0),
    ),
    "efficientnet_lite2": NetworkSpec(
        build=partial(EfficientNetLite, width=1.1, depth=1.2),
        last="_fc",
        size_hw=(256, 256),
        mean=_LITE_MEAN,
        std=_LITE_STD,
        packaged=partial(packaged_efficientnet_lite, 2),
        cam_range=(18.0, 49.0),
    ),
    "alexnet": NetworkSpec(
        build=_alexnet,
        last="classifier.6",
        size_multiple=None,
        poolable=False,
        published=_ALEXNET,
    ),
    "alexnet_gap": NetworkSpec(build=AlexNetGap, last="fc", published=_ALEXNET, new=_NEW),
    "alexnet_star_gap": NetworkSpec(
        build=_alexnet_star_gap, last="fc", published=_ALEXNET, new=_NEW
    ),
    "vgg16": NetworkSpec(
        build=_vgg16, last="classifier.6", size_multiple=None, poolable=False, published=_VGG16
    ),
    "vgg16_gap": NetworkSpec(build=VGG16Gap, last="fc", published=_VGG16, new=_NEW),
    "googlenet": NetworkSpec(
        build=GoogLeNet,
        last="fc",
        mean=_HALF,
        std=_HALF,
        published=_GOOGLENET,
        adapt=without_training_heads,
    ),
    "googlenet_gap": NetworkSpec(
        build=_googlenet_gap,
        last="fc",
        mean=_HALF,
        std=_HALF,
        published=_GOOGLENET,
        adapt=without_training_heads,
        new=_NEW,
    ),
    "nin": NetworkSpec(build=NIN, last="classifier.0"),
    "squeezenet1_1": NetworkSpec(
        build=SqueezeNet11, last="classifier.1", published="squeezenet1_1-b8a52dc0.pth"
    ),
    "resnet18": NetworkSpec(build=resnet18, last="fc", published="resnet18-f37072fd.pth"),
    "resnet34": NetworkSpec(build=resnet34, last="fc", published="resnet34-b627a593.pth"),
    "resnet50": NetworkSpec(build=resnet50, last="fc", published="resnet50-0676ba61.pth"),
    "densenet121": NetworkSpec(
        build=DenseNet121,
        last="classifier",
        published="densenet121-a639ec97.pth",
        adapt=new_names,
    ),
    "mobilenet_v2": NetworkSpec(
        build=MobileNetV2, last="classifier.1", published="mobilenet_v2-b0353104.pth"
    ),
    "small_gap": NetworkSpec(
        build=SmallGap, last="fc", size_hw=(96, 128), size_multiple=8, mean=_HALF, std=_HALF
    ),
    "small_gap_near": NetworkSpec(
        build=small_gap_near, last="fc", size_hw=(96, 128), size_multiple=8, mean=_HALF, std=_HALF
    ),
}


def find(name: str) -> NetworkSpec:
    """Look a network up by name.

    Raises:
        UsageError: There is none of that name.
    """
    if name not in NETWORKS:
        raise UsageError(
            f"unknown network {name!r}; known: {', '.join(NETWORKS)}; your own: module:factory"
        )
    return NETWORKS[name]
