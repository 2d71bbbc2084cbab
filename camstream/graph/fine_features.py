"""Finds an earlier layer's features, which ``camstream.graph.refine`` joins maps with.

The deeper a layer, the coarser its grid. Just before the last halving the features still follow
the outlines of things, twice as fine as the class maps, and they are computed anyway.
"""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper

from camstream import contract
from camstream.graph.graph_index import Graph

# Where a network's stages end: what several blocks said of a place is summed or put together.
_JOINS = ("Add", "Sum", "Concat")
_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16)


def find_fine_features(
    model: onnx.ModelProto, features: str, size_hw: tuple[int, int]
) -> str | None:
    """Find the last tensor whose grid is about twice as fine as that of the feature maps.

    Args:
        model: A camstream model.
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

    def has_grid(name: str) -> bool:
        """Whether it is twice as fine, to a cell: 13 x 13 is pooled to 6 x 6 or to 7 x 7."""
        shape = graph.shape(name)
        if shape is None or len(shape) != 4 or graph.element_type(name) not in _FLOATS:
            return False
        return all(
            one is not None and other is not None and abs(one - 2 * other) <= 1
            for one, other in zip(shape[2:], coarse[2:], strict=True)
        )

    nodes = [
        node
        for node in model.graph.node
        if not node.name.startswith("camstream.")  # the picture is no layer
        and node.output[0] in needed
        and has_grid(node.output[0])
    ]
    ends = [node for node in nodes if node.op_type in _JOINS and sum(map(has_grid, node.input)) > 1]
    return (ends or nodes)[-1].output[0] if nodes else None


def _at_size(model: onnx.ModelProto, size_hw: tuple[int, int]) -> onnx.ModelProto:
    """Copy a model for one picture of a fixed size, so that every grid is known."""
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    frames = next(value for value in fixed.graph.input if value.name == contract.FRAMES)
    shape = (1, *size_hw, 3)
    frames.CopyFrom(helper.make_tensor_value_info(contract.FRAMES, TensorProto.UINT8, shape))
    return fixed
