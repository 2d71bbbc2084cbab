"""Layers that several families share, and ``dilate``, which makes any network's maps finer.

A layer with a stride of 2 keeps every second position only. Computed at every position instead,
with the layers after it reading every second position (dilation), it returns the same values
where they were before and new ones between them (Yu, Koltun and Funkhouser 2017, "Dilated Residual
Networks").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from camstream.errors import UsageError

Pool = Literal["avg", "max"]

_POOLINGS = (nn.MaxPool2d, nn.AvgPool2d)


class GlobalPool(nn.Module):
    """One number per channel: the mean over all positions (GAP), or the maximum (GMP).

    Trained with the mean, a network responds to the whole object; with the maximum, only to its
    most discriminative part (Zhou et al. 2016, section 2.1).
    """

    def __init__(self, pool: Pool = "avg") -> None:
        super().__init__()
        self.pool = pool

    def forward(self, x: Tensor) -> Tensor:
        """Pool (N, D, h, w) to (N, D)."""
        return x.mean(dim=(2, 3)) if self.pool == "avg" else x.amax(dim=(2, 3))

    def extra_repr(self) -> str:
        return self.pool


def conv_relu(
    inputs: int, outputs: int, kernel: int, *, stride: int = 1, padding: int = 0
) -> tuple[nn.Conv2d, nn.ReLU]:
    """Make a convolution with bias and its ReLU, two entries of an ``nn.Sequential``."""
    return nn.Conv2d(inputs, outputs, kernel, stride, padding), nn.ReLU()


class SamePadConv2d(nn.Conv2d):
    """Convolution with TensorFlow's SAME padding for even inputs.

    At stride 2, TensorFlow pads an even input by one less at the top and left: (0, 1) for a 3x3
    and (1, 2) for a 5x5 kernel. The amounts are constants here, so that the exported graph has
    no shape arithmetic and the maps have one geometry at every input size. For heights and
    widths that are multiples of 32 the result equals TensorFlow's exactly.

    At stride 1 the padding is the same on all sides, whatever the dilation; so a layer whose
    stride ``dilate`` has removed returns the earlier values at every second position, beginning
    with the second (torch's padding: with the first).
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int, groups: int = 1
    ) -> None:
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        total = (self.kernel_size[0] - 1) * self.dilation[0] + 1 - self.stride[0]
        before = total // 2
        pads = (before, total - before) * 2
        return super().forward(F.pad(x, pads) if any(pads) else x)


@dataclass(frozen=True, slots=True)
class _Layer:
    """A layer that ran: the stride in input pixels of its input and of its output."""

    name: str
    module: nn.Module
    stride_in: float
    stride_out: float


def dilate(network: nn.Module, map_stride: int, *, size_hw: tuple[int, int]) -> None:
    """Change a network, in place, so that one cell of its maps is ``map_stride`` pixels.

    The architecture need not be known: one image is run, and every convolution on a coarser grid
    than requested is dilated by the factor by which its grid becomes finer. So parallel branches
    (a residual block and its shortcut) keep the same grid.

    Args:
        network: In inference mode; its weights do not change.
        map_stride: Requested pixels per cell, a power of two.
        size_hw: Height and width of an image that the network halves without remainder.

    Raises:
        UsageError: The maps are finer already, or a layer with a stride cannot be dilated.
    """
    layers = _run(network, size_hw)
    coarsest = max((layer.stride_out for layer in layers), default=1)
    if map_stride < 1 or map_stride & (map_stride - 1):
        raise UsageError(f"--map-stride {map_stride}: only powers of two, such as 16 or 8")
    if coarsest < map_stride:
        raise UsageError(
            f"--map-stride {map_stride}: the maps have a stride of {coarsest:g} already"
        )
    for layer in layers:
        if layer.stride_out > map_stride:
            _dilate_layer(layer, map_stride)
    left = max(layer.stride_out for layer in _run(network, size_hw))
    if left > map_stride:
        raise UsageError(
            f"--map-stride {map_stride}: something besides its layers strides to {left:g}"
        )


def _dilate_layer(layer: _Layer, map_stride: int) -> None:
    """Set one convolution's stride to 1 and its dilation to match its finer input."""
    conv = layer.module
    factor = max(1.0, layer.stride_in / map_stride)
    if not isinstance(conv, nn.Conv2d):
        if layer.stride_out == layer.stride_in:
            return
        kind = type(conv).__name__
        raise UsageError(
            f"--map-stride {map_stride}: {layer.name} ({kind}) strides, and only convolutions can be "
            "dilated; in EfficientNet-Lite, ResNet and MobileNetV2 only convolutions stride"
        )
    before = [(kernel - 1) * d for kernel, d in zip(conv.kernel_size, conv.dilation, strict=True)]
    same_pad = isinstance(conv, SamePadConv2d)
    centred = conv.padding_mode == "zeros" and list(conv.padding) == [
        total // 2 for total in before
    ]
    if factor != int(factor) or not (same_pad or centred):
        raise UsageError(
            f"--map-stride {map_stride}: {layer.name} does not halve its input evenly (padding "
            f"{conv.padding}, kernel {conv.kernel_size}), so it cannot be dilated"
        )
    conv.stride = (1, 1)
    conv.dilation = (conv.dilation[0] * int(factor), conv.dilation[1] * int(factor))
    if not same_pad:
        conv.padding = (before[0] * int(factor) // 2, before[1] * int(factor) // 2)


def _run(network: nn.Module, size_hw: tuple[int, int]) -> list[_Layer]:
    """Run one image and record the strides of each convolution and pooling."""
    found: list[_Layer] = []
    names = {module: name for name, module in network.named_modules()}

    def record(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if not any(layer.module is module for layer in found):
            stride_in = size_hw[0] / inputs[0].shape[2]
            stride_out = size_hw[0] / output.shape[2]
            found.append(_Layer(names[module], module, stride_in, stride_out))

    hooks = [
        module.register_forward_hook(record)
        for module in network.modules()
        if isinstance(module, (nn.Conv2d, *_POOLINGS))
    ]
    try:
        with torch.inference_mode():
            network(torch.zeros(1, 3, *size_hw))
    finally:
        for hook in hooks:
            hook.remove()
    return found
