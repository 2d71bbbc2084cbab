"""Prints what 8-bit weights bring and change: python tests/benchmarks/int8.py [CLIP or FOLDER]

The default network with the maps of five classes, as it is and as ``camstream export --int8``
makes it, calibrated on the pictures given (or the project's clip of people). Both are timed in
turns on CPU threads of their own; the times are medians, and only their ratio is worth quoting.
"""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from camstream import contract
from camstream.graph.add_cam import Overrides, add_cam_to_file
from camstream.graph.quantize import Precision
from camstream.models import zoo
from camstream.models.device import create_session
from tests.benchmarks.speed import in_turns

PICTURES = Path(__file__).parents[2] / "videos" / "people.mp4"
ROUNDS = 300
THREADS = (1, 2)


def main(pictures: Path) -> None:
    """Make the file, report how far it differs, and time it."""
    full = zoo.load_model(device="cpu").path
    with tempfile.TemporaryDirectory() as folder:
        lower = Path(folder) / "int8.onnx"
        precision = Precision("int8", pictures)
        info = add_cam_to_file(
            full, lower, Overrides(), precision=precision, progress=lambda _: None
        )
        made = info.quantization
        assert made is not None
        print(
            f"{info.name}, calibrated on {made.calibrated} pictures of {made.pictures}: same top-1 "
            f"on {made.top1_agreement:.0%} of {made.compared} others, maps correlate to "
            f"{made.cam_correlation:.3f}"
        )
        for threads in THREADS:
            feed = {contract.FRAMES: np.zeros((1, *info.size_hw, 3), np.uint8)}
            print(compare(full, lower, feed, threads), flush=True)


def compare(full: Path, lower: Path, feed: dict[str, NDArray[np.uint8]], threads: int) -> str:
    """Time one frame through both files."""
    sessions = [create_session(str(path), "cpu", threads=threads)[0] for path in (full, lower)]
    full_ms, lower_ms = in_turns(
        ROUNDS, *(partial(one.run, list(contract.OUTPUTS), feed) for one in sessions)
    )
    return (
        f"float32 / int8, threads {threads}: {full_ms / lower_ms:.2f} "
        f"({full_ms:.2f} ms, {lower_ms:.2f} ms)"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURES)
