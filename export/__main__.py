"""``python -m export NETWORK -o FILE``; ``camstream export`` calls the same."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from camstream.contract import ModelInfo
from camstream.errors import CamstreamError, ModelError, SetupError, SinkError
from export.graft import Wishes, graft_file
from export.reduce import Reduction

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

Triple = tuple[float, float, float]


@app.command()
def export(
    network: Annotated[
        str, typer.Argument(help="The network's name, or an ONNX image classifier (.onnx).")
    ] = "efficientnet_lite0",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The file to write.  [default: NETWORK.onnx]"),
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace an existing file.")] = False,
    labels: Annotated[
        str | None,
        typer.Option(help='Names of the classes: .txt (one a line), .csv ("name"), or "imagenet".'),
    ] = None,
    mean: Annotated[
        Triple | None, typer.Option(help="Subtracted from each channel, 0 to 255.")
    ] = None,
    std: Annotated[Triple | None, typer.Option(help="Then divided by this.")] = None,
    color: Annotated[str | None, typer.Option(help="Channel order: RGB or BGR.")] = None,
    layout: Annotated[str | None, typer.Option(help="Of the input: NCHW or NHWC.")] = None,
    size: Annotated[str | None, typer.Option(help="Preferred input size, as 224x224.")] = None,
    heat: Annotated[
        tuple[float, float] | None,
        typer.Option("--range", help="Map values where heat begins and where it is full."),
    ] = None,
    int8: Annotated[bool, typer.Option("--int8", help="8-bit weights, faster on CPUs.")] = False,
    fp16: Annotated[bool, typer.Option("--fp16", help="16-bit weights, for GPUs.")] = False,
    calibrate: Annotated[
        Path | None, typer.Option(help="Your own clip or folder of photos, for --int8.")
    ] = None,
) -> None:
    """Write a network to ONNX with its class activation maps, and prove that they are right.

    NETWORK may be any ONNX image classifier; the options from --labels to --range say what its
    file does not.
    """
    console = Console(stderr=True, highlight=False)
    path = output or Path(f"{network}.onnx")
    try:
        if path.exists() and not overwrite:
            raise SinkError(f"{path} exists already; give another -o, or --overwrite to replace it")
        wishes = Wishes(
            labels=labels,
            mean=mean,
            std=std,
            color=_one_of("--color", color, "RGB", "BGR"),
            layout=_one_of("--layout", layout, "NCHW", "NHWC"),
            size_wh=_size(size),
            cam_range=heat,
        )
        reduction = Reduction.of(int8=int8, fp16=fp16, calibrate=calibrate)
        with console.status("starting") as status:
            info = _export(network, path, wishes, reduction, status.update)
    except CamstreamError as error:
        console.print(f"export: {error}", style="red", soft_wrap=True, markup=False)
        raise typer.Exit(1) from error
    _report(path, info)


def _export(
    network: str,
    path: Path,
    wishes: Wishes,
    reduction: Reduction | None,
    say: Callable[[str], None],
) -> ModelInfo:
    """Export a network by name, or graft a file; what is smaller is grafted from the export."""
    if network.lower().endswith(".onnx"):
        return graft_file(Path(network), path, wishes, reduction=reduction, say=say)
    if wishes == Wishes() and reduction is None:
        return _to_onnx(network, path, say)
    with tempfile.TemporaryDirectory(prefix="camstream-") as folder:
        full = Path(folder) / f"{network}.onnx"
        _to_onnx(network, full, say)
        return graft_file(full, path, wishes, reduction=reduction, say=say)


def _to_onnx(network: str, path: Path, say: Callable[[str], None]) -> ModelInfo:
    try:
        from export.to_onnx import export as to_onnx
    except ModuleNotFoundError as error:
        raise SetupError(
            f"exporting a network needs {error.name}, which is not installed; "
            'run: pip install "camstream[export]"'
        ) from error
    return to_onnx(network, path, say=say)


def _report(path: Path, info: ModelInfo) -> None:
    """Print what was measured."""
    proof, lower = info.proof, info.quantization
    assert proof is not None
    typer.echo(
        f"{path}: {info.name}, {len(info.labels)} classes, {path.stat().st_size / 1e6:.1f} MB, "
        f"{info.method} of {info.layer}\n"
        f"  equal to its {lower.kind + ' network' if lower else 'source'} at {len(proof.shapes_nhw)} shapes: "
        f"logits within {proof.logits_max_diff:.1e}, cam within {proof.cam_max_diff:.1e}"
    )
    if proof.law_residual is not None:
        typer.echo(f"  mean(cam) + bias = logit within {proof.law_residual:.1e}")
    if lower is not None:
        typer.echo(
            f"  {lower.kind} against float32 on {lower.compared} pictures of {lower.pictures}: "
            f"top-1 agreement {lower.top1_agreement:.1%}, "
            f"map correlation {lower.cam_correlation:.4f}"
        )


def _one_of(option: str, value: str | None, *choices: str) -> str | None:
    if value is not None and value.upper() not in choices:
        raise ModelError(f"{option} {value}: choose {' or '.join(choices)}")
    return value and value.upper()


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    width, cross, height = text.lower().partition("x")
    if not (cross and width.isdecimal() and height.isdecimal() and int(width) * int(height)):
        raise ModelError(f"--size {text}: give width and height, as 224x224")
    return int(width), int(height)


def main() -> None:
    """Run the command line."""
    app(prog_name="python -m export")


if __name__ == "__main__":
    sys.exit(main())
