"""``camstream info``: what a model file holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from camstream.commands.options import DebugOption, open_model
from camstream.console import plain_errors
from camstream.models.zoo import DEFAULT_MODEL, SHIPPED

if TYPE_CHECKING:
    from camstream.contract import ModelInfo, ParityReport


def info(
    model_name: Annotated[
        str,
        typer.Argument(metavar="NAME|FILE", help=f"{' or '.join(SHIPPED)}, or an .onnx file."),
    ] = DEFAULT_MODEL,
    debug: DebugOption = False,
) -> None:
    """Print the metadata of a model: classes, input, heat range, weights, parity.

    $ camstream info person
    $ camstream info cups.onnx
    """
    with plain_errors(debug):
        table = Table(show_header=False, box=None, pad_edge=False)
        for name, value in _rows(open_model(model_name, device="cpu").info).items():
            table.add_row(name, value)
        Console(highlight=False, soft_wrap=True).print(table, markup=False)


def _rows(model: ModelInfo) -> dict[str, str]:
    low, high = model.cam_range
    multiple = f"multiples of {model.size_multiple}" if model.size_multiple else "no other size"
    rows = {
        "name": model.name,
        "classes": f"{len(model.labels)} ({', '.join(model.labels[:3])}"
        + (" ...)" if len(model.labels) > 3 else ")"),
        "maps": f"{model.method} of {model.layer}",
        "heat": f"begins at {low:g}, full at {high:g} (logit units)",
        "input": f"uint8 BGR, {model.size_hw[1]}x{model.size_hw[0]} preferred; {multiple}",
        "normalisation": f"{model.color}, (x - {model.mean}) / {model.std}, inside the graph",
        "weights": model.weights,
        "sha256": model.weights_sha256,
        "made with": ", ".join(f"{name} {version}" for name, version in model.versions.items()),
    }
    if (parity := model.parity) is not None:
        rows["parity"] = f"{differences(parity)} of the source"
        if parity.identity_error is not None:
            within = of_largest(parity.identity_error, parity.cam_max)
            rows["CAM identity"] = f"mean(cam) + bias = logit within {within}"
    if (lower := model.quantization) is not None:
        rows[lower.kind] = (
            f"against float32 on {lower.compared} pictures: top-1 agreement "
            f"{lower.top1_agreement:.1%}, map correlation {lower.cam_correlation:.4f}"
        )
    return rows


def differences(parity: ParityReport) -> str:
    """Say how far a file's outputs are from those of the network that it came from."""
    logits = of_largest(parity.logits_max_diff, parity.logits_max)
    cam = of_largest(parity.cam_max_diff, parity.cam_max)
    return f"logits within {logits}, cam within {cam}"


def of_largest(difference: float, largest: float | None) -> str:
    """Write a difference as a part of the largest value, or alone where that is not known."""
    if not largest:
        return f"{difference:.1e}"
    return f"{difference / largest:.1e} of the largest value ({largest:.3g})"
