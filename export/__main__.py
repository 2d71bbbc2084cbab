"""``python -m export NAME -o FILE``; ``camstream export`` calls the same."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from camstream.contract import ModelInfo
from camstream.errors import CamstreamError, SetupError, SinkError

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def export(
    network: Annotated[str, typer.Argument(help="The network's name.")] = "efficientnet_lite0",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The file to write.  [default: NETWORK.onnx]"),
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace an existing file.")] = False,
) -> None:
    """Write a network to ONNX with its class activation maps, and prove that they are right."""
    console = Console(stderr=True, highlight=False)
    path = output or Path(f"{network}.onnx")
    try:
        if path.exists() and not overwrite:
            raise SinkError(f"{path} exists already; give another -o, or --overwrite to replace it")
        with console.status("starting torch") as status:
            info = _export(network, path, status.update)
    except CamstreamError as error:
        console.print(f"export: {error}", style="red", soft_wrap=True, markup=False)
        raise typer.Exit(1) from error
    assert info.proof is not None
    megabytes = path.stat().st_size / 1e6
    proof = info.proof
    typer.echo(
        f"{path}: {info.name}, {len(info.labels)} classes, {megabytes:.1f} MB, {info.method}\n"
        f"  equal to its source at {len(proof.shapes_nhw)} shapes: "
        f"logits within {proof.logits_max_diff:.1e}, cam within {proof.cam_max_diff:.1e}"
    )
    if proof.law_residual is not None:
        typer.echo(f"  mean(cam) + bias = logit within {proof.law_residual:.1e}")


def _export(network: str, path: Path, say: Callable[[str], None]) -> ModelInfo:
    try:
        from export.to_onnx import export as to_onnx
    except ModuleNotFoundError as error:
        raise SetupError(
            f"exporting a network needs {error.name}, which is not installed; "
            'run: pip install "camstream[export]"'
        ) from error
    return to_onnx(network, path, say=say)


def main() -> None:
    """Run the command line."""
    app(prog_name="python -m export")


if __name__ == "__main__":
    sys.exit(main())
