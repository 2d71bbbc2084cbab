"""``camstream report``: one HTML page about a clip, from its records."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from camstream.commands.options import (
    DebugOption,
    OverwriteOption,
    input_option,
    output_option,
    show_option,
)
from camstream.commands.settings import PresetOption
from camstream.console import console, note, plain_errors, say, steps
from camstream.maps.presence import PresenceRule

_RULE = PresenceRule()


def report(
    records: Annotated[
        Path, typer.Argument(metavar="RECORDS", help="The file that --records wrote in a run.")
    ],
    video: Annotated[
        Path | None,
        input_option(metavar="FILE", help="The clip, or the annotated one, for pictures of it."),
    ] = None,
    stats: Annotated[
        Path | None, input_option(metavar="FILE", help="The file that --stats wrote in the run.")
    ] = None,
    presence_thresholds: Annotated[
        tuple[float, float],
        show_option(metavar="ON OFF", help="Scores at which a class's presence begins and ends."),
    ] = (_RULE.on_threshold, _RULE.off_threshold),
    output: Annotated[
        Path | None,
        output_option(
            "--output", "-o", metavar="FILE", help="The page.", show_default="NAME.report.html"
        ),
    ] = None,
    overwrite: OverwriteOption = False,
    _preset: PresetOption = None,
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
        say(
            f"{records} -> {request.output}: {frames} frames, {changes} changes of the label, "
            f"{result.thumbs} pictures, {result.size_bytes / 1e6:.1f} MB"
        )
        for warning in result.warnings:
            note(warning)
