"""What a classifier's input says of the pictures it takes."""

from __future__ import annotations

from dataclasses import dataclass

import onnx
from onnx import TensorProto, helper

from camstream.errors import ModelError
from camstream.graph.graph_index import Graph

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


def declare_input(
    model: onnx.ModelProto,
    name: str,
    *,
    batch: int | None,
    size_hw: tuple[int | None, int | None],
    channels_first: bool,
    element_type: int,
) -> None:
    """Write an input's shape and type into a model; None leaves a size free."""
    height, width = size_hw[0] or "height", size_hw[1] or "width"
    places = (3, height, width) if channels_first else (height, width, 3)
    value = helper.make_tensor_value_info(name, element_type, (batch or "n", *places))
    next(item for item in model.graph.input if item.name == name).CopyFrom(value)


def redeclared(
    model: onnx.ModelProto,
    *,
    fixed_batch: bool = False,
    size_hw: tuple[int, int] | None = None,
    channels_first: bool | None = None,
) -> onnx.ModelProto:
    """Copy a model, with more said of its only input than the file says.

    Args:
        model: It is not changed.
        fixed_batch: It takes one picture at a time.
        size_hw: It takes this height and width only; None: as declared.
        channels_first: It is (N, 3, H, W), or (N, H, W, 3); None: as declared.

    Raises:
        ModelError: It has no input or several, or not one of four dimensions.
    """
    graph = Graph(model)
    if len(graph.inputs) != 1:
        raise ModelError(
            f"a classifier has one input, this has {', '.join(graph.inputs) or 'none'}"
        )
    name = graph.inputs[0]
    shape = graph.shape(name) or (None,) * 4
    if len(shape) != 4:
        raise ModelError(f"the input {name!r} has {len(shape)} dimensions; a picture has four")
    first = shape[1] == 3 if channels_first is None else channels_first
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    declare_input(
        copy,
        name,
        batch=1 if fixed_batch else shape[0],
        size_hw=size_hw or (shape[2:4] if first else shape[1:3]),
        channels_first=first,
        element_type=graph.element_type(name),
    )
    return copy
