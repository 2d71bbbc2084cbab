"""The command line: parse, build, run, turn errors into one line and an exit code."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import cv2
import typer
from rich.console import Console
from rich.table import Table

from camstream import batch, catalog
from camstream.annotate import Job, Result
from camstream.annotate import run as run_annotate
from camstream.boxes import BoxRule
from camstream.device import PROVIDERS
from camstream.errors import CamstreamError
from camstream.live import Viewer
from camstream.model import Model
from camstream.overlay import Colormap, Style
from camstream.saver import Outputs
from camstream.sink.draft import Draft
from camstream.sink.records import write_json
from camstream.sink.video import CodecName, Encoding
from camstream.sink.window import Window
from camstream.source.live import PacedSource
from camstream.streaming import open_source
from camstream.terminal import (
    Stop,
    complain,
    console,
    note,
    plain_errors,
    progress_of,
    steps,
    stoppable,
)

app = typer.Typer(
    help="See what a network looks at, live.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_STYLE = Style()

ModelOption = Annotated[
    str, typer.Option("--model", "-m", help="A network's name or an .onnx file.")
]
DeviceOption = Annotated[
    str, typer.Option(help=f"auto, {', '.join(PROVIDERS)}. auto takes CUDA where it works.")
]
OpacityOption = Annotated[
    float, typer.Option("--opacity", min=0.0, max=1.0, help="Of strong heat; 0 shows none.")
]
ColormapOption = Annotated[Colormap, typer.Option(help="Colours of heat.")]
RangeOption = Annotated[
    tuple[float, float] | None,
    typer.Option(
        "--range",
        help="Map values (logit units) where heat begins and is full.  [default: the model's]",
    ),
]
BoxesOption = Annotated[
    bool, typer.Option("--boxes", help="Draw boxes read from the maps; records get them too.")
]
BoxRuleOption = Annotated[
    BoxRule,
    typer.Option(
        help="The paper's box around the largest region, all regions, or the paper's five boxes."
    ),
]
RecordsOption = Annotated[Path | None, typer.Option(help="Write a JSON line a frame.")]
StatsOption = Annotated[Path | None, typer.Option(help="Write counts and times as JSON.")]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace existing outputs.")]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def _style(
    opacity: float,
    colormap: Colormap,
    cam_range: tuple[float, float] | None,
    boxes: bool,
    box_rule: BoxRule,
) -> Style:
    try:
        return Style(
            heatmap_opacity=opacity,
            colormap=colormap,
            cam_range=cam_range,
            show_boxes=boxes,
            box_rule=box_rule,
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _load(name: str, device: str) -> Model:
    with steps(console, "opening the model") as say:
        model = catalog.load_model(name, device=device, say=say)
    provider = PROVIDERS[model.device]
    console.print(f"{model.info.name} on {model.device} ({provider})", style="dim", markup=False)
    if device == "auto" and model.device == "cpu" and model.gpu_problem:
        note(model.gpu_problem)
    return model


@app.command()
def annotate(
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT...", help="Files, folders or globs.")
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="A file; for several inputs a folder.  [default: NAME.cam.mp4]"
        ),
    ] = None,
    model: ModelOption = catalog.DEFAULT_MODEL,
    device: DeviceOption = "auto",
    opacity: OpacityOption = _STYLE.heatmap_opacity,
    colormap: ColormapOption = _STYLE.colormap,
    cam_range: RangeOption = None,
    boxes: BoxesOption = _STYLE.show_boxes,
    box_rule: BoxRuleOption = _STYLE.box_rule,
    codec: Annotated[CodecName | None, typer.Option(help="[default: h264, in .webm vp9]")] = None,
    quality: Annotated[
        int | None, typer.Option(min=0, max=63, help="Constant rate factor; lower is better.")
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="The encoder's speed.  [default: a fast one]")
    ] = None,
    records: RecordsOption = None,
    stats: StatsOption = None,
    overwrite: OverwriteOption = False,
    debug: DebugOption = False,
) -> None:
    """Draw the top-1 label and its heatmap into recorded video, every frame, with its sound."""
    with plain_errors(debug), stoppable() as stop:
        style = _style(opacity, colormap, cam_range, boxes, box_rule)
        encoding = Encoding(codec, quality, preset)
        sources = batch.expand(inputs)
        alone = len(sources) == 1
        jobs = [
            Job(
                source,
                target,
                records and batch.beside(records, target, ".jsonl", alone=alone),
                style,
                encoding,
                overwrite,
                stats and batch.beside(stats, target, ".json", alone=alone),
            )
            for source, target in zip(sources, batch.name_outputs(sources, output), strict=True)
        ]
        batch.check_apart(sources, [path for job in jobs for path in job.outputs])
        network = _load(model, device)
        stop.end()
        failures = 0
        for job in jobs:
            try:
                failures += _annotate_one(job, network, stop).is_damaged
            except CamstreamError as error:
                if debug or alone:
                    raise
                complain(str(error))
                failures += 1
            stop.end()
        if failures:
            raise typer.Exit(1)


@app.command()
def live(
    source: Annotated[
        str, typer.Argument(help="A camera's number or device, a URL, or a file.")
    ] = "0",
    model: ModelOption = catalog.DEFAULT_MODEL,
    device: DeviceOption = "auto",
    opacity: OpacityOption = _STYLE.heatmap_opacity,
    colormap: ColormapOption = _STYLE.colormap,
    cam_range: RangeOption = None,
    boxes: BoxesOption = _STYLE.show_boxes,
    box_rule: BoxRuleOption = _STYLE.box_rule,
    size: Annotated[str | None, typer.Option(help="Ask the camera for WIDTHxHEIGHT.")] = None,
    record: Annotated[Path | None, typer.Option(help="Write what is seen to a video file.")] = None,
    records: RecordsOption = None,
    stats: StatsOption = None,
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
        style = _style(opacity, colormap, cam_range, boxes, box_rule)
        if stats is not None:
            Draft(stats, overwrite=overwrite)  # known now, not after an hour
        shown = Window("camstream") if window else None
        network = _load(model, device)
        opened = open_source(source, size_wh=_parse_size(size) if size else None)
        viewer = Viewer(
            opened if opened.is_live else PacedSource(opened),
            network.infer,
            network.info,
            device=network.device,
            style=style,
            outputs=Outputs(record, records, overwrite, frames, seconds),
            window=shown,
            stop=stop,
        )
        result = viewer.run()
        lag = result.stages_ms.get("lag")
        typer.echo(
            f"{result.source}: {result.frames_out} frames shown, {result.rate_hz:.1f} a second, "
            f"{result.frames_dropped} dropped, {result.frames_mapped} looked at"
            + (f"; lag {lag.p50:.0f} ms (p95 {lag.p95:.0f})" if lag else "")
        )
        if stats is not None:
            write_json(stats, result.to_dict(), overwrite=overwrite)
        stop.end()


@app.command(
    context_settings={
        "allow_extra_args": True,
        "ignore_unknown_options": True,
        "help_option_names": [],
    }
)
def export(context: typer.Context) -> None:
    """Write a network to ONNX with its class activation maps (needs the "export" extra)."""
    raise typer.Exit(subprocess.run(catalog.export_command(context.args), check=False).returncode)


@app.command()
def info(
    model: Annotated[
        str, typer.Argument(help="A network's name or an .onnx file.")
    ] = catalog.DEFAULT_MODEL,
    debug: DebugOption = False,
) -> None:
    """Tell what a model file says of itself."""
    with plain_errors(debug):
        network = _load(model, "cpu")
        values = network.info
        table = Table(show_header=False, box=None, pad_edge=False)
        rows = {
            "name": values.name,
            "classes": f"{len(values.labels)} ({', '.join(values.labels[:3])} ...)",
            "maps": f"{values.method} of {values.layer}",
            "heat": f"begins at {values.cam_range[0]:g}, full at {values.cam_range[1]:g} (logit units)",
            "input": f"uint8 BGR, {values.size_hw[1]}x{values.size_hw[0]} preferred; "
            + (f"multiples of {values.size_multiple}" if values.size_multiple else "no other size"),
            "normalisation": f"{values.color}, (x - {values.mean}) / {values.std}, inside the graph",
            "weights": values.weights,
            "sha256": values.weights_sha256,
            "made with": ", ".join(
                f"{name} {version}" for name, version in values.versions.items()
            ),
        }
        if values.proof is not None:
            proof = values.proof
            rows["proof"] = (
                f"logits within {proof.logits_max_diff:.1e} of the source, cam within "
                f"{proof.cam_max_diff:.1e}"
            )
            if proof.law_residual is not None:
                rows["law"] = f"mean(cam) + bias = logit within {proof.law_residual:.1e}"
        if values.quantization is not None:
            lower = values.quantization
            rows[lower.kind] = (
                f"against float32 on {lower.compared} pictures: top-1 agreement "
                f"{lower.top1_agreement:.1%}, map correlation {lower.cam_correlation:.4f}"
            )
        for name, value in rows.items():
            table.add_row(name, value)
        Console(highlight=False, soft_wrap=True).print(table, markup=False)


@app.command()
def doctor() -> None:
    """Explain what works on this machine: GPU, display, cameras, packages."""
    from camstream.doctor import examine

    plain = Console(highlight=False, soft_wrap=True)
    for finding in examine():
        colour = {"ok": "green", "note": "yellow", "problem": "red"}[finding.verdict]
        plain.print(f"[{colour}]{finding.verdict:>7}[/]  {finding.subject}: ", end="")
        plain.print(finding.text, markup=False)


@app.command()
def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")] = Path(
        "demo.mp4"
    ),
    device: DeviceOption = "auto",
    opening: Annotated[
        bool, typer.Option("--open/--no-open", help="Open it where there is a display.")
    ] = True,
    debug: DebugOption = False,
) -> None:
    """Annotate the sample clip and say what was seen."""
    from camstream.demo import open_file, sample_clip

    with plain_errors(debug), stoppable() as stop:
        network = _load(catalog.DEFAULT_MODEL, device)
        result = _annotate_one(Job(sample_clip(), output, overwrite=True), network, stop)
        typer.echo(f"The result is {output.resolve()}")
        for label, frames in list(result.labels.items())[:5]:
            typer.echo(f"  {frames:4d} frames  {label}")
        if opening and not stop():
            open_file(output)
        stop.end()


@app.command()
def evaluate(
    photos: Annotated[Path, typer.Argument(metavar="IMAGES", help="A folder of photos.")],
    boxes: Annotated[
        Path | None,
        typer.Option(help="True boxes: a .csv, a COCO .json, or a folder of Pascal VOC .xml."),
    ] = None,
    from_folders: Annotated[
        bool, typer.Option("--labels-from-folders", help="Sub-folders name the classes; no boxes.")
    ] = False,
    masks: Annotated[
        Path | None, typer.Option(help="A folder of true masks NAME.png, for PxAP.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write the figures as JSON.")] = None,
    sheet: Annotated[
        Path | None, typer.Option(help="Draw the best, the typical and the worst: a .jpg.")
    ] = None,
    model: ModelOption = catalog.DEFAULT_MODEL,
    device: DeviceOption = "auto",
    overwrite: OverwriteOption = False,
    debug: DebugOption = False,
) -> None:
    """Measure how well a model names things in photos and finds where they are."""
    from camstream.evaluate.command import Request
    from camstream.evaluate.command import evaluate as run_evaluate
    from camstream.evaluate.report import to_table

    with plain_errors(debug):
        request = Request(photos, boxes, from_folders, masks, json, sheet, overwrite)
        report = run_evaluate(request, _load(model, device))
        Console(highlight=False, soft_wrap=True).print(to_table(report))
        if report.under_floor and report.ways:
            note(f"{report.under_floor} maps have nothing above the model's floor: no box is drawn")
        if report.unknown_boxes:
            note(f"{report.unknown_boxes} boxes are of classes that the model does not know")


@app.command()
def bench(
    device: DeviceOption = "auto",
    model: ModelOption = catalog.DEFAULT_MODEL,
    quick: Annotated[bool, typer.Option(help="Fewer repetitions.")] = False,
    debug: DebugOption = False,
) -> None:
    """Measure this machine: each figure is a ratio of two things timed in turns in one run."""
    from camstream.bench import run_all

    with plain_errors(debug):
        run_all(model, device, quick=quick, say=typer.echo)


@app.callback()
def _settings() -> None:
    # The pipeline has a thread for each stage; OpenCV's own threads would fight over the cores.
    cv2.setNumThreads(1)
    logging.basicConfig(format="camstream: %(message)s", level=logging.WARNING)


def _annotate_one(job: Job, model: Model, stop: Stop) -> Result:
    with progress_of(job.source.name) as on_frame:
        result = run_annotate(job, model, on_frame=on_frame, stop=stop)
    stats = result.stats
    best = list(result.labels.items())[:3]
    seen = ", ".join(f"{label} {frames / stats.frames_out:.0%}" for label, frames in best)
    typer.echo(
        f"{job.source} -> {job.output}: {stats.frames_out} frames, {stats.rate_hz:.1f} a second; {seen}"
    )
    for remark in result.remarks:
        note(remark)
    if result.is_stopped:
        note(f"stopped at {result.end_s:.1f} s; {job.output} plays up to there")
    return result


def _parse_size(text: str) -> tuple[int, int]:
    width, cross, height = text.lower().partition("x")
    if not (cross and width.isdecimal() and height.isdecimal()):
        raise typer.BadParameter(f"a size is WIDTHxHEIGHT such as 1280x720, not {text!r}")
    return int(width), int(height)


def main() -> None:
    """Run the command line."""
    try:
        app(prog_name="camstream")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
