"""Reads the nodes of a classifier's head as linear layers and ReLUs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from camstream.graph.graph_index import Graph, attributes
from camstream.graph.head import Linear

if TYPE_CHECKING:
    import onnx


def read_linear(graph: Graph, node: onnx.NodeProto) -> tuple[Linear, str, set[str]] | None:
    """Read a node as a linear layer over one place of a picture.

    Args:
        graph: The graph.
        node: Its last node: Gemm, MatMul, the Add behind a MatMul, or a Conv that has one output
            place and sees all of its input.

    Returns:
        The layer, the tensor that it reads, and the tensors that it makes; None where the node
        is no such layer.
    """
    op, inputs = node.op_type, list(node.input)
    if op == "Add":
        return _read_biased(graph, node)
    if op not in ("Gemm", "MatMul", "Conv") or not graph.is_constant(inputs[1]):
        return None
    values = attributes(node)
    if values.get("transA", 0) or values.get("alpha", 1) != 1 or values.get("beta", 1) != 1:
        return None
    if op == "Conv" and not _sees_all(graph, node):
        return None
    shape = tuple(size for size in graph.shape(inputs[1]) or () if size is not None)
    if len(shape) != (4 if op == "Conv" else 2):
        return None
    bias = inputs[2] if len(inputs) > 2 and inputs[2] else None
    outputs_first = op == "Conv" or bool(values.get("transB", 0))
    return Linear(inputs[1], shape, outputs_first, bias), inputs[0], set(node.output)


def is_relu(graph: Graph, node: onnx.NodeProto) -> bool:
    """Whether a node is a ReLU, or a Clip that begins at 0."""
    return node.op_type == "Relu" or (node.op_type == "Clip" and _limits(graph, node)[0] == 0)


def relu_ceiling(graph: Graph, node: onnx.NodeProto) -> float | None:
    """Give the largest value that a ReLU lets through: 6 for ReLU6, None for any."""
    return _limits(graph, node)[1] if node.op_type == "Clip" else None


def _read_biased(graph: Graph, add: onnx.NodeProto) -> tuple[Linear, str, set[str]] | None:
    """Read MatMul + Add as one layer."""
    for data, bias in (list(add.input), list(add.input)[::-1]):
        made = graph.producer(data)
        if made is None or made.op_type != "MatMul" or not graph.is_constant(bias):
            continue
        found = read_linear(graph, made)
        if found is not None:
            layer, source, names = found
            return replace(layer, bias=bias), source, {*names, *add.output}
    return None


def _limits(graph: Graph, clip: onnx.NodeProto) -> list[float | None]:
    """A Clip's least and largest value: attributes before opset 11, inputs since."""
    values = attributes(clip)
    limits = [values.get("min"), values.get("max")]
    for index, name in enumerate(clip.input[1:3]):
        stored = graph.numbers(name) if name else None
        limits[index] = stored[0] if stored else None
    return limits


def _sees_all(graph: Graph, conv: onnx.NodeProto) -> bool:
    """Whether a convolution has one output place, which sees all of its input."""
    weight, source = graph.shape(conv.input[1]), graph.shape(conv.input[0])
    values = attributes(conv)
    return (
        graph.is_single(conv.output[0])
        and weight is not None
        and source is not None
        and weight[2:] == source[2:]
        and values.get("group", 1) == 1
        and not any(values.get("pads", ()))
    )
