"""``camstream info``: what a model file holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from camstream.commands.options import DebugOption, open_model
from camstream.console import plain_errors, results
from camstream.models.zoo import DEFAULT_MODEL, SHIPPED
from camstream.safe_text import safe_text

if TYPE_CHECKING:
    from camstream.contract import ModelInfo


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
            table.add_row(name, safe_text(value))
        results.print(table)


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
        rows["parity"] = (
            f"logits within {parity.logits_max_diff:.1e} of the source, cam within "
            f"{parity.cam_max_diff:.1e}"
        )
        if parity.identity_error is not None:
            rows["CAM identity"] = f"mean(cam) + bias = logit within {parity.identity_error:.1e}"
    if (lower := model.quantization) is not None:
        rows[lower.kind] = (
            f"against float32 on {lower.compared} pictures: top-1 agreement "
            f"{lower.top1_agreement:.1%}, map correlation {lower.cam_correlation:.4f}"
        )
    return rows
