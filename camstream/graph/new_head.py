"""Replaces the head of a model: features -> average pooling -> linear layer -> logits, and maps."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from camstream.contract import ModelInfo
from camstream.errors import ModelError
from camstream.graph.assemble import assemble
from camstream.graph.backbone import F32, LOGITS, POOLED, TAUGHT, Backbone
from camstream.graph.find_head import find_head
from camstream.graph.numpy_reference import chosen_classes
from camstream.graph.onnx_file import opset_of
from camstream.graph.onnx_graph import NodeBuilder
from camstream.graph.verify import save_verified, versions

if TYPE_CHECKING:
    from pathlib import Path

    from camstream.graph.verify import Outputs, ShapeNHW


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearHead:
    """A linear layer on pooled features, and the metadata of its model.

    Attributes:
        labels: One name a class, in the order of the logits.
        weight: (C, D) float32.
        bias: (C,) float32.
        background: The label of the background class ("none of the others"); None: there is none.
        cam_range: Map values (logit units) where heat begins and where it is full.
        size_hw: Preferred input height and width; None: those of the backbone.
        taught_on: The pictures that the layer was fitted to, in words.
    """

    labels: tuple[str, ...]
    weight: F32
    bias: F32
    background: str | None
    cam_range: tuple[float, float]
    size_hw: tuple[int, int] | None
    taught_on: str


def to_model(backbone: Backbone, linear_head: LinearHead, *, name: str) -> onnx.ModelProto:
    """Build a model of a backbone and a new head; the nodes and weights of the backbone stay.

    Args:
        backbone: Computes the features.
        linear_head: The new head; its weight has as many columns as the backbone has channels.
        name: The new model's name.

    Raises:
        ModelError: The head is for another backbone, or the backbone does not take its size.
    """
    core = _classifier(backbone, linear_head)
    return assemble(core, find_head(core), _info(backbone, linear_head, name))


def save(
    backbone: Backbone, linear_head: LinearHead, output: Path, *, name: str | None = None
) -> ModelInfo:
    """Write the model of ``to_model``, after comparing every output with the backbone and the head.

    Args:
        backbone: Computes the features.
        linear_head: The new head.
        output: The file to write; an existing one is replaced.
        name: The new model's name; None: the file's.

    Returns:
        The file's metadata, with the parity report.

    Raises:
        ModelError: As ``to_model``, or an output differs.
        SinkError: The file cannot be written.
    """
    core = _classifier(backbone, linear_head)
    info = _info(backbone, linear_head, name or output.stem)
    return save_verified(
        core,
        find_head(core),
        info,
        output,
        _Reference(backbone, linear_head),
        shapes_nhw=_shapes(backbone, info.size_hw),
    )


def _classifier(backbone: Backbone, linear_head: LinearHead) -> onnx.ModelProto:
    """Append average pooling and the linear layer to a backbone."""
    if linear_head.weight.shape != (len(linear_head.labels), backbone.channels):
        raise ModelError(
            f"the last layer is for {linear_head.weight.shape[1]} features, and "
            f"{backbone.info.name} has {backbone.channels}; teach it on this model"
        )
    core = onnx.ModelProto()
    core.CopyFrom(backbone.core)
    nodes = NodeBuilder(TAUGHT)
    nodes.add("GlobalAveragePool", backbone.features, name="pooled", output=POOLED)
    nodes.add("Flatten", POOLED, name="flat", axis=1)
    weight = nodes.constant("weight", linear_head.weight.astype(np.float32))
    bias = nodes.constant("bias", linear_head.bias.astype(np.float32))
    flat = f"{TAUGHT}.flat"
    nodes.add("Gemm", flat, weight, bias, name="logits", output=LOGITS, transB=1)
    nodes.add_to(core.graph)
    batch = core.graph.input[0].type.tensor_type.shape.dim[0].dim_value or "n"
    core.graph.output.append(
        helper.make_tensor_value_info(LOGITS, TensorProto.FLOAT, (batch, len(linear_head.labels)))
    )
    return core


def _info(backbone: Backbone, linear_head: LinearHead, name: str) -> ModelInfo:
    old = backbone.info
    size_hw = linear_head.size_hw or old.size_hw
    if size_hw != old.size_hw and (
        old.size_multiple is None or any(side % old.size_multiple for side in size_hw)
    ):
        only = f"multiples of {old.size_multiple}" if old.size_multiple else "no other size"
        raise ModelError(
            f"{old.name} does not take {size_hw[1]}x{size_hw[0]}: besides "
            f"{old.size_hw[1]}x{old.size_hw[0]} it takes {only}"
        )
    lower = f" in {old.quantization.kind}" if old.quantization else ""
    what = "the neck and the last layer" if backbone.has_new_neck else "the last layer"
    return dataclasses.replace(
        old,
        name=name,
        labels=linear_head.labels,
        background=linear_head.background,
        size_hw=size_hw,
        cam_range=linear_head.cam_range,
        weights=f"{old.weights}{lower}; {what} taught on {linear_head.taught_on}",
        versions=versions("scikit-learn", opset=opset_of(backbone.core)),
        parity=None,
        temperature=1.0,  # the fit has its own
        quantization=None,  # measured with the old head
    )


def _shapes(backbone: Backbone, size_hw: tuple[int, int]) -> tuple[ShapeNHW, ...]:
    """Return the shapes to compare at: the new size, and those of the backbone's parity report."""
    parity = backbone.info.parity
    return tuple(dict.fromkeys(((1, *size_hw), *(parity.shapes_nhw if parity else ()))))


class _Reference:
    """Computes in numpy what the new model must return, from the backbone's own features."""

    def __init__(self, backbone: Backbone, linear_head: LinearHead) -> None:
        self._backbone, self._linear_head = backbone, linear_head

    def __call__(self, frames: NDArray[np.uint8], classes: NDArray[np.int64]) -> Outputs:
        linear_head = self._linear_head
        maps = self._backbone.maps(frames).astype(np.float64)  # (N, D, h, w)
        every = np.einsum("cd,ndhw->nchw", linear_head.weight.astype(np.float64), maps)
        logits = every.mean(axis=(2, 3)) + linear_head.bias
        chosen = chosen_classes(logits, classes)
        cam = np.take_along_axis(every, chosen[:, :, np.newaxis, np.newaxis], axis=1)
        return (
            logits.astype(np.float32),
            cam.astype(np.float32),
            chosen,
            linear_head.bias[chosen].astype(np.float32),
        )
