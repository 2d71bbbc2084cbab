"""``camstream evaluate`` and ``bench``: how good, and how fast."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from camstream.cli.options import DebugOption, Network, OverwriteOption, SharpOption, with_options
from camstream.terminal import note, plain_errors


@with_options
def evaluate(
    photos: Annotated[
        Path, typer.Argument(metavar="IMAGES", help="A folder of photos, or a clip.")
    ],
    network: Network,
    boxes: Annotated[
        Path | None,
        typer.Option(
            help="True boxes: a .csv, a COCO .json, or a folder of Pascal VOC .xml; of a clip a "
            ".csv with a row a frame."
        ),
    ] = None,
    from_folders: Annotated[
        bool, typer.Option("--labels-from-folders", help="Sub-folders name the classes; no boxes.")
    ] = False,
    masks: Annotated[
        Path | None, typer.Option(help="A folder of true masks NAME.png, for PxAP.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write the figures as JSON.")] = None,
    sheet: Annotated[
        Path | None, typer.Option(help="Draw the best, the typical and the worst: a .jpg.")
    ] = None,
    sharp: SharpOption = False,
    overwrite: OverwriteOption = False,
    debug: DebugOption = False,
) -> None:
    """Measure how well a model names things in photos or a clip and finds where they are."""
    from camstream.evaluate import video
    from camstream.evaluate.command import Request, evaluate_clip
    from camstream.evaluate.command import evaluate as run_evaluate
    from camstream.evaluate.report import to_table

    with plain_errors(debug):
        request = Request(photos, boxes, from_folders, masks, json, sheet, overwrite)
        if request.is_clip:
            found = evaluate_clip(request, network.load(sharp=sharp))
            Console(highlight=False, soft_wrap=True).print(video.to_table(found))
            if found.unknown_boxes:
                note(f"{found.unknown_boxes} boxes are of classes that the model does not know")
            return
        report = run_evaluate(request, network.load(sharp=sharp))
        Console(highlight=False, soft_wrap=True).print(to_table(report))
        if report.under_floor and report.ways:
            note(f"{report.under_floor} maps have nothing above the model's floor: no box is drawn")
        if report.unknown_boxes:
            note(f"{report.unknown_boxes} boxes are of classes that the model does not know")


@with_options
def bench(
    network: Network,
    quick: Annotated[bool, typer.Option(help="Fewer repetitions.")] = False,
    debug: DebugOption = False,
) -> None:
    """Measure this machine: each figure is a ratio of two things timed in turns in one run."""
    from camstream.bench import run_all

    with plain_errors(debug):
        run_all(network.model, network.device, quick=quick, say=typer.echo)
