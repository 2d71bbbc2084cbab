"""A camstream model of one layer: each cell of its map is the mean brightness of a 32 x 32 block.

Its evidence is known to the last digit, and it takes no time.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from camstream.contract import ModelInfo
from camstream.graph.assemble import assemble
from camstream.graph.find_head import find_head

STRIDE = 32
CAM_RANGE = (20.0, 200.0)
_LUMA = np.array([[0.299, 0.587, 0.114], [-0.299, -0.587, -0.114]], np.float32)


def write(
    path: Path,
    *,
    cam_range: tuple[float, float] = CAM_RANGE,
    dark_bias: float = 128.0,
    background: str | None = None,
    size_multiple: int | None = STRIDE,
) -> Path:
    """Write the model; its classes are "light" and "dark", which wins where bias / 2 is more."""
    info = ModelInfo(
        name="tiny",
        labels=("light", "dark"),
        size_hw=(224, 224),
        size_multiple=size_multiple,
        color="RGB",
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        method="CAM",
        layer="features",
        cam_range=cam_range,
        weights="none",
        weights_sha256="",
        versions={"camstream": "0"},
        background=background,
    )
    core = _core(dark_bias)
    onnx.save(assemble(core, find_head(core), info), path)
    return path


def _core(dark_bias: float) -> onnx.ModelProto:
    # A convolution that averages each colour over a block: what is mapped must be one.
    blocks = np.zeros((3, 3, STRIDE, STRIDE), np.float32)
    blocks[range(3), range(3)] = 1 / STRIDE**2
    node = helper.make_node
    nodes = [
        node("Conv", ["image", "blocks"], ["features"], strides=[STRIDE, STRIDE]),
        node("GlobalAveragePool", ["features"], ["pooled"]),
        node("Flatten", ["pooled"], ["flat"]),
        node("Gemm", ["flat", "weight", "bias"], ["logits"], transB=1),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "tiny",
        [value("image", TensorProto.FLOAT, ["n", 3, "h", "w"])],
        [value("logits", TensorProto.FLOAT, ["n", 2])],
        [
            numpy_helper.from_array(blocks, "blocks"),
            numpy_helper.from_array(_LUMA, "weight"),
            numpy_helper.from_array(np.array([0.0, dark_bias], np.float32), "bias"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
