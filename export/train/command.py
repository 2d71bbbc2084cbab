"""Trains on a folder of photos and tells what came of it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import typer
from rich.progress import Progress

from camstream.commands.options import parse_size
from camstream.console import console, note, steps
from camstream.errors import ModelError
from camstream.sinks.atomic_file import AtomicFile
from camstream.teach.dataset import find_background
from export.options import one_of, report
from export.train.examples import Photo, PhotoExamples, read_photos, split
from export.train.job import Job, Result, progress_bar, run
from export.train.network import start
from export.train.options import KeepOptions, LearningOptions, NetworkOptions, PhotoOptions

if TYPE_CHECKING:
    from export.networks.layers import Pool

_TOLD = 5  # names of photos, before "and others"


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks for."""

    folder: Path
    output: Path
    network: NetworkOptions
    learning: LearningOptions
    photos: PhotoOptions
    keep: KeepOptions


def train_folder(request: Request, stop: Callable[[], bool]) -> None:
    """Train, write the file, and print what was measured.

    Raises:
        CamstreamError: Something is missing or cannot be done.
    """
    job = _job(request)
    request.keep.check(request.output, job.checkpoint.path)
    with steps(console, "starting") as progress:
        progress(f"training {job.start.name} on {job.device}, from {job.start.origin}")
    with steps(console, "starting") as progress:
        result = run(
            job, progress_bar(console), resume=request.keep.resume, stop=stop, progress=progress
        )
    if result is None:
        note(f"stopped; {job.checkpoint.path} keeps what was learnt, go on with --resume")
        return
    report(request.output, result.info)
    print_result(result, job)


def _job(request: Request) -> Job:
    """Find out what cannot be done, then read the photos."""
    output, options = request.output, request.network
    if output.suffix.lower() != ".onnx":
        raise ModelError(f"the output {output} must end in .onnx")
    AtomicFile(output, overwrite=request.keep.overwrite or request.keep.resume)
    device = pick_device(options.device)
    pool: Pool = "max" if one_of("--pool", options.pool, "avg", "max") == "max" else "avg"
    size_wh = parse_size(options.size)
    recipe = request.learning.recipe()
    with steps(console, "starting") as progress:
        # Its classes are not known yet; what is wrong with the network or the weights is told
        # before all photos are read.
        localization = start(
            options.network, 2, choice=options.weights, pool=pool, progress=progress
        )
    size_hw = size_wh[::-1] if size_wh else localization.spec.size_hw
    multiple = localization.spec.size_multiple
    if multiple is not None and any(side % multiple for side in size_hw):
        raise ModelError(
            f"--size {options.size}: {options.network} takes multiples of {multiple} pixels"
        )
    labels, photos, broken = _read(request.folder, size_hw)
    background = find_background(labels, options.background)
    learn, check = split(photos, request.photos.set_aside, seed=recipe.seed)
    _tell_photos(request.folder, labels, learn, check, broken)
    return Job(
        start=start(
            options.network, len(labels), choice=options.weights, pool=pool, seed=recipe.seed
        ),
        labels=labels,
        train=PhotoExamples(learn, size_hw, request.photos.variation()),
        validation=PhotoExamples(check, size_hw),
        recipe=recipe,
        output=output,
        about=f"{len(learn)} photos in {request.folder.resolve().name}",
        settings=_settings(request, size_hw, photos),
        background=None if background is None else labels.index(background),
        device=device,
    )


def _settings(
    request: Request, size_hw: tuple[int, int], photos: Sequence[Photo]
) -> dict[str, object]:
    """What the result follows from: a checkpoint of other photos or options does not fit."""
    digest = hashlib.sha256()
    for photo in photos:
        digest.update(photo.name.encode())
        digest.update(photo.jpeg.tobytes())
    chosen = {"weights": request.network.weights, "pool": request.network.pool}
    return chosen | {"size_hw": size_hw, "photos": digest.hexdigest()} | asdict(request.photos)


def _read(
    folder: Path, size_hw: tuple[int, int]
) -> tuple[tuple[str, ...], list[Photo], list[Path]]:
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("reading photos", total=None)
        return read_photos(
            folder,
            size_hw,
            on_photo=lambda done, total: bar.update(task, completed=done, total=total),
        )


def _tell_photos(
    folder: Path,
    labels: tuple[str, ...],
    learn: Sequence[Photo],
    check: Sequence[Photo],
    broken: Sequence[Path],
) -> None:
    learnt, checked = (Counter(photo.class_index for photo in part) for part in (learn, check))
    each = ", ".join(
        f"{label} {learnt[index]} + {checked[index]}" for index, label in enumerate(labels)
    )
    console.print(
        f"{folder}: {len(learn)} photos to learn from, {len(check)} set aside ({each})",
        markup=False,
        soft_wrap=True,
    )
    if broken:
        names = ", ".join(str(path.relative_to(folder)) for path in broken[:_TOLD])
        more = f" and {len(broken) - _TOLD} more" if len(broken) > _TOLD else ""
        note(f"left out, for they cannot be read: {names}{more}")


def pick_device(name: str) -> str:
    """Choose what to train on.

    Raises:
        ModelError: There is no such device on this machine.
    """
    wanted = one_of("--device", name, "auto", "cpu", "cuda")
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ModelError("--device cuda: torch finds no NVIDIA GPU here; leave --device out")
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return wanted


def print_result(result: Result, job: Job) -> None:
    """Print what the file makes of the pictures set aside."""
    measured, best = result.measured, result.best
    low, high = result.info.cam_range
    typer.echo(
        f"  right on {measured.accuracy:.1%} of {measured.confusion.sum()} set aside "
        f"(the file itself); epoch {best.epoch} of {len(result.history)} was the best\n"
        f"  heat begins at {low:g}, full at {high:g} (logit units)\n"
        f"  history: {job.history}"
    )
    wrong = measured.confusion.copy()
    for index in range(len(wrong)):
        wrong[index, index] = 0
    for flat in wrong.ravel().argsort()[::-1][:_TOLD]:
        true, taken = divmod(int(flat), len(wrong))
        if wrong[true, taken]:
            typer.echo(
                f"  {wrong[true, taken]} of {measured.confusion[true].sum()} "
                f"{job.labels[true]} taken for {job.labels[taken]}"
            )
