"""Trains on a folder of photos, and prints the measurements."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from camstream.console import console, counting, note, say, steps
from camstream.errors import SinkError, UsageError
from camstream.sinks.atomic_file import AtomicFile
from camstream.teach.dataset import find_background
from export.options import PoolName, report
from export.train.examples import Photo, PhotoExamples, read_photos, split
from export.train.job import Job, Result, progress_bar, run
from export.train.network import start
from export.train.recipe import Recipe, Variation

_MAX_LISTED = 5  # photos or confusions that are named


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to train, see ``camstream train --help``.

    Attributes:
        folder: One folder per class.
        output: The model to write.
        network: A name in ``export.networks``.
        weights: Where to start, see ``start``.
        pool: Global pooling.
        size_wh: Input size to train at; None: the network's.
        background: The background class; None: found by its name.
        device: "auto", "cpu" or "cuda".
        recipe: The settings of the training.
        variation: How photos are augmented.
        val_split: Part of each class for validation, 0 to 1.
        resume: Whether an interrupted training is continued.
        overwrite: Whether existing outputs may be replaced.
    """

    folder: Path
    output: Path
    network: str
    weights: str | None
    pool: PoolName
    size_wh: tuple[int, int] | None
    background: str | None
    device: str
    recipe: Recipe
    variation: Variation
    val_split: float
    resume: bool
    overwrite: bool

    def check(self, checkpoint: Path) -> None:
        """Refuse to lose an interrupted training.

        Raises:
            SinkError: There is one, and neither ``resume`` nor ``overwrite`` is set.
        """
        if checkpoint.exists() and not (self.resume or self.overwrite):
            raise SinkError(
                f"{checkpoint} is there, a training of {self.output.name} that was interrupted; "
                "go on with --resume, or begin again with --overwrite"
            )


def train_folder(request: Request, stop: Callable[[], bool]) -> None:
    """Train, write the file, and print the measurements.

    Args:
        request: What to train.
        stop: Called before each batch; True keeps a checkpoint and returns.

    Raises:
        UsageError: An option is wrong.
        CamstreamError: The training or the export failed.
    """
    job = _job(request)
    request.check(job.checkpoint.path)
    console.print(
        f"training {job.start.name} on {job.device}, from {job.start.origin}",
        markup=False,
        soft_wrap=True,
    )
    with steps(console) as progress:
        result = run(
            job, progress_bar(console), resume=request.resume, stop=stop, progress=progress
        )
    if result is None:
        note(f"stopped; {job.checkpoint.path} keeps the progress, go on with --resume")
        return
    report(request.output, result.info)
    print_result(result, job)


def _job(request: Request) -> Job:
    """Check the options, then read the photos."""
    output, recipe = request.output, request.recipe
    if output.suffix.lower() != ".onnx":
        raise UsageError(f"the output {output} must end in .onnx")
    AtomicFile(output, overwrite=request.overwrite or request.resume)
    device = pick_device(request.device)
    with steps(console) as progress:
        # The classes are not known yet; but an error in the network or in the weights is reported
        # before all photos are read.
        trial = start(
            request.network, 2, choice=request.weights, pool=request.pool, progress=progress
        )
    height, width = size_hw = request.size_wh[::-1] if request.size_wh else trial.spec.size_hw
    multiple = trial.spec.size_multiple
    if multiple is not None and any(side % multiple for side in size_hw):
        raise UsageError(
            f"--model-size {width}x{height}: {request.network} takes multiples of {multiple} pixels"
        )
    labels, photos, broken = _read(request.folder, size_hw)
    background = find_background(labels, request.background)
    learn, check = split(photos, request.val_split, seed=recipe.seed)
    _print_photos(request.folder, labels, learn, check, broken)
    return Job(
        start=start(
            request.network,
            len(labels),
            choice=request.weights,
            pool=request.pool,
            seed=recipe.seed,
        ),
        labels=labels,
        train=PhotoExamples(learn, size_hw, request.variation),
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
    """Return what the result depends on: a checkpoint of other photos or options does not fit."""
    digest = hashlib.sha256()
    for photo in photos:
        digest.update(photo.name.encode())
        digest.update(photo.jpeg.tobytes())
    return {
        "weights": request.weights,
        "pool": request.pool,
        "size_hw": size_hw,
        "photos": digest.hexdigest(),
        "val_split": request.val_split,
    } | asdict(request.variation)


def _read(
    folder: Path, size_hw: tuple[int, int]
) -> tuple[tuple[str, ...], list[Photo], list[Path]]:
    with counting("reading photos") as on_photo:
        return read_photos(folder, size_hw, on_photo=on_photo)


def _print_photos(
    folder: Path,
    labels: tuple[str, ...],
    learn: Sequence[Photo],
    check: Sequence[Photo],
    broken: Sequence[Path],
) -> None:
    training, validation = (Counter(photo.class_index for photo in part) for part in (learn, check))
    each = ", ".join(
        f"{label} {training[index]} + {validation[index]}" for index, label in enumerate(labels)
    )
    console.print(
        f"{folder}: {len(learn)} photos to learn from, {len(check)} for validation ({each})",
        markup=False,
        soft_wrap=True,
    )
    if broken:
        names = ", ".join(str(path.relative_to(folder)) for path in broken[:_MAX_LISTED])
        more = f" and {len(broken) - _MAX_LISTED} more" if len(broken) > _MAX_LISTED else ""
        note(f"skipped photos that cannot be read: {names}{more}")


def pick_device(name: str) -> str:
    """Choose what to train on.

    Raises:
        UsageError: There is no such device on this machine.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: torch finds no NVIDIA GPU here; leave --device out")
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return name


def print_result(result: Result, job: Job) -> None:
    """Print how the file itself classifies the validation photos."""
    measured, best = result.measured, result.best
    low, high = result.info.cam_range
    say(
        f"  right on {measured.accuracy:.1%} of {measured.confusion.sum()} validation photos "
        f"(the file itself); epoch {best.epoch} of {len(result.history)} was the best\n"
        f"  heat begins at {low:g}, full at {high:g} (logit units)\n"
        f"  history: {job.history}"
    )
    wrong = measured.confusion.copy()
    for index in range(len(wrong)):
        wrong[index, index] = 0
    for flat in wrong.ravel().argsort()[::-1][:_MAX_LISTED]:
        true, taken = divmod(int(flat), len(wrong))
        if wrong[true, taken]:
            say(
                f"  {wrong[true, taken]} of {measured.confusion[true].sum()} "
                f"{job.labels[true]} taken for {job.labels[taken]}"
            )
