"""``camstream demo``: what it does, shown on clips of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from camstream.annotation import AnnotationJob
from camstream.commands import plugins
from camstream.commands.annotate import annotate_one
from camstream.commands.clips import count_right, open_file, sample_clip
from camstream.commands.options import DebugOption, DeviceOption, Network
from camstream.console import Stop, plain_errors, stoppable
from camstream.drawing.overlay import Style
from camstream.models import zoo as zoo

if TYPE_CHECKING:
    from camstream.annotation import AnnotationResult

DemoName = Literal["sample", "people", "digits", "sweep"]


def demo(
    name: Annotated[
        DemoName,
        typer.Argument(help="Photos; people; handwritten digits; faults in a vibration."),
    ] = "sample",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The file to write.  [default: demo.mp4, NAME.mp4]"),
    ] = None,
    device: DeviceOption = "auto",
    retrain: Annotated[
        bool, typer.Option("--retrain", help="Train the network of digits or sweep again.")
    ] = False,
    opening: Annotated[
        bool, typer.Option("--open/--no-open", help="Open it where there is a display.")
    ] = True,
    debug: DebugOption = False,
) -> None:
    """Annotate a clip that comes with camstream and say what was seen.

    The networks of digits and sweep are trained here, in a minute or two, and kept.
    """
    path = output or Path("demo.mp4" if name == "sample" else f"{name}.mp4")
    with plain_errors(debug):
        if retrain and name in ("sample", "people"):
            raise typer.BadParameter("--retrain is for digits and sweep")
        with stoppable() as stop:
            if name == "sample":
                model = Network(device=device).load()
                result = annotate_one(
                    AnnotationJob(source=sample_clip(), output=path, overwrite=True), model, stop
                )
            elif name == "people":
                result = _people(path, device, stop)
            else:
                run = plugins.load("camstream.demos", name)
                result = run(
                    path,
                    device=device,
                    retrain=retrain,
                    stop=stop,
                    annotate=lambda job, model: annotate_one(job, model, stop),
                )
            typer.echo(f"The result is {path.resolve()}")
            for label, frames in list(result.labels.items())[:5]:
                typer.echo(f"  {frames:4d} frames  {label}")
            if opening and not stop():
                open_file(path)
            stop.end()


def _people(path: Path, device: str, stop: Stop) -> AnnotationResult:
    """Say when somebody is there, and how often that is right."""
    clip = sample_clip("people")
    job = AnnotationJob(
        source=clip,
        output=path,
        records=path.with_suffix(".jsonl"),
        style=Style(show_boxes=True),
        overwrite=True,
        presence=path.with_suffix(".presence.csv"),
    )
    result = annotate_one(job, Network("person", device).load(), stop)
    right, frames = count_right(path.with_suffix(".jsonl"), clip.with_suffix(".csv"))
    typer.echo(
        f"  {right} of {frames} frames are right; those in which somebody enters or leaves do not count"
    )
    typer.echo(path.with_suffix(".presence.csv").read_text(encoding="utf-8").rstrip())
    return result
