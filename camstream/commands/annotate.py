"""``camstream annotate``: recorded video."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from camstream.annotation import AnnotationJob, AnnotationResult
from camstream.annotation import run as run_annotate
from camstream.commands import inputs as batch
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
from camstream.console import Stop, complain, note, plain_errors, progress_of, stoppable
from camstream.errors import CamstreamError
from camstream.models.session import Model
from camstream.sinks.atomic_file import check_apart
from camstream.sinks.encoding import CodecName, Encoding


@with_options
def annotate(
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT...", help="Files, folders or globs.")
    ],
    network: Network,
    look: Look,
    ask: Ask,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="A file; for several inputs a folder.  [default: NAME.cam.mp4]"
        ),
    ] = None,
    codec: Annotated[CodecName | None, typer.Option(help="[default: h264, in .webm vp9]")] = None,
    quality: Annotated[
        int | None, typer.Option(min=0, max=63, help="Constant rate factor; lower is better.")
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="The encoder's speed.  [default: a fast one]")
    ] = None,
    records: RecordsOption = None,
    maps: MapsOption = None,
    presence: PresenceOption = None,
    stats: StatsOption = None,
    overwrite: OverwriteOption = False,
    debug: DebugOption = False,
) -> None:
    """Draw the top-1 label and its heatmap into recorded video, every frame, with its sound."""
    with plain_errors(debug), stoppable() as stop:
        style = look.style()
        encoding = Encoding(codec, quality, preset)
        found = batch.expand(inputs)
        sources = batch.without_outputs(found, inputs, output)
        if own := [path.name for path in found if path not in sources]:
            note(f"not taken as inputs, since outputs are named so: {', '.join(own)}")
        alone = len(sources) == 1
        jobs = [
            AnnotationJob(
                source=source,
                output=target,
                records=records and batch.beside(records, target, ".jsonl", alone=alone),
                style=style,
                encoding=encoding,
                overwrite=overwrite,
                stats=stats and batch.beside(stats, target, ".json", alone=alone),
                maps=maps and batch.beside(maps, target, ".npz", alone=alone),
                presence=presence and batch.beside(presence, target, ".presence.csv", alone=alone),
            )
            for source, target in zip(sources, batch.name_outputs(sources, output), strict=True)
        ]
        check_apart(sources, [path for job in jobs for path in job.outputs])
        model = network.load(input_size=look.input_size, refine=look.refine)
        selection = ask.selection(model.info)
        stop.end()
        failures = 0
        for job in (dataclasses.replace(job, selection=selection) for job in jobs):
            try:
                failures += annotate_one(job, model, stop).is_damaged
            except CamstreamError as error:
                if debug or alone:
                    raise
                complain(str(error))
                failures += 1
            stop.end()
        if failures:
            raise typer.Exit(1)


def annotate_one(job: AnnotationJob, model: Model, stop: Stop) -> AnnotationResult:
    """Annotate one file with a progress bar, and say what came of it."""
    with progress_of(job.source.name) as on_frame:
        result = run_annotate(job, model, on_frame=on_frame, stop=stop)
    stats = result.stats
    best = list(result.labels.items())[:3]
    seen = ", ".join(f"{label} {frames / stats.frames_out:.0%}" for label, frames in best)
    typer.echo(
        f"{job.source} -> {job.output}: {stats.frames_out} frames, {stats.rate_hz:.1f} a second; {seen}"
    )
    for warning in result.warnings:
        note(warning)
    if result.is_stopped:
        note(f"stopped at {result.end_s:.1f} s; {job.output} plays up to there")
    return result
