"""Damages ONNX models: their bytes, their metadata, their graph and their weights.

Pure functions: the same bytes and the same ``random.Random`` give the same damage.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError, EncodeError  # type: ignore[import-untyped]
from onnx import TensorProto, numpy_helper

_KEY = "camstream"
# What stands where a number, a text or a list should.
_HOSTILE: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    100_000,
    2**63,
    1e308,
    math.nan,
    math.inf,
    "",
    "5",
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "[bold]x[/b]",
    "\u202eabc",
    "\ud83d",
    "x" * 1_000_000,
    "a\nb\r\tc\x00",
    [],
    [0, 0],
    [1],
    [1, 2, 3],
    [[1, 2], [3]],
    {},
    {"a": {"b": 1}},
)


def mutate_model(content: bytes, rng: random.Random) -> bytes:
    """Damage a model in one way.

    Args:
        content: An ONNX file.
        rng: Chooses the way, and every detail.

    Returns:
        The damaged file, which need not be an ONNX file any more.
    """
    way = rng.choice((_bytes, _metadata, _metadata, _metadata_text, _graph, _graph, _weights))
    if way is _bytes:
        return _bytes(content, rng)
    try:
        model = onnx.load_from_string(content)
        damaged: bytes = way(model, rng)
    except (DecodeError, EncodeError, UnicodeError, ValueError):
        return _bytes(content, rng)
    return damaged


def _bytes(content: bytes | onnx.ModelProto, rng: random.Random) -> bytes:
    """Change, drop, repeat or cut bytes."""
    damaged = bytearray(content if isinstance(content, bytes) else content.SerializeToString())
    if not damaged:
        return b"\x08"
    kind = rng.randrange(5)
    # The structure of a file is at its ends; between lie the weights.
    span = min(len(damaged), 3000)
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        near = rng.randrange(span)
        place = near if rng.random() < 0.5 else len(damaged) - 1 - near
        place = max(0, min(place, len(damaged) - 1))
        if kind == 0:
            damaged[place] = rng.randrange(256)
        elif kind == 1:
            damaged[place] ^= 1 << rng.randrange(8)
        elif kind == 2:
            del damaged[place : place + rng.randrange(1, 9)]
        elif kind == 3:
            damaged[place:place] = damaged[place : place + rng.randrange(1, 33)]
        else:
            return bytes(damaged[: rng.randrange(len(damaged))])
        if not damaged:
            return b""
    return bytes(damaged)


def _record(model: onnx.ModelProto) -> dict[str, Any]:
    for entry in model.metadata_props:
        if entry.key == _KEY:
            return dict(json.loads(entry.value))
    return {"contract": 1, "labels": ["a", "b"], "size_hw": [16, 16], "cam_range": [0, 1]}


def _with_text(model: onnx.ModelProto, text: str) -> bytes:
    """Write metadata; half surrogates as the bytes that UTF-8 does not allow."""
    coded = text.encode("utf-8", "surrogatepass")
    place = f"@{'?' * (len(coded) - 1)}"
    del model.metadata_props[:]
    model.metadata_props.add(key=_KEY, value=place)
    content: bytes = model.SerializeToString()
    return content.replace(place.encode(), coded)


def _metadata(model: onnx.ModelProto, rng: random.Random) -> bytes:
    """Replace, drop or nest entries of the record."""
    values = _record(model)
    for _ in range(rng.choice((1, 1, 1, 3))):
        key = rng.choice(sorted(values)) if values else "labels"
        kind = rng.randrange(6)
        inner = values.get(key)
        if kind == 0:
            values.pop(key, None)
        elif kind == 1 and isinstance(inner, list) and inner:
            inner[rng.randrange(len(inner))] = rng.choice(_HOSTILE)
        elif kind == 2 and isinstance(inner, dict) and inner:
            inner[rng.choice(sorted(inner))] = rng.choice(_HOSTILE)
        elif kind == 3 and isinstance(inner, list):
            values[key] = inner * rng.choice((0, 2, 1000)) + inner[:1]
        elif kind == 4:
            values["labels"] = [f"label {n}" for n in range(rng.choice((0, 1, 900, 200_000)))]
        else:
            values[key] = rng.choice(_HOSTILE)
    return _with_text(model, json.dumps(values, ensure_ascii=rng.random() < 0.5))


def _metadata_text(model: onnx.ModelProto, rng: random.Random) -> bytes:
    """Put another text in place of the record."""
    whole = json.dumps(_record(model))
    texts: tuple[Callable[[], str], ...] = (
        lambda: "",
        lambda: "[" * rng.choice((10, 5_000, 200_000)),
        lambda: '{"labels":' * rng.choice((10, 5_000, 200_000)),
        lambda: whole.replace("1", "9" * 5_000, 1),
        lambda: whole[: rng.randrange(len(whole))],
        lambda: whole.replace('"', "", rng.randrange(1, 4)),
        lambda: "null",
        lambda: '{"contract": 1}',
        lambda: '{"contract": "\\ud800"}',
        lambda: "\udc80" + whole,
        lambda: whole.replace("1", "NaN", 1),
        lambda: whole + "x" * 5_000_000,
    )
    return _with_text(model, rng.choice(texts)())


def _graph(model: onnx.ModelProto, rng: random.Random) -> bytes:
    """Rename, rewire, drop, repeat and retype parts of the graph."""
    graph = model.graph
    for _ in range(rng.choice((1, 1, 2, 4))):
        kind = rng.randrange(12)
        node = rng.choice(graph.node) if graph.node else onnx.NodeProto()
        names = [name for other in graph.node for name in (*other.input, *other.output)] or ["x"]
        if kind == 0 and node.input:
            node.input[rng.randrange(len(node.input))] = rng.choice(names)  # may be a circle
        elif kind == 1:
            node.op_type = rng.choice(("Relu", "Conv", "Gemm", "Loop", "NoSuch", "Softmax", ""))
        elif kind == 2 and node.input:
            del node.input[rng.randrange(len(node.input))]
        elif kind == 3 and node.output:
            node.output[0] = rng.choice(names)
        elif kind == 4 and node in graph.node:
            graph.node.remove(node)
        elif kind == 5:
            graph.node.add().CopyFrom(node)
        elif kind == 6 and graph.input:
            value = rng.choice(graph.input)
            value.name = rng.choice((value.name, "frames", "other"))
            for dim in value.type.tensor_type.shape.dim:
                dim.dim_value = rng.choice((-1, 0, 1, 2, 3, 7, 100_000, 2**62))
        elif kind == 7 and graph.output:
            rng.choice(graph.output).name = rng.choice(names)
        elif kind == 8:
            model.ir_version = rng.choice((-1, 0, 1, 3, 99, 2**40))
        elif kind == 9 and model.opset_import:
            model.opset_import[0].version = rng.choice((-5, 0, 1, 7, 13, 18, 99, 2**40))
        elif kind == 10 and node.attribute:
            attribute = rng.choice(node.attribute)
            attribute.i = rng.choice((-(2**62), -1, 0, 2**62))
            attribute.f = rng.choice((math.nan, math.inf, 0.0))
            if attribute.ints:
                attribute.ints[0] = rng.choice((-1, 0, 3, 2**40))
            attribute.type = rng.randrange(1, 8)
        else:
            del graph.input[rng.randrange(len(graph.input) + 1) :]
    content: bytes = model.SerializeToString()
    return content


def _weights(model: onnx.ModelProto, rng: random.Random) -> bytes:
    """Damage one weight: values that are no numbers, other sizes and types, data in other files."""
    if not model.graph.initializer:
        return _bytes(model, rng)
    tensor: TensorProto = rng.choice(model.graph.initializer)
    kind = rng.randrange(6)
    if kind == 0 and tensor.data_type == TensorProto.FLOAT:
        values = numpy_helper.to_array(tensor).copy()
        values.flat[:] = rng.choice((np.nan, np.inf, 1e38, 0.0))
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    elif kind == 1 and tensor.dims:
        tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice((-1, 0, 1, 7, 2**31, 2**62))
    elif kind == 2:
        tensor.data_type = rng.randrange(0, 24)
    elif kind == 3:
        tensor.raw_data = tensor.raw_data[: len(tensor.raw_data) // 2]
    elif kind == 4:
        tensor.data_location = TensorProto.EXTERNAL
        place = rng.choice(("/etc/passwd", "../../secret", "beside.bin", "", "\x1b[31m"))
        tensor.external_data.add(key="location", value=place)
    else:
        tensor.name = rng.choice(("", "frames", "logits", "classes", "\x1b[31m"))
    content: bytes = model.SerializeToString()
    return content
