"""Small ONNX classifiers made by hand, one for every way that a head is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

CHANNELS, HIDDEN, CLASSES, SIDE = 8, 12, 6, 16
CELLS = SIDE // 2


class Maker:
    """Appends nodes to a chain; weights are random, and stored as initializers."""

    def __init__(self, opset: int, dtype: Any = np.float32) -> None:
        self.opset, self.dtype, self.last = opset, dtype, "pixels"
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self._random = np.random.default_rng(opset)

    def weight(self, *shape: int) -> str:
        return self.stored(self._random.normal(0, 0.5, shape).astype(self.dtype))

    def stored(self, array: NDArray[Any]) -> str:
        name = f"weight_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def add(self, op: str, *others: str, **attributes: Any) -> str:
        before, self.last = self.last, f"{op.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, [before, *others], [self.last], **attributes))
        return self.last

    def features(self) -> None:
        weights = self.weight(CHANNELS, 3, 3, 3), self.weight(CHANNELS)
        self.add("Conv", *weights, kernel_shape=[3, 3], pads=[1] * 4, strides=[2, 2])
        self.add("Relu")

    def reduce(self, op: str, axes: list[int], *, keepdims: int = 0) -> None:
        if self.opset >= 18:
            self.add(op, self.stored(np.array(axes, np.int64)), keepdims=keepdims)
        else:
            self.add(op, axes=axes, keepdims=keepdims)

    def pool(self, kind: str) -> None:
        """Pool, and get rid of the two dimensions of size 1."""
        if kind == "reduce_mean":
            self.reduce("ReduceMean", [2, 3])
        elif kind == "reduce_max":
            self.reduce("ReduceMax", [-1, -2])
        elif kind == "nhwc_mean":
            self.add("Transpose", perm=[0, 2, 3, 1])
            self.reduce("ReduceMean", [1, 2])
        elif kind == "gap":
            self.add("GlobalAveragePool")
            self.add("Flatten", axis=1)
        elif kind == "gmp":
            self.add("GlobalMaxPool")
            self.add("Flatten", axis=1)
        elif kind == "average":
            self.add("AveragePool", kernel_shape=[CELLS, CELLS])
            self.add("Identity")
            self.add("Reshape", self.stored(np.array([-1, CHANNELS], np.int64)))
        elif kind == "flatten":
            self.add("Flatten", axis=1)
        elif kind == "nhwc_flatten":
            self.add("Transpose", perm=[0, 2, 3, 1])
            self.add("Flatten", axis=1)
        elif kind == "max_flatten":
            self.add("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
            self.add("Flatten", axis=1)
        elif kind == "average_flatten":
            self.add("AveragePool", kernel_shape=[2, 2], strides=[2, 2])
            self.add("Flatten", axis=1)
        elif kind == "padded_average_flatten":  # its border counts zeros: the sum is not kept
            self.add(
                "AveragePool",
                kernel_shape=[4, 4],
                strides=[2, 2],
                pads=[1] * 4,
                count_include_pad=1,
            )
            self.add("Flatten", axis=1)

    def linear(self, kind: str, inputs: int, outputs: int) -> None:
        if kind == "gemm":
            self.add("Gemm", self.weight(outputs, inputs), self.weight(outputs), transB=1)
        elif kind == "gemm_inputs_first":
            self.add("Gemm", self.weight(inputs, outputs), self.weight(outputs))
        else:
            self.add("MatMul", self.weight(inputs, outputs))
        if kind == "matmul_add":
            self.add("Add", self.weight(outputs))

    def model(
        self,
        *,
        batch: int | str = "n",
        size: int | str = SIDE,
        ir_version: int | None = None,
        listed: bool = True,
    ) -> onnx.ModelProto:
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(self.dtype))
        sides = (size, size) if isinstance(size, int) else ("height", "width")
        inputs = [helper.make_tensor_value_info("pixels", kind, (batch, 3, *sides))]
        opsets = [helper.make_opsetid("", self.opset)]
        version = ir_version or helper.find_min_ir_version_for(opsets)
        if version < 4 and listed:  # as that version demands
            inputs += [
                helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
                for tensor in self.weights
            ]
        output = helper.make_tensor_value_info(self.last, kind, None)
        graph = helper.make_graph(self.nodes, "small", inputs, [output], self.weights)
        return helper.make_model(graph, opset_imports=opsets, ir_version=version)


def inputs_of(pool: str) -> int:
    """How many values the first linear layer behind a pooling reads."""
    if pool in ("max_flatten", "average_flatten", "padded_average_flatten"):
        return CHANNELS * (CELLS // 2) ** 2
    return CHANNELS * CELLS**2 if "flatten" in pool else CHANNELS


def classifier(
    *,
    opset: int = 18,
    pool: str = "gap",
    linear: str = "gemm",
    hidden: int = 0,
    final: str | None = "Softmax",
    dtype: Any = np.float32,
    **declared: Any,
) -> onnx.ModelProto:
    """Convolution, pooling, ``hidden`` layers with ReLU and one without, softmax."""
    maker = Maker(opset, dtype)
    maker.features()
    maker.pool(pool)
    inputs = inputs_of(pool)
    for _ in range(hidden):
        maker.linear(linear, inputs, HIDDEN)
        maker.add("Relu")
        inputs = HIDDEN
    maker.linear(linear, inputs, CLASSES)
    if final is not None:
        maker.add(final, axis=1)
    return maker.model(**declared)


def save(model: onnx.ModelProto, folder: Path, name: str = "net.onnx") -> Path:
    path = folder / name
    onnx.save(model, path)
    return path
