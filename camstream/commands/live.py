"""``camstream live``: a window on a camera, a stream or a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from camstream.commands.options import (
    Ask,
    DebugOption,
    Look,
    MapsOption,
    Network,
    OverwriteOption,
    PresenceOption,
    RecordsOption,
    StatsOption,
    with_options,
)
from camstream.console import plain_errors, stoppable
from camstream.errors import SinkError
from camstream.live.outputs import OutputPaths, RunLimits
from camstream.live.session import LiveSession
from camstream.live.teaching import Teaching
from camstream.sinks.atomic_file import AtomicFile
from camstream.sinks.records import write_json
from camstream.sinks.window import Window
from camstream.sources import open_source
from camstream.sources.paced import PacedSource


@with_options
def live(
    network: Network,
    look: Look,
    ask: Ask,
    source: Annotated[
        str, typer.Argument(help="A camera's number or device, a URL, or a file.")
    ] = "0",
    size: Annotated[str | None, typer.Option(help="Ask the camera for WIDTHxHEIGHT.")] = None,
    record: Annotated[Path | None, typer.Option(help="Write what is seen to a video file.")] = None,
    records: RecordsOption = None,
    maps: MapsOption = None,
    presence: PresenceOption = None,
    stats: StatsOption = None,
    teach: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="What key 1, 2, ... teaches; give it once a class."),
    ] = None,
    taught: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where key x saves what was taught: .onnx.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0, help="Stop after so many seconds.")
    ] = None,
    frames: Annotated[int | None, typer.Option(min=1, help="Stop after so many frames.")] = None,
    window: Annotated[bool, typer.Option(help="Show a window.")] = True,
    overwrite: OverwriteOption = False,
    debug: DebugOption = False,
) -> None:
    """Watch a camera, a stream or a file with the label and the heatmap. Press ? for the keys."""
    with plain_errors(debug), stoppable() as stop:
        style = look.style()
        if (teach or taught) and (not window or maps is not None):
            raise typer.BadParameter(
                "--teach and --taught are for the window's keys, and a file of --maps is of one "
                "model's classes: leave out --no-window and --maps"
            )
        if taught is not None and taught.suffix.lower() != ".onnx":
            raise SinkError(f"cannot write {taught}: a taught model is written as .onnx")
        for path in (stats, taught):
            if path is not None:
                AtomicFile(path, overwrite=overwrite)  # known now, not after an hour
        display = Window("camstream") if window else None
        model = network.load(input_size=look.input_size, refine=look.refine)
        selection = ask.selection(model.info)
        can_teach = window and maps is None  # a file of maps is of one model's classes
        guest = (
            Teaching(
                model,
                teach or (),
                input_size=look.input_size,
                refine=look.refine,
                output=taught,
                overwrite=overwrite,
            )
            if can_teach
            else None
        )
        opened = open_source(source, size_wh=_parse_size(size) if size else None)
        session = LiveSession(
            opened if opened.is_live else PacedSource(opened),
            model.infer,
            model.info,
            device=model.device,
            style=style,
            selection=selection,
            outputs=OutputPaths(
                record=record, records=records, maps=maps, presence=presence, overwrite=overwrite
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
            f"{result.frames_dropped} dropped, {result.frames_mapped} looked at"
            + (f"; lag {lag.p50:.0f} ms (p95 {lag.p95:.0f})" if lag else "")
        )
        if stats is not None:
            write_json(stats, result.to_dict(), overwrite=overwrite)
        stop.end()


def _parse_size(text: str) -> tuple[int, int]:
    width, cross, height = text.lower().partition("x")
    if not (cross and width.isdecimal() and height.isdecimal()):
        raise typer.BadParameter(f"a size is WIDTHxHEIGHT such as 1280x720, not {text!r}")
    return int(width), int(height)
