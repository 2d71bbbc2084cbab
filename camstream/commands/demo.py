"""``camstream demo``: annotates a clip that comes with camstream, and prints what was seen."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from camstream.annotation import AnnotationJob
from camstream.commands import plugins
from camstream.commands.annotate import annotate_one
from camstream.commands.options import (
    DebugOption,
    DeviceOption,
    OverwriteOption,
    model_option,
    open_model,
    output_option,
)
from camstream.commands.settings import PresetOption
from camstream.console import Stop, plain_errors, say, stoppable
from camstream.drawing.overlay import Style
from camstream.errors import SetupError, UsageError
from camstream.models.zoo import DEFAULT_MODEL, PERSON
from camstream.sinks.atomic_file import AtomicFile

if TYPE_CHECKING:
    from camstream.annotation import AnnotationResult

DemoName = Literal["sample", "people", "digits", "sweep"]


def demo(
    name: Annotated[
        DemoName,
        typer.Argument(
            metavar="NAME",
            help="sample: photos; people: the model person; digits: handwritten digits; sweep: "
            "faults in a vibration.",
        ),
    ] = "sample",
    device: DeviceOption = "auto",
    retrain: Annotated[
        bool, model_option("--retrain", help="Train the network of digits or sweep again.")
    ] = False,
    output: Annotated[
        Path | None,
        output_option(
            "--output",
            "-o",
            metavar="FILE",
            help="The annotated video.",
            show_default="demo.mp4, or NAME.mp4",
        ),
    ] = None,
    opening: Annotated[
        bool, output_option("--open/--no-open", help="Open the video if there is a display.")
    ] = True,
    overwrite: OverwriteOption = False,
    _preset: PresetOption = None,
    debug: DebugOption = False,
) -> None:
    """Annotate a clip that comes with camstream, and print what was seen.

    The networks of digits and sweep are trained here, in a minute or two, and kept; this needs
    the extra "export".

    $ camstream demo
    $ camstream demo people
    """
    path = output or Path("demo.mp4" if name == "sample" else f"{name}.mp4")
    with plain_errors(debug), stoppable() as stop:
        if retrain and name in ("sample", "people"):
            raise UsageError("--retrain is for digits and sweep")
        AtomicFile(path, overwrite=overwrite)  # reported now, not after a training
        if name == "sample":
            job = AnnotationJob(source=sample_clip(), output=path, overwrite=overwrite)
            result = annotate_one(job, open_model(DEFAULT_MODEL, device=device), stop)
        elif name == "people":
            result = _people(path, device, stop, overwrite=overwrite)
        else:
            run = plugins.load("camstream.demos", name)
            result = run(
                path,
                device=device,
                retrain=retrain,
                overwrite=overwrite,
                stop=stop,
                annotate=lambda job, model: annotate_one(job, model, stop),
            )
        say(f"The result is {path.resolve()}")
        for label, frames in list(result.labels.items())[:5]:
            say(f"  {frames:4d} frames  {label}")
        if opening and not stop():
            open_file(path)
        stop.end()


def _people(path: Path, device: str, stop: Stop, *, overwrite: bool) -> AnnotationResult:
    """Annotate the clip with people, and compare the result with its ground truth."""
    clip = sample_clip("people")
    records, presence = path.with_suffix(".jsonl"), path.with_suffix(".presence.csv")
    job = AnnotationJob(
        source=clip,
        output=path,
        records=records,
        style=Style(show_boxes=True),
        overwrite=overwrite,
        presence=presence,
    )
    result = annotate_one(job, open_model(PERSON, device=device), stop)
    right, frames = count_right(records, clip.with_suffix(".csv"))
    say(
        f"  {right} of {frames} frames are right; those in which somebody enters or leaves do not "
        "count"
    )
    say(presence.read_text(encoding="utf-8").rstrip())
    return result


def sample_clip(name: Literal["sample", "people"] = "sample") -> Path:
    """Find a clip of the project, in an installed package or in a clone.

    Raises:
        SetupError: The clip is in neither.
    """
    here = Path(__file__).parents[1]
    for folder in (here / "_videos", here.parent / "videos"):
        if (folder / f"{name}.mp4").is_file():
            return folder / f"{name}.mp4"
    raise SetupError(f"the clip videos/{name}.mp4 is missing from this installation")


def count_right(records: Path, truth: Path) -> tuple[int, int]:
    """Compare the labels displayed over the clip "people" with its ground truth.

    Args:
        records: JSON lines of the annotated clip, by the model ``person``.
        truth: ``people.csv``; frames in which somebody is entering or leaving do not count.

    Returns:
        The number of frames that are right, and of all that count.
    """
    lines = records.read_text(encoding="utf-8").splitlines()
    with truth.open(newline="", encoding="utf-8") as file:
        wanted = [row["is_present"] for row in csv.DictReader(file)]
    pairs = [
        (json.loads(line)["displayed"][0]["label"] == "person", present == "1")
        for line, present in zip(lines, wanted, strict=False)
        if present
    ]
    return sum(seen == there for seen, there in pairs), len(pairs)


def open_file(path: Path) -> None:
    """Open a file with the desktop's own player, where there is a desktop."""
    if sys.platform == "win32":
        os.startfile(path)
        return
    opener = "open" if sys.platform == "darwin" else "xdg-open"
    has_desktop = sys.platform == "darwin" or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    if has_desktop and shutil.which(opener):
        quiet = subprocess.DEVNULL
        subprocess.Popen([opener, str(path)], stdin=quiet, stdout=quiet, stderr=quiet)
