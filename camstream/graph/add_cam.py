"""Adds class activation maps to any ONNX image classifier, without torch: ``add_cam_to_file``."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import onnx
from onnx import TensorProto

from camstream.contract import ModelInfo, checked_labels
from camstream.errors import ModelError, UsageError
from camstream.graph.assemble import remove_cam
from camstream.graph.find_head import find_head
from camstream.graph.heat_range import measured_range
from camstream.graph.numpy_reference import NumpyReference
from camstream.graph.onnx_file import PictureInput, opset_of, read_onnx, redeclared, upgraded
from camstream.graph.onnx_graph import Graph
from camstream.graph.quantize import Pictures, Precision, measure_difference, quantize
from camstream.graph.trial import ensure_tried
from camstream.graph.verify import SHAPES_NHW, TOLERANCE, ShapeNHW, save_verified, versions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from camstream.graph.head import Head

Triple = tuple[float, float, float]

# The normalisation of torchvision's networks, and of most others; 0 to 255.
USUAL_MEAN: Triple = (123.675, 116.28, 103.53)
_USUAL_STD: Triple = (58.395, 57.12, 57.375)
_USUAL_HW = (224, 224)
_HALF_TOLERANCE = 2e-2  # in half precision, two graphs of one network round differently

IMAGENET = "imagenet"
_IMAGENET_TABLE = Path(__file__).parents[1] / "models" / "imagenet1k_labels.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """What the user states about an ONNX file, in place of what the file says.

    Attributes:
        name: The network's name; None: the file's.
        labels: A file with the names of the classes, or "imagenet", see ``read_labels``; None: the
            file's, or "class 0", ...
        mean: Subtracted from each channel (0 to 255), in the order of ``color``. With neither
            ``mean`` nor ``std``, torchvision's are assumed.
        std: Each channel is then divided by this.
        color: "RGB" or "BGR"; None: RGB.
        layout: "NCHW" or "NHWC"; None: by the input's shape.
        size_wh: Preferred width and height; None: those that the file fixes, or 224 x 224.
        cam_range: Map values where heat begins and where it is full; None: ``default_cam_range``.
        temperature: What logits are divided by before the softmax; None: the file's, or 1.
    """

    name: str | None = None
    labels: str | None = None
    mean: Triple | None = None
    std: Triple | None = None
    color: Literal["RGB", "BGR"] | None = None
    layout: str | None = None
    size_wh: tuple[int, int] | None = None
    cam_range: tuple[float, float] | None = None
    temperature: float | None = None


def add_cam_to_file(
    source: Path,
    output: Path,
    overrides: Overrides,
    *,
    precision: Precision | None = None,
    calibrate: Sequence[Path] = (),
    progress: Callable[[str], None],
) -> ModelInfo:
    """Write a copy of an ONNX classifier that returns class activation maps as well.

    Args:
        source: Any ONNX image classifier, or a camstream model; not changed.
        output: The file to write; an existing one is replaced.
        overrides: What the user states about the source.
        precision: A lower precision to convert to; None keeps the source's.
        calibrate: Clips or folders of pictures that the range of heat is measured on, where neither
            the user nor the file states one; none: ``default_cam_range``.
        progress: Called with one line of text for each step.

    Returns:
        The file's metadata, with the parity report.

    Raises:
        ModelError: The source has no class map (the message says why), or the new file does not
            return the same as the source.
        SinkError: The file cannot be written.
    """
    progress(f"reading {source.name}")
    read = read_onnx(source)
    ensure_tried(source, kind="source")
    try:
        model, known = remove_cam(read, source)
        model, head = _find_head(model, overrides, known)
        picture = PictureInput.of(model, head.image)
    except ModelError:
        raise
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise ModelError(f"{source} is damaged: its graph cannot be understood") from error
    info = _info(source, picture, head, known, overrides)
    progress("running the source")
    reference = NumpyReference(model, info, name=source.name)
    shapes = _running_shapes(reference, picture, info.size_hw, source)
    if calibrate and overrides.cam_range is None and known is None:
        progress("measuring the range of heat")
        found = measured_range(reference, calibrate, size_hw=info.size_hw)
        info = dataclasses.replace(info, cam_range=found or info.cam_range)
    core = upgraded(_declare_fixed(model, shapes), source)
    info = dataclasses.replace(
        info,
        size_multiple=_size_multiple(reference, shapes, info.size_hw),
        versions=versions(opset=opset_of(core)),
    )
    if precision is not None:
        pictures = Pictures.of(precision, info.size_hw)
        progress(f"converting to {precision.kind}")
        core, full = quantize(core, precision, pictures, reference), reference
        reference = NumpyReference(core, info, name=f"{source.name} in {precision.kind}")
        progress("comparing with float32")
        quantization = measure_difference(pictures, precision.kind, full, reference)
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


def read_labels(source: str) -> tuple[str, ...]:
    """Read one name per class, in the order of the logits.

    Args:
        source: A text file with one name per line, a .csv with a column "name", or "imagenet" for
            the 1,000 classes of ILSVRC 2012.

    Raises:
        ModelError: There is no such file, or it holds no names.
    """
    path = _IMAGENET_TABLE if source == IMAGENET else Path(source)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ModelError(f"cannot read the labels in {source}: it is no text in UTF-8") from error
    except OSError as error:
        why = error.strerror or error
        raise ModelError(f"cannot read the labels in {source}: {why}") from error
    if path.suffix.lower() == ".csv":
        rows = list(csv.DictReader(text.splitlines()))
        if not rows or "name" not in rows[0]:
            raise ModelError(f'{source} has no column "name"; give a .txt with one name per line')
        return checked_labels((row["name"] for row in rows), source)
    names = tuple(line.strip() for line in text.splitlines() if line.strip())
    if not names:
        raise ModelError(f"{source} is empty; a labels file has one name per line")
    return checked_labels(names, source)


def _find_head(
    model: onnx.ModelProto, overrides: Overrides, known: ModelInfo | None
) -> tuple[onnx.ModelProto, Head]:
    """Find the head; a pooling that fits one input size only needs that size declared first."""
    if overrides.layout is not None:
        model = redeclared(model, channels_first=overrides.layout == "NCHW")
    size_hw = overrides.size_wh[::-1] if overrides.size_wh else known.size_hw if known else None
    try:
        head = find_head(model)
    except ModelError:
        if size_hw is None:
            raise
    else:
        at_size = _at_size(model, size_hw or _USUAL_HW)
        shape = None if at_size is None else Graph(at_size).shape(head.features)
        sides = () if shape is None else shape[1:3] if head.features_last else shape[2:]
        if at_size is None or 1 not in sides:
            return model, head
        # The map has one cell at the preferred size: there the layers behind it are linear ones.
        return at_size, find_head(at_size)
    model = redeclared(model, size_hw=size_hw)
    return model, find_head(model)


def _at_size(model: onnx.ModelProto, size_hw: tuple[int, int]) -> onnx.ModelProto | None:
    """Declare the size where the file leaves it free; None where it declares no picture."""
    try:
        picture = PictureInput.of(model, Graph(model).inputs[0])
        declared = picture.height or size_hw[0], picture.width or size_hw[1]
        return redeclared(model, size_hw=declared)
    except (ModelError, IndexError):
        return None


def _info(
    source: Path,
    picture: PictureInput,
    head: Head,
    known: ModelInfo | None,
    overrides: Overrides,
) -> ModelInfo:
    """Build the metadata: what the user states, else what the file says, else defaults."""
    labels = read_labels(overrides.labels) if overrides.labels else known and known.labels
    if labels and len(labels) != head.classes:
        raise ModelError(
            f"{overrides.labels or 'its record'} has {len(labels)} labels, but {source} has "
            f"{head.classes} classes"
        )
    size_hw = overrides.size_wh[::-1] if overrides.size_wh else known and known.size_hw
    size_hw = size_hw or (picture.height or _USUAL_HW[0], picture.width or _USUAL_HW[1])
    if size_hw != (picture.height or size_hw[0], picture.width or size_hw[1]):
        raise ModelError(
            f"{source} takes {picture.width}x{picture.height} only; leave --model-size out"
        )
    is_given = overrides.mean is not None or overrides.std is not None
    is_raw = is_given or picture.element_type == TensorProto.UINT8
    check_scale(overrides)
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
        cam_range=overrides.cam_range
        or (known.cam_range if known else default_cam_range(head.classes)),
        weights=known.weights if known else f"the file {source.name}",
        weights_sha256=known.weights_sha256
        if known
        else hashlib.sha256(source.read_bytes()).hexdigest(),
        versions={},
        quantization=known.quantization if known else None,
        temperature=overrides.temperature or (known.temperature if known else 1.0),
    )


def check_scale(overrides: Overrides) -> None:
    """Refuse a mean or a deviation that belongs to values from 0 to 1."""
    for name, triple in (("--mean", overrides.mean), ("--std", overrides.std)):
        if triple is not None and 0 < max(triple) < 1:
            scaled = " ".join(f"{255 * value:.6g}" for value in triple)
            raise UsageError(
                f"{name} {' '.join(f'{value:g}' for value in triple)} is for values from 0 to 1, "
                f"but pixels are 0 to 255; give {name} {scaled}"
            )


def _running_shapes(
    reference: NumpyReference, picture: PictureInput, size_hw: tuple[int, int], source: Path
) -> tuple[ShapeNHW, ...]:
    """Return the batches and sizes at which the source runs, whatever it declares."""
    first = (1, *size_hw)
    failure = reference.runs(first)
    if failure is not None:
        raise ModelError(f"{source} does not run at {size_hw[1]}x{size_hw[0]}: {failure}")
    wanted: list[ShapeNHW] = [(3, *size_hw)] if picture.batch is None else []
    if (picture.height, picture.width) == (None, None):
        wanted += [(1, h, w) for _, h, w in SHAPES_NHW if (h, w) != size_hw]
    return (first, *(shape for shape in wanted if reference.runs(shape) is None))


def _declare_fixed(model: onnx.ModelProto, shapes: tuple[ShapeNHW, ...]) -> onnx.ModelProto:
    """Declare the batch and the size as fixed where the source runs with one only."""
    sizes = {(h, w) for _, h, w in shapes}
    fixed_batch = all(n == 1 for n, _, _ in shapes)
    return redeclared(
        model, fixed_batch=fixed_batch, size_hw=sizes.pop() if len(sizes) == 1 else None
    )


def _size_multiple(
    reference: NumpyReference, shapes: tuple[ShapeNHW, ...], size_hw: tuple[int, int]
) -> int | None:
    """Return the stride of the maps: sizes that are multiples of it keep the cells square."""
    if len({shape[1:] for shape in shapes}) == 1:
        return None
    cam = reference(np.zeros((1, *size_hw, 3), np.uint8), np.array([-1]))[1]
    strides = {side / cells for side, cells in zip(size_hw, cam.shape[2:], strict=True)}
    stride = strides.pop()
    return int(stride) if not strides and stride.is_integer() else None


def default_cam_range(classes: int) -> tuple[float, float]:
    """Return where heat begins and where it is full, logit units, for a network without statistics.

    Among C classes, one takes half of the softmax when its logit is ln C above the others. The
    logit is the mean over the map, so an object that fills a fifth of the picture needs map
    values five times as large: there heat is full. It begins at two fifths of that.
    """
    logit = math.log(max(classes, 2))
    return round(2 * logit, 1), round(5 * logit, 1)


def _is_half(model: onnx.ModelProto) -> bool:
    return any(tensor.data_type == TensorProto.FLOAT16 for tensor in model.graph.initializer)
