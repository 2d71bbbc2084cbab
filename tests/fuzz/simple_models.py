"""Damages ONNX files: their bytes, their graph, their weights and camstream's own metadata."""

from __future__ import annotations

from random import Random

import numpy as np
import onnx
from onnx import ModelProto, numpy_helper

from camstream.contract import METADATA_KEY
from tests.fuzz import mutate_bytes, mutate_text


def mutate(data: bytes, rng: Random) -> bytes:
    """Damage a whole ONNX file."""
    if rng.random() < 0.3:
        return mutate_bytes.mutate(data, rng)
    model = onnx.load_from_string(data)
    for _ in range(rng.choice((1, 1, 2))):
        rng.choice((_metadata, _metadata, _metadata, _weights, _nodes, _shapes, _versions))(
            model, rng
        )
    return bytes(model.SerializeToString())


def _metadata(model: ModelProto, rng: Random) -> None:
    for entry in model.metadata_props:
        if entry.key == METADATA_KEY:
            entry.value = mutate_text.mutate_json(entry.value, rng)


def _weights(model: ModelProto, rng: Random) -> None:
    tensor = rng.choice(model.graph.initializer)
    values = numpy_helper.to_array(tensor).copy()
    if values.dtype.kind == "f":
        values.flat[rng.randrange(values.size)] = rng.choice((np.nan, np.inf, -np.inf, 3e38, 0))
        if rng.random() < 0.5:
            values[...] = rng.choice((np.nan, np.inf, 0, 1e38))
    elif values.size:
        values.flat[rng.randrange(values.size)] = rng.choice((0, -1, 7, 2**31 - 1, -(2**31)))
    if rng.random() < 0.2:
        values = values[:-1] if values.ndim else values
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def _nodes(model: ModelProto, rng: Random) -> None:
    nodes = model.graph.node
    at = rng.randrange(len(nodes))
    act = rng.randrange(5)
    if act == 0:
        del nodes[at]
    elif act == 1 and nodes[at].input:
        nodes[at].input[0] = rng.choice(nodes).output[0]  # also loops
    elif act == 2:
        nodes[at].op_type = rng.choice(("Relu", "Loop", "NoSuch", "Identity", "Softmax", ""))
    elif act == 3 and nodes[at].attribute:
        attribute = rng.choice(nodes[at].attribute)
        attribute.ints[:] = [rng.choice((0, -1, 1, 10**6)) for _ in attribute.ints]
        attribute.i = rng.choice((0, -1, 99))
    else:
        nodes.append(nodes[at])


def _shapes(model: ModelProto, rng: Random) -> None:
    graph = model.graph
    value = rng.choice([*graph.input, *graph.output])
    shape = value.type.tensor_type.shape
    act = rng.randrange(4)
    if act == 0 and shape.dim:
        rng.choice(shape.dim).dim_value = rng.choice((0, -1, 1, 7, 100_000, 2**40))
    elif act == 1 and shape.dim:
        del shape.dim[-1]
    elif act == 2:
        value.type.tensor_type.elem_type = rng.choice((1, 2, 7, 8, 10, 11, 99))
    else:
        value.name = rng.choice(("x", "", "frames", "\x1b[31m"))


def _versions(model: ModelProto, rng: Random) -> None:
    if rng.random() < 0.5:
        model.ir_version = rng.choice((0, 3, 99, 2**40))
    else:
        model.opset_import[0].version = rng.choice((0, 1, 7, 99, 2**40))
