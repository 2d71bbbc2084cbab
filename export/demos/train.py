"""Trains the network of a demo, with the very loop that folders of photos are trained with."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from export.train.job import Job
from export.train.start import start

if TYPE_CHECKING:
    from pathlib import Path

    from export.demos.demo import Demo


def job_of(demo: Demo, output: Path, *, epochs: int | None = None) -> Job:
    """Make the job of a demo.

    Args:
        demo: Which.
        output: The file to write.
        epochs: The most epochs; None: the demo's.
    """
    recipe = demo.recipe if epochs is None else replace(demo.recipe, epochs=epochs)
    sets = demo.sets()
    return Job(
        start=start(demo.network, len(demo.labels), seed=recipe.seed),
        labels=demo.labels,
        train=sets.train,
        check=sets.check,
        recipe=recipe,
        output=output,
        about=f"{len(sets.train.classes)} pictures of the demo {demo.name}",
        settings={"demo": demo.name},
        background=demo.labels.index(demo.background),
    )
