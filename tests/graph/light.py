"""The real architectures that the onnx package ships, with random weights instead of constants."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOLDER = Path(onnx.__file__).parent / "backend/test/data/light"
CAM = ("densenet121", "inception_v1", "inception_v2", "resnet50", "shufflenet", "squeezenet")
GRAD_CAM = ("bvlc_alexnet", "vgg19", "zfnet512")

_WIDE, _NARROW = 4096, 64  # fully connected layers: the same graph at a sixtieth of the weights


def load(name: str) -> onnx.ModelProto:
    """Read a light file and give every weight a value of the size that keeps a signal alive."""
    model = onnx.load(FOLDER / f"light_{name}.onnx")
    graph = model.graph
    random = np.random.default_rng(0)
    pool = random.standard_normal(1 << 20).astype(np.float32)
    shapes = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    roles = {use: (node.op_type, i) for node in graph.node for i, use in enumerate(node.input)}
    for node in [node for node in graph.node if node.op_type == "ConstantOfShape"]:
        shape = tuple(int(size) for size in shapes[node.input[0]])
        shape = tuple(_NARROW if size == _WIDE else size for size in shape)
        values: NDArray[np.float32] = np.resize(np.roll(pool, random.integers(pool.size)), shape)
        role = roles[node.output[0]]
        if role == ("BatchNormalization", 4):  # a variance
            values = np.float32(0.5) + np.abs(values)
        elif role == ("BatchNormalization", 1):  # a scale; residual branches must not explode
            values = np.float32(0.25) * (1 + np.abs(values))
        elif len(shape) > 1:
            values = values * np.float32(np.sqrt(2 / np.prod(shape[1:])))
        else:
            values = values * np.float32(0.1)
        graph.initializer.append(numpy_helper.from_array(values, node.output[0]))
        # Before IR version 4, weights are listed as inputs.
        graph.input.append(helper.make_tensor_value_info(node.output[0], TensorProto.FLOAT, shape))
        graph.node.remove(node)
    return model
