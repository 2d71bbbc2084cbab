"""Prints the table of networks in docs/networks.md.

    python tests/benchmarks/network_table.py [NAME ...]

Every network is exported (untrained where no weights are packaged: neither time nor error
depends on them), which compares it with torch on every output, and timed with its five maps and
without any, in turn: the time is the best of many runs, the cost the median of the ratios.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray

from camstream import contract
from export import networks
from export.source import load_named
from export.to_onnx import export

THREADS = 1  # on a shared machine, two threads wait for each other
SECONDS = 5.0
AT_LEAST = 10


def main(names: list[str]) -> None:
    """Export and time each network, one line each."""
    print("| network | parameters, M | map | method | ms | cost of the maps | identity error |")
    print("|---|---|---|---|---|---|---|")
    for name in names:
        print(row(name), flush=True)


def row(name: str) -> str:
    """Measure one network."""
    spec = networks.find(name)
    source = load_named(name, None if spec.packaged else "random")
    parameters = sum(parameter.numel() for parameter in source.network.parameters())
    with tempfile.TemporaryDirectory() as folder:
        whole, bare = Path(folder) / "whole.onnx", Path(folder) / "bare.onnx"
        info = export(source, whole)
        onnx.utils.extract_model(str(whole), str(bare), [contract.FRAMES], [contract.LOGITS])
        with_maps, alone = open_session(whole), open_session(bare)
        frames = np.zeros((1, *info.size_hw, 3), np.uint8)
        height, width = with_maps.run([contract.CAM], {contract.FRAMES: frames})[0].shape[2:]
        ms, ratio = time_both(with_maps, alone, frames)
    assert info.parity is not None
    identity = "" if info.parity.identity_error is None else f"{info.parity.identity_error:.0e}"
    return (
        f"| {name} | {parameters / 1e6:.2f} | {height}x{width} | {info.method} | {ms:.1f} "
        f"| {ratio - 1:+.1%} | {identity} |"
    )


def open_session(path: Path) -> ort.InferenceSession:
    """Open a model on the CPU."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.log_severity_level = 3
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def time_both(
    with_maps: ort.InferenceSession, alone: ort.InferenceSession, frames: NDArray[np.uint8]
) -> tuple[float, float]:
    """Time one frame; returns the best ms with maps, and the median of with over without."""
    feed = {contract.FRAMES: frames}
    times: list[float] = []
    ratios: list[float] = []
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end or len(ratios) < AT_LEAST:
        pair = []
        for session in (alone, with_maps):
            started = time.perf_counter()
            session.run(None, feed)
            pair.append((time.perf_counter() - started) * 1e3)
        times.append(pair[1])
        ratios.append(pair[1] / pair[0])
    return min(times), statistics.median(ratios)


if __name__ == "__main__":
    main(sys.argv[1:] or list(networks.NETWORKS))
