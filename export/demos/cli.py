"""``camstream demo digits`` and ``camstream demo sweep``: they train a network, then annotate."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path

import platformdirs

from camstream.annotation import AnnotationJob, AnnotationResult
from camstream.commands.options import open_model
from camstream.commands.plugins import missing
from camstream.console import Stop, console, note, say, steps
from camstream.models.session import Model
from camstream.sinks.naming import make_folder

Annotate = Callable[[AnnotationJob, Model], AnnotationResult]


def run(
    name: str,
    output: Path,
    *,
    device: str,
    retrain: bool,
    overwrite: bool,
    stop: Stop,
    annotate: Annotate,
) -> AnnotationResult:
    """Train a demo's network unless that was done before, annotate its clip, print the figures.

    Args:
        name: "digits" or "sweep".
        output: The annotated clip to write.
        device: See ``camstream.models.device``.
        retrain: Train again.
        overwrite: Whether an existing output may be replaced.
        stop: Stops the training or the annotation; what was written so far is complete.
        annotate: Annotates a clip with a model.

    Raises:
        SetupError: torch is not installed.
    """
    path = platformdirs.user_cache_path("camstream") / "models" / f"demo_{name}-2.onnx"
    try:
        from export.demos.run import accuracy_on_test_set, annotate_clip, find
    except ModuleNotFoundError as error:
        raise missing(f"the demo {name}", error) from error
    demo = find(name)
    if retrain or not path.exists():
        make_folder(path.parent)
        note(f"training the network of {name}, once; this takes a minute or two")
        train(name, path, resume=not retrain, stop=stop)
        stop.end()
    model = open_model(str(path), device=device)
    result, score = annotate_clip(
        demo,
        model,
        output,
        lambda job: annotate(dataclasses.replace(job, overwrite=overwrite), model),
    )
    if score is not None:
        accuracy, pictures = accuracy_on_test_set(demo, model)
        say(f"  {accuracy:.1%} of {pictures} pictures that were not trained on are right")
        for line in demo.figures(score):
            say(f"  {line}")
    return result


def train(
    name: str, output: Path, *, epochs: int | None = None, resume: bool = True, stop: Stop
) -> None:
    """Train a demo's network and export it.

    Args:
        name: "digits" or "sweep".
        output: The .onnx file to write.
        epochs: The most epochs; None: the demo's.
        resume: Continue an interrupted training.
        stop: Stops it; a checkpoint is kept.
    """
    from export.demos.run import find, job_of
    from export.train.job import progress_bar
    from export.train.job import run as run_job

    with steps(console) as progress:
        progress("drawing pictures to learn from")
        job = job_of(find(name), output, epochs=epochs)
        progress(f"training {job.start.name} on {len(job.train.classes)} pictures")
    with steps(console) as progress:
        run_job(job, progress_bar(console), resume=resume, stop=stop, progress=progress)


digits = functools.partial(run, "digits")
sweep = functools.partial(run, "sweep")
