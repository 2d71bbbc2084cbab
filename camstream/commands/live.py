"""``camstream live``: a window on a camera, a stream or a file."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from camstream import crash
from camstream.api import make_selection
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
    InputSizeOption,
    MapsOption,
    ModelOption,
    OpacityOption,
    OverwriteOption,
    PresenceOption,
    RangeOption,
    RecordsOption,
    RefineOption,
    SizeWH,
    SmoothOption,
    StatsOption,
    TopKOption,
    TrailOption,
    input_option,
    open_model,
    output_option,
    parse_size,
    show_option,
)
from camstream.console import plain_errors, stoppable
from camstream.drawing.overlay import Style
from camstream.errors import UsageError
from camstream.live.outputs import OutputPaths, RunLimits
from camstream.live.session import LiveSession
from camstream.live.teaching import Teaching
from camstream.models.zoo import DEFAULT_MODEL
from camstream.sinks.atomic_file import AtomicFile
from camstream.sinks.records import write_json
from camstream.sinks.window import Window
from camstream.sources import open_source
from camstream.sources.paced import PacedSource

teach_option = partial(typer.Option, rich_help_panel="Teaching with the keys")


def live(
    source: Annotated[
        str, typer.Argument(help="A camera's number or device, a URL, or a file.")
    ] = "0",
    camera_size: Annotated[
        SizeWH | None,
        input_option(
            metavar="WxH", help="Ask the camera for this picture size.", parser=parse_size
        ),
    ] = None,
    seconds: Annotated[
        float | None, input_option(min=0, metavar="N", help="Stop after so many seconds.")
    ] = None,
    frames: Annotated[
        int | None, input_option(min=1, metavar="N", help="Stop after so many frames.")
    ] = None,
    model_name: ModelOption = DEFAULT_MODEL,
    device: DeviceOption = "auto",
    input_size: InputSizeOption = None,
    refine: RefineOption = False,
    window: Annotated[bool, show_option(help="Show a window.")] = True,
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
    teach: Annotated[
        list[str] | None,
        teach_option(metavar="NAME", help="Class that key 1, 2, ... teaches; repeatable."),
    ] = None,
    teach_output: Annotated[
        Path | None, teach_option(metavar="FILE", help="Where key x saves the taught model: .onnx.")
    ] = None,
    output: Annotated[
        Path | None,
        output_option("--output", "-o", metavar="FILE", help="A video of what is shown."),
    ] = None,
    records: RecordsOption = None,
    maps: MapsOption = None,
    presence: PresenceOption = None,
    stats: StatsOption = None,
    overwrite: OverwriteOption = False,
    debug: DebugOption = False,
) -> None:
    """Show a camera, a stream or a file with label and heatmap in a window.

    Press ? in the window for the keys.

    $ camstream live rtsp://user:password@host/stream
    $ camstream live 0 --model person --boxes --presence seen.csv
    $ camstream live 0 --no-window --seconds 60 -o seen.mp4 --records seen.jsonl
    """
    with plain_errors(debug), stoppable() as stop:
        style = Style(heatmap_opacity=opacity, colormap=colormap, show_boxes=boxes)
        if (teach or teach_output) and (not window or maps is not None):
            raise UsageError(
                "--teach and --teach-output are for the window's keys, and a file of --maps has "
                "one model's classes: leave out --no-window and --maps"
            )
        if teach_output is not None and teach_output.suffix.lower() != ".onnx":
            raise UsageError(f"--teach-output {teach_output}: a model's name ends in .onnx")
        for path in (stats, teach_output):
            if path is not None:
                AtomicFile(path, overwrite=overwrite)  # reported now, not after an hour
        display = Window("camstream") if window else None
        model = open_model(model_name, device=device, input_size=input_size, refine=refine)
        selection = make_selection(
            model,
            classes=classes or (),
            contrast=contrast,
            top_k=top_k,
            smoothing=smoothing,
            decay_s=decay,
            trail_s=trail,
            box_rule=box_rule,
            box_threshold=box_threshold,
            cam_range=cam_range,
        )
        can_teach = window and maps is None  # a file of maps has one model's classes
        guest = (
            Teaching(
                model,
                teach or (),
                input_size=input_size,
                refine=refine,
                output=teach_output,
                overwrite=overwrite,
            )
            if can_teach
            else None
        )
        opened = open_source(source, size_wh=camera_size)
        crash.working_on(opened.name)
        session = LiveSession(
            opened if opened.is_live else PacedSource(opened),
            model.infer,
            model.info,
            device=model.device,
            style=style,
            selection=selection,
            outputs=OutputPaths(
                record=output, records=records, maps=maps, presence=presence, overwrite=overwrite
            ),
            limits=RunLimits(frames=frames, seconds=seconds),
            display=display,
            guest=guest,
            stop=stop,
        )
        result = session.run()
        lag = result.stages_ms.get("lag")
        typer.echo(
            f"{result.source}: {result.frames_out} frames shown, {result.rate_hz:.1f} a second, "
            f"{result.frames_dropped} dropped, {result.frames_mapped} inferred"
            + (f"; lag {lag.p50:.0f} ms (p95 {lag.p95:.0f})" if lag else "")
        )
        if stats is not None:
            write_json(stats, result.to_dict(), overwrite=overwrite)
        stop.end()
