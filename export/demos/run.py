"""Trains a demo's network, annotates its clip with the ordinary pipeline, and scores the result."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from camstream.annotation import AnnotationJob, AnnotationResult
from camstream.errors import UsageError
from export.demos.demo import SIZE_WH, Demo, Detection, Score, score, write_clip
from export.demos.digits import DIGITS
from export.demos.sweep import SWEEP
from export.train.job import Job
from export.train.network import start

if TYPE_CHECKING:
    from camstream.models.session import Model

DEMOS: dict[str, Demo] = {demo.name: demo for demo in (DIGITS, SWEEP)}


def find(name: str) -> Demo:
    """Look a demo up by name.

    Raises:
        UsageError: There is none of that name.
    """
    if name not in DEMOS:
        raise UsageError(f"no demo {name!r}; there are {', '.join(DEMOS)}")
    return DEMOS[name]


def job_of(demo: Demo, output: Path, *, epochs: int | None = None) -> Job:
    """Draw a demo's images and make its training job.

    Args:
        demo: The demo.
        output: The model file to write.
        epochs: The largest number of epochs; None: the demo's.
    """
    recipe = demo.recipe if epochs is None else replace(demo.recipe, epochs=epochs)
    sets = demo.sets()
    return Job(
        start=start(demo.network, len(demo.labels), seed=recipe.seed),
        labels=demo.labels,
        train=sets.train,
        validation=sets.validation,
        recipe=recipe,
        output=output,
        about=f"{len(sets.train.classes)} pictures of the demo {demo.name}",
        settings={"demo": demo.name},
        background=demo.labels.index(demo.background),
    )


def annotate_clip(
    demo: Demo, model: Model, output: Path, annotate: Callable[[AnnotationJob], AnnotationResult]
) -> tuple[AnnotationResult, Score | None]:
    """Draw the clip, annotate it, and compare its records with the ground truth.

    Args:
        demo: The demo.
        model: Trained for it.
        output: The annotated clip to write.
        annotate: Annotates a file with that model.

    Returns:
        The result of the annotation, and the score; None where it was stopped.

    Raises:
        SinkError: The clip cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="camstream-") as folder:
        clip, records = Path(folder) / f"{demo.name}.mp4", Path(folder) / "records.jsonl"
        truths = write_clip(demo.scenes(), clip)
        result = annotate(
            AnnotationJob(source=clip, output=output, records=records, overwrite=True)
        )
        if result.is_stopped:
            return result, None
        lines = records.read_text(encoding="utf-8").splitlines()
    cells = model.predict(np.zeros((*SIZE_WH[::-1], 3), np.uint8)).cam.maps.shape[2]
    return result, score(
        [_detection(line) for line in lines],
        truths,
        background=demo.background,
        floor=model.info.cam_range[0],
        cell_px=SIZE_WH[0] / cells,
    )


def accuracy_on_test_set(demo: Demo, model: Model) -> tuple[float, int]:
    """Classify the test images; return the share that is right, and their number."""
    images = demo.sets().test
    right = 0
    for index, true in enumerate(images.classes):
        image = images.image(index, np.random.default_rng((1, index)))
        right += model.predict(image).top[0].class_index == true
    return right / len(images.classes), len(images.classes)


def _detection(line: str) -> Detection:
    record = json.loads(line)
    x, y = record["peak_xy"]
    return Detection(record["top"][0]["label"], (x, y), record["peak"])
