"""Train and judge the model ``person``: ``python -m export.heads.train_person FOLDER MASKS``.

FOLDER has ``person`` and ``boxes`` with photos, and ``videos`` with ``presence.csv``; MASKS is what
``cut_people`` wrote. Prints every figure of docs/person.md; takes about half an hour on two cores
and 5 GB of memory. ``--write`` replaces the head that is shipped.
"""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from rich.progress import Progress

from camstream import catalog
from camstream.model import Model
from camstream.terminal import plain_errors
from export.heads import judge_person, shipped
from export.heads.fit_neck import fit, peaks, to_shipped
from export.heads.person_photos import LABELS, photos
from export.heads.scenes import SQUARE, Scenes, all_scenes
from export.heads.views import TwoGrids, Views, look
from export.teach.album import Album
from export.teach.rehead import Lesson, save
from export.teach.trunk import Trunk

_LEFT_OUT = (
    (("imagenet1k",), ("imagenet1k",)),
    (("imagenet1k", "imagenette", "imagenette_val"), ("imagenet1k",)),
    (("caltech101",), ("caltech101",)),
    (("pedlab",), ("pedlab",)),
    (("houses", "roadsign"), ("houses", "roadsign")),
)


def look_at_all(scenes: Scenes, count: int, two_grids: TwoGrids) -> list[Views]:
    """Compute the features of every scene; the photos as they are come first."""
    planned = all_scenes(scenes, count)
    with Progress() as bar:
        task = bar.add_task("looking", total=sum(map(len, planned)))
        return [look(kind, two_grids, lambda: bar.advance(task)) for kind in planned]


def main(
    folder: Path,
    masks: Path,
    write: Annotated[bool, typer.Option("--write", help="Replace the shipped head.")] = False,
) -> None:
    """Train and judge the model person."""
    with plain_errors(debug=False):
        train_and_judge(folder, masks, write=write)


def train_and_judge(folder: Path, masks: Path, *, write: bool) -> None:
    """Fit, print what it is worth, and replace the shipped head where that is asked for."""
    torch.set_flush_denormal(True)  # Adam's averages fade into numbers that are slow
    default = catalog.model_path(say=print)
    album, two_grids = photos(folder), TwoGrids(default)
    scenes = Scenes(album, masks)
    things, people = scenes.cuttings
    print(f"{len(album.items)} photos; cut out: {len(people)} people, {len(things)} things")
    views = look_at_all(scenes, len(album.items), two_grids)
    crossed = judge_person.cross_validate(views, views[0])
    scale, offset = crossed.calibration()
    print(f"calibrated: logits times {scale:.2f} plus {offset:.2f}")
    print(f"five-fold cross-validation: {crossed.scaled(scale, offset)}")
    net = fit(views, np.zeros(len(album.items), np.bool_))
    neck, row, bias = to_shipped(net, scale, offset)
    highest = peaks(net, views[0].early, views[0].late) * scale
    full = float(f"{np.median(highest[views[0].person]):.3g}")
    lesson = Lesson(
        labels=LABELS,
        weight=np.stack([np.zeros_like(row), row]),
        bias=np.stack([np.zeros_like(bias), bias]),
        background=LABELS[0],
        cam_range=(float(f"{full / 10:.3g}"), full),
        size_hw=SQUARE[::-1],
        taught_on=f"{len(album.items):,} photos with and without people (docs/person.md)",
    )
    print(f"heat begins and is full at {lesson.cam_range}")  # where nobody is, there is none
    trunk = Trunk(default, neck=neck)
    if write:
        shipped.write("person", trunk, neck, lesson)
    with TemporaryDirectory() as temporary:
        path = Path(temporary) / "person.onnx"
        print(save(trunk, lesson, path, name="person").proof)
        judge_file(path, folder / "videos")
    judge_left_out(album, views, two_grids, (scale, offset), folder / "videos")


def judge_file(path: Path, videos: Path) -> None:
    """Print the figures of the finished model: on clips, and by the clock."""
    model = Model(path)
    for name, (right, count) in judge_person.judge_presence(model, videos).items():
        print(f"{name}: {right} of {count} unambiguous frames right")
    for name, seen in judge_person.judge_clips(model, videos).items():
        print(f"{name}: a person in {seen:.1%} of the frames (every 5th)")
    default = catalog.model_path()
    for threads in range(1, (os.cpu_count() or 1) + 1):
        (usual, _), (median, best) = judge_person.time_models([default, path], threads)
        print(
            f"the model alone, {threads} threads: {median:.0f} frames/s, fastest tenth {best:.0f}; "
            f"{usual / median:.2f} times as long as {default.stem}"
        )


def judge_left_out(
    album: Album,
    views: list[Views],
    two_grids: TwoGrids,
    calibration: tuple[float, float],
    videos: Path,
) -> None:
    """Print the figures of sources that were left out, each by a fit of its own."""
    sources = np.array([item.source for item in album.items])
    for out, judged in _LEFT_OUT:
        net = fit(views, _among(sources, out))
        for source in judged:
            found = judge_person.judge_photos(net, views[0], _among(sources, (source,)))
            found = found.scaled(*calibration)
            print(f"{source}, fitted without {', '.join(out)}: {found}")
        if "houses" in out:
            scale, offset = calibration
            small = judge_person.judge_small(album, two_grids, net, -offset / scale, videos)
            for name, seen in small.items():
                print(f"in houses left out, {name}: a person in {seen:.1%}")


def _among(sources: NDArray[np.str_], some: tuple[str, ...]) -> NDArray[np.bool_]:
    return np.isin(sources, some)


if __name__ == "__main__":
    typer.run(main)
