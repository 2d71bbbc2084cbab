"""Writes the temperature into a model file that makes its scores probabilities."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path

import onnx

from camstream.contract import ModelInfo
from camstream.errors import NotFoundError
from camstream.evaluate.annotations import read_folders
from camstream.evaluate.calibration import Calibration, calibrate, look_at
from camstream.graph.assemble import with_info
from camstream.graph.trial import remember, sha256_of
from camstream.models.classes import ClassNames
from camstream.models.session import Model
from camstream.sinks.atomic_file import AtomicFile


def with_calibrated_scores(
    make: Callable[[Path], ModelInfo],
    output: Path,
    photos: Path,
    *,
    progress: Callable[[str], None],
) -> tuple[ModelInfo, Calibration]:
    """Make a model file, fit its temperature on photos of known classes, and write it with both.

    Args:
        make: Writes the model file to a path.
        output: The file to write; an existing one is replaced.
        photos: A folder with one folder per class, see ``read_folders``.
        progress: Called with one line of text for each step.

    Returns:
        The file's metadata, and what the temperature brings.

    Raises:
        SourceError: The photos cannot be read, are too few, or of classes that the model lacks.
        ModelError: As ``make``.
        SinkError: The file cannot be written.
    """
    atomic_file = AtomicFile(output, overwrite=True)  # an error is reported now
    if not photos.is_dir():
        raise NotFoundError(f"cannot calibrate scores: there is no folder {photos}")
    with tempfile.TemporaryDirectory(prefix="camstream-") as folder:
        unfitted = Path(folder) / output.name
        info = make(unfitted)
        ground_truths = read_folders(photos, ClassNames(info.labels))
        model = Model(unfitted, device="cpu")

        def count(done: int) -> None:
            progress(f"calibrating scores: {done} of {len(ground_truths)} photos")

        found = calibrate(*look_at(model, ground_truths, on_photo=count))
        # Logits are not divided in the graph: mean(cam) + bias = logit is of the network's own.
        info = dataclasses.replace(info, temperature=float(f"{found.temperature:.3g}"))
        graph = with_info(onnx.load(unfitted), info)
    with atomic_file.writing():
        onnx.save(graph, atomic_file.path)
    atomic_file.commit()
    remember(sha256_of(output))  # its graph has just run here
    return info, found
