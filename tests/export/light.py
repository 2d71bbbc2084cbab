"""The real architectures that the onnx package ships, with random weights instead of constants."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FOLDER = Path(onnx.__file__).parent / "backend/test/data/light"
CAM = ("densenet121", "inception_v1", "inception_v2", "resnet50", "shufflenet", "squeezenet")
GRAD_CAM = ("bvlc_alexnet", "vgg19", "zfnet512")


def load(name: str) -> onnx.ModelProto:
    """Read a light file and give every weight a value of the size that keeps a signal alive."""
    model = onnx.load(FOLDER / f"light_{name}.onnx")
    graph = model.graph
    random = np.random.default_rng(0)
    pool = random.standard_normal(1 << 20).astype(np.float32)
    shapes = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    filled = [node for node in graph.node if node.op_type == "ConstantOfShape"]
    role = {
        name: (node.op_type, place) for node in graph.node for place, name in enumerate(node.input)
    }
    for node in filled:
        shape = tuple(int(size) for size in shapes[node.input[0]])
        values = np.resize(np.roll(pool, random.integers(pool.size)), shape)
        if role[node.output[0]] in (("BatchNormalization", 4), ("BatchNormalization", 1)):
            values = 0.5 + np.abs(values)  # a variance, a scale
        elif len(shape) > 1:
            values = values * np.float32(np.sqrt(2 / np.prod(shape[1:])))
        else:
            values = values * np.float32(0.1)
        graph.initializer.append(numpy_helper.from_array(values, node.output[0]))
        # Before IR version 4, weights are listed as inputs.
        listed = helper.make_tensor_value_info(node.output[0], TensorProto.FLOAT, shape)
        graph.input.append(listed)
        graph.node.remove(node)
    return model


def input_of(model: onnx.ModelProto) -> str:
    stored = {tensor.name for tensor in model.graph.initializer}
    return next(value.name for value in model.graph.input if value.name not in stored)
