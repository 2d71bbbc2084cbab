"""``camstream evaluate``: how well a model names things and finds where they are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from camstream.commands import plugins
from camstream.commands.options import (
    BoxThresholdOption,
    DebugOption,
    InputSizeOption,
    Network,
    OverwriteOption,
    RefineOption,
    with_options,
)
from camstream.console import note, plain_errors
from camstream.maps.boxes import PAPER_RATIO

if TYPE_CHECKING:
    from camstream.evaluate.measure import ClassMapper
    from camstream.models.session import Model


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
    contact_sheet: Annotated[
        Path | None, typer.Option(help="Draw the best, the typical and the worst: a .jpg.")
    ] = None,
    refine: RefineOption = False,
    input_size: InputSizeOption = None,
    box_threshold: BoxThresholdOption = None,
    saliency: Annotated[
        bool,
        typer.Option("--saliency", help="Measure the gradient's saliency as well (needs torch)."),
    ] = False,
    overwrite: OverwriteOption = False,
    debug: DebugOption = False,
) -> None:
    """Measure how well a model names things in photos or a clip and finds where they are."""
    from camstream.evaluate import video
    from camstream.evaluate.command import Request, evaluate_clip
    from camstream.evaluate.command import evaluate as run_evaluate
    from camstream.evaluate.report import to_table

    with plain_errors(debug):
        rule = box_threshold or PAPER_RATIO
        request = Request(photos, boxes, from_folders, masks, json, contact_sheet, overwrite, rule)
        if saliency and (request.is_clip or boxes is None):
            raise typer.BadParameter("--saliency is for photos with --boxes")
        if request.is_clip:
            found = evaluate_clip(request, network.load(input_size=input_size, refine=refine))
            Console(highlight=False, soft_wrap=True).print(video.to_table(found))
            if found.unknown_boxes:
                note(f"{found.unknown_boxes} boxes are of classes that the model does not know")
            return
        model = network.load(input_size=input_size, refine=refine)
        report = run_evaluate(request, model, _saliency(model) if saliency else {})
        Console(highlight=False, soft_wrap=True).print(to_table(report))
        if report.under_floor and report.ways:
            note(f"{report.under_floor} maps have nothing above the model's floor: no box is drawn")
        if report.unknown_boxes:
            note(f"{report.unknown_boxes} boxes are of classes that the model does not know")


def _saliency(model: Model) -> dict[str, ClassMapper]:
    """Build the model's network in torch, which nothing else here needs."""
    return {"saliency": plugins.load("camstream.class_mappers", "saliency")(model.info)}
