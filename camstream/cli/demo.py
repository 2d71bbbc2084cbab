"""``camstream demo``: what it does, shown on a clip of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from camstream.annotate import Job
from camstream.cli.annotate import annotate_one
from camstream.cli.options import DebugOption, DeviceOption, Network
from camstream.demo import open_file, sample_clip
from camstream.terminal import plain_errors, stoppable


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")] = Path(
        "demo.mp4"
    ),
    device: DeviceOption = "auto",
    opening: Annotated[
        bool, typer.Option("--open/--no-open", help="Open it where there is a display.")
    ] = True,
    debug: DebugOption = False,
) -> None:
    """Annotate the sample clip and say what was seen."""
    with plain_errors(debug), stoppable() as stop:
        model = Network(device=device).load()
        result = annotate_one(Job(sample_clip(), output, overwrite=True), model, stop)
        typer.echo(f"The result is {output.resolve()}")
        for label, frames in list(result.labels.items())[:5]:
            typer.echo(f"  {frames:4d} frames  {label}")
        if opening and not stop():
            open_file(output)
        stop.end()
