"""Puts class activation maps into any ONNX image classifier, without torch.

read -> take out camstream's parts -> find the head -> try what runs -> assemble -> compare
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto

from camstream.contract import ModelInfo
from camstream.errors import ModelError
from camstream.graph.find_head import find_head
from camstream.graph.head import Head
from camstream.graph.labels import read_labels
from camstream.graph.numpy_reference import Reference
from camstream.graph.onnx_file import opset_of, plain, read_onnx, upgraded
from camstream.graph.picture_input import PictureInput, redeclared
from camstream.graph.quantize import Pictures, Precision, difference, quantized
from camstream.graph.save_verified import save_verified, versions
from camstream.graph.verify import SHAPES_NHW, TOLERANCE, ShapeNHW

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Head", "Overrides", "add_cam_to_file", "find_head"]

Triple = tuple[float, float, float]

# What torchvision's networks, and most that were trained like them, are fed; 0 to 255.
USUAL_MEAN: Triple = (123.675, 116.28, 103.53)
_USUAL_STD: Triple = (58.395, 57.12, 57.375)
_USUAL_HW = (224, 224)
# In half precision two graphs of one network round at different places.
_HALF_TOLERANCE = 2e-2


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the user says of an ONNX file that the file itself does not say.

    Attributes:
        name: The network's name; None: the file's.
        labels: A file with the names of the classes, or "imagenet"; None: "class 0", ...
        mean: Subtracted from each channel (0 to 255), in the order of ``color``. With neither
            ``mean`` nor ``std``, torchvision's are assumed.
        std: Each channel is then divided by this.
        color: "RGB" or "BGR"; None: RGB.
        layout: "NCHW" or "NHWC"; None: by the input's shape.
        size_wh: Preferred width and height; None: what the file fixes, or 224 x 224.
        cam_range: Map values where heat begins and where it is full; None: ``usual_range``.
    """

    name: str | None = None
    labels: str | None = None
    mean: Triple | None = None
    std: Triple | None = None
    color: str | None = None
    layout: str | None = None
    size_wh: tuple[int, int] | None = None
    cam_range: tuple[float, float] | None = None


def add_cam_to_file(
    source: Path,
    output: Path,
    overrides: Overrides,
    *,
    precision: Precision | None = None,
    progress: Callable[[str], None],
) -> ModelInfo:
    """Write an ONNX classifier anew with class activation maps.

    Args:
        source: Any ONNX image classifier, a camstream model included; it is not changed.
        output: The file to write; one that is there is replaced.
        overrides: What is known of the source.
        precision: A lower precision to bring it to; None keeps its own.
        progress: Is told each step, one line each.

    Returns:
        The record that is in the file, with what was measured.

    Raises:
        ModelError: The source has no class map (the message says why), or the result is not
            equal to it.
        SinkError: The file cannot be written.
    """
    progress(f"reading {source.name}")
    model, known = plain(read_onnx(source), source)
    model, head = _located(model, overrides)
    picture = PictureInput.of(model, head.image)
    info = _info(source, picture, head, known, overrides)
    progress("running the source")
    reference = Reference(model, info, name=source.name)
    shapes = _shapes(reference, picture, info.size_hw, source)
    core = upgraded(_declared(model, shapes), source)
    info = dataclasses.replace(
        info,
        size_multiple=_multiple(reference, shapes, info.size_hw),
        versions=versions(opset=opset_of(core)),
    )
    if precision is not None:
        pictures = Pictures.of(precision, info.size_hw)
        progress(f"converting to {precision.kind}")
        core, full = quantized(core, precision, pictures, reference), reference
        reference = Reference(core, info, name=f"{source.name} in {precision.kind}")
        progress("comparing with float32")
        quantization = difference(pictures, precision.kind, full, reference)
        info = dataclasses.replace(info, quantization=quantization)
    progress("comparing every output with the source")
    return save_verified(
        core,
        find_head(core),
        info,
        output,
        reference,
        shapes_nhw=shapes,
        tolerance=_HALF_TOLERANCE if _is_half(core) else TOLERANCE,
    )


def _located(model: onnx.ModelProto, overrides: Overrides) -> tuple[onnx.ModelProto, Head]:
    """Find the head; where the pooling fits one input size only, the size must be told first."""
    if overrides.layout is not None:
        model = redeclared(model, channels_first=overrides.layout == "NCHW")
    try:
        return model, find_head(model)
    except ModelError:
        if overrides.size_wh is None:
            raise
    model = redeclared(model, size_hw=overrides.size_wh[::-1])
    return model, find_head(model)


def _info(
    source: Path,
    picture: PictureInput,
    head: Head,
    known: ModelInfo | None,
    overrides: Overrides,
) -> ModelInfo:
    """Gather what is known: what the user says, else what the file says, else the usual."""
    labels = read_labels(overrides.labels) if overrides.labels else known and known.labels
    if labels and len(labels) != head.classes:
        raise ModelError(
            f"{overrides.labels} has {len(labels)} labels, but {source} has {head.classes} classes"
        )
    size_hw = overrides.size_wh[::-1] if overrides.size_wh else known and known.size_hw
    size_hw = size_hw or (picture.height or _USUAL_HW[0], picture.width or _USUAL_HW[1])
    if size_hw != (picture.height or size_hw[0], picture.width or size_hw[1]):
        raise ModelError(f"{source} takes {picture.width}x{picture.height} only, whatever --size")
    reported = overrides.mean is not None or overrides.std is not None
    is_raw = reported or picture.element_type == TensorProto.UINT8
    mean = overrides.mean or ((0.0,) * 3 if is_raw else known.mean if known else USUAL_MEAN)
    std = overrides.std or ((1.0,) * 3 if is_raw else known.std if known else _USUAL_STD)
    return ModelInfo(
        name=overrides.name or (known.name if known else source.stem),
        labels=labels or tuple(f"class {index}" for index in range(head.classes)),
        size_hw=size_hw,
        size_multiple=None,
        color=overrides.color or (known.color if known else "RGB"),
        mean=mean,
        std=std,
        method=head.method,
        layer=known.layer if known else head.features,
        cam_range=overrides.cam_range or (known.cam_range if known else usual_range(head.classes)),
        weights=known.weights if known else f"the file {source.name}",
        weights_sha256=known.weights_sha256
        if known
        else hashlib.sha256(source.read_bytes()).hexdigest(),
        versions={},
        quantization=known.quantization if known else None,
    )


def _shapes(
    reference: Reference, picture: PictureInput, size_hw: tuple[int, int], source: Path
) -> tuple[ShapeNHW, ...]:
    """Try which batches and sizes the source really takes, whatever it declares."""
    first = (1, *size_hw)
    failure = reference.runs(first)
    if failure is not None:
        raise ModelError(f"{source} does not run at {size_hw[1]}x{size_hw[0]}: {failure}")
    wanted: list[ShapeNHW] = [(3, *size_hw)] if picture.batch is None else []
    if (picture.height, picture.width) == (None, None):
        wanted += [(1, h, w) for _, h, w in SHAPES_NHW if (h, w) != size_hw]
    return (first, *(shape for shape in wanted if reference.runs(shape) is None))


def _declared(model: onnx.ModelProto, shapes: tuple[ShapeNHW, ...]) -> onnx.ModelProto:
    """Declare as fixed what turned out to be fixed."""
    sizes = {(h, w) for _, h, w in shapes}
    fixed_batch = all(n == 1 for n, _, _ in shapes)
    return redeclared(
        model, fixed_batch=fixed_batch, size_hw=sizes.pop() if len(sizes) == 1 else None
    )


def _multiple(
    reference: Reference, shapes: tuple[ShapeNHW, ...], size_hw: tuple[int, int]
) -> int | None:
    """Find the stride of the maps: sizes that are multiples of it keep the cells square."""
    if len({shape[1:] for shape in shapes}) == 1:
        return None
    cam = reference(np.zeros((1, *size_hw, 3), np.uint8), np.array([-1]))[1]
    strides = {side / cells for side, cells in zip(size_hw, cam.shape[2:], strict=True)}
    stride = strides.pop()
    return int(stride) if not strides and stride.is_integer() else None


def usual_range(classes: int) -> tuple[float, float]:
    """Choose the colour scale of a network of which nothing is known, in logit units.

    Among C classes, one takes half of the softmax when its logit is ln C above the others. An
    object that fills a fifth of the picture must say five times as much in its place, for the
    mean over the map is the logit: there heat is full. It begins at two fifths of that.
    """
    logit = math.log(max(classes, 2))
    return round(2 * logit, 1), round(5 * logit, 1)


def _is_half(model: onnx.ModelProto) -> bool:
    return any(tensor.data_type == TensorProto.FLOAT16 for tensor in model.graph.initializer)
