"""Adds an earlier layer's features to a model's outputs, which ``camstream.sharp`` joins maps with.

The deeper a layer, the coarser its grid. Just before the last halving the features still follow
the outlines of things, twice as fine as the class maps, and they are computed anyway.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx
from onnx import TensorProto, helper

from camstream import contract
from export.graph import Graph
from export.nodes import Nodes

if TYPE_CHECKING:
    from camstream.contract import ModelInfo
    from export.head import Head

PREFIX = "camstream.early"
# Where a network's stages end: what several blocks said of a place is summed or put together.
_JOINS = ("Add", "Sum", "Concat")
_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16)


def add_early(model: onnx.ModelProto, head: Head, info: ModelInfo) -> None:
    """Declare the earlier features as an output, in place; a model that has none stays as it is.

    Args:
        model: An assembled camstream model.
        head: What is known of its end.
        info: Says at which size the grids are compared.
    """
    found = find_early(model, head.features, info.size_hw)
    if found is None:
        return
    nodes = Nodes(PREFIX)
    nodes.add("Cast", found, name="float", output=contract.EARLY, to=TensorProto.FLOAT)
    model.graph.node.extend(nodes.nodes)
    shape = (None, None, None, None)
    model.graph.output.append(
        helper.make_tensor_value_info(contract.EARLY, TensorProto.FLOAT, shape)
    )


def find_early(model: onnx.ModelProto, features: str, size_hw: tuple[int, int]) -> str | None:
    """Find the last tensor whose grid is twice as fine as that of the feature maps.

    Args:
        model: A camstream model; its other inputs may be of any size.
        features: The tensor that maps are made of.
        size_hw: Input height and width to compare at, pixels.

    Returns:
        The end of a stage where there is one (a sum or a concatenation), else the last tensor of
        all; None where nothing is twice as fine.
    """
    graph = Graph(_at_size(model, size_hw))
    coarse, needed = graph.shape(features), graph.needed(features)
    if coarse is None or len(coarse) != 4 or None in coarse[2:]:
        return None
    fine = [2 * side for side in coarse[2:] if side is not None]
    found = [
        (node.op_type in _JOINS, name)
        for node in model.graph.node
        for name in node.output
        if name in needed and graph.element_type(name) in _FLOATS
        if (shape := graph.shape(name)) is not None and list(shape[2:]) == fine
    ]
    joined = [name for is_join, name in found if is_join]
    return joined[-1] if joined else found[-1][1] if found else None


def _at_size(model: onnx.ModelProto, size_hw: tuple[int, int]) -> onnx.ModelProto:
    """Copy a model for one picture of a fixed size, so that every grid is known."""
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    frames = next(value for value in fixed.graph.input if value.name == contract.FRAMES)
    shape = (1, *size_hw, 3)
    frames.CopyFrom(helper.make_tensor_value_info(contract.FRAMES, TensorProto.UINT8, shape))
    return fixed
