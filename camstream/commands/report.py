"""``camstream report``: the story of a clip, from its records."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from camstream.commands.options import DebugOption, OverwriteOption
from camstream.console import note, plain_errors
from camstream.maps.presence import PresenceRule

_RULE = PresenceRule()


def report(
    records: Annotated[
        Path, typer.Argument(metavar="RECORDS", help="What --records wrote of a run.")
    ],
    video: Annotated[
        Path | None,
        typer.Option(metavar="IN", help="The clip, or the annotated one, for pictures of it."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The page to write.  [default: NAME.report.html]"),
    ] = None,
    png: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write the curves as PNG files too.")
    ] = None,
    stats: Annotated[Path | None, typer.Option(help="What --stats wrote of the run.")] = None,
    present: Annotated[
        tuple[float, float],
        typer.Option(help="Scores at which a class's presence begins and ends."),
    ] = (_RULE.on_threshold, _RULE.off_threshold),
    overwrite: OverwriteOption = False,
    debug: DebugOption = False,
) -> None:
    """Tell the story of a clip on one HTML page: labels over time, and where the attention went."""
    from camstream.report.command import Request
    from camstream.report.command import report as run_report
    from camstream.report.timeline import count_changes

    with plain_errors(debug):
        try:
            rule = PresenceRule(*present)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
        target = output or Path(f"{records.stem}.report.html")
        request = Request(records, target, video, png, stats, rule, overwrite)
        reported = run_report(request)
        frames, changes = len(reported.timeline.records), count_changes(reported.timeline)
        typer.echo(
            f"{records} -> {target}: {frames} frames, {changes} changes of the label, "
            f"{reported.thumbs} pictures, {reported.size_bytes / 1e6:.1f} MB"
        )
        for warning in reported.warnings:
            note(warning)
