"""Looks tensors up in an ONNX graph (``Graph``), and writes nodes into one (``NodeBuilder``)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

if TYPE_CHECKING:
    from numpy.typing import NDArray

Shape = tuple[int | None, ...]

_LARGE = 4096  # elements; shape inference reads the values of smaller tensors only


class Graph:
    """A read-only view of a model's main graph, with inferred shapes.

    Attributes:
        inputs: Names of the inputs that are not weights.
        outputs: Names of the outputs.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        """Infer the shapes; where inference fails they stay unknown."""
        graph = model.graph
        self._initializers = {tensor.name: tensor for tensor in graph.initializer}
        self._producers = {name: node for node in graph.node for name in node.output if name}
        self.inputs: list[str] = [
            value.name for value in graph.input if value.name not in self._initializers
        ]
        self.outputs: list[str] = [value.name for value in graph.output]
        self._types: dict[str, onnx.TypeProto.Tensor] = {}
        try:
            inferred = onnx.shape_inference.infer_shapes(_skeleton(model), data_prop=True).graph
        except Exception:  # a damaged graph fails in many ways
            inferred = graph
        for value in (*inferred.input, *inferred.value_info, *inferred.output):
            self._types[value.name] = value.type.tensor_type

    def producer(self, name: str) -> onnx.NodeProto | None:
        """Return the node that computes a tensor; None for inputs and initializers."""
        return self._producers.get(name)

    def shape(self, name: str) -> Shape | None:
        """Return a tensor's shape, with None for each size that is not fixed; None where unknown."""
        if name in self._initializers:
            return tuple(self._initializers[name].dims)
        kind = self._types.get(name)
        if kind is None or not kind.HasField("shape"):
            return None
        # PaddlePaddle writes -1 for a free size.
        return tuple(
            d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else None
            for d in kind.shape.dim
        )

    def element_type(self, name: str) -> int:
        """Return a tensor's element type (``onnx.TensorProto.FLOAT``, ...); 0 where unknown."""
        if name in self._initializers:
            return int(self._initializers[name].data_type)
        return int(self._types[name].elem_type) if name in self._types else 0

    def is_single(self, name: str) -> bool:
        """Whether a tensor is (N, D, 1, 1) or (N, 1, 1, D): one position per picture."""
        shape = self.shape(name)
        return shape is not None and len(shape) == 4 and (1, 1) in (shape[2:], shape[1:3])

    def channels_kept(self, pool: onnx.NodeProto) -> bool:
        """Whether a pooling of one position keeps its channels apart."""
        if not pool.op_type.startswith("Reduce"):
            return True
        axes = attributes(pool).get("axes")
        if axes is None and len(pool.input) > 1:
            axes = self.numbers(pool.input[1])
        shape = self.shape(pool.input[0])
        return shape is not None and all(shape[int(axis)] == 1 for axis in axes or range(4))

    def has_attention(self) -> bool:
        """Whether a softmax weights a product of matrices, as in a transformer."""
        soft = {node.output[0] for node in self._producers.values() if node.op_type == "Softmax"}
        return any(
            node.op_type.endswith("Attention")
            or (node.op_type == "MatMul" and soft.intersection(node.input))
            for node in self._producers.values()
        )

    def covers_all(self, pool: onnx.NodeProto) -> bool:
        """Whether the first window of a pooling covers its whole input."""
        shape, values = self.shape(pool.input[0]), attributes(pool)
        kernel = values["kernel_shape"]
        pads = values.get("pads", [0] * 4)
        return shape is not None and all(
            size is not None and side - pad >= size
            for size, side, pad in zip(shape[2:], kernel, pads[:2], strict=True)
        )

    def is_constant(self, name: str) -> bool:
        """Whether a tensor depends on weights only, and on no input."""
        needed = self.needed(name)
        return not needed.intersection(self.inputs) and all(
            part in self._initializers or part in self._producers for part in needed
        )

    def numbers(self, name: str) -> list[float] | None:
        """Return the values of a stored constant, flat; None where the tensor is computed."""
        if name in self._initializers:
            tensor = self._initializers[name]
        else:
            node = self.producer(name)
            if node is None or node.op_type != "Constant" or "value" not in attributes(node):
                return None
            tensor = attributes(node)["value"]
        return [float(number) for number in numpy_helper.to_array(tensor).reshape(-1)]

    def needed(self, *names: str) -> set[str]:
        """Return every tensor that the named ones are computed from, including themselves."""
        found: set[str] = set()
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if not name or name in found:
                continue
            found.add(name)
            node = self.producer(name)
            if node is not None:
                waiting += node.input
                for attribute in node.attribute:  # a branch may use the outer graph's tensors
                    for branch in (attribute.g, *attribute.graphs):
                        waiting += [i for inner in branch.node for i in inner.input]
        return found


class NodeBuilder:
    """Collects nodes and constants to add to a graph; the names of all begin with one prefix.

    Attributes:
        nodes: The nodes, in the order of computation.
        initializers: The constants.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def add_to(self, graph: onnx.GraphProto) -> None:
        """Append everything collected to a graph."""
        graph.node.extend(self.nodes)
        graph.initializer.extend(self.initializers)

    def add(self, op: str, *inputs: str, name: str, output: str = "", **attributes: Any) -> str:
        """Append a node; return the tensor that it computes: ``output``, or prefix and ``name``."""
        label = f"{self._prefix}.{name}"
        made = output or label
        self.nodes.append(helper.make_node(op, list(inputs), [made], label, **attributes))
        return made

    def constant(self, name: str, array: NDArray[np.generic], *, output: str = "") -> str:
        """Append a constant; return its name."""
        made = output or f"{self._prefix}.{name}"
        self.initializers.append(numpy_helper.from_array(array, made))
        return made

    def integers(self, name: str, *numbers: int) -> str:
        """Append a constant of int64 numbers, (len,); return its name."""
        return self.constant(name, np.array(numbers, np.int64))


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """Return a node's attributes as Python values."""
    return {item.name: helper.get_attribute_value(item) for item in node.attribute}


def prune(model: onnx.ModelProto, *tensors: str) -> None:
    """Drop from a model, in place, the nodes and weights that none of the named tensors needs."""
    needed = Graph(model).needed(*tensors)
    graph = model.graph
    nodes = [node for node in graph.node if needed.intersection(node.output)]
    weights = [tensor for tensor in graph.initializer if tensor.name in needed]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(weights)


def _skeleton(model: onnx.ModelProto) -> onnx.ModelProto:
    """Copy a model without the large weights, so that shape inference is fast at any size."""
    # Before IR version 4, inference forgets the weights that are not listed as inputs.
    skeleton = onnx.ModelProto(ir_version=max(model.ir_version, 4))
    skeleton.opset_import.extend(model.opset_import)
    skeleton.functions.extend(model.functions)
    skeleton.graph.node.extend(model.graph.node)
    skeleton.graph.input.extend(model.graph.input)
    skeleton.graph.output.extend(model.graph.output)
    for tensor in model.graph.initializer:
        if math.prod(tensor.dims) > _LARGE:
            skeleton.graph.initializer.add(
                name=tensor.name, dims=tensor.dims, data_type=tensor.data_type
            )
        else:
            skeleton.graph.initializer.append(tensor)
    return skeleton
