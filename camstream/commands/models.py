"""``camstream export``, ``info`` and ``doctor``: make, tell about, and check what runs models."""

from __future__ import annotations

import subprocess
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from camstream.commands.options import DebugOption, Network
from camstream.console import plain_errors
from camstream.models import zoo as catalog


def export(context: typer.Context) -> None:
    """Write a network to ONNX with its class activation maps (needs the "export" extra)."""
    raise typer.Exit(subprocess.run(catalog.export_command(context.args), check=False).returncode)


def info(
    model: Annotated[
        str, typer.Argument(help="A network's name or an .onnx file.")
    ] = catalog.DEFAULT_MODEL,
    debug: DebugOption = False,
) -> None:
    """Tell what a model file says of itself."""
    with plain_errors(debug):
        values = Network(model, "cpu").load().info
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


def doctor() -> None:
    """Explain what works on this machine: GPU, display, cameras, packages."""
    from camstream.commands.checks import examine

    plain = Console(highlight=False, soft_wrap=True)
    for finding in examine():
        colour = {"ok": "green", "note": "yellow", "problem": "red"}[finding.verdict]
        plain.print(f"[{colour}]{finding.verdict:>7}[/]  {finding.subject}: ", end="")
        plain.print(finding.text, markup=False)
