"""Writes nodes into an ONNX graph, named so that they are found again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

if TYPE_CHECKING:
    from numpy.typing import NDArray


class NodeBuilder:
    """Nodes and constants to add to a graph; every tensor they make has one prefix.

    Attributes:
        nodes: The nodes, in the order of computation.
        initializers: The constants.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def add(self, op: str, *inputs: str, name: str, output: str = "", **attributes: Any) -> str:
        """Append a node; gives the tensor it makes: ``output``, or the prefix and ``name``."""
        made = output or f"{self._prefix}.{name}"
        label = f"{self._prefix}.{name}"
        self.nodes.append(helper.make_node(op, list(inputs), [made], label, **attributes))
        return made

    def constant(self, name: str, array: NDArray[np.generic], *, output: str = "") -> str:
        """Append a constant; gives its name."""
        made = output or f"{self._prefix}.{name}"
        self.initializers.append(numpy_helper.from_array(array, made))
        return made

    def integers(self, name: str, *numbers: int) -> str:
        """Append a constant of int64 numbers, (len,); gives its name."""
        return self.constant(name, np.array(numbers, np.int64))
