"""``camstream annotate``: recorded video in, the same video with its overlay out."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from camstream.annotation import AnnotationJob, AnnotationResult
from camstream.annotation import run as run_annotate
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
    LegendOption,
    MapsOption,
    ModelOption,
    OpacityOption,
    OverwriteOption,
    PresenceOption,
    RangeOption,
    RecordsOption,
    RefineOption,
    SmoothOption,
    StatsOption,
    TopKOption,
    TrailOption,
    open_model,
    output_option,
)
from camstream.console import Stop, note, plain_errors, progress_of, report_error, stoppable
from camstream.drawing.overlay import Style
from camstream.errors import CamstreamError, SinkError, SourceError
from camstream.media import VIDEO_SUFFIXES
from camstream.models.session import Model
from camstream.models.zoo import DEFAULT_MODEL
from camstream.sinks.atomic_file import check_apart, is_partial
from camstream.sinks.encoding import CodecName, Encoding


def annotate(
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT", help="Files, folders or globs.")],
    model_name: ModelOption = DEFAULT_MODEL,
    device: DeviceOption = "auto",
    input_size: InputSizeOption = None,
    refine: RefineOption = False,
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
            help="The video; a folder for several inputs.",
            show_default="NAME.cam.mp4",
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
        output_option(min=0, max=63, metavar="N", help="Constant rate factor; lower is better."),
    ] = None,
    preset: Annotated[
        str | None,
        output_option(metavar="NAME", help="The encoder's speed.", show_default="a fast one"),
    ] = None,
    overwrite: OverwriteOption = False,
    debug: DebugOption = False,
) -> None:
    """Draw label and heatmap into every frame of recorded video; the sound stays.

    $ camstream annotate cat.mp4 -o cat.cam.mp4 --records cat.jsonl
    $ camstream annotate clips/ more/*.mkv -o annotated/ --boxes
    $ camstream annotate cat.mp4 --classes dog --classes "Persian cat" --trail 3
    """
    with plain_errors(debug), stoppable() as stop:
        style = Style(
            heatmap_opacity=opacity, colormap=colormap, show_boxes=boxes, show_legend=legend
        )
        encoding = Encoding(codec, quality, preset)
        found = expand(inputs)
        sources = without_outputs(found, inputs, output)
        if own := [path.name for path in found if path not in sources]:
            note(f"skipped, since they have names of outputs: {', '.join(own)}")
        alone = len(sources) == 1
        jobs = [
            AnnotationJob(
                source=source,
                output=target,
                records=records and beside(records, target, ".jsonl", alone=alone),
                style=style,
                encoding=encoding,
                overwrite=overwrite,
                stats=stats and beside(stats, target, ".json", alone=alone),
                maps=maps and beside(maps, target, ".npz", alone=alone),
                presence=presence and beside(presence, target, ".presence.csv", alone=alone),
            )
            for source, target in zip(sources, name_outputs(sources, output), strict=True)
        ]
        check_apart(sources, [path for job in jobs for path in job.outputs])
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
        stop.end()
        failures = 0
        for job in (dataclasses.replace(job, selection=selection) for job in jobs):
            try:
                failures += annotate_one(job, model, stop).is_damaged
            except CamstreamError as error:
                if debug or alone:
                    raise
                report_error(str(error))
                failures += 1
            stop.end()
        if failures:
            raise typer.Exit(1)


def annotate_one(job: AnnotationJob, model: Model, stop: Stop) -> AnnotationResult:
    """Annotate one file with a progress bar, and print the result."""
    with progress_of(job.source.name) as on_frame:
        result = run_annotate(job, model, on_frame=on_frame, stop=stop)
    stats = result.stats
    best = list(result.labels.items())[:3]
    labels = ", ".join(f"{label} {frames / stats.frames_out:.0%}" for label, frames in best)
    typer.echo(
        f"{job.source} -> {job.output}: {stats.frames_out} frame{'s' * (stats.frames_out != 1)}, "
        f"{stats.rate_hz:.1f} a second; {labels}"
    )
    for warning in result.warnings:
        note(warning)
    if result.is_stopped:
        note(f"stopped at {result.end_s:.1f} s; {job.output} plays up to there")
    return result


def expand(inputs: list[str]) -> list[Path]:
    """Turn files, folders and globs into files, in order and each once, without partial files.

    Raises:
        SourceError: A folder holds no video, or a glob matches nothing.
    """
    files: list[Path] = []
    for text in inputs:
        path = Path(text)
        if path.is_dir():
            inside = sorted(
                file
                for file in path.iterdir()
                if file.suffix.lower() in VIDEO_SUFFIXES and not is_partial(file)
            )
            if not inside:
                raise SourceError(f"there is no video file in the folder {path}")
            files += inside
        elif not path.exists() and any(mark in text for mark in "*?["):
            anchor = Path(path.anchor)
            globbed = anchor.glob(str(path.relative_to(anchor)))
            matches = sorted(file for file in globbed if not is_partial(file))
            if not matches:
                raise SourceError(f"no file matches {text}")
            files += matches
        else:
            files.append(path)
    return list(dict.fromkeys(files))


def without_outputs(found: list[Path], inputs: list[str], output: Path | None) -> list[Path]:
    """Leave out the outputs of an earlier run that lie in the folder which is read.

    Args:
        found: The files from ``expand``.
        inputs: The arguments of ``expand``; a file that is named there stays.
        output: As for ``name_outputs``.
    """
    if output is not None and not output.is_dir():
        return found
    targets = {path.resolve() for path in _targets(found, output or Path())}
    named = {Path(text) for text in inputs}
    return [path for path in found if path in named or path.resolve() not in targets]


def name_outputs(sources: list[Path], output: Path | None) -> list[Path]:
    """Name the output of each source, before anything is written.

    Args:
        sources: The inputs.
        output: A file for one source, a folder for several; None means the current folder.

    Raises:
        SinkError: ``output`` must be a folder and is none, or two outputs have one name.
    """
    if output is not None and len(sources) == 1 and not output.is_dir():
        return [output]
    folder = output or Path()
    if output is not None and output.suffix and not output.is_dir():
        raise SinkError(f"several inputs need a folder to be written to, not {output}")
    targets = _targets(sources, folder)
    check_apart(sources, targets)
    _make_folder(folder)
    return targets


def _targets(sources: list[Path], folder: Path) -> list[Path]:
    stems = [source.stem for source in sources]
    # clip.mp4 and clip.mkv become clip.mp4.cam.mp4 and clip.mkv.cam.mp4.
    names = [source.name if stems.count(source.stem) > 1 else source.stem for source in sources]
    return [folder / f"{name}.cam.mp4" for name in names]


def beside(path: Path, target: Path, suffix: str, *, alone: bool) -> Path:
    """Name a side file: the path itself for one source, a file in that folder for several.

    Args:
        path: The value of the option.
        target: The video file that the side file belongs to.
        suffix: Of a file in a folder.
        alone: Whether there is one source.
    """
    if alone and not path.is_dir():
        return path
    _make_folder(path)
    return path / f"{target.stem.removesuffix('.cam')}{suffix}"


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SinkError(f"cannot make the folder {path}: {error.strerror}") from error
