"""Compares a camstream file with its source network, and writes it only if all outputs agree."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray

from camstream import contract
from camstream.contract import ParityReport
from camstream.errors import ModelError, SinkError
from camstream.graph.assemble import assemble, info_of, with_info
from camstream.graph.runtime_errors import reason
from camstream.graph.trial import remember, sha256_of

if TYPE_CHECKING:
    from camstream.contract import ModelInfo
    from camstream.graph.head import Head

ShapeNHW = tuple[int, int, int]

# Multiples of 32 and others, wide and tall, one frame and several: a fixed batch, a transposed
# shape or a lost border makes a difference in at least one of them.
SHAPES_NHW: tuple[ShapeNHW, ...] = (
    (1, 224, 224),
    (3, 224, 224),
    (2, 160, 288),
    (1, 320, 192),
    (2, 97, 131),
)

# Relative to the largest value of the output: the rounding of float32 in some 60 layers.
TOLERANCE = 1e-4

Outputs = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]
# (N, H, W, 3) uint8 BGR frames and (K,) classes to the four outputs of ``camstream.contract``.
Reference = Callable[[NDArray[np.uint8], NDArray[np.int64]], Outputs]


def save_verified(
    core: onnx.ModelProto,
    head: Head,
    info: ModelInfo,
    output: Path,
    reference: Reference,
    *,
    shapes_nhw: tuple[ShapeNHW, ...] = SHAPES_NHW,
    tolerance: float = TOLERANCE,
) -> ModelInfo:
    """Build a camstream model around a classifier, compare it with its source, and write it.

    Args:
        core: The classifier.
        head: Its head.
        info: The metadata.
        output: The file to write; an existing one is replaced.
        reference: The source network.
        shapes_nhw: The batches, heights and widths to compare at.
        tolerance: Largest allowed difference, relative to the output's largest value.

    Returns:
        The file's metadata: ``info`` with the parity report.

    Raises:
        ModelError: The model differs from its source, or the CAM identity does not hold.
        SinkError: The file cannot be written.
    """
    if not output.parent.is_dir():
        raise SinkError(f"cannot write {output}: there is no folder {output.parent}")
    model = assemble(core, head, info)
    try:
        with tempfile.TemporaryDirectory(dir=output.parent, prefix=".camstream-") as folder:
            unverified = Path(folder) / "unverified.onnx"
            onnx.save(model, unverified)
            parity = verify(
                unverified,
                reference,
                classes=head.classes,
                check_identity=head.keeps_identity,
                shapes_nhw=shapes_nhw,
                tolerance=tolerance,
            )
            info = dataclasses.replace(info_of(model, path=str(output)), parity=parity)
            onnx.save(with_info(model, info), unverified)
            unverified.replace(output)
            remember(sha256_of(output))  # it has just run here
    except OSError as error:
        raise SinkError(f"cannot write {output}: {error.strerror or error}") from error
    return info


def versions(*packages: str, opset: int) -> dict[str, str]:
    """Return the versions of the packages that write a file; packages not installed are left out."""
    found = {}
    for package in ("camstream", *packages, "onnx", "onnxruntime-gpu", "onnxruntime"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found | {"opset": str(opset)}


def verify(
    path: Path,
    reference: Reference,
    *,
    classes: int,
    check_identity: bool = True,
    shapes_nhw: tuple[ShapeNHW, ...] = SHAPES_NHW,
    tolerance: float = TOLERANCE,
) -> ParityReport:
    """Compare a file with its source network on every output.

    Args:
        path: The ONNX file.
        reference: The source network.
        classes: Number of its classes.
        check_identity: Whether mean(cam) + bias must be the logit, see ``Head.keeps_identity``.
        shapes_nhw: The batches, heights and widths to compare at.
        tolerance: Largest allowed difference, relative to the output's largest value.

    Returns:
        The largest differences.

    Raises:
        ModelError: The ONNX checker refuses the file, an output differs, or the CAM identity does
            not hold.
    """
    try:
        onnx.checker.check_model(str(path), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ModelError(f"the ONNX checker refuses the new file: {reason(error)}") from error
    session = open_quietly(str(path))
    random = np.random.default_rng(0)
    logits_diff = cam_diff = residual = logits_max = cam_max = 0.0
    default = -np.arange(1, min(contract.DEFAULT_TOP_K, classes) + 1, dtype=np.int64)
    for shape in shapes_nhw:
        frames = sample_frames(shape, random)
        named = random.integers(0, classes, 3)
        for asked in (None, np.array([*named, -min(2, classes), -1], np.int64)):
            feed: dict[str, NDArray[Any]] = {contract.FRAMES: frames}
            if asked is not None:
                feed[contract.CLASSES] = asked
            got = session.run(list(contract.OUTPUTS), feed)
            logits_max = max(logits_max, _largest("scores", got[0]))
            cam_max = max(cam_max, _largest("maps", got[1]))
            want = reference(frames, default if asked is None else asked)
            if not np.array_equal(got[2], want[2]):
                want = _with_ties(path, reference, frames, got[2], want, tolerance)
            off = [
                _difference(path, name, one, other, tolerance)
                for name, one, other in (
                    (contract.LOGITS, got[0], want[0]),
                    (contract.CAM, got[1], want[1]),
                    (contract.CAM_BIAS, got[3], want[3]),
                )
            ]
            logits_diff, cam_diff = max(logits_diff, off[0]), max(cam_diff, off[1])
            residual = max(residual, identity_error(*got))
            if check_identity and residual > tolerance * float(np.abs(got[1]).max()):
                raise ModelError(f"{path}: mean(cam) + bias is not the logit by {residual:.3g}")
    return ParityReport(
        shapes_nhw=shapes_nhw,
        logits_max_diff=logits_diff,
        cam_max_diff=cam_diff,
        identity_error=residual if check_identity else None,
        logits_max=logits_max,
        cam_max=cam_max,
    )


def _largest(what: str, values: NDArray[np.float32]) -> float:
    """Return the largest absolute value; refuse what no trained network gives."""
    if not values.size:
        raise ModelError(f"the network gives no {what}")
    largest = float(np.abs(values).max())
    if not largest <= contract.ABSURD:  # also false for NaN
        what_is_wrong = (
            "that are no numbers" if not np.isfinite(largest) else f"up to {largest:.1g}"
        )
        raise ModelError(
            f"the network gives {what} {what_is_wrong}, so that nothing can be compared: its "
            "weights are damaged, or --mean and --std are wrong"
        )
    return largest


def open_quietly(model: str | bytes) -> ort.InferenceSession:
    """Open a model on the CPU; errors are raised, and not printed on stderr as well."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    # Spinning threads make every run many times slower where other processes use the cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def identity_error(
    logits: NDArray[np.float32],
    cam: NDArray[np.float32],
    cam_classes: NDArray[np.int64],
    cam_bias: NDArray[np.float32],
) -> float:
    """Return the largest |mean(cam) + bias - logit| of a model's outputs, in logit units."""
    own = np.take_along_axis(logits, cam_classes, axis=1)
    return float(np.abs(cam.mean(axis=(2, 3), dtype=np.float64) + cam_bias - own).max())


def sample_frames(shape_nhw: ShapeNHW, random: np.random.Generator) -> NDArray[np.uint8]:
    """Return random frames with structure at every scale; pure noise excites few channels."""
    n, height, width = shape_nhw
    frames = np.zeros((n, height, width, 3))
    for cells in (2, 5, 13, 37):
        rows = np.arange(height) * cells // height
        columns = np.arange(width) * cells // width
        frames += random.uniform(0, 64, (n, cells, cells, 3))[:, rows][:, :, columns]
    return frames.astype(np.uint8)


def _with_ties(
    path: Path,
    reference: Reference,
    frames: NDArray[np.uint8],
    chosen: NDArray[np.int64],
    want: Outputs,
    tolerance: float,
) -> Outputs:
    """Return the outputs wanted of the chosen classes, where these are tied with others in rank."""
    logits = want[0]
    apart = np.abs(
        np.take_along_axis(logits, chosen, axis=1) - np.take_along_axis(logits, want[2], axis=1)
    ).max()
    if not apart <= tolerance * float(np.abs(logits).max()):
        raise ModelError(f"{path}: its maps are of other classes than those of the network")
    each = [reference(frames[n : n + 1], row) for n, row in enumerate(chosen)]
    cam, bias = np.concatenate([one[1] for one in each]), np.concatenate([one[3] for one in each])
    return logits, cam, chosen, bias


def _difference(
    path: Path,
    name: str,
    got: NDArray[np.float32],
    want: NDArray[np.float32],
    tolerance: float,
) -> float:
    if got.shape != want.shape:
        raise ModelError(f"{path}: output {name} is {got.shape}, the network's is {want.shape}")
    difference = float(np.abs(got - want).max())
    if not difference <= tolerance * float(np.abs(want).max()):  # also false for NaN
        raise ModelError(f"{path}: output {name} differs from the network's by {difference:.3g}")
    return difference
