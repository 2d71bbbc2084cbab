"""Finer maps from the same weights: the last strides of a network become dilation.

A layer that strides keeps every second place only. Computed at every place instead, with the
layers behind it reading every second place (dilation), it gives the same values where they were
before and new ones between (Yu, Koltun and Funkhouser 2017, "Dilated Residual Networks").
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from camstream.errors import ModelError
from export.networks.layers import SamePadConv2d

_POOLINGS = (nn.MaxPool2d, nn.AvgPool2d)


@dataclass(frozen=True, slots=True)
class _Layer:
    """A layer that ran: how many input pixels one step is, before and behind it."""

    name: str
    module: nn.Module
    stride_before: float
    stride_behind: float


def dilate(network: nn.Module, map_stride: int, *, size_hw: tuple[int, int]) -> None:
    """Change a network, in place, so that one cell of its maps is ``map_stride`` pixels.

    Needs no knowledge of the architecture: one picture is run, and every convolution that works
    on a coarser grid than wished is spread out by as much as its grid became finer. So branches
    (a residual's shortcut) stay together.

    Args:
        network: In inference mode; its weights stay as they are.
        map_stride: Wished pixels a cell, a power of two.
        size_hw: A picture size that the network halves without remainder.

    Raises:
        ModelError: The maps are finer already, or a layer that strides cannot be dilated.
    """
    layers = _run(network, size_hw)
    coarsest = max((layer.stride_behind for layer in layers), default=1)
    if map_stride < 1 or map_stride & (map_stride - 1):
        raise ModelError(f"--map-stride {map_stride}: only powers of two, such as 16 or 8")
    if coarsest < map_stride:
        raise ModelError(
            f"--map-stride {map_stride}: the maps have a stride of {coarsest:g} already"
        )
    for layer in layers:
        if layer.stride_behind > map_stride:
            _spread(layer, map_stride)
    left = max(layer.stride_behind for layer in _run(network, size_hw))
    if left > map_stride:
        raise ModelError(
            f"--map-stride {map_stride}: something besides its layers strides to {left:g}"
        )


def _spread(layer: _Layer, map_stride: int) -> None:
    """Give one convolution stride 1 and the dilation that its finer input asks for."""
    conv = layer.module
    factor = max(1.0, layer.stride_before / map_stride)
    if not isinstance(conv, nn.Conv2d):
        if layer.stride_behind == layer.stride_before:
            return
        kind = type(conv).__name__
        raise ModelError(
            f"--map-stride {map_stride}: {layer.name} ({kind}) strides, and only convolutions can be "
            "dilated; EfficientNet-Lite, ResNet and MobileNetV2 have nothing else there"
        )
    before = [(kernel - 1) * d for kernel, d in zip(conv.kernel_size, conv.dilation, strict=True)]
    same_pad = isinstance(conv, SamePadConv2d)
    centred = conv.padding_mode == "zeros" and list(conv.padding) == [all_ // 2 for all_ in before]
    if factor != int(factor) or not (same_pad or centred):
        raise ModelError(
            f"--map-stride {map_stride}: {layer.name} does not halve its input evenly (padding "
            f"{conv.padding}, kernel {conv.kernel_size}), so it cannot be dilated"
        )
    conv.stride = (1, 1)
    conv.dilation = (conv.dilation[0] * int(factor), conv.dilation[1] * int(factor))
    if not same_pad:
        conv.padding = (before[0] * int(factor) // 2, before[1] * int(factor) // 2)


def _run(network: nn.Module, size_hw: tuple[int, int]) -> list[_Layer]:
    """Run one picture and note the grid that each convolution and pooling worked on."""
    found: list[_Layer] = []
    names = {module: name for name, module in network.named_modules()}

    def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if not any(layer.module is module for layer in found):
            height = size_hw[0]
            before, behind = height / inputs[0].shape[2], height / output.shape[2]
            found.append(_Layer(names[module], module, before, behind))

    hooks = [
        module.register_forward_hook(note)
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
