"""Exports a network by name: torch -> plain classifier -> camstream model -> proof -> file."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import io
import logging
import os
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from camstream.contract import ModelInfo
from camstream.errors import ModelError, SinkError
from export import networks
from export.assemble import assemble, with_info
from export.graft import find_head
from export.networks import GapNetwork
from export.verify import Outputs, verify

OPSET = 18


def export(name: str, output: Path, *, say: Callable[[str], None]) -> ModelInfo:
    """Export a network; the file gets its name only after it has passed every check.

    Args:
        name: One of ``export.networks.NETWORKS``.
        output: The file to write; one that is there is replaced.
        say: Is told each step, one line each.

    Returns:
        The record that is in the file, with what was measured.

    Raises:
        ModelError: There is no such network, or the export is not equal to it.
        SinkError: The file cannot be written.
        SetupError: The weights are not installed.
    """
    spec = networks.find(name)
    if not output.parent.is_dir():
        raise SinkError(f"cannot write {output}: there is no folder {output.parent}")
    say(f"loading the weights of {name}")
    network, weights = networks.load(name)
    say("writing the graph")
    core = _to_onnx(network)
    head = find_head(core)
    info = ModelInfo(
        name=name,
        labels=spec.labels(),
        size_hw=spec.size_hw,
        size_multiple=spec.size_multiple,
        color="RGB",
        mean=spec.mean,
        std=spec.std,
        method=head.method,
        layer=spec.layer,
        cam_range=spec.cam_range,
        weights=weights.source,
        weights_sha256=weights.sha256,
        versions={
            package: importlib.metadata.version(package)
            for package in ("camstream", "torch", "onnx", "onnxruntime-gpu", "onnxruntime")
            if _installed(package)
        }
        | {"opset": str(OPSET)},
    )
    model = assemble(core, head, info)
    reference = networks.Reference(network, spec)

    def run_reference(frames: NDArray[np.uint8], classes: NDArray[np.int64]) -> Outputs:
        outputs = reference(torch.from_numpy(frames), torch.from_numpy(classes))
        logits, cam, cam_classes, bias = (output.numpy() for output in outputs)
        return logits, cam, cam_classes, bias

    try:
        with tempfile.TemporaryDirectory(dir=output.parent, prefix=".camstream-") as folder:
            draft = Path(folder) / "draft.onnx"
            onnx.save(model, draft)
            say("comparing every output with torch")
            proof = verify(draft, run_reference, classes=len(info.labels))
            info = dataclasses.replace(info, proof=proof)
            onnx.save(with_info(model, info), draft)
            os.replace(draft, output)
    except OSError as error:
        raise SinkError(f"cannot write {output}: {error.strerror or error}") from error
    return info


def _installed(package: str) -> bool:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _to_onnx(network: GapNetwork) -> onnx.ModelProto:
    """Trace the network. The batch is traced with 2: a 1 would be frozen into the graph."""
    example = torch.zeros(2, 3, 224, 224)
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        # The exporter prints its own progress and torch's deprecation warnings; camstream's
        # steps say what a user needs.
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                network.eval(),
                (example,),
                dynamo=True,
                opset_version=OPSET,
                input_names=["image"],
                output_names=["logits"],
                dynamic_shapes=({0: "n", 2: "height", 3: "width"},),
                external_data=False,
                verbose=False,
            )
    finally:
        logger.setLevel(level)
    if program is None:
        raise ModelError("torch.onnx.export returned no model")
    return program.model_proto
