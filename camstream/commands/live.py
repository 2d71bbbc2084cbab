"""``camstream live``: a window on a camera, a stream or a file."""

from __future__ import annotations

import contextlib
import dataclasses
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from camstream import crash
from camstream.api import make_selection
from camstream.commands.looking import (
    Patience,
    check_presence,
    check_speed,
    check_teaching,
    parse_receiver,
    summary,
)
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
    LegendOption,
    MapsOption,
    ModelOption,
    OpacityOption,
    OtherModelsOption,
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
    ZoomOption,
    input_option,
    open_model,
    output_option,
    parse_size,
    show_option,
)
from camstream.commands.page import announce, open_page
from camstream.commands.phone import phone_camera
from camstream.commands.settings import PresetOption, in_force
from camstream.console import plain_errors, say, stoppable
from camstream.drawing.overlay import Style
from camstream.live import spare_memory
from camstream.live.models import ModelSwitch
from camstream.live.outputs import OutputPaths, RunLimits
from camstream.live.rack import Looking
from camstream.live.session import LiveSession
from camstream.live.state import ModelChoice
from camstream.live.teaching import Teaching
from camstream.live.wall import WallSession
from camstream.models.zoo import DEFAULT_MODEL, SHIPPED, load_model
from camstream.sinks.atomic_file import AtomicFile
from camstream.sinks.receivers import Receiver
from camstream.sinks.records import write_json
from camstream.sinks.window import Window
from camstream.sources.play import open_live
from camstream.sources.several import cameras_in
from camstream.web import place

teach_option = partial(typer.Option, rich_help_panel="Teaching with the keys")


def live(
    context: typer.Context,
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE",
            help="A camera's number or device, URLs, clips, photos, folders, globs or lists (.txt), "
            "screen:, - (MJPEG on stdin) or phone (with --web).",
            show_default="0, the first camera",
        ),
    ] = None,
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
    other_models: OtherModelsOption = None,
    device: DeviceOption = "auto",
    input_size: InputSizeOption = None,
    refine: RefineOption = False,
    zoom: ZoomOption = False,
    window: Annotated[
        bool | None,
        show_option("--window/--no-window", help="Show a window.", show_default="unless --web"),
    ] = None,
    web: Annotated[
        str | None,
        show_option(
            metavar="HOST:PORT",
            help=f"A page for browsers, at {place.DEFAULT}.",
        ),
    ] = None,
    fullscreen: Annotated[bool, show_option("--fullscreen", help="Fill the screen; F11.")] = False,
    loop: Annotated[
        bool, input_option("--loop", help="Begin a file again at its end; key o.")
    ] = False,
    speed: Annotated[
        float,
        input_option(metavar="N", help="Play a file at N times its speed, 0.125 to 8; keys [ ]."),
    ] = 1.0,
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
    teach: Annotated[
        list[str] | None,
        teach_option(
            metavar="NAME",
            help="A class to teach with key 1, the next with key 2; may be given again.",
        ),
    ] = None,
    teach_output: Annotated[
        Path | None, teach_option(metavar="FILE", help="Where key x saves the taught model: .onnx.")
    ] = None,
    output: Annotated[
        Path | None,
        output_option("--output", "-o", metavar="FILE", help="A video of picture and heat."),
    ] = None,
    record_on_presence: Annotated[
        Path | None,
        output_option(metavar="FOLDER", help="A video of each visit into this folder."),
    ] = None,
    pre_roll: Annotated[
        float,
        output_option(min=0, max=60, metavar="SECONDS", help="How much of the time before it has."),
    ] = 5.0,
    on_presence: Annotated[
        Receiver | None,
        output_option(
            metavar="URL|COMMAND",
            help="Is told when something comes and goes.",
            parser=parse_receiver,
        ),
    ] = None,
    records: RecordsOption = None,
    maps: MapsOption = None,
    presence: PresenceOption = None,
    stats: StatsOption = None,
    overwrite: OverwriteOption = False,
    _preset: PresetOption = None,
    debug: DebugOption = False,
) -> None:
    """Show a camera, a stream or a file with label and heatmap in a window.

    Several cameras are shown side by side. Press ? in the window for the keys.

    $ camstream live 0 rtsp://user:password@host/stream --records seen.jsonl
    $ camstream live 0 --model person --boxes --presence seen.csv
    $ camstream live 0 --model person --on-presence https://host/hook --no-window
    $ camstream live 0 --no-window --seconds 60 -o seen.mp4 --records seen.jsonl
    $ camstream live phone --web
    """
    with plain_errors(debug), stoppable() as stop, contextlib.ExitStack() as stack:
        window = web is None if window is None else window
        named = sources or ["0"]
        several = cameras_in(named)
        style = Style(
            heatmap_opacity=opacity, colormap=colormap, show_boxes=boxes, show_legend=legend
        )
        is_seen = window or web is not None
        check_teaching(
            is_taught=bool(teach or teach_output),
            several=bool(several),
            is_seen=is_seen,
            has_maps=maps is not None,
            output=teach_output,
        )
        inputs = [path for path in map(Path, [model_name, *named]) if path.is_file()]
        for path in (stats, teach_output):
            if path is not None:  # reported now, not after an hour
                AtomicFile(path, overwrite=overwrite, inputs=inputs)
        phone = phone_camera(named, is_served=web is not None)
        server = None
        if web is not None:
            server = open_page(web, several or named) if phone is None else phone.open_page(web)
        if server is not None:
            stack.callback(server.stop)
        display = Window("camstream", is_fullscreen=fullscreen) if window else None
        model = open_model(
            model_name, device=device, input_size=input_size, refine=refine, zoom=zoom
        )
        check_presence(
            model.info, classes, record_on_presence=record_on_presence, on_presence=on_presence
        )
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
        # A file of maps has one model's classes.
        can_teach = is_seen and maps is None and not several
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
        open_any = partial(
            open_live,
            size_wh=camera_size,
            stays=is_seen,
            is_looping=loop,
            speed=check_speed(speed),
        )
        models = ModelSwitch(
            ModelChoice(name=model_name, input_size=input_size, refine=refine, zoom=zoom),
            [*SHIPPED, *(other_models or ())],
            lambda wanted: load_model(
                wanted.name,
                device=device,
                input_size=wanted.input_size,
                refine=wanted.refine,
                zoom=wanted.zoom,
            ),
        )
        written = OutputPaths(
            record=output,
            records=records,
            maps=maps,
            presence=presence,
            visits=record_on_presence,
            pre_roll_s=pre_roll,
            on_presence=on_presence,
            inputs=inputs,
            overwrite=overwrite,
        )
        limits = RunLimits(frames=frames, seconds=seconds)
        session: LiveSession | WallSession
        if several:
            session = WallSession(
                several,
                Looking.through(model),
                open_camera=lambda address, waiting: open_any(address, waiting=waiting),
                style=style,
                selection=selection,
                outputs=written,
                limits=limits,
                display=display,
                stop=stop,
                models=None if maps is not None else models,
                watch=None if server is None else server.hub.see,
                tell=None if server is None else server.hub.take,
            )
        else:
            open_source = partial(open_any, waiting=Patience(named[0], stop))
            session = LiveSession(
                open_source(named) if phone is None else phone.source,
                model.infer,
                model.info,
                device=model.device,
                style=style,
                selection=selection,
                outputs=written,
                limits=limits,
                display=display,
                guest=guest,
                stop=stop,
                open_source=open_source,
                models=None if maps is not None else models,
                watch=None if server is None else server.hub.see,
            )
        crash.working_on(session.state.source)
        if server is not None:
            server.attach(session)
            server.start()
            announce(server)
            if phone is not None:
                phone.announce()
        spare_memory.freeze()
        try:
            result = session.run()
        finally:
            if session.parting:
                typer.echo(session.parting)
        for one in result.cameras or (result,):
            say(summary(one, session.state.player))
        if stats is not None:
            told = dataclasses.replace(result, settings=in_force(context))
            write_json(stats, told.to_dict(), overwrite=overwrite)
        stop.end()
