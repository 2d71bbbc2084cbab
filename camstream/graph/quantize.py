"""Makes a classifier smaller or faster, and measures what that changes.

The pooling, the linear layers behind it and the maps stay in float32: a mean in half precision
can overflow, and 8-bit logits would break the law that mean(cam) + bias is the logit.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto

from camstream.contract import Quantization
from camstream.errors import ModelError
from camstream.graph.calibration_pictures import sample_pictures
from camstream.graph.find_head import find_head
from camstream.graph.graph_index import Graph
from camstream.graph.verify import sample_frames

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from camstream.graph.numpy_reference import Reference

_CALIBRATED = 40
_COMPARED = 40
_LOWER = (TensorProto.FLOAT16, TensorProto.BFLOAT16)
_LEAST = 10  # pictures; fewer say nothing of a value's range


@dataclass(frozen=True, slots=True)
class Precision:
    """What is asked for.

    Attributes:
        kind: "int8" or "fp16".
        pictures: A clip or a folder of photos of the user's own; None for fp16 only.
    """

    kind: str
    pictures: Path | None

    @classmethod
    def of(cls, *, int8: bool, fp16: bool, calibrate: Path | None) -> Precision | None:
        """Read the command line's options; None where nothing is to be reduced.

        Raises:
            ModelError: They contradict each other.
        """
        if int8 and fp16:
            raise ModelError("--int8 and --fp16 exclude each other; choose one")
        if int8 and calibrate is None:
            raise ModelError(
                "--int8 needs --calibrate with a clip or a folder of your own pictures"
            )
        if not (int8 or fp16):
            return None
        return cls("int8" if int8 else "fp16", calibrate)


@dataclass(frozen=True, slots=True)
class Pictures:
    """(H, W, 3) uint8 BGR pictures: some to calibrate with, others to compare on."""

    source: str
    calibrate: list[NDArray[np.uint8]]
    compare: list[NDArray[np.uint8]]

    @classmethod
    def of(cls, precision: Precision, size_hw: tuple[int, int]) -> Pictures:
        """Sample the user's pictures; every second one is kept for the comparison.

        Raises:
            ModelError: There are too few.
            SourceError: There are none that can be read.
        """
        if precision.pictures is None:
            random = np.random.default_rng(2)
            return cls("artificial noise", [], list(sample_frames((_COMPARED, *size_hw), random)))
        shots = sample_pictures(precision.pictures, _CALIBRATED + _COMPARED, size_hw=size_hw)
        calibrate, compare = shots[::2], shots[1::2]
        if len(compare) < _LEAST:
            raise ModelError(
                f"{precision.pictures} has {len(shots)} pictures; calibrating and comparing need "
                f"{2 * _LEAST} at least"
            )
        if precision.kind == "fp16":
            calibrate = []
        return cls(precision.pictures.name, calibrate, compare)


def quantized(
    core: onnx.ModelProto, precision: Precision, pictures: Pictures, reference: Reference
) -> onnx.ModelProto:
    """Give the classifier in lower precision.

    Args:
        core: The float32 classifier, of opset 15 or more. It is not changed.
        precision: What is asked for.
        pictures: To read the ranges of values from.
        reference: The float32 network; it prepares the pictures.
    """
    lower = any(tensor.data_type in _LOWER for tensor in core.graph.initializer)
    if lower or any(node.op_type == "DequantizeLinear" for node in core.graph.node):
        raise ModelError(f"it is in a lower precision already; make {precision.kind} of float32")
    if precision.kind == "fp16":
        return _fp16(core)
    return _int8(core, [reference.prepared(picture[np.newaxis]) for picture in pictures.calibrate])


def difference(pictures: Pictures, kind: str, full: Reference, lower: Reference) -> Quantization:
    """Compare both networks on pictures that were not used for calibration."""
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


def _correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Pearson's correlation; 1 for two flat maps, 0 for one."""
    flat = [one.std() == 0, other.std() == 0]
    if any(flat):
        return float(all(flat))
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def _fp16(core: onnx.ModelProto) -> onnx.ModelProto:
    """Convert every weight and tensor; ``assemble`` takes the head back to float32."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    converted: onnx.ModelProto = convert_float_to_float16(core)
    return converted


def _int8(core: onnx.ModelProto, images: list[NDArray[np.generic]]) -> onnx.ModelProto:
    """Quantize everything before the head: uint8 activations, int8 weights a channel."""
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
            _Calibration(head.image, images),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=[
                node.name for node in folded.graph.node if before_head.isdisjoint(node.output)
            ],
        )
        return onnx.load(files[3])


class _Calibration:
    """Hands the pictures to the quantizer, one by one."""

    def __init__(self, name: str, images: list[NDArray[np.generic]]) -> None:
        self._feeds: Iterator[dict[str, NDArray[np.generic]]] = iter(
            {name: image} for image in images
        )

    def get_next(self) -> dict[str, NDArray[np.generic]] | None:
        """Give the next picture; None after the last."""
        return next(self._feeds, None)
