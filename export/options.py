"""What the export package's commands share: options, and the report of a file that was written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from camstream.commands.options import model_option
from camstream.console import say

if TYPE_CHECKING:
    from pathlib import Path

    from camstream.contract import ModelInfo

PoolName = Literal["avg", "max"]

WeightsOption = Annotated[
    str | None,
    model_option(
        metavar="NAME|FILE",
        help="packaged, imagenet, random, or a .pth or .safetensors file.",
        show_default="the best there are",
    ),
]
PoolOption = Annotated[
    PoolName,
    model_option(help="How a map becomes a score: its mean or its maximum.", case_sensitive=False),
]


def report(path: Path, info: ModelInfo) -> None:
    """Print the contents of a file that was written, and the measurements."""
    parity, lower = info.parity, info.quantization
    assert parity is not None
    origin = f"{lower.kind} network" if lower else "source"
    say(
        f"{path}: {info.name}, {len(info.labels)} classes, {path.stat().st_size / 1e6:.1f} MB, "
        f"{info.method} of {info.layer}\n"
        f"  pictures of {info.size_hw[1]}x{info.size_hw[0]}, {info.color}, "
        f"minus {info.mean}, divided by {info.std}\n"
        f"  equal to its {origin} at {len(parity.shapes_nhw)} shapes: "
        f"logits within {parity.logits_max_diff:.1e}, cam within {parity.cam_max_diff:.1e}"
    )
    if info.is_random:
        say(f"  weights: {info.weights}; its scores and maps mean nothing")
    if parity.identity_error is not None:
        say(f"  mean(cam) + bias = logit within {parity.identity_error:.1e}")
    if lower is not None:
        say(
            f"  {lower.kind} against float32 on {lower.compared} pictures of {lower.pictures}: "
            f"top-1 agreement {lower.top1_agreement:.1%}, "
            f"map correlation {lower.cam_correlation:.4f}"
        )
