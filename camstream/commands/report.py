"""``camstream report``: one HTML page about a clip, from its records."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from camstream.commands.options import INPUT, OUTPUT, SHOW, DebugOption, OverwriteOption
from camstream.console import console, note, plain_errors, steps
from camstream.maps.presence import PresenceRule

_RULE = PresenceRule()


def report(
    records: Annotated[
        Path, typer.Argument(metavar="RECORDS", help="The file that --records wrote in a run.")
    ],
    video: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The clip, or the annotated one, for pictures of it.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    stats: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The file that --stats wrote in the run.", rich_help_panel=INPUT
        ),
    ] = None,
    presence_thresholds: Annotated[
        tuple[float, float],
        typer.Option(
            metavar="ON OFF",
            help="Scores at which a class's presence begins and ends.",
            rich_help_panel=SHOW,
        ),
    ] = (_RULE.on_threshold, _RULE.off_threshold),
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="The page.",
            show_default="NAME.report.html",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    overwrite: OverwriteOption = False,
    debug: DebugOption = False,
) -> None:
    """Write one HTML page about a clip: labels over time, and where the heat went.

    $ camstream annotate cat.mp4 --records cat.jsonl
    $ camstream report cat.jsonl --video cat.mp4
    """
    from camstream.report import Request
    from camstream.report import report as write_report
    from camstream.report.timeline import count_changes

    with plain_errors(debug):
        on_threshold, off_threshold = presence_thresholds
        request = Request(
            records=records,
            output=output or Path(f"{records.stem}.report.html"),
            video=video,
            stats=stats,
            rule=PresenceRule(on_threshold, off_threshold),
            overwrite=overwrite,
        )
        with steps(console) as progress:
            result = write_report(request, progress=progress)
        frames, changes = len(result.timeline.records), count_changes(result.timeline)
        typer.echo(
            f"{records} -> {request.output}: {frames} frames, {changes} changes of the label, "
            f"{result.thumbs} pictures, {result.size_bytes / 1e6:.1f} MB"
        )
        for warning in result.warnings:
            note(warning)
