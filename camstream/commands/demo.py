"""``camstream demo``: what it does, shown on clips of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from camstream.annotation import Job
from camstream.commands.annotate import annotate_one
from camstream.commands.child import run_child
from camstream.commands.clips import count_right, open_file, sample_clip
from camstream.commands.options import DebugOption, DeviceOption, Network
from camstream.console import Stop, note, plain_errors, stoppable
from camstream.drawing.overlay import Style
from camstream.errors import SetupError
from camstream.models import zoo as catalog

if TYPE_CHECKING:
    from camstream.annotation import Result

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
        if name in ("digits", "sweep"):
            _train(name, anew=retrain)
        elif retrain:
            raise typer.BadParameter("--retrain is for digits and sweep")
        with stoppable() as stop:
            if name == "sample":
                model = Network(device=device).load()
                result = annotate_one(Job(sample_clip(), path, overwrite=True), model, stop)
            elif name == "people":
                result = _people(path, device, stop)
            else:
                result = _made(name, path, device, stop)
            typer.echo(f"The result is {path.resolve()}")
            for label, frames in list(result.labels.items())[:5]:
                typer.echo(f"  {frames:4d} frames  {label}")
            if opening and not stop():
                open_file(path)
            stop.end()


def _people(path: Path, device: str, stop: Stop) -> Result:
    """Say when somebody is there, and how often that is right."""
    clip = sample_clip("people")
    job = Job(
        clip,
        path,
        path.with_suffix(".jsonl"),
        Style(show_boxes=True),
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


def _train(name: str, *, anew: bool) -> None:
    """Train a demo's network, unless that was done before."""
    path = catalog.cached_path(f"demo_{name}")
    if path.exists() and not anew:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    note(f"the network of {name} is trained now, once; that takes a minute or two")
    options = ["-o", str(path)] + (["--no-resume"] if anew else [])
    code = run_child(catalog.module_command("export.demos", [name, *options]))
    if code:
        raise typer.Exit(code)


def _made(name: str, path: Path, device: str, stop: Stop) -> Result:
    """Annotate the clip of a demo that draws its own, and print the figures."""
    try:
        from export.demos.named import find
        from export.demos.show import annotate_clip, held_out_accuracy
    except ModuleNotFoundError as error:
        raise SetupError(
            f"the demo {name} needs {error.name}, which is not installed; "
            'run: pip install "camstream[export]"'
        ) from error
    chosen = find(name)
    model = Network(str(catalog.cached_path(f"demo_{name}")), device).load()
    result, score = annotate_clip(chosen, model, path, lambda job: annotate_one(job, model, stop))
    if score is not None:
        accuracy, pictures = held_out_accuracy(chosen, model)
        typer.echo(f"  {accuracy:.1%} of {pictures} pictures that were not learnt from are right")
        for line in chosen.figures(score):
            typer.echo(f"  {line}")
    return result
