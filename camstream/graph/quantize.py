"""Converts a classifier to fp16 or int8, and measures what that changes.

The pooling, the linear layers behind it and the maps stay in float32: a mean in half precision
can overflow, and with 8-bit logits the CAM identity, mean(cam) + bias = logit, would not hold.
int8 needs pictures of the user's own, from which the ranges of all values are read.
"""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import av
import numpy as np
import onnx
from onnx import TensorProto

from camstream.contract import Quantization
from camstream.errors import ModelError, NotFoundError, SourceError, UsageError
from camstream.graph.find_head import find_head
from camstream.graph.onnx_graph import Graph
from camstream.graph.verify import sample_frames
from camstream.media import PHOTO_SUFFIXES, read_photo
from camstream.picture import ImageU8, Picture

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from camstream.graph.numpy_reference import NumpyReference

Kind = Literal["int8", "fp16"]

_CALIBRATED = 40  # pictures
_COMPARED = 40  # pictures
_MIN_PICTURES = 10  # fewer do not show a value's range
_HALF_TYPES = (TensorProto.FLOAT16, TensorProto.BFLOAT16)


@dataclass(frozen=True, slots=True)
class Precision:
    """The precision to convert to.

    Attributes:
        kind: "int8" or "fp16".
        pictures: A clip or a folder of photos and clips of the user's own; fp16 may do without.
    """

    kind: Kind
    pictures: Path | None

    @classmethod
    def of(cls, *, int8: bool, fp16: bool, calibrate: Path | None) -> Precision | None:
        """Read the command line's options; None where the precision stays.

        Raises:
            UsageError: The options exclude each other, or one is missing.
        """
        if int8 and fp16:
            raise UsageError("--int8 and --fp16 exclude each other; choose one")
        if int8 and calibrate is None:
            raise UsageError(
                "--int8 needs --calibrate with a clip or a folder of your own pictures"
            )
        if not (int8 or fp16):
            return None
        return cls("int8" if int8 else "fp16", calibrate)


@dataclass(frozen=True, slots=True)
class Pictures:
    """Pictures for a conversion, each (H, W, 3) uint8 BGR.

    Attributes:
        source: Where they came from, in words.
        calibrate: Those from which the ranges of values are read.
        compare: Others, on which both networks are compared.
    """

    source: str
    calibrate: list[ImageU8]
    compare: list[ImageU8]

    @classmethod
    def of(cls, precision: Precision, size_hw: tuple[int, int]) -> Pictures:
        """Sample the user's pictures; every second one is for the comparison.

        Raises:
            ModelError: There are too few pictures.
            SourceError: No picture can be read.
        """
        if precision.pictures is None:
            random = np.random.default_rng(2)
            return cls("artificial noise", [], list(sample_frames((_COMPARED, *size_hw), random)))
        shots = sample_pictures(precision.pictures, _CALIBRATED + _COMPARED, size_hw=size_hw)
        calibrate, compare = shots[::2], shots[1::2]
        if len(compare) < _MIN_PICTURES:
            raise ModelError(
                f"{precision.pictures} has {len(shots)} pictures; calibrating and comparing need "
                f"{2 * _MIN_PICTURES} at least"
            )
        if precision.kind == "fp16":
            calibrate = []
        return cls(precision.pictures.name, calibrate, compare)


def quantize(
    core: onnx.ModelProto, precision: Precision, pictures: Pictures, reference: NumpyReference
) -> onnx.ModelProto:
    """Return the classifier in lower precision.

    Args:
        core: The float32 classifier, of opset 15 or more; not changed.
        precision: The precision to convert to.
        pictures: The pictures to calibrate with.
        reference: The float32 network; it prepares the pictures.

    Raises:
        ModelError: The classifier is in a lower precision already.
    """
    lower = any(tensor.data_type in _HALF_TYPES for tensor in core.graph.initializer)
    if lower or any(node.op_type == "DequantizeLinear" for node in core.graph.node):
        raise ModelError(f"it is in a lower precision already; make {precision.kind} of float32")
    if precision.kind == "fp16":
        return _fp16(core)
    return _int8(core, [reference.prepared(picture[np.newaxis]) for picture in pictures.calibrate])


def measure_difference(
    pictures: Pictures, kind: Kind, full: NumpyReference, lower: NumpyReference
) -> Quantization:
    """Compare the float32 network with the converted one on pictures not used for calibration."""
    agreed, correlations = [], []
    for picture in pictures.compare:
        logits, cam, chosen, _ = full(picture[np.newaxis], np.array([-1]))
        lower_logits, lower_cam, _, _ = lower(picture[np.newaxis], chosen[0])
        agreed.append(int(logits.argmax()) == int(lower_logits.argmax()))
        correlations.append(_correlation(cam, lower_cam))
    return Quantization(
        kind=kind,
        pictures=pictures.source,
        calibrated=len(pictures.calibrate),
        compared=len(pictures.compare),
        top1_agreement=float(np.mean(agreed)),
        cam_correlation=float(np.mean(correlations)),
    )


def sample_pictures(source: Path, count: int, *, size_hw: tuple[int, int]) -> list[ImageU8]:
    """Choose pictures evenly from a clip, or from the photos and clips of a folder.

    Args:
        source: The clip or the folder.
        count: Largest number of pictures.
        size_hw: Height and width to stretch each to, as camstream does before the network.

    Returns:
        (H, W, 3) uint8 BGR images, in their order.

    Raises:
        SourceError: No picture can be read.
    """
    if not source.exists():
        raise NotFoundError(f"cannot read pictures from {source}: there is no such file or folder")
    files = sorted(source.iterdir()) if source.is_dir() else [source]
    kept: list[ImageU8] = []
    stride = 1
    for index, picture in enumerate(shot for file in files for shot in _decoded(file)):
        # Their number is not known yet: keep every stride-th, and double the stride when full.
        if index % stride == 0:
            kept.append(picture.bgr(size_hw[::-1]))
        if len(kept) >= 4 * count:
            kept, stride = kept[::2], 2 * stride
    if not kept:
        raise SourceError(f"no picture in {source}: choose a clip, or a folder of photos or clips")
    chosen = np.unique(np.linspace(0, len(kept) - 1, count).round().astype(int))
    return [kept[number] for number in chosen]


def _decoded(file: Path) -> Iterator[Picture]:
    """Yield the pictures of a photo or a clip; nothing for a file that is neither."""
    if file.suffix.lower() in PHOTO_SUFFIXES:
        with contextlib.suppress(SourceError):
            yield Picture.from_bgr(read_photo(file))
        return
    try:
        with av.open(str(file)) as container:
            if container.streams.video:
                yield from map(Picture.from_video_frame, container.decode(video=0))
    except (av.error.FFmpegError, OSError):
        return


def _correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Return Pearson's correlation; 1 where both maps are constant, 0 where one is."""
    flat = [one.std() == 0, other.std() == 0]
    if any(flat):
        return float(all(flat))
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def _fp16(core: onnx.ModelProto) -> onnx.ModelProto:
    """Convert every weight and tensor; ``assemble`` casts the head back to float32."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    converted: onnx.ModelProto = convert_float_to_float16(core)
    return converted


def _int8(core: onnx.ModelProto, images: list[NDArray[np.generic]]) -> onnx.ModelProto:
    """Quantize everything before the head: uint8 activations, int8 weights, scaled per channel."""
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory(prefix="camstream-") as folder:
        files = [Path(folder) / f"{step}.onnx" for step in ("core", "folded", "named", "int8")]
        onnx.save(core, files[0])
        quant_pre_process(files[0], files[1], skip_symbolic_shape=True)
        folded = onnx.load(files[1])
        head = find_head(folded)
        before_head = Graph(folded).needed(head.features)
        for number, node in enumerate(folded.graph.node):
            node.name = f"node_{number}"
        onnx.save(folded, files[2])
        quantize_static(
            files[2],
            files[3],
            _CalibrationReader(head.image, images),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            # 7 of 8 bits: without VNNI a CPU adds products of 8 bits in 16, where they overflow.
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=[
                node.name for node in folded.graph.node if before_head.isdisjoint(node.output)
            ],
        )
        return onnx.load(files[3])


class _CalibrationReader:
    """Hands the pictures to onnxruntime's quantizer, one by one."""

    def __init__(self, name: str, images: list[NDArray[np.generic]]) -> None:
        self._feeds: Iterator[dict[str, NDArray[np.generic]]] = iter(
            {name: image} for image in images
        )

    def get_next(self) -> dict[str, NDArray[np.generic]] | None:
        """Return the next picture; None after the last."""
        return next(self._feeds, None)
