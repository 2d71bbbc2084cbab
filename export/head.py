"""Finds the head of an ONNX classifier: which feature maps become the logits, and how.

Walks back from the classifier's output. What can be mapped looks like this:

    features -> pooling or flattening -> linear layer (-> ReLU -> linear layer)* -> softmax

and the walk passes what only renames or reshapes in between.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NoReturn

import onnx

from camstream.errors import ModelError
from export.graph import Graph, attributes

_FINAL = ("Softmax", "LogSoftmax", "Sigmoid")
_RENAMES = ("Identity", "Dropout", "Cast")
_RESHAPES = ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose")
_RECURRENT = ("LSTM", "GRU", "RNN", "Loop", "Scan")


@dataclass(frozen=True, slots=True)
class Linear:
    """One linear layer, y = W x + b.

    Attributes:
        weight: Tensor with W.
        shape: Its shape: (outputs, inputs), a convolution's (outputs, D, h, w), or
            (inputs, outputs).
        outputs_first: Whether the outputs come first in it.
        bias: Tensor with b; None where there is none.
        active: Tensor of the layer's values behind its ReLU; None where it has none.
        ceiling: The largest value that the ReLU lets through (6 for ReLU6); None: any.
    """

    weight: str
    shape: tuple[int, ...]
    outputs_first: bool
    bias: str | None
    active: str | None = None
    ceiling: float | None = None

    @property
    def outputs(self) -> int:
        """How many values it makes."""
        return self.shape[0 if self.outputs_first else -1]

    @property
    def inputs(self) -> int:
        """How many values it reads."""
        return math.prod(self.shape) // self.outputs


@dataclass(frozen=True, slots=True)
class Head:
    """How a classifier's feature maps become its logits.

    Attributes:
        image: The graph's input.
        output: The graph's output that was walked back from.
        final: What makes ``output`` from the logits ("Softmax", ...); None where nothing does.
        logits: Tensor of the logits, (N, C) or (N, C, 1, 1).
        classes: C.
        features: Tensor of the feature maps that the map is made of, (N, D, h, w).
        channels: D.
        channels_last: They are flattened in the order (h, w, D), not (D, h, w).
        pool: "mean" or "max" over each whole feature map; None where they are flattened.
        layers: The linear layers behind, in the order of computation; none where the feature
            maps are the class maps themselves.
        nodes: A tensor made by each node from the pooling to the logits.
    """

    image: str
    output: str
    final: str | None
    logits: str
    classes: int
    features: str
    channels: int
    channels_last: bool
    pool: str | None
    layers: tuple[Linear, ...]
    nodes: frozenset[str]

    @property
    def method(self) -> str:
        """How maps are made for such a head, as ``ModelInfo.method`` says it."""
        if len(self.layers) > 1:
            return "Grad-CAM"
        return {"mean": "CAM", "max": "CAM (max pooling)", None: "HiResCAM"}[self.pool]

    @property
    def obeys_law(self) -> bool:
        """Whether mean(cam) + bias is the logit."""
        return self.method in ("CAM", "HiResCAM")


def find_head(model: onnx.ModelProto) -> Head:
    """Walk back from a classifier's output to the feature maps.

    Args:
        model: Any ONNX model; it is not changed. Of several outputs, the first that has a
            head is taken.

    Raises:
        ModelError: There is no such head; the message says what is there instead.
    """
    graph = Graph(model)
    refusals = []
    for output in graph.outputs:
        try:
            return _Walk(graph).head(output)
        except ModelError as error:
            refusals.append(str(error))
    raise ModelError(refusals[0] if refusals else "no class map: the graph has no output")


class _Walk:
    """One walk from an output towards the image."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._trail: list[str] = []
        self._nodes: set[str] = set()

    def head(self, output: str) -> Head:
        logits, final = self._before_final(output)
        classes = self._classes(logits)
        self._nodes.clear()
        layers, tensor = self._layers(logits)
        pool, features, channels_last = self._pooling(tensor)
        if pool is None and len(layers) > 1:
            features = self._before_local_pools(features)
        shape = self._graph.shape(features)
        channels = shape[1] if shape is not None and len(shape) == 4 else None
        if channels is None:
            self._refuse(f"the number of channels of {features!r} is not fixed")
        if not layers and pool is None:
            self._refuse("there is neither pooling nor a linear layer before it")
        if pool is None and layers[-1].inputs == channels:
            self._refuse("its pooling covers the map at one input size only; give that as --size")
        return Head(
            image=self._image(features),
            output=output,
            final=final,
            logits=logits,
            classes=classes,
            features=features,
            channels=channels,
            channels_last=channels_last,
            pool=pool,
            layers=tuple(reversed(layers)),
            nodes=frozenset(self._nodes),
        )

    def _before_final(self, name: str) -> tuple[str, str | None]:
        """Pass the softmax and what reshapes around it; gives the logits' tensor."""
        final = None
        while True:
            node = self._node(name)
            if final is None and node.op_type in _FINAL:
                final = node.op_type
            elif node.op_type not in (*_RENAMES, *_RESHAPES):
                return name, final
            name = self._step(node)

    def _classes(self, logits: str) -> int:
        shape = self._graph.shape(logits)
        if shape is None or len(shape) not in (2, 4) or shape[1] is None or set(shape[2:]) - {1}:
            what = "x".join("?" if d is None else str(d) for d in shape) if shape else "unknown"
            self._refuse(f"{logits!r} has the shape {what}, not one row of class scores a picture")
        return shape[1]

    def _layers(self, name: str) -> tuple[list[Linear], str]:
        """Collect the linear layers, last one first, and the tensor that the first one reads."""
        layers: list[Linear] = []
        active: tuple[str, float | None] | None = None
        while True:
            node = self._node(name)
            linear = self._linear(node)
            if linear is not None:
                layer, name = linear
                if active is not None:
                    layer = replace(layer, active=active[0], ceiling=active[1])
                layers.append(layer)
                active = None
            elif layers and active is None and self._is_hidden(node):
                active = (name, self._ceiling(node))
                name = self._step(node)
            elif self._keeps_values(node):
                name = self._step(node)
            else:
                return layers, name

    def _linear(self, node: onnx.NodeProto) -> tuple[Linear, str] | None:
        """Read a node as a linear layer over one place; gives it and the tensor it reads."""
        graph, op, inputs = self._graph, node.op_type, list(node.input)
        values = attributes(node)
        if op == "Add":  # MatMul + bias
            for data, bias in (inputs, inputs[::-1]):
                made = graph.producer(data)
                if graph.is_constant(bias) and made is not None and made.op_type == "MatMul":
                    found = self._linear(made)
                    if found is not None and found[0].bias is None:
                        self._nodes.add(node.output[0])
                        return replace(found[0], bias=bias), found[1]
            return None
        if op not in ("Gemm", "MatMul", "Conv") or not graph.is_constant(inputs[1]):
            return None
        if op == "Gemm":
            if values.get("transA", 0) or values.get("alpha", 1) != 1 or values.get("beta", 1) != 1:
                self._refuse("its Gemm transposes or scales")
            outputs_first = bool(values.get("transB", 0))
        else:
            outputs_first = op == "Conv"
        if op == "Conv" and not self._sees_all(node):
            return None
        shape = tuple(size for size in graph.shape(inputs[1]) or () if size is not None)
        if len(shape) != (4 if op == "Conv" else 2):
            return None
        bias = inputs[2] if len(inputs) > 2 and inputs[2] else None
        layer = Linear(inputs[1], shape, outputs_first, bias)
        self._trail.append(op)
        self._nodes.add(node.output[0])
        return layer, inputs[0]

    def _is_hidden(self, node: onnx.NodeProto) -> bool:
        """Whether this is the ReLU of a linear layer, and not of the feature maps."""
        if node.op_type not in ("Relu", "Clip"):
            return False
        name = node.input[0]
        while (before := self._graph.producer(name)) is not None and self._keeps_values(before):
            name = before.input[0]
        return before is not None and _Walk(self._graph)._linear(before) is not None

    def _ceiling(self, node: onnx.NodeProto) -> float | None:
        """The upper limit of a ReLU6 written as Clip."""
        if node.op_type == "Relu":
            return None
        values = attributes(node)
        limits = [values.get("min"), values.get("max")]
        for index, name in enumerate(node.input[1:3]):
            stored = self._graph.numbers(name) if name else None
            limits[index] = stored[0] if stored else limits[index]
        if limits[0] != 0:
            self._refuse("its Clip does not begin at 0")
        return limits[1]

    def _keeps_values(self, node: onnx.NodeProto) -> bool:
        """Whether a node only renames or reshapes one row of values a picture."""
        if node.op_type in _RENAMES:
            return True
        if node.op_type not in _RESHAPES:
            return False
        shape = self._graph.shape(node.input[0])
        return shape is None or len(shape) < 3 or self._is_single(node.input[0])

    def _pooling(self, name: str) -> tuple[str | None, str, bool]:
        """Recognise what turns feature maps into the tensor: pool, features, channels last."""
        node = self._node(name)
        values, op = attributes(node), node.op_type
        source = node.input[0] if node.input else ""
        if op in ("GlobalAveragePool", "GlobalMaxPool"):
            return ("mean" if op == "GlobalAveragePool" else "max"), self._step(node), False
        if op in ("ReduceMean", "ReduceMax"):
            axes = self._axes(node)
            if axes not in ({2, 3}, {1, 2}):
                self._refuse(f"its {op} is over the axes {sorted(axes)}, not over a whole map")
            source = self._step(node)
            if axes == {1, 2}:
                source = self._before_transpose(source) or self._refuse("its maps are (N, h, w, D)")
            return ("mean" if op == "ReduceMean" else "max"), source, False
        if op in ("AveragePool", "MaxPool") and self._is_single(name):
            if _counts_padding(values):
                self._refuse("its AveragePool counts padding as picture")
            return ("mean" if op == "AveragePool" else "max"), self._step(node), False
        shape = self._graph.shape(name)
        if shape is not None and len(shape) == 4:  # a convolution reads the maps as they are
            return None, name, False
        shape = self._graph.shape(source) if source else None
        if op not in ("Reshape", "Flatten") or shape is None or len(shape) != 4:
            self._refuse(f"before that comes {op}")
        source = self._step(node)
        transposed = self._before_transpose(source)
        return None, transposed or source, transposed is not None

    def _before_transpose(self, name: str) -> str | None:
        """Go back over a transposition from (N, D, h, w) to (N, h, w, D), where there is one."""
        node = self._graph.producer(name)
        if node is None or attributes(node).get("perm") != [0, 2, 3, 1]:
            return None
        return self._step(node)

    def _before_local_pools(self, name: str) -> str:
        """Go back over local pooling, over which the sum of a gradient does not change."""
        while (node := self._graph.producer(name)) is not None and (
            node.op_type in ("Identity", "Dropout", "MaxPool")
            or (node.op_type == "AveragePool" and not _counts_padding(attributes(node)))
        ):
            name = self._step(node)
        return name

    def _axes(self, node: onnx.NodeProto) -> set[int]:
        axes = attributes(node).get("axes")
        if axes is None and len(node.input) > 1:
            axes = self._graph.numbers(node.input[1])
        shape = self._graph.shape(node.input[0])
        if not axes or (shape is not None and len(shape) != 4):
            self._refuse(f"its {node.op_type} is not over the maps of one picture")
        return {int(axis) % 4 for axis in axes}

    def _is_single(self, name: str) -> bool:
        shape = self._graph.shape(name)
        return (
            shape is not None and len(shape) == 4 and (shape[2:] == (1, 1) or shape[1:3] == (1, 1))
        )

    def _sees_all(self, node: onnx.NodeProto) -> bool:
        """Whether a convolution has one output place, which sees all of its input."""
        values = attributes(node)
        weight, source = self._graph.shape(node.input[1]), self._graph.shape(node.input[0])
        return (
            self._is_single(node.output[0])
            and weight is not None
            and source is not None
            and weight[2:] == source[2:]
            and values.get("group", 1) == 1
            and not any(values.get("pads", ()))
        )

    def _image(self, features: str) -> str:
        needed = self._graph.needed(features)
        images = [name for name in self._graph.inputs if name in needed]
        if len(images) != 1 or not any(
            (node := self._graph.producer(name)) is not None and node.op_type == "Conv"
            for name in needed
        ):
            self._refuse(f"{features!r} is not made by convolutions from one picture")
        return images[0]

    def _node(self, name: str) -> onnx.NodeProto:
        node = self._graph.producer(name)
        if node is None:
            self._refuse(f"the walk ends at {name!r}")
        return node

    def _step(self, node: onnx.NodeProto) -> str:
        self._trail.append(node.op_type)
        self._nodes.add(node.output[0])
        return node.input[0]

    def _refuse(self, reason: str) -> NoReturn:
        trail = " <- ".join(self._trail) or "nothing"
        kind = "a recurrent network, " if any(op in reason for op in _RECURRENT) else ""
        raise ModelError(
            f"no class map: {kind}found output <- {trail}; {reason}. A map needs convolutions, then "
            "pooling or flattening, then linear layers with ReLU"
        )


def _counts_padding(values: dict[str, object]) -> bool:
    return bool(values.get("count_include_pad", 0)) and any(values.get("pads", ()))  # type: ignore[call-overload]
