"""``camstream teach``: a model of the user's own classes, from a folder of photos or clips."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from camstream.commands.options import DebugOption, ModelOption, OverwriteOption
from camstream.console import plain_errors
from camstream.models import zoo as zoo


def teach(
    folder: Annotated[Path, typer.Argument(help="One folder a class, with photos or clips.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The model to write: .onnx.")],
    model: ModelOption = zoo.DEFAULT_MODEL,
    background: Annotated[
        str | None,
        typer.Option(help='The class of what is none of the others.  [default: "no ..." or "ok"]'),
    ] = None,
    every: Annotated[
        float, typer.Option(metavar="SECONDS", help="Between two samples of a clip.")
    ] = 0.5,
    size: Annotated[
        str | None, typer.Option(help="Preferred input size, as 320x320.  [default: the model's]")
    ] = None,
    stretch: Annotated[
        bool,
        typer.Option(
            "--stretch", help="Stretch all pictures to one shape, which then tells nothing."
        ),
    ] = False,
    flips: Annotated[bool, typer.Option(help="Also learn every picture in a mirror.")] = True,
    json: Annotated[Path | None, typer.Option(help="Write the figures as JSON.")] = None,
    overwrite: OverwriteOption = False,
    debug: DebugOption = False,
) -> None:
    """Teach a model new classes: a folder a class in, a camstream model out."""
    from camstream.commands.options import parse_size
    from camstream.teach.features import Look
    from camstream.teach.report import show
    from camstream.teach.run import Request
    from camstream.teach.run import teach as run_teach

    with plain_errors(debug):
        size_wh = parse_size(size)
        look = Look(size_wh and size_wh[::-1], stretch, flips, every)
        request = Request(folder, output, background, look, json, overwrite)
        report = run_teach(request, zoo.find_model(model))
        plain = Console(highlight=False, soft_wrap=True)
        show(report, plain)
        plain.print(f"{output}: {', '.join(report.labels)}", markup=False)
