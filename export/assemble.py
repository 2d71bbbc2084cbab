"""Turns a plain ONNX classifier into a camstream model: preprocessing before, maps behind.

Works on the graph alone and needs no torch. The maps cost one small matrix product: the rows of
the classifier's own weight matrix that were asked for, times the feature maps that are there
anyway (Zhou et al. 2016, equation 2).
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from camstream import contract
from camstream.contract import ModelInfo


def assemble(
    core: onnx.ModelProto,
    *,
    image: str,
    features: str,
    logits: str,
    weight: str,
    bias: str,
    info: ModelInfo,
) -> onnx.ModelProto:
    """Build the camstream model around a classifier.

    Args:
        core: The classifier; its input ``image`` is (N, 3, H, W) float32, normalised. It is
            not changed.
        image: Name of its input.
        features: Name of the (N, D, h, w) tensor that is pooled.
        logits: Name of the (N, C) output.
        weight: Name of the classifier's (C, D) initializer, divided by nothing: the logit is
            the mean over places of ``weight @ features`` plus ``bias``.
        bias: Name of its (C,) initializer.
        info: Goes into the metadata; its mean, std and color go into the graph.

    Returns:
        A model that obeys ``camstream.contract``.
    """
    model = onnx.ModelProto()
    model.CopyFrom(core)
    graph = model.graph
    before = _preprocessing(graph, image, info)
    behind = _maps(graph, features, logits, weight, bias, classes=len(info.labels))
    nodes = [*before, *graph.node, *behind]
    del graph.node[:]
    graph.node.extend(nodes)

    def values(*rows: tuple[str, int, tuple[str | int, ...]]) -> list[onnx.ValueInfoProto]:
        return [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in rows]

    del graph.input[:], graph.output[:], graph.value_info[:]
    graph.input.extend(
        values(
            (contract.FRAMES, TensorProto.UINT8, ("n", "height", "width", 3)),
            (contract.CLASSES, TensorProto.INT64, ("k",)),
        )
    )
    graph.output.extend(
        values(
            (contract.LOGITS, TensorProto.FLOAT, ("n", len(info.labels))),
            (contract.CAM, TensorProto.FLOAT, ("n", "k", "map_height", "map_width")),
            (contract.CAM_CLASSES, TensorProto.INT64, ("n", "k")),
            (contract.CAM_BIAS, TensorProto.FLOAT, ("n", "k")),
        )
    )
    return with_info(model, info)


def with_info(model: onnx.ModelProto, info: ModelInfo) -> onnx.ModelProto:
    """Put the record into the model's metadata, in place of one that is there."""
    model.graph.name = info.name
    model.producer_name = "camstream"
    model.producer_version = info.versions["camstream"]
    del model.metadata_props[:]
    helper.set_model_props(model, {contract.METADATA_KEY: info.to_json()})
    return model


def _add(graph: onnx.GraphProto, name: str, array: np.ndarray) -> str:
    graph.initializer.append(numpy_helper.from_array(array, name))
    return name


def _preprocessing(graph: onnx.GraphProto, image: str, info: ModelInfo) -> list[onnx.NodeProto]:
    """Uint8 NHWC BGR to what the network was trained on, in one pass over small integers."""
    last = "camstream.pre.planes"
    nodes = [helper.make_node("Transpose", [contract.FRAMES], [last], perm=[0, 3, 1, 2])]
    if info.color == "RGB":
        order = _add(graph, "camstream.pre.rgb_order", np.array([2, 1, 0], np.int64))
        nodes.append(helper.make_node("Gather", [last, order], ["camstream.pre.rgb"], axis=1))
        last = "camstream.pre.rgb"
    per_channel = (1, 3, 1, 1)
    mean = _add(graph, "camstream.pre.mean", np.array(info.mean, np.float32).reshape(per_channel))
    std = _add(graph, "camstream.pre.std", np.array(info.std, np.float32).reshape(per_channel))
    return [
        *nodes,
        helper.make_node("Cast", [last], ["camstream.pre.float"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["camstream.pre.float", mean], ["camstream.pre.centred"]),
        helper.make_node("Div", ["camstream.pre.centred", std], [image]),
    ]


def _maps(
    graph: onnx.GraphProto, features: str, logits: str, weight: str, bias: str, *, classes: int
) -> list[onnx.NodeProto]:
    """Choose the classes, weight the feature maps with their rows of the classifier."""

    def own(name: str) -> str:
        return f"camstream.cam.{name}"

    def const(name: str, *numbers: int) -> str:
        return _add(graph, own(name), np.array(numbers, np.int64))

    # An initializer that is an input as well: the default of an input that may be left out.
    ranks = -np.arange(1, min(contract.DEFAULT_TOP_K, classes) + 1, dtype=np.int64)
    _add(graph, contract.CLASSES, ranks)
    zero, one, flat = const("zero", 0), const("one", 1), const("flat", 0, 0, -1)
    asked = contract.CLASSES
    node = helper.make_node
    return [
        # Which class each map is of: as asked, or the one on that rank in this frame.
        node("Neg", [asked], [own("rank")]),
        node("ReduceMax", [own("rank")], [own("max_rank")], keepdims=1),
        node("Max", [own("max_rank"), one], [own("top_k")]),
        node("TopK", [logits, own("top_k")], [own("top_logits"), own("top")], axis=1),
        node("Sub", [own("rank"), one], [own("rank0")]),
        node("Max", [own("rank0"), zero], [own("column")]),
        node("Gather", [own("top"), own("column")], [own("ranked")], axis=1),  # (N, K)
        node("Less", [asked, zero], [own("by_rank")]),
        node("Where", [own("by_rank"), own("ranked"), asked], [contract.CAM_CLASSES]),
        node("Gather", [bias, contract.CAM_CLASSES], [contract.CAM_BIAS], axis=0),
        # (N, K, D) x (N, D, h * w)
        node("Gather", [weight, contract.CAM_CLASSES], [own("rows")], axis=0),
        node("Reshape", [features, flat], [own("places")]),
        node("MatMul", [own("rows"), own("places")], [own("flat_cam")]),
        node("Shape", [features], [own("map_hw")], start=2),
        node("Shape", [contract.CAM_CLASSES], [own("nk")]),
        node("Concat", [own("nk"), own("map_hw")], [own("shape")], axis=0),
        node("Reshape", [own("flat_cam"), own("shape")], [contract.CAM]),
    ]
