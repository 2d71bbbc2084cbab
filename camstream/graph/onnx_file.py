"""Reads any ONNX file safely, upgrades its opset, and reads and declares its picture input."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import TensorProto, helper, version_converter

from camstream.errors import ModelError, first_line
from camstream.graph.onnx_graph import Graph

if TYPE_CHECKING:
    from collections.abc import Iterator

    from camstream.contract import ModelFile

MIN_OPSET = 15  # Shape with a start
_MAX_BYTES = 2**31 - 1  # of one protobuf message, which an ONNX file is
_PICTURE_TYPES = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.UINT8)


def read_model(file: ModelFile) -> onnx.ModelProto:
    """Read a model from the disk or from memory, see ``read_onnx``."""
    return read_onnx(file.path) if file.content is None else onnx.load_from_string(file.content)


def read_onnx(path: Path) -> onnx.ModelProto:
    """Read an ONNX file and the weights beside it.

    Raises:
        ModelError: The file is no ONNX file, is too large, or names data outside its own folder.
    """
    if not path.is_file():
        raise ModelError(f"no ONNX file {path}")
    try:
        model = onnx.load(path, load_external_data=False)
    except (DecodeError, onnx.checker.ValidationError) as error:
        raise ModelError(f"{path} is no ONNX file, or a damaged one") from error
    if not model.graph.node or not model.opset_import:
        raise ModelError(f"{path} is no ONNX file, or a damaged one: it holds no graph")
    beside = {_beside(path, tensor) for tensor in _tensors(model.graph) if tensor.external_data}
    if sum(file.stat().st_size for file in (path, *beside)) > _MAX_BYTES:
        raise ModelError(f"{path} has more than 2 GB of weights; a camstream model is one file")
    if beside:
        try:
            onnx.load_external_data_for_model(model, str(path.parent))
        except (OSError, ValueError, onnx.checker.ValidationError) as error:
            raise ModelError(f"{path}: its weights cannot be read: {error}") from error
    # The ONNX checker is not used: it refuses much that runs, such as outputs without a shape.
    made = {output for node in model.graph.node for output in node.output}
    made |= {item.name for item in (*model.graph.input, *model.graph.initializer)}
    missing = {name for node in model.graph.node for name in node.input if name} - made
    if missing:
        raise ModelError(f"{path} is damaged: nothing makes the tensor {min(missing)!r}")
    return model


def upgraded(model: onnx.ModelProto, path: Path) -> onnx.ModelProto:
    """Return the model in an opset that has the operators of the map nodes.

    Raises:
        ModelError: The converter does not know one of the model's operators.
    """
    version = opset_of(model)
    if version >= MIN_OPSET:
        return model
    listed = onnx.ModelProto()
    listed.CopyFrom(model)
    # Before IR version 4, the converter forgets the weights that are not listed as inputs.
    listed.ir_version = max(model.ir_version, 4)
    try:
        return version_converter.convert_version(listed, MIN_OPSET)
    except Exception as error:  # the converter's own error has no public base class
        raise ModelError(
            f"{path}: cannot be brought from opset {version} to {MIN_OPSET} "
            f"({first_line(error)}); export it again with a newer opset"
        ) from error


def opset_of(model: onnx.ModelProto) -> int:
    """Return the version of ONNX's own operators that a model uses; 0 where none is declared."""
    return next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureInput:
    """An input of a graph that takes pictures with three channels.

    Attributes:
        batch: Number of pictures in one call; None: any.
        height: Pixels; None: any.
        width: Pixels; None: any.
        channels_first: Whether the input is (N, 3, H, W), not (N, H, W, 3).
        element_type: ``onnx.TensorProto.FLOAT``, FLOAT16 or UINT8.
    """

    batch: int | None
    height: int | None
    width: int | None
    channels_first: bool
    element_type: int

    @classmethod
    def of(cls, model: onnx.ModelProto, name: str) -> PictureInput:
        """Read the declaration of a graph's input.

        Raises:
            ModelError: The input takes no such pictures, or only batches of several.
        """
        graph = Graph(model)
        shape, kind = graph.shape(name), graph.element_type(name)
        if shape is None or len(shape) != 4 or 3 not in (shape[1], shape[3]):
            raise ModelError(
                f"the input {name!r} of shape {shape} is not known to be a picture with three "
                "channels; add --layout nchw or nhwc if it is"
            )
        if kind not in _PICTURE_TYPES:
            raise ModelError(f"the input {name!r} is {TensorProto.DataType.Name(kind)}, no picture")
        if shape[0] not in (None, 1):
            raise ModelError(
                f"the input {name!r} takes batches of {shape[0]} only, and camstream shows one "
                "frame at a time; export the network with a batch of 1 or any"
            )
        first = shape[1] == 3
        height, width = shape[2:] if first else shape[1:3]
        return cls(
            batch=shape[0], height=height, width=width, channels_first=first, element_type=kind
        )


def declare_input(
    model: onnx.ModelProto,
    name: str,
    *,
    batch: int | None,
    size_hw: tuple[int | None, int | None],
    channels_first: bool,
    element_type: int,
) -> None:
    """Declare an input's shape and type in a model; None leaves a size free."""
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
    """Copy a model, with another declaration of its only input.

    Args:
        model: The source; not changed.
        fixed_batch: Declare a batch of 1.
        size_hw: Declare this height and width; None: as in the source.
        channels_first: Declare (N, 3, H, W), or (N, H, W, 3); None: as in the source.

    Raises:
        ModelError: The model has no input or several, or its input has not four dimensions.
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


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Yield every stored tensor of a graph and of its branches."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield attribute.t
            yield from attribute.tensors
            for branch in (attribute.g, *attribute.graphs):
                yield from _tensors(branch)


def _beside(path: Path, tensor: onnx.TensorProto) -> Path:
    """Find the file with a tensor's data; only files in the model's own folder are accepted."""
    location = {entry.key: entry.value for entry in tensor.external_data}.get("location", "")
    folder = path.parent.resolve()
    file: Path = (folder / location).resolve()
    if not location or Path(location).is_absolute() or not file.is_relative_to(folder):
        raise ModelError(f"{path} wants weights from {location!r}, outside its own folder: refused")
    if not file.is_file():
        raise ModelError(f"{path} has its weights in {location!r}, which is not beside it")
    return file
