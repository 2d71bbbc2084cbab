"""What a classifier's input says of the pictures it takes."""

from __future__ import annotations

from dataclasses import dataclass

import onnx
from onnx import TensorProto

from camstream.errors import ModelError
from export.graph import Graph

_TYPES = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.UINT8)


@dataclass(frozen=True, slots=True)
class PictureInput:
    """A graph's input that takes pictures with three channels.

    Attributes:
        batch: How many pictures at once; None: any number.
        height: Pixels; None: any.
        width: Pixels; None: any.
        channels_first: (N, 3, H, W), not (N, H, W, 3).
        element_type: ``onnx.TensorProto.FLOAT``, FLOAT16 or UINT8.
    """

    batch: int | None
    height: int | None
    width: int | None
    channels_first: bool
    element_type: int

    @classmethod
    def of(cls, model: onnx.ModelProto, name: str) -> PictureInput:
        """Read a graph's input.

        Raises:
            ModelError: It takes no such pictures, or several at once only.
        """
        graph = Graph(model)
        shape, kind = graph.shape(name), graph.element_type(name)
        if shape is None or len(shape) != 4 or 3 not in (shape[1], shape[3]):
            raise ModelError(
                f"the input {name!r} of shape {shape} is not known to be a picture with three "
                "channels; say --layout NCHW or NHWC if it is"
            )
        if kind not in _TYPES:
            raise ModelError(f"the input {name!r} is {TensorProto.DataType.Name(kind)}, no picture")
        if shape[0] not in (None, 1):
            raise ModelError(
                f"the input {name!r} takes batches of {shape[0]} only, and camstream shows one "
                "frame at a time; export the network with a batch of 1 or any"
            )
        first = shape[1] == 3
        height, width = shape[2:] if first else shape[1:3]
        return cls(shape[0], height, width, first, kind)
