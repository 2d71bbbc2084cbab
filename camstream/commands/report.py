"""``camstream report``: one HTML page about a clip, from its records."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from camstream.commands.panels import (
    DebugOption,
    OverwriteOption,
    input_option,
    output_option,
    show_option,
)
from camstream.commands.settings import PresetOption
from camstream.console import console, counting, note, plain_errors, say, steps
from camstream.errors import UsageError
from camstream.maps.presence import PresenceRule

_RULE = PresenceRule()


def report(
    records: Annotated[
        Path,
        typer.Argument(
            metavar="RECORDS|DIR",
            help="The file that --records wrote in a run, or the folder of an archive.",
        ),
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
    moment: Annotated[
        float | None,
        show_option(
            metavar="SECONDS",
            help="Write this moment of the video alone: a .png, a .gif or a clip, see -o.",
        ),
    ] = None,
    moment_length: Annotated[
        float, show_option(metavar="SECONDS", help="How long a moment's GIF or clip is.")
    ] = 3.0,
    output: Annotated[
        Path | None,
        output_option(
            "--output",
            "-o",
            metavar="FILE",
            help="The page, or the moment.",
            show_default="NAME.report.html",
        ),
    ] = None,
    overwrite: OverwriteOption = False,
    _preset: PresetOption = None,
    debug: DebugOption = False,
) -> None:
    """Write one HTML page about a clip, or about all videos of an archive.

    $ camstream annotate cat.mp4 --records cat.jsonl
    $ camstream report cat.jsonl --video cat.mp4
    $ camstream report cat.jsonl --video cat.cam.mp4 --moment 3.2 -o moment.gif
    $ camstream report seen/          # an archive: what was seen when, in which video
    """
    from camstream.report import Request
    from camstream.report import report as write_report
    from camstream.report.timeline import count_changes

    with plain_errors(debug):
        if moment is not None:
            _write_moment(records, video, moment, moment_length, output, overwrite=overwrite)
            return
        on_threshold, off_threshold = presence_thresholds
        if records.is_dir():
            if video is not None or stats is not None:
                raise UsageError("--video and --stats are of one clip; an archive has its own")
            rule = PresenceRule(on_threshold, off_threshold)
            _write_overview(records, output, rule, overwrite=overwrite)
            return
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


def _write_overview(
    archive: Path, output: Path | None, rule: PresenceRule, *, overwrite: bool
) -> None:
    from camstream.query.report import Request, write_report

    request = Request(
        archive=archive,
        output=output or Path(f"{archive.resolve().name}.report.html"),
        rule=rule,
        overwrite=overwrite,
    )
    with counting("writing reports") as progress:
        result = write_report(request, progress=progress)
    say(
        f"{archive} -> {request.output}: {result.videos:,} video{'s' * (result.videos != 1)}, "
        f"{result.size_bytes / 1e6:.2f} MB; reports of videos: {result.written:,} new, in {request.folder}"
    )
    for warning in result.warnings:
        note(warning)


def _write_moment(
    records: Path,
    video: Path | None,
    at_s: float,
    length_s: float,
    output: Path | None,
    *,
    overwrite: bool,
) -> None:
    from camstream.report.moment import MomentRequest, write_moment

    if video is None:
        raise UsageError("--moment needs the pictures: give --video FILE")
    request = MomentRequest(
        video=video,
        at_s=at_s,
        length_s=length_s,
        output=output or Path(f"{records.stem}.{at_s:g}s.png"),
        overwrite=overwrite,
    )
    with steps(console) as progress:
        progress(f"looking up {at_s:g} s in {video.name}")
        frames = write_moment(request)
    say(f"{video} -> {request.output}: {frames} frame{'s' if frames > 1 else ''}")
