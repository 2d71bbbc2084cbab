"""``camstream annotate``: clips and photos in, the same with their overlay out."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer

from camstream import crash
from camstream.annotation import AnnotationJob, AnnotationResult
from camstream.annotation import run as run_annotate
from camstream.api import make_selection
from camstream.batch.annotating import Opening, Summary
from camstream.batch.seen import Seen
from camstream.commands.many import BatchOptions, annotate_many, tell
from camstream.commands.options import (
    SELECTION,
    STYLE,
    BoxesOption,
    BoxRuleOption,
    BoxThresholdOption,
    ClassesOption,
    ColormapOption,
    ContrastOption,
    DebugOption,
    DecayOption,
    DeviceOption,
    FileMemoryOption,
    FileTimeoutOption,
    InputSizeOption,
    JobsOption,
    LegendOption,
    MapsOption,
    ModelOption,
    OpacityOption,
    OverwriteOption,
    PresenceOption,
    RangeOption,
    RecordsOption,
    RefineOption,
    RetryFailedOption,
    SmoothOption,
    StatsOption,
    TopKOption,
    TrailOption,
    VerifyOption,
    ZoomOption,
    open_model,
    output_option,
)
from camstream.commands.settings import PresetOption, in_force
from camstream.console import Stop, note, plain_errors, progress_of, stoppable
from camstream.drawing.overlay import Style
from camstream.frame import Prediction
from camstream.models.session import Model
from camstream.models.zoo import DEFAULT_MODEL
from camstream.sinks.atomic_file import check_apart, is_partial
from camstream.sinks.encoding import CodecName, Encoding
from camstream.sinks.naming import beside, is_batch, name_outputs, without_outputs
from camstream.sources.inputs import expand


def annotate(
    context: typer.Context,
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="INPUT", help="Clips, photos, folders, globs or .txt lists."),
    ],
    model_name: ModelOption = DEFAULT_MODEL,
    device: DeviceOption = "auto",
    input_size: InputSizeOption = None,
    refine: RefineOption = False,
    zoom: ZoomOption = False,
    top_k: TopKOption = SELECTION.top_k,
    classes: ClassesOption = None,
    contrast: ContrastOption = None,
    smoothing: SmoothOption = SELECTION.smoothing,
    trail: TrailOption = SELECTION.trail_s,
    decay: DecayOption = SELECTION.decay_s,
    cam_range: RangeOption = SELECTION.cam_range,
    boxes: BoxesOption = STYLE.show_boxes,
    box_rule: BoxRuleOption = SELECTION.box_rule,
    box_threshold: BoxThresholdOption = SELECTION.box_threshold,
    opacity: OpacityOption = STYLE.heatmap_opacity,
    colormap: ColormapOption = STYLE.colormap,
    legend: LegendOption = STYLE.show_legend,
    output: Annotated[
        Path | None,
        output_option(
            "--output",
            "-o",
            metavar="FILE|FOLDER",
            help="The video, .gif or photo; a folder for a folder or several inputs.",
            show_default="NAME.cam.mp4, of a photo NAME.cam.jpg",
        ),
    ] = None,
    records: RecordsOption = None,
    maps: MapsOption = None,
    presence: PresenceOption = None,
    stats: StatsOption = None,
    codec: Annotated[
        CodecName | None, output_option(help="Video codec.", show_default="h264, in .webm vp9")
    ] = None,
    quality: Annotated[
        int | None,
        output_option(
            min=0,
            max=63,
            metavar="N",
            help="Quality of the video: lower is better, and a larger file.",
        ),
    ] = None,
    encoder_preset: Annotated[
        str | None,
        output_option(
            metavar="NAME",
            help="The encoder's speed, such as ultrafast or slow.",
            show_default="a fast one",
        ),
    ] = None,
    overwrite: OverwriteOption = False,
    at_once: JobsOption = None,
    file_timeout: FileTimeoutOption = None,
    file_memory: FileMemoryOption = None,
    verify: VerifyOption = False,
    retry_failed: RetryFailedOption = False,
    _preset: PresetOption = None,
    debug: DebugOption = False,
) -> None:
    """Draw label and heatmap into every frame of a video, or into photos; the sound stays.

    $ camstream annotate cat.mp4 -o cat.cam.mp4 --records cat.jsonl
    $ camstream annotate cat.jpg -o cat.png
    $ camstream annotate clips/ more/*.mkv -o annotated/ --boxes
    $ camstream annotate cat.mp4 --classes dog --classes "Persian cat" --trail 3
    """
    with plain_errors(debug), stoppable() as stop:
        style = Style(
            heatmap_opacity=opacity, colormap=colormap, show_boxes=boxes, show_legend=legend
        )
        encoding = Encoding(codec, quality, encoder_preset)
        named = expand(inputs, leave_out=is_partial)
        found = [path for path in named if isinstance(path, Path)]  # all of them: none is live
        sources = without_outputs(found, inputs, output)
        kept = set(sources)
        if own := [path.name for path in found if path not in kept]:
            note(f"skipped, since they have names of outputs: {', '.join(own)}")
        batch = is_batch(inputs, sources)
        settings = in_force(context)
        jobs = [
            AnnotationJob(
                source=source,
                output=target,
                records=records and beside(records, target, ".jsonl", batch=batch),
                style=style,
                encoding=encoding,
                overwrite=overwrite,
                stats=stats and beside(stats, target, ".json", batch=batch),
                maps=maps and beside(maps, target, ".npz", batch=batch),
                presence=presence and beside(presence, target, ".presence.csv", batch=batch),
                settings=settings,
            )
            for source, target in zip(
                sources, name_outputs(sources, output, batch=batch), strict=True
            )
        ]
        check_apart(sources, [path for job in jobs for path in job.outputs])
        chosen: dict[str, Any] = {
            "classes": classes or (),
            "contrast": contrast,
            "top_k": top_k,
            "smoothing": smoothing,
            "decay_s": decay,
            "trail_s": trail,
            "box_rule": box_rule,
            "box_threshold": box_threshold,
            "cam_range": cam_range,
        }
        if batch:
            annotate_many(
                jobs,
                output or Path(),
                Opening(
                    model=model_name,
                    device=device,
                    input_size=input_size,
                    refine=refine,
                    zoom=zoom,
                    selection=chosen,
                ),
                BatchOptions(
                    jobs=at_once,
                    timeout_s=file_timeout,
                    memory_gb=file_memory,
                    verify=verify,
                    retry_failed=retry_failed,
                ),
                overwrite=overwrite,
                stop=stop,
                debug=debug,
            )
            return
        model = open_model(
            model_name, device=device, input_size=input_size, refine=refine, zoom=zoom
        )
        job = dataclasses.replace(jobs[0], selection=make_selection(model, **chosen))
        stop.end()
        crash.working_on(f"{job.source}")
        is_damaged = annotate_one(job, model, stop).is_damaged
        stop.end()
        if is_damaged:
            raise typer.Exit(1)


def annotate_one(job: AnnotationJob, model: Model, stop: Stop) -> AnnotationResult:
    """Annotate one file with a progress bar, and print the result."""
    seen = Seen()
    with progress_of(job.source.name) as show:

        def on_frame(prediction: Prediction, total: int | None) -> None:
            seen.add(prediction)
            show(prediction, total)

        result = run_annotate(job, model, on_frame=on_frame, stop=stop)
    tell(job.source, Summary.of(job, result, seen))
    return result
