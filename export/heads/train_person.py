"""Train and judge the model ``person``: ``python -m export.heads.train_person FOLDER [--write]``.

FOLDER has ``person`` and ``boxes`` with photos, and ``videos`` with ``presence.csv``. Prints every
figure of docs/person.md. The first run looks at 3,317 photos six times, which takes minutes; later
ones find the features in the cache.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from camstream import catalog
from camstream.model import Model
from export.heads import judge_person, shipped
from export.heads.person_photos import LABELS, SIZE, look_at, look_at_all, photos
from export.teach.command import to_lesson
from export.teach.features import Gallery
from export.teach.fit import Candidate, Fitted, fit
from export.teach.heat import HeatRule
from export.teach.rehead import save
from export.teach.report import show, sum_up
from export.teach.trunk import Trunk

# Fixed beforehand, as where frames are taught live: left to random splits, the strictness would
# be chosen by photos of sources that were fitted to.
CANDIDATE = Candidate("logistic regression", 1e-3)
# A near person fills half of the picture, and all of that would be red at the usual rule.
HEAT = HeatRule(quiet=90, graded=95)
_IMAGENET = ("imagenet1k", "imagenette", "imagenette_val")


def judge(gallery: Gallery, fitted: Fitted, trunk: Trunk, path: Path, videos: Path) -> None:
    """Print the figures that are the person model's own."""
    alone = judge_person.judge_without(gallery, _IMAGENET, "imagenet1k", fitted)
    print(f"imagenet1k, without any photo of ImageNet in the fit: {alone:.1%}")
    model = Model(path)
    for name, (right, count) in judge_person.judge_presence(model, videos).items():
        print(f"{name}: {right} of {count} unambiguous frames right")
    for name, seen in judge_person.judge_clips(model, videos).items():
        print(f"{name}: a person in {seen:.1%} of the frames (every 5th)")
    layer = judge_person.fit_without(gallery, ("houses",), fitted)
    for name, seen in judge_person.judge_small(gallery, trunk, layer, videos).items():
        print(f"in scenes left out, {name}: a person in {seen:.1%}")
    default = catalog.model_path()
    for threads in range(1, (os.cpu_count() or 1) + 1):
        (usual, _), (median, best) = judge_person.time_models([default, path], threads)
        print(
            f"the model alone, {threads} threads: {median:.0f} frames/s, fastest tenth {best:.0f}; "
            f"{usual / median:.2f} times as long as {default.stem}"
        )


def main() -> None:
    """Read the command line, train, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--write", action="store_true", help="Replace the layer that is shipped.")
    options = parser.parse_args()
    trunk = Trunk(catalog.model_path(say=print))
    gallery = look_at_all(photos(options.folder), trunk)
    fitted = fit(gallery.samples(), candidates=(CANDIDATE,), say=print)
    show(sum_up(gallery, fitted), Console(highlight=False, soft_wrap=True))
    lesson = to_lesson(gallery, trunk, look_at(SIZE), fitted, LABELS[0], HEAT)
    told = f"{len(gallery.names):,} photos with and without people (docs/person.md)"
    lesson = dataclasses.replace(lesson, taught_on=told)
    print(f"heat begins and is full at {lesson.cam_range}")
    if options.write:
        shipped.write("person", lesson, trunk)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "person.onnx"
        print(save(trunk, lesson, path, name="person").proof)
        judge(gallery, fitted, trunk, path, options.folder / "videos")


if __name__ == "__main__":
    main()
