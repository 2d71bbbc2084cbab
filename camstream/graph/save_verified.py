"""Gives a finished model its name, once it has passed every check."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import onnx

from camstream.errors import SinkError
from camstream.graph.assemble import assemble, info_of, with_info
from camstream.graph.verify import SHAPES_NHW, TOLERANCE, Reference, ShapeNHW, verify

if TYPE_CHECKING:
    from camstream.contract import ModelInfo
    from camstream.graph.head import Head


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
        info: What is to be known of it.
        output: The file to write; one that is there is replaced.
        reference: Computes what every output must be.
        shapes_nhw: The batches, heights and widths to compare at.
        tolerance: How far an output may be off, relative to its largest value.

    Returns:
        ``info`` with what was measured, as it is in the file.

    Raises:
        ModelError: The model differs from its source, or breaks the law.
        SinkError: The file cannot be written.
    """
    if not output.parent.is_dir():
        raise SinkError(f"cannot write {output}: there is no folder {output.parent}")
    model = assemble(core, head, info)
    try:
        with tempfile.TemporaryDirectory(dir=output.parent, prefix=".camstream-") as folder:
            atomic_file = Path(folder) / "draft.onnx"
            onnx.save(model, atomic_file)
            parity = verify(
                atomic_file,
                reference,
                classes=head.classes,
                law=head.keeps_identity,
                shapes_nhw=shapes_nhw,
                tolerance=tolerance,
            )
            info = dataclasses.replace(info_of(model, path=str(output)), parity=parity)
            onnx.save(with_info(model, info), atomic_file)
            atomic_file.replace(output)
    except OSError as error:
        raise SinkError(f"cannot write {output}: {error.strerror or error}") from error
    return info


def versions(*packages: str, opset: int) -> dict[str, str]:
    """Look up which versions made a file; a package that is not installed is left out."""
    found = {}
    for package in ("camstream", *packages, "onnx", "onnxruntime-gpu", "onnxruntime"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found | {"opset": str(opset)}
