"""Exports a torch network: trace -> plain classifier -> camstream model -> proof -> file."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from torch.export import ExportedProgram

from camstream.contract import ModelInfo
from camstream.errors import ModelError, SinkError
from camstream.graph.add_cam import Overrides, default_cam_range, read_labels
from camstream.graph.find_head import find_head
from camstream.graph.head import Head
from camstream.graph.onnx_file import declare_input
from camstream.graph.verify import SHAPES_NHW, TOLERANCE, sample_frames, save_verified, versions
from export.networks.dilate import dilate
from export.source import Source
from export.torch_reference import TorchReference
from export.trace import IMAGE, OPSET, is_in_layer, layer_of, map_size_hw, trace

_ZERO, _ONE = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)


def export(
    source: Source,
    output: Path,
    *,
    overrides: Overrides | None = None,
    layer: str | None = None,
    map_stride: int | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> ModelInfo:
    """Export a network; the file gets its name only after it has passed every check.

    Args:
        source: The network; ``map_stride`` changes it in place.
        output: The file to write; one that is there is replaced.
        overrides: What the user says of the network, against what the source says.
        layer: The layer that the maps must be of; None: the one that can be mapped.
        map_stride: Input pixels a cell of the maps, by dilation; None: as the network is.
        progress: Is told each step, one line each.

    Returns:
        The record that is in the file, with what was measured.

    Raises:
        ModelError: The network has no class map, or the export is not equal to it.
        SinkError: The file cannot be written.
    """
    if not output.parent.is_dir():
        raise SinkError(f"cannot write {output}: there is no folder {output.parent}")
    overrides = overrides or Overrides()
    size_hw = overrides.size_wh[::-1] if overrides.size_wh else source.size_hw
    if map_stride is not None:
        dilate(source.network, map_stride, size_hw=size_hw)
    progress("writing the graph")
    core, program = trace(source.network, size_hw, name=source.name)
    head = find_head(core)
    found = layer_of(program, head.features)
    if layer is not None and not is_in_layer(program, head.features, layer):
        raise ModelError(_wrong_layer(source, layer, found))
    any_size = _with_any_size(core)
    stride = _stride(program, head, size_hw)
    info = ModelInfo(
        name=overrides.name or source.name,
        labels=_labels(source, overrides, head.classes),
        size_hw=size_hw,
        size_multiple=stride or source.size_multiple,
        color=overrides.color or "RGB",
        mean=overrides.mean or (_ZERO if overrides.std else source.mean),
        std=overrides.std or (_ONE if overrides.mean else source.std),
        method=head.method,
        layer=found if map_stride is None else f"{found} (stride {map_stride} by dilation)",
        cam_range=overrides.cam_range or source.cam_range or default_cam_range(head.classes),
        weights=source.weights,
        weights_sha256=source.weights_sha256,
        versions=versions("torch", "onnxscript", opset=OPSET),
    )
    reference = TorchReference(source.network, program, head, info)
    shapes = SHAPES_NHW
    if source.size_multiple is None and not _takes_any_size(any_size, reference):
        any_size, shapes = core, ((1, *size_hw), (3, *size_hw))
        info = dataclasses.replace(info, size_multiple=None)
    progress("comparing every output with torch")
    return save_verified(any_size, head, info, output, reference, shapes_nhw=shapes)


def _wrong_layer(source: Source, layer: str, found: str) -> str:
    names = [name for name, _ in source.network.named_modules() if name]
    if layer not in names:
        return f"--layer {layer}: {source.name} has no such layer; the one to map is {found}"
    return (
        f"--layer {layer}: more than pooling and linear layers lie between it and the logits of "
        f"{source.name}, so its map is no part of the forward pass; the one to map is {found}"
    )


def _labels(source: Source, overrides: Overrides, classes: int) -> tuple[str, ...]:
    """Name the classes: as the user says, else as the source says, else by number."""
    labels = read_labels(overrides.labels) if overrides.labels else source.labels
    if labels is None:
        return tuple(f"class {index}" for index in range(classes))
    if len(labels) != classes:
        what = overrides.labels or "the network's attribute"
        raise ModelError(f"{what} has {len(labels)} labels, {source.name} has {classes} classes")
    return labels


def _stride(program: ExportedProgram, head: Head, size_hw: tuple[int, int]) -> int | None:
    """Give the pixels a cell of the maps; None where cells are not whole squares of pixels."""
    cells = map_size_hw(program, head.features)
    strides = {side / count for side, count in zip(size_hw, cells, strict=True)}
    stride = strides.pop()
    return int(stride) if not strides and stride.is_integer() else None


def _with_any_size(core: onnx.ModelProto) -> onnx.ModelProto:
    """Copy a classifier and declare that it takes any batch, height and width."""
    free = onnx.ModelProto()
    free.CopyFrom(core)
    del free.graph.value_info[:]
    declare_input(
        free,
        IMAGE,
        batch=None,
        size_hw=(None, None),
        channels_first=True,
        element_type=onnx.TensorProto.FLOAT,
    )
    return free


def _takes_any_size(core: onnx.ModelProto, reference: TorchReference) -> bool:
    """Try whether the graph still equals the network at sizes that were not traced."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    random = np.random.default_rng(0)
    try:
        session = ort.InferenceSession(
            core.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        for shape in SHAPES_NHW:
            image = reference.image(sample_frames(shape, random))
            want = reference.logits(image).numpy()
            got = session.run(None, {IMAGE: image.numpy()})[0]
            if not np.allclose(got, want, rtol=0, atol=TOLERANCE * float(np.abs(want).max())):
                return False
    except Exception:  # neither torch nor onnxruntime says with one type that a size does not fit
        return False
    return True
