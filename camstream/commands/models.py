"""``camstream info`` and ``doctor``: what a model file holds, and what works on this machine."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from camstream.commands.options import DebugOption, Network
from camstream.console import plain_errors
from camstream.models import zoo as zoo


def info(
    model: Annotated[
        str, typer.Argument(help="A network's name or an .onnx file.")
    ] = zoo.DEFAULT_MODEL,
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
        if values.parity is not None:
            parity = values.parity
            rows["proof"] = (
                f"logits within {parity.logits_max_diff:.1e} of the source, cam within "
                f"{parity.cam_max_diff:.1e}"
            )
            if parity.identity_error is not None:
                rows["law"] = f"mean(cam) + bias = logit within {parity.identity_error:.1e}"
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
