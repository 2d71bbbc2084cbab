"""Exports a torch network to a camstream model.

Steps: trace the network into a plain ONNX classifier, find where its maps come from, add the maps,
compare every output with torch, write the file.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import logging
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from camstream.contract import ModelInfo
from camstream.errors import ModelError, SinkError, UsageError, first_line
from camstream.graph.add_cam import Overrides, check_scale, default_cam_range, read_labels
from camstream.graph.find_head import find_head
from camstream.graph.head import Head
from camstream.graph.heat_range import measured_range
from camstream.graph.onnx_file import declare_input
from camstream.graph.verify import SHAPES_NHW, TOLERANCE, sample_frames, save_verified, versions
from export.networks.layers import dilate
from export.source import Source
from export.torch_reference import TorchReference

OPSET = 18
_IMAGE = "image"
_ZERO, _ONE = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)


def export(
    source: Source,
    output: Path,
    *,
    overrides: Overrides | None = None,
    layer: str | None = None,
    map_stride: int | None = None,
    calibrate: Sequence[Path] = (),
    progress: Callable[[str], None] = lambda _: None,
) -> ModelInfo:
    """Export a network; the file appears under its name only after every check has passed.

    Args:
        source: The network; ``map_stride`` changes it in place.
        output: The file to write; an existing one is replaced.
        overrides: The user's values, which replace those of the source.
        layer: The layer that the maps must come from; None: the one that can be mapped.
        map_stride: Input pixels per cell of the maps, by dilation; None: the network's own.
        calibrate: Clips or folders of pictures that the range of heat is measured on, where neither
            the user nor the network states one.
        progress: Called with one line per step.

    Returns:
        The record in the file, with the measured differences.

    Raises:
        ModelError: The network has no class map, or the exported file differs from it.
        UsageError: ``layer`` or ``map_stride`` does not fit the network.
        SinkError: The file cannot be written.
    """
    if not output.parent.is_dir():
        raise SinkError(f"cannot write {output}: there is no folder {output.parent}")
    overrides = overrides or Overrides()
    size_hw = overrides.size_wh[::-1] if overrides.size_wh else source.size_hw
    if map_stride is not None:
        dilate(source.network, map_stride, size_hw=size_hw)
    progress("writing the graph")
    classifier, program = _trace(source.network, size_hw, name=source.name)
    head = find_head(classifier)
    found = _layer_of(program, head.features)
    if layer is not None and layer not in _modules_of(program, head.features):
        raise UsageError(_wrong_layer(source, layer, found))
    any_size = _with_any_size(classifier)
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
        temperature=overrides.temperature or 1.0,
    )
    reference = TorchReference(source.network, program, head, info)
    check_scale(overrides)
    if calibrate and not info.is_random and (overrides.cam_range or source.cam_range) is None:
        progress("measuring the range of heat")
        found_range = measured_range(reference, calibrate, size_hw=size_hw)
        info = dataclasses.replace(info, cam_range=found_range or info.cam_range)
    shapes = SHAPES_NHW
    if head.fits_one_size or (
        source.size_multiple is None and not _takes_any_size(any_size, reference)
    ):
        any_size, shapes = classifier, ((1, *size_hw), (3, *size_hw))
        info = dataclasses.replace(info, size_multiple=None)
    progress("comparing every output with torch")
    return save_verified(any_size, head, info, output, reference, shapes_nhw=shapes)


def _trace(
    network: nn.Module, size_hw: tuple[int, int], *, name: str
) -> tuple[onnx.ModelProto, ExportedProgram]:
    """Trace a network at one image size and any batch size.

    Height and width are traced as numbers, not as symbols: deep networks trace in half the time,
    and whatever depends on the size shows when the file is compared with the network at other
    sizes.

    Args:
        network: In inference mode, (N, 3, H, W) to (N, C).
        size_hw: Height and width, pixels.
        name: The network's name in errors.

    Returns:
        The ONNX classifier and the traced program; a tensor has the same name in both.

    Raises:
        ModelError: The network does not run at that size, is no classifier, or cannot be traced.
    """
    # A batch of 1 would be frozen into the graph.
    example = torch.zeros(2, 3, *size_hw)
    _check_classifier(network, example, name)
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        # The exporter prints its own progress and torch's deprecation warnings; ``progress``
        # reports what a user needs.
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                network,
                (example,),
                dynamo=True,
                opset_version=OPSET,
                input_names=[_IMAGE],
                output_names=["logits"],
                dynamic_shapes=({0: torch.export.Dim("n")},),
                external_data=False,
                verbose=False,
            )
    except (torch.onnx.OnnxExporterError, RuntimeError) as error:
        cause = error.__cause__ or error
        raise ModelError(
            f"torch.onnx.export cannot trace {name}: {type(cause).__name__}: {first_line(cause)}"
        ) from error
    finally:
        logger.setLevel(level)
    if program is None or program.exported_program is None:
        raise ModelError(f"torch.onnx.export returned no model of {name}")
    model = program.model_proto
    # The exporter notes for each node which line of which file made it: paths of this machine.
    for part in (model.graph, *model.graph.node, *model.graph.initializer, *model.functions):
        del part.metadata_props[:]
    return model, program.exported_program


def _check_classifier(network: nn.Module, example: Tensor, name: str) -> None:
    """Run a network once; raise ModelError where it fails or returns no logits."""
    size = "x".join(map(str, example.shape[:1:-1]))
    try:
        with torch.inference_mode():
            logits = network(example)
    except Exception as error:  # the user's code may raise anything
        raise ModelError(f"{name} does not run on {size} pictures: {first_line(error)}") from error
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(example):
        shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ModelError(
            f"{name} is no classifier: for {len(example)} pictures it returns {shape}, not one row "
            "of scores for each"
        )


def _layer_of(program: ExportedProgram, tensor: str) -> str:
    """Name the innermost module that makes a tensor; for a bare function, the tensor itself."""
    modules = _modules_of(program, tensor)
    return modules[-1] if modules and modules[-1] else tensor


def _modules_of(program: ExportedProgram, tensor: str) -> list[str]:
    """List the modules that a tensor is made in, outermost first."""
    return [path for path, _ in _node(program, tensor).meta.get("nn_module_stack", {}).values()]


def _stride(program: ExportedProgram, head: Head, size_hw: tuple[int, int]) -> int | None:
    """Compute the pixels per cell of the maps; None where cells are not whole squares of pixels."""
    shape = _node(program, head.features).meta["val"].shape
    cells = shape[1:3] if head.features_last else shape[2:]
    strides = {side / int(count) for side, count in zip(size_hw, cells, strict=True)}
    stride = strides.pop()
    return int(stride) if not strides and stride.is_integer() else None


def _node(program: ExportedProgram, tensor: str) -> torch.fx.Node:
    node: torch.fx.Node
    for node in program.graph.nodes:
        if node.name == tensor:
            return node
    raise ModelError(f"the exported graph renamed the feature maps to {tensor!r}")


def _wrong_layer(source: Source, layer: str, found: str) -> str:
    """Explain why a layer cannot be mapped."""
    names = [name for name, _ in source.network.named_modules() if name]
    if layer not in names:
        return f"--layer {layer}: {source.name} has no such layer; the one to map is {found}"
    return (
        f"--layer {layer}: more than pooling and linear layers lie between it and the logits of "
        f"{source.name}, so its map is no part of the forward pass; the one to map is {found}"
    )


def _labels(source: Source, overrides: Overrides, classes: int) -> tuple[str, ...]:
    """Name the classes: the user's names, else the source's, else numbers."""
    labels = read_labels(overrides.labels) if overrides.labels else source.labels
    if labels is None:
        return tuple(f"class {index}" for index in range(classes))
    if len(labels) != classes:
        what = overrides.labels or "the network's attribute"
        raise ModelError(f"{what} has {len(labels)} labels, {source.name} has {classes} classes")
    return labels


def _with_any_size(classifier: onnx.ModelProto) -> onnx.ModelProto:
    """Copy a classifier and declare that it takes any batch, height and width."""
    free = onnx.ModelProto()
    free.CopyFrom(classifier)
    del free.graph.value_info[:]
    declare_input(
        free,
        _IMAGE,
        batch=None,
        size_hw=(None, None),
        channels_first=True,
        element_type=onnx.TensorProto.FLOAT,
    )
    return free


def _takes_any_size(classifier: onnx.ModelProto, reference: TorchReference) -> bool:
    """Check whether the graph still equals the network at sizes that were not traced."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    random = np.random.default_rng(0)
    try:
        session = ort.InferenceSession(
            classifier.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        for shape in SHAPES_NHW:
            image = reference.image(sample_frames(shape, random))
            want = reference.logits(image).numpy()
            got = session.run(None, {_IMAGE: image.numpy()})[0]
            if not np.allclose(got, want, rtol=0, atol=TOLERANCE * float(np.abs(want).max())):
                return False
    except Exception:  # torch and onnxruntime have no common error for a size that does not fit
        return False
    return True
