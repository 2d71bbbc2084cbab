"""Builds a camstream model around an ONNX classifier: preprocessing before, maps behind.

The maps cost one small matrix product: a row of channel weights for each requested class, times
the feature maps, which the classifier computes anyway (Zhou et al. 2016, equation 2). The nodes of
the rows come from ``camstream.graph.gradcam``. ``remove_cam`` is the inverse of ``assemble``.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper

from camstream import contract
from camstream.contract import ModelInfo
from camstream.errors import ModelError
from camstream.graph.gradcam import channel_weights, weighted_places
from camstream.graph.head import head_in_float32
from camstream.graph.onnx_file import PictureInput, declare_input
from camstream.graph.onnx_graph import NodeBuilder, attributes, prune
from camstream.graph.refine import find_fine_features

if TYPE_CHECKING:
    from camstream.graph.head import Head

_MIN_IR = 8  # weights that are no inputs, and an input with a default
# Prefixes of the names of the added nodes. Files keep them: they must never change.
BEFORE, BEHIND = "camstream.pre", "camstream.cam"


def assemble(core: onnx.ModelProto, head: Head, info: ModelInfo) -> onnx.ModelProto:
    """Build the camstream model around a classifier.

    Args:
        core: The classifier, of opset 15 or more; not changed.
        head: Its head, from ``find_head``.
        info: The metadata; its mean, std and color are used in the graph.

    Returns:
        A model as ``camstream.contract`` describes it; its metadata name the fine features.

    Raises:
        ModelError: The input takes no pictures, or the number of labels is not that of classes.
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
    _choose_classes(behind, head)
    _maps(behind, head)
    nodes = [*before.nodes, *model.graph.node, *behind.nodes]
    del model.graph.node[:], model.graph.value_info[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend([*before.initializers, *behind.initializers])
    _declare(model.graph, picture, head.classes)
    prune(model, *contract.OUTPUTS)  # drops the softmax, other outputs' branches, their weights
    fine_features = None
    if not head.features_last:
        fine_features = find_fine_features(model, head.features, info.size_hw)
    return with_info(model, dataclasses.replace(info, fine_features=fine_features))


def remove_cam(model: onnx.ModelProto, path: Path) -> tuple[onnx.ModelProto, ModelInfo | None]:
    """Remove from a model what ``assemble`` added, so that it can be added again.

    Args:
        model: Any model; not changed.
        path: Its file, for the errors' messages.

    Returns:
        The classifier and the file's metadata; the model itself and None where camstream did not
        write it.

    Raises:
        ModelError: The metadata cannot be read, or the nodes are not those of ``assemble``.
    """
    if contract.METADATA_KEY not in {entry.key for entry in model.metadata_props}:
        return model, None
    info = info_of(model, path=str(path))
    ours = {node.name: node for node in model.graph.node if node.name.startswith("camstream.")}
    image = ours.get(f"{BEFORE}.image")
    logits = ours.get(f"{BEHIND}.logits")
    if image is None or logits is None:
        raise ModelError(f"{path}: an older camstream made it; export it again from its source")
    dims = [d.dim_value or None for d in model.graph.input[0].type.tensor_type.shape.dim]
    core = onnx.ModelProto()
    core.CopyFrom(model)
    graph = core.graph
    nodes = [node for node in graph.node if node.name not in ours]
    weights = [
        tensor
        for tensor in graph.initializer
        if not tensor.name.startswith("camstream.") and tensor.name != contract.CLASSES
    ]
    del core.metadata_props[:], graph.node[:], graph.initializer[:], graph.value_info[:]
    del graph.input[:], graph.output[:]
    graph.node.extend(nodes)
    graph.initializer.extend(weights)
    graph.input.add().name = image.output[0]
    declare_input(
        core,
        image.output[0],
        batch=dims[0],
        size_hw=(dims[1], dims[2]),
        channels_first=f"{BEFORE}.planes" in ours,
        element_type=attributes(image)["to"],
    )
    scores = (dims[0], len(info.labels))
    graph.output.append(helper.make_tensor_value_info(logits.input[0], TensorProto.FLOAT, scores))
    return core, info


def with_info(model: onnx.ModelProto, info: ModelInfo) -> onnx.ModelProto:
    """Write the metadata into the model, in place of earlier ones.

    Raises:
        ModelError: They are none with which the file could be opened again.
    """
    ModelInfo.from_json(info.to_json(), path=info.name)
    model.graph.name = info.name
    model.producer_name = "camstream"
    model.producer_version = info.versions["camstream"]
    del model.metadata_props[:]
    helper.set_model_props(model, {contract.METADATA_KEY: info.to_json()})
    return model


def info_of(model: onnx.ModelProto, *, path: str) -> ModelInfo:
    """Read the metadata of a camstream model.

    Raises:
        ModelError: They cannot be read; the message names ``path``.
    """
    known = {entry.key: entry.value for entry in model.metadata_props}
    return ModelInfo.from_json(known[contract.METADATA_KEY], path=path)


def _free_names(model: onnx.ModelProto, head: Head) -> Head:
    """Rename the network's own tensors whose names the contract uses."""

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
    """Write the nodes from uint8 NHWC BGR to what the network was trained on."""
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


def _choose_classes(nodes: NodeBuilder, head: Head) -> None:
    """Write the nodes that choose each map's class: the named one, or the one of that rank."""
    logits = nodes.add("Flatten", head.logits, name="logits", output=contract.LOGITS, axis=1)
    # An initializer that is also an input is the default of an optional input.
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
    """Write the nodes that weight the feature maps for the chosen classes, and their biases."""
    flat = nodes.integers("flat", 0, 0, -1)
    features = head.features
    if head.features_last:
        features = nodes.add("Transpose", features, name="features", perm=[0, 3, 1, 2])
    places = nodes.add("Reshape", features, flat, name="places")  # (N, D, h * w)
    if head.method == "HiResCAM":
        cam = weighted_places(nodes, head, places)
    else:
        cam = nodes.add("MatMul", channel_weights(nodes, head), places, name="flat_cam")
    chosen = nodes.add("Shape", contract.CAM_CLASSES, name="nk")
    map_hw = nodes.add("Shape", features, name="map_hw", start=2)
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
