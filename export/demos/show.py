"""Annotates a demo's clip with the ordinary pipeline, and scores what was seen."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from camstream.annotation import AnnotationJob, AnnotationResult
from export.demos.demo import SIZE_WH, Demo, write_clip
from export.demos.score import Score, Seen, score

if TYPE_CHECKING:
    from collections.abc import Callable

    from camstream.models.session import Model


def annotate_clip(
    demo: Demo, model: Model, output: Path, annotate: Callable[[AnnotationJob], AnnotationResult]
) -> tuple[AnnotationResult, Score | None]:
    """Draw the clip, annotate it, compare its records with the truth.

    Args:
        demo: Which.
        model: Trained for it.
        output: The annotated clip to write; one that is there is replaced.
        annotate: Annotates a file with that model.

    Returns:
        What came of it; no score where it was stopped.

    Raises:
        SinkError: It cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="camstream-") as folder:
        clip, records = Path(folder) / f"{demo.name}.mp4", Path(folder) / "records.jsonl"
        truths = write_clip(demo.scenes(), clip)
        result = annotate(
            AnnotationJob(source=clip, output=output, records=records, overwrite=True)
        )
        if result.is_stopped:
            return result, None
        seen = [_seen(line) for line in records.read_text(encoding="utf-8").splitlines()]
    cells = model.predict(np.zeros((*SIZE_WH[::-1], 3), np.uint8)).cam.maps.shape[2]
    scored = score(
        seen,
        truths,
        background=demo.background,
        floor=model.info.cam_range[0],
        cell_px=SIZE_WH[0] / cells,
    )
    return result, scored


def held_out_accuracy(demo: Demo, model: Model) -> tuple[float, int]:
    """Classify the pictures that were kept for scoring; gives the part right, and how many."""
    pictures = demo.sets().test
    right = 0
    for index, true in enumerate(pictures.classes):
        image = pictures.image(index, np.random.default_rng((1, index)))
        right += model.predict(image).top[0].class_index == true
    return right / len(pictures.classes), len(pictures.classes)


def _seen(line: str) -> Seen:
    record = json.loads(line)
    x, y = record["peak_xy"]
    return Seen(record["top"][0]["label"], (x, y), record["peak"])
