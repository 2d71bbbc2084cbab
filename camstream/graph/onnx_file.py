"""Reads any ONNX file with care, and brings it to the form that ``camstream.graph.assemble`` takes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import TensorProto, helper, version_converter

from camstream import contract
from camstream.contract import ModelFile, ModelInfo
from camstream.errors import ModelError
from camstream.graph.assemble import BEFORE, BEHIND, MIN_OPSET, info_of
from camstream.graph.graph_index import attributes
from camstream.graph.picture_input import declare_input

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAX_BYTES = 2**31 - 1  # of one protobuf message, which an ONNX file is


def read_model(file: ModelFile) -> onnx.ModelProto:
    """Read a model, from the disk or from memory, see ``read_onnx``."""
    return read_onnx(file.path) if file.content is None else onnx.load_from_string(file.content)


def read_onnx(path: Path) -> onnx.ModelProto:
    """Read an ONNX file and the weights beside it.

    Raises:
        ModelError: It is no ONNX file, too large, or wants data from outside its own folder.
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
    # Not the ONNX checker: it refuses much that runs, such as outputs without a shape.
    made = {output for node in model.graph.node for output in node.output}
    made |= {item.name for item in (*model.graph.input, *model.graph.initializer)}
    missing = {name for node in model.graph.node for name in node.input if name} - made
    if missing:
        raise ModelError(f"{path} is damaged: nothing makes the tensor {min(missing)!r}")
    return model


def upgraded(model: onnx.ModelProto, path: Path) -> onnx.ModelProto:
    """Give the model in an opset that the nodes of the maps fit into.

    Raises:
        ModelError: It uses what no converter knows.
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
            f"({str(error).splitlines()[0]}); export it again with a newer opset"
        ) from error


def opset_of(model: onnx.ModelProto) -> int:
    """Give the version of ONNX's own operators that a model uses; 0 where it says none."""
    return next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 0)


def plain(model: onnx.ModelProto, path: Path) -> tuple[onnx.ModelProto, ModelInfo | None]:
    """Take camstream's own parts out of a model, so that they can be put in anew.

    Returns:
        The classifier alone, and what the file says of itself; the model as it is, and None,
        where camstream did not make it.

    Raises:
        ModelError: An older camstream made it.
    """
    if contract.METADATA_KEY not in {entry.key for entry in model.metadata_props}:
        return model, None
    info = info_of(model, path=str(path))
    ours = {node.name: node for node in model.graph.node if node.name.startswith("camstream.")}
    image, logits = ours.get(f"{BEFORE}.image"), ours.get(f"{BEHIND}.logits")
    if image is None or logits is None:
        raise ModelError(f"{path}: an older camstream made it; export it again from its source")
    dims = [d.dim_value or None for d in model.graph.input[0].type.tensor_type.shape.dim]
    core = onnx.ModelProto()
    core.CopyFrom(model)
    graph = core.graph
    nodes = [node for node in graph.node if node.name not in ours]
    weights = [
        tensor
        for tensor in graph.initializer
        if not tensor.name.startswith("camstream.") and tensor.name != contract.CLASSES
    ]
    del core.metadata_props[:], graph.node[:], graph.initializer[:], graph.value_info[:]
    del graph.input[:], graph.output[:]
    graph.node.extend(nodes)
    graph.initializer.extend(weights)
    graph.input.add().name = image.output[0]
    declare_input(
        core,
        image.output[0],
        batch=dims[0],
        size_hw=(dims[1], dims[2]),
        channels_first=f"{BEFORE}.planes" in ours,
        element_type=attributes(image)["to"],
    )
    scores = (dims[0], len(info.labels))
    graph.output.append(helper.make_tensor_value_info(logits.input[0], TensorProto.FLOAT, scores))
    return core, info


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Walk over every stored tensor of a graph and of its branches."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield attribute.t
            yield from attribute.tensors
            for branch in (attribute.g, *attribute.graphs):
                yield from _tensors(branch)


def _beside(path: Path, tensor: onnx.TensorProto) -> Path:
    """Find the file that a tensor's data is in; only the model's own folder is trusted."""
    location = {entry.key: entry.value for entry in tensor.external_data}.get("location", "")
    folder = path.parent.resolve()
    file: Path = (folder / location).resolve()
    if not location or Path(location).is_absolute() or not file.is_relative_to(folder):
        raise ModelError(f"{path} wants weights from {location!r}, outside its own folder: refused")
    if not file.is_file():
        raise ModelError(f"{path} has its weights in {location!r}, which is not beside it")
    return file
