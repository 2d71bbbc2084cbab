"""``camstream evaluate``: how well a model classifies and localizes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from camstream.commands import plugins
from camstream.commands.options import (
    BoxThresholdOption,
    DebugOption,
    DeviceOption,
    InputSizeOption,
    JsonOption,
    ModelOption,
    OverwriteOption,
    RefineOption,
    SmoothOption,
    input_option,
    open_model,
    output_option,
    show_option,
)
from camstream.commands.settings import PresetOption
from camstream.console import counting, note, plain_errors, results
from camstream.errors import NotFoundError, UsageError
from camstream.maps.boxes import PAPER_RATIO
from camstream.models.zoo import DEFAULT_MODEL

if TYPE_CHECKING:
    from camstream.evaluate.measure import ClassMapper
    from camstream.models.session import Model


def evaluate(
    photos: Annotated[
        Path, typer.Argument(metavar="IMAGES", help="A folder of photos, or a clip.")
    ],
    true_boxes: Annotated[
        Path | None,
        input_option(
            metavar="FILE|FOLDER",
            help="True boxes: .csv, COCO .json, or a folder of Pascal VOC .xml; for a clip a .csv "
            "with a row per frame.",
        ),
    ] = None,
    true_masks: Annotated[
        Path | None,
        input_option(
            metavar="FOLDER", help="Where things are, pixel by pixel: NAME.png for each photo."
        ),
    ] = None,
    labels_from_folders: Annotated[
        bool,
        input_option(
            "--labels-from-folders", help="Sub-folders name the true classes; there are no boxes."
        ),
    ] = False,
    model_name: ModelOption = DEFAULT_MODEL,
    device: DeviceOption = "auto",
    input_size: InputSizeOption = None,
    refine: RefineOption = False,
    box_threshold: BoxThresholdOption = None,
    smoothing: SmoothOption = "default",
    saliency: Annotated[
        bool,
        show_option(
            "--saliency", help='Measure the saliency of the gradient too (extra "export").'
        ),
    ] = False,
    json: JsonOption = None,
    contact_sheet: Annotated[
        Path | None,
        output_option(metavar="FILE", help="The best, typical and worst photos: .jpg or .png."),
    ] = None,
    overwrite: OverwriteOption = False,
    _preset: PresetOption = None,
    debug: DebugOption = False,
) -> None:
    """Measure how well a model classifies and localizes in photos or in a clip.

    $ camstream evaluate photos/ --true-boxes boxes.csv --contact-sheet sheet.jpg
    $ camstream evaluate photos/ --labels-from-folders --json figures.json
    """
    from camstream.evaluate import Request, clip, evaluate_clip
    from camstream.evaluate import evaluate as evaluate_photos
    from camstream.evaluate.report import to_table

    with plain_errors(debug):
        if not photos.exists():
            raise NotFoundError(f"cannot evaluate {photos}: there is no such file or folder")
        request = Request(
            photos=photos,
            boxes=true_boxes,
            from_folders=labels_from_folders,
            masks=true_masks,
            json=json,
            contact_sheet=contact_sheet,
            overwrite=overwrite,
            box_threshold=box_threshold or PAPER_RATIO,
            smoothing=smoothing,
        )
        if saliency and (request.is_clip or true_boxes is None):
            raise UsageError("--saliency is for photos with --true-boxes")
        model = open_model(model_name, device=device, input_size=input_size, refine=refine)
        if request.is_clip:
            with counting("evaluating") as on_frame:
                clip_report = evaluate_clip(request, model, on_frame=on_frame)
            results.print(clip.to_table(clip_report))
            _note_unknown(clip_report.unknown_boxes)
            return
        others = _saliency(model) if saliency else {}
        with counting("evaluating") as on_photo:
            report = evaluate_photos(request, model, others, on_photo=on_photo)
        results.print(to_table(report))
        if report.under_floor and report.ways:
            note(f"{report.under_floor} maps have nothing above the model's floor: no box is drawn")
        _note_unknown(report.unknown_boxes)


def _note_unknown(boxes: int) -> None:
    if boxes:
        note(f"{boxes} boxes are of classes that the model does not have")


def _saliency(model: Model) -> dict[str, ClassMapper]:
    """Build the model's network in torch, which nothing else here needs."""
    return {"saliency": plugins.load("camstream.class_mappers", "saliency")(model.info)}
