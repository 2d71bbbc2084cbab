"""Keeps the pooling, the linear layers and the maps of a network in float32.

A mean over many float16 values can overflow, and one infinite logit hides every class; the head
is a hundredth of the work, so nothing is gained by a lower precision there.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import onnx
from onnx import TensorProto, helper

from camstream.graph.graph_index import Graph

if TYPE_CHECKING:
    from camstream.graph.head import Head


def head_in_float32(model: onnx.ModelProto, head: Head) -> Head:
    """Let the head compute in float32, whatever the rest of the model computes in.

    Args:
        model: Changed: every tensor of another float type that the head reads is cast.
        head: Its head.

    Returns:
        The head, with the names of the tensors that are float32 now.
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
