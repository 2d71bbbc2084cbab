"""The head of a classifier: how its feature maps become the logits.

``Head`` is what ``camstream.graph.find_head`` returns. The functions read single nodes of a head,
and keep a head in float32.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from onnx import TensorProto, helper

from camstream.graph.onnx_graph import Graph, attributes

if TYPE_CHECKING:
    from collections.abc import Callable

    import onnx

    from camstream.contract import Method


@dataclass(frozen=True, slots=True, kw_only=True)
class Norm:
    """A layer normalisation over the channels of one position per picture.

    Attributes:
        source: Tensor that it reads, (N, D), (N, 1, 1, D) ...
        scale: Tensor with one factor a channel, (D,).
        shift: Tensor with one summand a channel, (D,); None for none.
        epsilon: Added to the variance.
    """

    source: str
    scale: str
    shift: str | None
    epsilon: float

    def renamed(self, name: Callable[[str], str]) -> Norm:
        """Return the same layer with its tensors renamed."""
        return dataclasses.replace(
            self,
            source=name(self.source),
            scale=name(self.scale),
            shift=self.shift and name(self.shift),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear:
    """One linear layer, y = W x + b.

    Attributes:
        weight: Tensor with W.
        shape: Its shape: (outputs, inputs), a convolution's (outputs, D, h, w), or
            (inputs, outputs).
        outputs_first: Whether the outputs are its first dimension.
        bias: Tensor with b; None for a layer without.
        active: Tensor of the layer's values after its ReLU, or before its HardSwish; None for a
            layer without either.
        ceiling: The largest value that the ReLU returns (6 for ReLU6); None: no limit.
        is_hard_swish: Whether ``active`` is what a HardSwish reads.
        norm: The layer normalisation of what the layer reads; None for none.
    """

    weight: str
    shape: tuple[int, ...]
    outputs_first: bool
    bias: str | None
    active: str | None = None
    ceiling: float | None = None
    is_hard_swish: bool = False
    norm: Norm | None = None

    @property
    def outputs(self) -> int:
        """Number of values that the layer returns."""
        return self.shape[0 if self.outputs_first else -1]

    @property
    def inputs(self) -> int:
        """Number of values that the layer reads."""
        return math.prod(self.shape) // self.outputs

    def renamed(self, name: Callable[[str], str]) -> Linear:
        """Return the same layer with its tensors renamed."""
        return dataclasses.replace(
            self,
            weight=name(self.weight),
            bias=self.bias and name(self.bias),
            active=self.active and name(self.active),
            norm=self.norm and self.norm.renamed(name),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """How a classifier's feature maps become its logits.

    Attributes:
        image: The graph's input.
        output: The graph's output that the search started from.
        final: The operator between the logits and ``output`` ("Softmax", ...); None: there is none.
        logits: Tensor of the logits, (N, C) or (N, C, 1, 1).
        classes: C.
        features: Tensor of the feature maps that maps are computed from, (N, D, h, w).
        features_last: Whether it is (N, h, w, D) instead.
        channels: D.
        channels_last: Whether they are flattened in the order (h, w, D), not (D, h, w).
        pool: "mean" or "max" over each whole feature map; None where they are flattened.
        layers: The linear layers behind the pooling, in the order of computation; empty where
            the feature maps are the class maps themselves.
        nodes: One output tensor of each node from the pooling to the logits.
    """

    image: str
    output: str
    final: str | None
    logits: str
    classes: int
    features: str
    features_last: bool = False
    channels: int
    channels_last: bool
    pool: str | None
    layers: tuple[Linear, ...]
    nodes: frozenset[str]

    @property
    def method(self) -> Method:
        """The method that computes maps for such a head, one of the values of ``ModelInfo.method``."""
        if len(self.layers) > 1 or any(layer.norm for layer in self.layers):
            return "Grad-CAM"
        if self.pool is None:
            return "HiResCAM"
        return "CAM" if self.pool == "mean" else "CAM (max pooling)"

    @property
    def keeps_identity(self) -> bool:
        """Whether the CAM identity holds: mean(cam) + bias is the logit."""
        return self.method in ("CAM", "HiResCAM")

    @property
    def fits_one_size(self) -> bool:
        """Whether the layers read whole feature maps, so that the input has one size."""
        return self.pool is None


def read_norm(graph: Graph, node: onnx.NodeProto) -> Norm | None:
    """Read a node as a layer normalisation over channels, on one position per picture."""
    if node.op_type != "LayerNormalization" or not all(map(graph.is_constant, node.input[1:])):
        return None
    shape, scale = graph.shape(node.input[0]), graph.shape(node.input[1])
    values = attributes(node)
    if shape is None or scale is None or len(scale) != 1 or set(shape[1:-1]) - {1}:
        return None
    if values.get("axis", -1) not in (-1, len(shape) - 1):
        return None
    return Norm(
        source=node.input[0],
        scale=node.input[1],
        shift=node.input[2] if len(node.input) > 2 and node.input[2] else None,
        epsilon=float(values.get("epsilon", 1e-5)),
    )


def read_hard_swish(graph: Graph, node: onnx.NodeProto) -> str | None:
    """Return what a HardSwish reads: the operator, or x * HardSigmoid(x) with its factors."""
    if node.op_type == "HardSwish":
        return str(node.input[0])
    if node.op_type != "Mul":
        return None
    for source, gate in (tuple(node.input), tuple(node.input)[::-1]):
        made = graph.producer(gate)
        if made is None or made.op_type != "HardSigmoid" or made.input[0] != source:
            continue
        values = attributes(made)
        slope, middle = values.get("alpha", 0.2), values.get("beta", 0.5)
        if abs(slope - 1 / 6) < 1e-6 and middle == 0.5:
            return str(source)
    return None


def read_linear(graph: Graph, node: onnx.NodeProto) -> tuple[Linear, str, set[str]] | None:
    """Read a node as a linear layer on one position per picture.

    Args:
        graph: The graph.
        node: The layer's last node: Gemm, MatMul, the Add behind a MatMul, or a Conv whose kernel
            covers its whole input, so that it has one output position.

    Returns:
        The layer, the tensor that it reads, and the tensors that it computes; None where the
        node is no such layer.
    """
    op, inputs = node.op_type, list(node.input)
    if op == "Add":
        return _read_biased(graph, node)
    if op not in ("Gemm", "MatMul", "Conv") or not graph.is_constant(inputs[1]):
        return None
    values = attributes(node)
    if values.get("transA", 0) or values.get("alpha", 1) != 1 or values.get("beta", 1) != 1:
        return None
    if op == "Conv" and not _covers_input(graph, node):
        return None
    shape = tuple(size for size in graph.shape(inputs[1]) or () if size is not None)
    if len(shape) != (4 if op == "Conv" else 2):
        return None
    bias = inputs[2] if len(inputs) > 2 and inputs[2] else None
    outputs_first = op == "Conv" or bool(values.get("transB", 0))
    layer = Linear(weight=inputs[1], shape=shape, outputs_first=outputs_first, bias=bias)
    return layer, inputs[0], set(node.output)


def is_relu(graph: Graph, node: onnx.NodeProto) -> bool:
    """Whether a node is a ReLU, or a Clip with the minimum 0."""
    return node.op_type == "Relu" or (node.op_type == "Clip" and _limits(graph, node)[0] == 0)


def relu_ceiling(graph: Graph, node: onnx.NodeProto) -> float | None:
    """Return the largest value that a ReLU returns: 6 for ReLU6, None for no limit."""
    return _limits(graph, node)[1] if node.op_type == "Clip" else None


def head_in_float32(model: onnx.ModelProto, head: Head) -> Head:
    """Let the head compute in float32, whatever the rest of the model computes in.

    A mean over many float16 values can overflow, and one infinite logit hides every class. The
    head is one percent of the work, so that a lower precision would save nothing there.

    Args:
        model: Changed in place: every tensor of another float type that the head reads is cast.
        head: Its head.

    Returns:
        The head, with the names of its float32 tensors.
    """
    graph = Graph(model)
    lower = (TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE)
    casts: dict[str, str] = {}
    nodes: list[onnx.NodeProto] = []

    def as_float(name: str) -> str:
        if not name or name in head.nodes or graph.element_type(name) not in lower:
            return name
        if name not in casts:
            casts[name] = f"{name}.float32"
            nodes.append(helper.make_node("Cast", [name], [casts[name]], to=TensorProto.FLOAT))
        return casts[name]

    for node in model.graph.node:
        if head.nodes.intersection(node.output):
            node.input[:] = [as_float(name) for name in node.input]
            for attribute in node.attribute:
                if node.op_type == "Cast" and attribute.name == "to":
                    attribute.i = TensorProto.FLOAT
        nodes.append(node)
    features = as_float(head.features)
    layers = tuple(layer.renamed(as_float) for layer in head.layers)
    del model.graph.node[:], model.graph.value_info[:]  # the types written there are the old ones
    model.graph.node.extend(nodes)
    return dataclasses.replace(head, features=features, layers=layers)


def _read_biased(graph: Graph, add: onnx.NodeProto) -> tuple[Linear, str, set[str]] | None:
    """Read MatMul + Add as one layer."""
    for data, bias in (list(add.input), list(add.input)[::-1]):
        made = graph.producer(data)
        if made is None or made.op_type != "MatMul" or not graph.is_constant(bias):
            continue
        found = read_linear(graph, made)
        if found is not None:
            layer, source, names = found
            return dataclasses.replace(layer, bias=bias), source, {*names, *add.output}
    return None


def _limits(graph: Graph, clip: onnx.NodeProto) -> list[float | None]:
    """Return a Clip's minimum and maximum: attributes before opset 11, inputs since."""
    values = attributes(clip)
    limits = [values.get("min"), values.get("max")]
    for index, name in enumerate(clip.input[1:3]):
        stored = graph.numbers(name) if name else None
        limits[index] = stored[0] if stored else None
    return limits


def _covers_input(graph: Graph, conv: onnx.NodeProto) -> bool:
    """Whether a convolution's kernel covers its whole input, so that it has one output position."""
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
