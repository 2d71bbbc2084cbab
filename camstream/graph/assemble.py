"""Turns a plain ONNX classifier into a camstream model: preprocessing before, maps behind.

Works on the graph alone and needs no torch. The maps cost one small matrix product: a row of
channel weights for each class that was asked for, times the feature maps that are there anyway
(Zhou et al. 2016, equation 2). Where the rows come from is in ``camstream.graph.gradcam``.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper

from camstream import contract
from camstream.contract import ModelInfo
from camstream.errors import ModelError
from camstream.graph.fine_features import find_fine_features
from camstream.graph.gradcam import channel_weights, weighted_places
from camstream.graph.graph_index import Graph
from camstream.graph.nodes import NodeBuilder
from camstream.graph.picture_input import PictureInput
from camstream.graph.precision import head_in_float32

if TYPE_CHECKING:
    from camstream.graph.head import Head

MIN_OPSET = 15  # Shape with a start
_MIN_IR = 8  # weights that are no inputs, and an input with a default
BEFORE, BEHIND = (
    "camstream.pre",
    "camstream.maps.cam",
)  # what the names of the added nodes begin with


def assemble(core: onnx.ModelProto, head: Head, info: ModelInfo) -> onnx.ModelProto:
    """Build the camstream model around a classifier.

    Args:
        core: The classifier, of opset 15 or more. It is not changed.
        head: What ``find_head`` found in it.
        info: Goes into the metadata; its mean, std and color go into the graph.

    Returns:
        A model that obeys ``camstream.contract``, whose metadata name its earlier features.

    Raises:
        ModelError: The input is not a picture, or the labels are not one a class.
    """
    if len(info.labels) != head.classes:
        raise ModelError(f"{info.name} has {head.classes} classes, but {len(info.labels)} labels")
    picture = PictureInput.of(core, head.image)
    model = onnx.ModelProto()
    model.CopyFrom(core)
    model.ir_version = max(model.ir_version, _MIN_IR)
    head = head_in_float32(model, _free_names(model, head))
    before, behind = NodeBuilder(BEFORE), NodeBuilder(BEHIND)
    _preprocessing(before, head.image, picture, info)
    _choose(behind, head)
    _maps(behind, head)
    nodes = [*before.nodes, *model.graph.node, *behind.nodes]
    del model.graph.node[:], model.graph.value_info[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend([*before.initializers, *behind.initializers])
    _declare(model.graph, picture, head.classes)
    _prune(model)
    fine_features = find_fine_features(model, head.features, info.size_hw)
    return with_info(model, dataclasses.replace(info, fine_features=fine_features))


def with_info(model: onnx.ModelProto, info: ModelInfo) -> onnx.ModelProto:
    """Put the record into the model's metadata, in place of one that is there."""
    model.graph.name = info.name
    model.producer_name = "camstream"
    model.producer_version = info.versions["camstream"]
    del model.metadata_props[:]
    helper.set_model_props(model, {contract.METADATA_KEY: info.to_json()})
    return model


def info_of(model: onnx.ModelProto, *, path: str) -> ModelInfo:
    """Read the record that is in a camstream model.

    Raises:
        ModelError: It cannot be read; ``path`` is named.
    """
    known = {entry.key: entry.value for entry in model.metadata_props}
    return ModelInfo.from_json(known[contract.METADATA_KEY], path=path)


def _free_names(model: onnx.ModelProto, head: Head) -> Head:
    """Rename the network's own tensors that bear a name of the contract."""

    def free(name: str) -> str:
        return f"network.{name}" if name in (*contract.INPUTS, *contract.OUTPUTS) else name

    def rename(graph: onnx.GraphProto) -> None:
        for tensor in (*graph.initializer, *graph.input, *graph.output):
            tensor.name = free(tensor.name)
        for node in graph.node:
            node.input[:] = map(free, node.input)
            node.output[:] = map(free, node.output)
            for attribute in node.attribute:
                for branch in (attribute.g, *attribute.graphs):
                    rename(branch)

    rename(model.graph)
    del model.graph.value_info[:]
    return dataclasses.replace(
        head,
        image=free(head.image),
        logits=free(head.logits),
        features=free(head.features),
        layers=tuple(layer.renamed(free) for layer in head.layers),
        nodes=frozenset(map(free, head.nodes)),
    )


def _preprocessing(nodes: NodeBuilder, image: str, picture: PictureInput, info: ModelInfo) -> None:
    """Uint8 NHWC BGR to what the network was trained on, in one pass over small integers."""
    last = contract.FRAMES
    if picture.channels_first:
        last = nodes.add("Transpose", last, name="planes", perm=[0, 3, 1, 2])
    if info.color == "RGB":
        order = nodes.integers("rgb_order", 2, 1, 0)
        last = nodes.add("Gather", last, order, name="rgb", axis=1 if picture.channels_first else 3)
    per_channel = (1, 3, 1, 1) if picture.channels_first else (3,)
    mean = nodes.constant("mean", np.array(info.mean, np.float32).reshape(per_channel))
    std = nodes.constant("std", np.array(info.std, np.float32).reshape(per_channel))
    last = nodes.add("Cast", last, name="float", to=TensorProto.FLOAT)
    last = nodes.add("Sub", last, mean, name="centred")
    last = nodes.add("Div", last, std, name="normalised")
    nodes.add("Cast", last, name="image", output=image, to=picture.element_type)


def _choose(nodes: NodeBuilder, head: Head) -> None:
    """Choose which class each map is of: as asked, or the one on that rank in this frame."""
    logits = nodes.add("Flatten", head.logits, name="logits", output=contract.LOGITS, axis=1)
    # An initializer that is an input as well: the default of an input that may be left out.
    ranks = -np.arange(1, min(contract.DEFAULT_TOP_K, head.classes) + 1, dtype=np.int64)
    asked = nodes.constant("asked", ranks, output=contract.CLASSES)
    zero, one = nodes.integers("zero", 0), nodes.integers("one", 1)
    rank = nodes.add("Neg", asked, name="rank")
    max_rank = nodes.add("ReduceMax", rank, name="max_rank", keepdims=1)
    top_k = nodes.add("Max", max_rank, one, name="top_k")
    top = f"{BEHIND}.top"
    nodes.nodes.append(helper.make_node("TopK", [logits, top_k], [f"{top}_logits", top], top))
    rank0 = nodes.add("Sub", rank, one, name="rank0")
    column = nodes.add("Max", rank0, zero, name="column")
    ranked = nodes.add("Gather", top, column, name="ranked", axis=1)  # (N, K)
    by_rank = nodes.add("Less", asked, zero, name="by_rank")
    nodes.add("Where", by_rank, ranked, asked, name="cam_classes", output=contract.CAM_CLASSES)


def _maps(nodes: NodeBuilder, head: Head) -> None:
    """Weight the feature maps for the chosen classes, and give their biases."""
    flat = nodes.integers("flat", 0, 0, -1)
    places = nodes.add("Reshape", head.features, flat, name="places")  # (N, D, h * w)
    if head.method == "HiResCAM":
        cam = weighted_places(nodes, head, places)
    else:
        cam = nodes.add("MatMul", channel_weights(nodes, head), places, name="flat_cam")
    chosen = nodes.add("Shape", contract.CAM_CLASSES, name="nk")
    map_hw = nodes.add("Shape", head.features, name="map_hw", start=2)
    shape = nodes.add("Concat", chosen, map_hw, name="shape", axis=0)
    nodes.add("Reshape", cam, shape, name="cam", output=contract.CAM)
    bias = head.layers[-1].bias if head.layers else None
    if bias is None:
        nodes.add("ConstantOfShape", chosen, name="no_bias", output=contract.CAM_BIAS)
    else:
        row = nodes.add("Reshape", bias, nodes.integers("row", -1), name="bias")
        nodes.add("Gather", row, contract.CAM_CLASSES, name="cam_bias", output=contract.CAM_BIAS)


def _declare(graph: onnx.GraphProto, picture: PictureInput, classes: int) -> None:
    """Declare the contract's inputs and outputs; sizes that the network fixes stay fixed."""

    def values(*rows: tuple[str, int, tuple[str | int, ...]]) -> list[onnx.ValueInfoProto]:
        return [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in rows]

    n = picture.batch or "n"
    frames = (n, picture.height or "height", picture.width or "width", 3)
    del graph.input[:], graph.output[:]
    graph.input.extend(
        values(
            (contract.FRAMES, TensorProto.UINT8, frames),
            (contract.CLASSES, TensorProto.INT64, ("k",)),
        )
    )
    graph.output.extend(
        values(
            (contract.LOGITS, TensorProto.FLOAT, (n, classes)),
            (contract.CAM, TensorProto.FLOAT, (n, "k", "map_height", "map_width")),
            (contract.CAM_CLASSES, TensorProto.INT64, (n, "k")),
            (contract.CAM_BIAS, TensorProto.FLOAT, (n, "k")),
        )
    )


def _prune(model: onnx.ModelProto) -> None:
    """Drop what no output needs: the softmax, other outputs' branches, their weights."""
    needed = Graph(model).needed(*contract.OUTPUTS)
    graph = model.graph
    nodes = [node for node in graph.node if needed.intersection(node.output)]
    weights = [tensor for tensor in graph.initializer if tensor.name in needed]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(weights)
