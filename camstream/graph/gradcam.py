"""Writes the channel weights of maps as graph nodes: rows of the classifier, or a gradient.

Behind pooling and one linear layer, the weights are rows of its matrix (CAM). For several layers
they are the gradient of the class's logit (Grad-CAM, Selvaraju et al. 2017): the product of the
matrices, multiplied between two by the mask of the ReLU of the forward pass (or the slope of its
HardSwish), and led back through layer normalisations. A local pooling
keeps the gradient's sum over all positions, so that nothing must be un-pooled. The gradient is
made of ordinary nodes; no runtime computes one by itself.

The unit is that of logits: where a paper divides the gradient's sum by the number of positions,
the nodes multiply by that number, so that on a network with global average pooling Grad-CAM and
HiResCAM equal CAM.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto

from camstream import contract

if TYPE_CHECKING:
    from camstream.graph.head import Head, Linear
    from camstream.graph.onnx_graph import NodeBuilder


def channel_weights(nodes: NodeBuilder, head: Head) -> str:
    """Write one weight for each channel of the feature maps; return the (N, K, D) tensor."""
    if not head.layers:  # the feature maps are the class maps: each class selects its own
        depth = nodes.integers("classes", head.classes)
        values = nodes.constant("off_on", np.array([0, 1], np.float32))
        return nodes.add("OneHot", contract.CAM_CLASSES, depth, values, name="own_map")
    gradient = _gradient(nodes, head.layers)
    if head.pool is not None:
        return gradient
    # (N, K, D * h * w) -> (N, K, D, h * w) -> (N, K, D); the channels may be the last instead.
    parts = (0, 0, -1, head.channels) if head.channels_last else (0, 0, head.channels, -1)
    shape = nodes.integers("channel_shape", *parts)
    places = nodes.add("Reshape", gradient, shape, name="gradient_places")
    axis = nodes.integers("place_axis", 2 if head.channels_last else 3)
    return nodes.add("ReduceSum", places, axis, name="channel_weights", keepdims=0)


def weighted_places(nodes: NodeBuilder, head: Head, places: str) -> str:
    """Write HiResCAM's maps (Draelos and Carin 2020): gradient times feature at each position.

    Args:
        nodes: The builder to write into.
        head: A head of one linear layer over flattened feature maps.
        places: The (N, D, h * w) feature maps.

    Returns:
        The (N, K, h * w) tensor of maps; their mean plus the bias is the logit.
    """
    gradient = _gradient(nodes, head.layers)
    count = head.layers[0].inputs // head.channels
    parts = (0, 0, count, head.channels) if head.channels_last else (0, 0, head.channels, count)
    weights = nodes.add("Reshape", gradient, nodes.integers("parts", *parts), name="place_weights")
    if head.channels_last:
        weights = nodes.add("Transpose", weights, name="place_weights_t", perm=[0, 1, 3, 2])
    every = nodes.add("Unsqueeze", places, nodes.integers("map_axis", 1), name="places_of_all")
    product = nodes.add("Mul", weights, every, name="evidence")  # (N, K, D, h * w)
    summed = nodes.add(
        "ReduceSum", product, nodes.integers("channel_axis", 2), name="summed", keepdims=0
    )
    scale = nodes.constant("place_count", np.array(count, np.float32))
    return nodes.add("Mul", summed, scale, name="scaled")


def _gradient(nodes: NodeBuilder, layers: tuple[Linear, ...]) -> str:
    """Write the gradient of the requested logits by the layers' input, (N, K, inputs)."""
    gradient = _before_norm(nodes, layers[-1], _rows(nodes, layers[-1]), "last")
    for number, layer in enumerate(reversed(layers[:-1])):
        slope = (_hard_swish_slope if layer.is_hard_swish else _mask)(nodes, layer, number)
        masked = nodes.add("Mul", gradient, slope, name=f"masked_{number}")
        flat = nodes.add("Flatten", masked, name=f"rows_{number}", axis=2)  # (N * K, outputs)
        weight = layer.weight
        if len(layer.shape) > 2:
            weight = nodes.add("Flatten", weight, name=f"weight_{number}", axis=1)
        product = nodes.add(
            "Gemm", flat, weight, name=f"product_{number}", transB=int(not layer.outputs_first)
        )
        asked = nodes.add("Shape", contract.CAM_CLASSES, name=f"asked_{number}")
        rest = nodes.integers(f"rest_{number}", -1)
        shape = nodes.add("Concat", asked, rest, name=f"shape_{number}", axis=0)
        gradient = nodes.add("Reshape", product, shape, name=f"gradient_{number}")
        gradient = _before_norm(nodes, layer, gradient, str(number))
    return gradient


def _before_norm(nodes: NodeBuilder, layer: Linear, gradient: str, label: str) -> str:
    """Write the gradient by what a layer's normalisation reads, (N, K, D).

    With the normalised values y = (x - mean) / s and the scaled gradient g, it is
    (g - mean(g) - y mean(g y)) / s. Means are matrix products: the reducing operators take their
    axes in another way in each opset.
    """
    norm = layer.norm
    if norm is None:
        return gradient

    def named(step: str) -> str:
        return f"norm_{label}_{step}"

    depth = layer.inputs
    average = nodes.constant(named("average"), np.full((depth, 1), 1 / depth, np.float32))
    epsilon = nodes.constant(named("epsilon"), np.array(norm.epsilon, np.float32))
    flat = nodes.add("Flatten", norm.source, name=named("flat"), axis=1)
    values = nodes.add("Unsqueeze", flat, nodes.integers(named("axis"), 1), name=named("values"))
    mean = nodes.add("MatMul", values, average, name=named("mean"))
    centred = nodes.add("Sub", values, mean, name=named("centred"))
    squares = nodes.add("Mul", centred, centred, name=named("squares"))
    variance = nodes.add("MatMul", squares, average, name=named("variance"))
    raised = nodes.add("Add", variance, epsilon, name=named("raised"))
    spread = nodes.add("Sqrt", raised, name=named("spread"))
    unit = nodes.add("Div", centred, spread, name=named("unit"))  # (N, 1, D)
    scaled = nodes.add("Mul", gradient, norm.scale, name=named("scaled"))
    along = nodes.add("Mul", scaled, unit, name=named("along"))
    level = nodes.add("MatMul", scaled, average, name=named("level"))  # (N, K, 1)
    part = nodes.add("MatMul", along, average, name=named("part"))
    slope = nodes.add("Mul", unit, part, name=named("slope"))
    flattened = nodes.add("Sub", scaled, level, name=named("flattened"))
    rest = nodes.add("Sub", flattened, slope, name=named("rest"))
    return nodes.add("Div", rest, spread, name=named("gradient"))


def _hard_swish_slope(nodes: NodeBuilder, layer: Linear, number: int) -> str:
    """Write the slope of x clip(x + 3, 0, 6) / 6, (N, 1, outputs): 0, x / 3 + 1 / 2, or 1."""
    assert layer.active is not None

    def constant(name: str, value: float) -> str:
        return nodes.constant(f"{name}_{number}", np.array(value, np.float32))

    x = nodes.add("Flatten", layer.active, name=f"active_{number}", axis=1)
    third = nodes.add("Mul", x, constant("third", 1 / 3), name=f"part_{number}")
    line = nodes.add("Add", third, constant("half", 0.5), name=f"line_{number}")
    low = nodes.add("Less", x, constant("begin", -3), name=f"low_{number}")
    high = nodes.add("Greater", x, constant("end", 3), name=f"high_{number}")
    rising = nodes.add("Where", low, constant("none", 0), line, name=f"rising_{number}")
    slope = nodes.add("Where", high, constant("full", 1), rising, name=f"slope_{number}")
    axis = nodes.integers(f"axis_{number}", 1)
    return nodes.add("Unsqueeze", slope, axis, name=f"mask_of_all_{number}")


def _rows(nodes: NodeBuilder, layer: Linear) -> str:
    """Write the last layer's rows of the requested classes, (N, K, inputs)."""
    if not layer.outputs_first:
        columns = nodes.add("Gather", layer.weight, contract.CAM_CLASSES, name="columns", axis=1)
        return nodes.add("Transpose", columns, name="rows", perm=[1, 2, 0])
    rows = nodes.add("Gather", layer.weight, contract.CAM_CLASSES, name="rows", axis=0)
    if len(layer.shape) == 2:
        return rows
    return nodes.add("Reshape", rows, nodes.integers("flat_rows", 0, 0, -1), name="rows_flat")


def _mask(nodes: NodeBuilder, layer: Linear, number: int) -> str:
    """Write the gradient of the layer's ReLU, (N, 1, outputs): 1 where it passes values on, else 0."""
    assert layer.active is not None
    active = nodes.add("Flatten", layer.active, name=f"active_{number}", axis=1)
    zero = nodes.constant(f"zero_{number}", np.array(0, np.float32))
    passed = nodes.add("Greater", active, zero, name=f"positive_{number}")
    if layer.ceiling is not None:
        ceiling = nodes.constant(f"ceiling_{number}", np.array(layer.ceiling, np.float32))
        below = nodes.add("Less", active, ceiling, name=f"below_{number}")
        passed = nodes.add("And", passed, below, name=f"passed_{number}")
    mask = nodes.add("Cast", passed, name=f"mask_{number}", to=TensorProto.FLOAT)
    axis = nodes.integers(f"axis_{number}", 1)
    return nodes.add("Unsqueeze", mask, axis, name=f"mask_of_all_{number}")
