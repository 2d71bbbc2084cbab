"""Finds the head of an ONNX classifier, going back from its output to its feature maps.

Maps can be computed for this form; the search passes over nodes that only rename or reshape:

    features -> pooling or flattening -> linear layer (-> ReLU -> linear layer)* -> softmax

HardSwish may stand for ReLU, and a layer normalisation before each linear layer. Pooling over what
is one position already changes nothing and is passed over as well.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

from camstream.errors import ModelError
from camstream.graph.head import (
    Head,
    Linear,
    is_relu,
    read_hard_swish,
    read_linear,
    read_norm,
    relu_ceiling,
)
from camstream.graph.onnx_graph import Graph, attributes

if TYPE_CHECKING:
    import onnx

_FINAL = ("Softmax", "LogSoftmax", "Sigmoid")
_RENAMES = ("Identity", "Dropout", "Cast")
_RESHAPES = ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose")
_POOLS = (
    "GlobalAveragePool",
    "GlobalMaxPool",
    "AveragePool",
    "MaxPool",
    "ReduceMean",
    "ReduceMax",
)
_CONVOLUTIONS = {"Conv", "QLinearConv", "ConvInteger"}
_RECURRENT = ("LSTM", "GRU", "RNN", "Loop", "Scan")


def find_head(model: onnx.ModelProto) -> Head:
    """Find the head between a classifier's feature maps and its output.

    Args:
        model: Any ONNX model; not changed. Of several outputs, the first that has a head counts.

    Raises:
        ModelError: There is no such head; the message names the nodes found instead.
    """
    graph = Graph(model)
    refusals = []
    for output in graph.outputs:
        try:
            return _Search(graph).head(output)
        except ModelError as error:
            refusals.append(str(error))
    raise ModelError(refusals[0] if refusals else "no class map: the graph has no output")


class _Search:
    """One search from an output towards the image."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._passed_ops: list[str] = []
        self._nodes: set[str] = set()
        self._is_last = False  # whether the pooled maps are (N, h, w, D)

    def head(self, output: str) -> Head:
        logits, final = self._before_final(output)
        self._check_scores(logits)
        self._nodes.clear()
        layers, tensor = self._layers(logits)
        pool, features, channels_last = self._pooling(tensor)
        if pool is None and len(layers) > 1:
            features = self._before_local_pools(features)
        if not layers and pool is None:
            self._refuse("there is neither pooling nor a linear layer before it")
        features_last = pool is not None and self._is_last
        channels = self._channels(features, pool, layers)
        if pool is None and layers[-1].inputs == channels:
            self._refuse(
                "its pooling covers the map at one input size only; state it with --model-size"
            )
        self._check_places(features)
        self._check_bias(layers)
        return Head(
            image=self._image(features),
            output=output,
            final=final,
            logits=logits,
            classes=layers[0].outputs if layers else channels,
            features=features,
            features_last=features_last,
            channels=channels,
            channels_last=channels_last,
            pool=pool,
            layers=tuple(reversed(layers)),
            nodes=frozenset(self._nodes),
        )

    def _check_bias(self, layers: list[Linear]) -> None:
        """Raise where the last layer adds one value to all classes: the maps have a bias a class."""
        bias = layers[0].bias if layers else None
        shape = self._graph.shape(bias) if bias else None
        if shape and None not in shape and math.prod(filter(None, shape)) != layers[0].outputs:
            self._refuse("its last layer has one bias for all classes; give it one a class")

    def _before_final(self, name: str) -> tuple[str, str | None]:
        """Go back over the softmax and reshaping; return the logits' tensor and the softmax's name."""
        final = None
        while True:
            node = self._node(name)
            if final is None and node.op_type in _FINAL:
                final = node.op_type
            elif node.op_type not in (*_RENAMES, *_RESHAPES):
                return name, final
            name = self._step(node)

    def _check_scores(self, logits: str) -> None:
        """Refuse a tensor that is known not to be (N, C) or (N, C, 1, 1)."""
        shape = self._graph.shape(logits)
        if shape is not None and (len(shape) not in (2, 4) or set(shape[2:]) - {1}):
            what = "x".join("?" if size is None else str(size) for size in shape)
            self._refuse(
                f"{logits!r} has the shape {what}, not one row of class scores per picture"
            )

    def _channels(self, features: str, pool: str | None, layers: list[Linear]) -> int:
        shape = self._graph.shape(features)
        depth = None if shape is None or len(shape) != 4 else shape[3 if self._is_last else 1]
        if depth is not None:
            return depth
        if pool is None or not layers:
            self._refuse(f"the number of channels of {features!r} is not known")
        return layers[-1].inputs

    def _layers(self, name: str) -> tuple[list[Linear], str]:
        """Return the linear layers, last one first, and the tensor that the first one reads."""
        layers: list[Linear] = []
        active: dict[str, Any] | None = None
        while True:
            node = self._node(name)
            found = read_linear(self._graph, node)
            if found is not None:
                layer, name, made = found
                self._passed_ops.append(node.op_type)
                self._nodes.update(made)
                layers.append(replace(layer, **(active or {})))
                active = None
            elif layers and active is None and (norm := read_norm(self._graph, node)):
                if layers[-1].norm is not None:
                    return layers, name
                layers[-1] = replace(layers[-1], norm=norm)
                name = self._step(node)
            elif layers and active is None and self._is_hidden(node):
                source = read_hard_swish(self._graph, node)
                if source is None:
                    active = {"active": name, "ceiling": relu_ceiling(self._graph, node)}
                    name = self._step(node)
                else:
                    active = {"active": source, "is_hard_swish": True}
                    self._step(node)
                    name = source
            elif self._keeps_values(node):
                name = self._step(node)
            else:
                return layers, name

    def _is_hidden(self, node: onnx.NodeProto) -> bool:
        """Whether a node is the ReLU or HardSwish of a linear layer, not that of feature maps."""
        name = read_hard_swish(self._graph, node)
        if name is None:
            if not is_relu(self._graph, node):
                return False
            name = node.input[0]
        while (before := self._graph.producer(name)) is not None and self._keeps_values(before):
            name = before.input[0]
        return before is not None and read_linear(self._graph, before) is not None

    def _keeps_values(self, node: onnx.NodeProto) -> bool:
        """Whether a node only renames or reshapes one row of values per picture."""
        if node.op_type in _RENAMES:
            return True
        if node.op_type in _POOLS:  # pooling one position changes nothing
            return self._graph.is_single(node.input[0]) and self._graph.channels_kept(node)
        if node.op_type == "Gather":
            return self._reorders_nothing(node)
        if node.op_type not in _RESHAPES:
            return False
        shape = self._graph.shape(node.input[0])
        return shape is None or len(shape) < 3 or self._graph.is_single(node.input[0])

    def _reorders_nothing(self, gather: onnx.NodeProto) -> bool:
        """Whether a Gather takes all values of one position anew.

        Torch writes ``as_strided`` so. That they keep their order is found out when the numbers are
        compared, see ``NumpyReference``.
        """
        flat = self._graph.producer(gather.input[0])
        return (
            self._graph.is_single(gather.output[0])
            and flat is not None
            and flat.op_type == "Reshape"
            and self._graph.is_single(flat.input[0])
            and self._graph.shape(flat.input[0]) == self._graph.shape(gather.output[0])
        )

    def _pooling(self, name: str) -> tuple[str | None, str, bool]:
        """Read the pooling or flattening before a tensor: pool, features, channels last."""
        node = self._node(name)
        op = node.op_type
        source = node.input[0] if node.input else ""
        if op in ("GlobalAveragePool", "GlobalMaxPool"):
            return ("mean" if op == "GlobalAveragePool" else "max"), self._step(node), False
        if op in ("ReduceMean", "ReduceMax"):
            axes = self._axes(node)
            if axes not in ({2, 3}, {1, 2}):
                self._refuse(f"its {op} is over the axes {sorted(axes)}, not over a whole map")
            source = self._step(node)
            if axes == {1, 2}:
                transposed = self._before_transpose(source)
                self._is_last = transposed is None
                source = transposed or source
            return ("mean" if op == "ReduceMean" else "max"), source, False
        if op in ("AveragePool", "MaxPool") and self._graph.is_single(name):
            if _counts_padding(node) or not self._graph.covers_all(node):
                self._refuse(f"its {op} is not over exactly the whole map")
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
        """Go back over a transposition from (N, D, h, w) to (N, h, w, D); None where there is none."""
        node = self._graph.producer(name)
        if node is None or attributes(node).get("perm") != [0, 2, 3, 1]:
            return None
        return self._step(node)

    def _before_local_pools(self, name: str) -> str:
        """Go back over local pooling, which keeps the sum of a gradient over all positions."""
        while (node := self._graph.producer(name)) is not None and (
            node.op_type in ("Identity", "Dropout", "MaxPool")
            or (node.op_type == "AveragePool" and not _counts_padding(node))
        ):
            name = self._step(node)
        return name

    def _check_places(self, features: str) -> None:
        """Refuse feature maps that have not two sides, each of several cells."""
        shape = self._graph.shape(features)
        if shape is None:
            return
        sides = shape[1:3] if self._is_last else shape[2:]
        if len(shape) != 4:
            self._refuse(f"{features!r} has {len(shape)} dimensions: it is a list, not a map")
        if 1 in sides:
            grid = "x".join("?" if side is None else str(side) for side in sides)
            self._refuse(f"the map of {features!r} is {grid}: it shows no place")

    def _axes(self, node: onnx.NodeProto) -> set[int]:
        axes = attributes(node).get("axes")
        if axes is None and len(node.input) > 1:
            axes = self._graph.numbers(node.input[1])
        shape = self._graph.shape(node.input[0])
        if not axes or (shape is not None and len(shape) != 4):
            self._refuse(f"its {node.op_type} is not over the maps of one picture")
        return {int(axis) % 4 for axis in axes}

    def _image(self, features: str) -> str:
        needed = self._graph.needed(features)
        operators = {node.op_type for name in needed if (node := self._graph.producer(name))}
        if recurrent := operators.intersection(_RECURRENT):
            self._refuse(
                f"{features!r} comes from {recurrent.pop()}, so its cells are no positions of a picture"
            )
        images = [name for name in self._graph.inputs if name in needed]
        if len(images) != 1 or not _CONVOLUTIONS & operators:
            self._refuse(f"{features!r} is not made by convolutions from one picture")
        return images[0]

    def _node(self, name: str) -> onnx.NodeProto:
        node = self._graph.producer(name)
        if node is None:
            self._refuse(f"the search ends at {name!r}")
        return node

    def _step(self, node: onnx.NodeProto) -> str:
        self._passed_ops.append(node.op_type)
        self._nodes.add(node.output[0])
        return str(node.input[0])

    def _refuse(self, reason: str) -> NoReturn:
        passed = " <- ".join(self._passed_ops) or "nothing"
        kind = "a recurrent network, " if any(op in reason for op in _RECURRENT) else ""
        if self._graph.has_attention():
            kind = "a transformer, "
        raise ModelError(
            f"no class map: {kind}found output <- {passed}; {reason}. A map needs convolutions, "
            "then pooling or flattening, then linear layers with ReLU"
        )


def _counts_padding(node: onnx.NodeProto) -> bool:
    values = attributes(node)
    return bool(values.get("count_include_pad", 0)) and any(values.get("pads", ()))
