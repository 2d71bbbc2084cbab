"""``camstream teach``: a model of the user's own classes, from a folder of photos or clips."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from camstream.commands.options import (
    BackgroundOption,
    DebugOption,
    FlipOption,
    JsonOption,
    ModelOption,
    ModelSizeOption,
    OverwriteOption,
    input_option,
    output_option,
)
from camstream.commands.settings import PresetOption
from camstream.console import console, counting, note, plain_errors, results, say, steps
from camstream.models import zoo

_MAX_SKIPPED = 5  # files that are named


def teach(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="One folder per class, with photos or clips.")
    ],
    *,
    sources: Annotated[
        Path | None,
        input_option(
            metavar="CSV",
            help="Which camera, place or person each file is from: columns file and source.",
            show_default="the sub-folders",
        ),
    ] = None,
    background: BackgroundOption = None,
    sample_every: Annotated[
        float, input_option(metavar="SECONDS", help="Time between two samples of a clip.")
    ] = 0.5,
    flip: FlipOption = True,
    stretch: Annotated[
        bool,
        input_option(
            "--stretch",
            help="Stretch all pictures to one shape, so that the shape cannot be learned.",
        ),
    ] = False,
    crop: Annotated[
        bool,
        input_option(
            "--crop", help="Learn from what the model's maps point to as well; see --zoom of live."
        ),
    ] = False,
    model_name: ModelOption = zoo.DEFAULT_MODEL,
    model_size: ModelSizeOption = None,
    output: Annotated[
        Path, output_option("--output", "-o", metavar="FILE", help="The new model: .onnx.")
    ],
    json: JsonOption = None,
    overwrite: OverwriteOption = False,
    _preset: PresetOption = None,
    debug: DebugOption = False,
) -> None:
    """Teach a model new classes in seconds, without torch.

    Only its last layer is replaced.

    $ camstream teach photos/ -o cups.onnx        # photos/cup, photos/no cup
    $ camstream live --model cups.onnx
    """
    # scikit-learn takes a second to import.
    from camstream.teach.features import FeatureOptions
    from camstream.teach.report import print_report
    from camstream.teach.run import Request, compute_features, fit_and_save

    with plain_errors(debug):
        options = FeatureOptions(
            size_hw=model_size and model_size[::-1],
            stretch=stretch,
            flips=flip,
            every_s=sample_every,
            crop=crop,
        )
        request = Request(
            folder=folder,
            output=output,
            sources=sources,
            background=background,
            options=options,
            json=json,
            overwrite=overwrite,
        )
        with counting("computing features") as on_sample:
            feature_set, backbone = compute_features(
                request, zoo.find_model(model_name), on_sample=on_sample
            )
        for line in feature_set.skipped[:_MAX_SKIPPED]:
            note(f"skipped: {line}")
        if (more := len(feature_set.skipped) - _MAX_SKIPPED) > 0:
            note(f"skipped: {more} more that cannot be read")
        with steps(console) as progress:
            report = fit_and_save(request, feature_set, backbone, progress=progress)
        print_report(report, results)
        say(f"{output}: {', '.join(report.labels)}")
