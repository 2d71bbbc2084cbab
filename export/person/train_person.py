"""Trains and measures the model ``person``: ``python -m export.person.train_person FOLDER MASKS``.

FOLDER contains ``person`` and ``boxes`` with photos, and ``videos`` with ``presence.csv``; MASKS is the
file that ``person_photos`` wrote. Prints every figure of docs/lab/person.md; takes about an hour on two
cores and 8 GB of memory. ``--write`` replaces the shipped head.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import torch
import typer
from rich.progress import Progress

from camstream.console import plain_errors
from camstream.contract import ModelInfo
from camstream.graph.backbone import Backbone
from camstream.graph.neck import Neck
from camstream.graph.new_head import LinearHead, save
from camstream.models import shipped_head, zoo
from camstream.models.session import Model
from camstream.teach.dataset import ImageFolder
from export.person import judge_person
from export.person.copy_paste import (
    SQUARE,
    ForegroundCrop,
    Scenes,
    all_scenes,
    crop_objects,
    crop_people,
)
from export.person.fit_neck import Net, SceneFeatures, TwoGrids, fit, infer, peaks, to_shipped
from export.person.judge_person import Judgement
from export.person.person_photos import LABELS, photos

# The sources of photos that a fit leaves out, and is judged on.
_LEFT_OUT = (
    ("imagenet1k",),
    ("caltech101",),
    ("imagenet1k", "imagenette", "imagenette_val"),
    ("pedlab",),
    ("houses", "roadsign"),
)
_CALIBRATED_ON = (0, 1, 3, 4)  # of these: each photo once


def crop_all(
    dataset: ImageFolder, masks: Path, default: Path
) -> tuple[list[ForegroundCrop], list[ForegroundCrop]]:
    """Crop people, and objects, from the photos."""
    model = Model(default, device="cpu", threads=1, refine=True)
    with Progress() as bar:
        task = bar.add_task("cropping", total=len(dataset.samples))
        people = crop_people(dataset, masks, lambda: bar.advance(task))
        return people, crop_objects(dataset, model, lambda: bar.advance(task))


def infer_all(scenes: Scenes, two_grids: TwoGrids) -> list[SceneFeatures]:
    """Compute the features of every scene; the whole photos come first."""
    planned = all_scenes(scenes)
    with Progress() as bar:
        task = bar.add_task("computing features", total=sum(map(len, planned)))
        return [infer(kind, two_grids, lambda: bar.advance(task)) for kind in planned]


def main(
    folder: Path,
    masks: Path,
    write: Annotated[bool, typer.Option("--write", help="Replace the shipped head.")] = False,
) -> None:
    """Train and measure the model person."""
    with plain_errors(debug=False):
        train_and_judge(folder, masks, write=write)


def train_and_judge(folder: Path, masks: Path, *, write: bool) -> None:
    """Fit, print the figures, and replace the shipped head where requested."""
    torch.set_flush_denormal(True)  # Adam's averages fade into denormal numbers, which are slow
    default = zoo.find_model().path
    dataset, two_grids = photos(folder), TwoGrids(default)
    people, objects = crop_all(dataset, masks, default)
    print(f"{len(dataset.samples)} photos; crops: {len(people)} people, {len(objects)} objects")
    features = infer_all(Scenes(dataset, people, objects), two_grids)
    left_out = leave_out(dataset, features)
    scale, offset = judge_person.concatenate(
        left_out[n].judged for n in _CALIBRATED_ON
    ).calibration()
    print(f"calibrated: logits times {scale:.2f} plus {offset:.2f}")
    show_left_out(left_out, (scale, offset), dataset, two_grids, folder / "videos")
    net = fit(features, np.zeros(len(dataset.samples), np.bool_))
    neck, row, bias = to_shipped(net, scale, offset)
    highest = peaks(net, features[0].fine_features, features[0].late) * scale
    full = float(f"{np.median(highest[features[0].person]):.3g}")
    linear_head = LinearHead(
        labels=LABELS,
        weight=np.stack([np.zeros_like(row), row]),
        bias=np.stack([np.zeros_like(bias), bias]),
        background=LABELS[0],
        cam_range=(float(f"{full / 10:.3g}"), full),
        size_hw=SQUARE[::-1],
        taught_on=f"{len(dataset.samples):,} photos with and without people",
    )
    print(f"heat begins and is full at {linear_head.cam_range}")  # an empty scene has none
    backbone = Backbone(zoo.find_model(), neck=neck)
    with TemporaryDirectory() as temporary:
        path = Path(temporary) / "person.onnx"
        info = save(backbone, linear_head, path, name="person")
        print(info.parity)
        if write:
            write_head(backbone, neck, linear_head, info)
        judge_file(path, folder / "videos")
    validated = judge_person.cross_validate(features, features[0]).scaled(scale, offset)
    print(f"five-fold cross-validation: {validated}")


def write_head(backbone: Backbone, neck: Neck, linear_head: LinearHead, info: ModelInfo) -> None:
    """Replace the shipped head; the printed digests belong into ``camstream.models.zoo``."""
    assert info.parity is not None
    record = shipped_head.Record(
        network=backbone.info.name,
        weights_sha256=info.weights_sha256,
        labels=linear_head.labels,
        background=linear_head.background,
        cam_range=linear_head.cam_range,
        size_hw=linear_head.size_hw or backbone.info.size_hw,
        taught_on=linear_head.taught_on,
        parity=info.parity,
        versions=info.versions,
    )
    folder = Path(zoo.__file__).parent
    numbers_file, record_file = folder / "person.npz", folder / "person.json"
    head = shipped_head.ShippedHead(neck, linear_head, record)
    shipped_head.write(numbers_file, record_file, head)
    for file in (numbers_file, record_file):
        print(file.name, hashlib.sha256(file.read_bytes()).hexdigest())


def judge_file(path: Path, videos: Path) -> None:
    """Print the figures of the finished model: clips and speed."""
    model = Model(path)
    for name, (right, count) in judge_person.judge_presence(model, videos).items():
        print(f"{name}: {right} of {count} unambiguous frames right")
    for name, share in judge_person.judge_clips(model, videos).items():
        print(f"{name}: a person in {share:.1%} of the frames (every 5th)")
    default = zoo.find_model().path
    for threads in range(1, (os.cpu_count() or 1) + 1):
        models = [
            Model(path, device="cpu", threads=threads, input_size=side)
            for side in judge_person.INPUT_SIZES
        ]
        usual_model = Model(default, device="cpu", threads=threads)
        (usual, _), *own = judge_person.time_models([usual_model, *models])
        for side, (median, best) in zip(judge_person.INPUT_SIZES, own, strict=True):
            print(
                f"alone, {threads} threads, input size {side}: {median:.0f} frames/s, fastest "
                f"tenth {best:.0f}; {usual / median:.2f} times as long as {default.stem}"
            )


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A network fitted without some sources, and its judgement of their photos.

    Attributes:
        sources: The sources left out.
        net: The network.
        judged: Its judgement of their photos.
    """

    sources: tuple[str, ...]
    net: Net
    judged: Judgement


def leave_out(dataset: ImageFolder, features: list[SceneFeatures]) -> list[LeftOut]:
    """Fit once for each group of sources, without it."""
    every = np.array([sample.source for sample in dataset.samples])
    found = []
    for sources in _LEFT_OUT:
        chosen = np.isin(every, sources)
        net = fit(features, chosen)
        found.append(LeftOut(sources, net, judge_person.judge_photos(net, features[0], chosen)))
    return found


def show_left_out(
    left_out: list[LeftOut],
    calibration: tuple[float, float],
    dataset: ImageFolder,
    two_grids: TwoGrids,
    videos: Path,
) -> None:
    """Print the figures of the sources that were left out."""
    scale, offset = calibration
    for one in left_out:
        print(f"{', '.join(one.sources)} left out: {one.judged.scaled(*calibration)}")
        if "houses" in one.sources:
            small = judge_person.judge_small(dataset, two_grids, one.net, -offset / scale, videos)
            for name, share in small.items():
                print(f"in houses left out, {name}: a person in {share:.1%}")


if __name__ == "__main__":
    typer.run(main)
