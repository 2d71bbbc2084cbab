"""Measures this machine. Every figure is a ratio of two things timed in turns in one run.

Times on a shared machine vary by a fifth from minute to minute; ratios of interleaved runs do
not. The parts that need torch or a rival's package are left out, with a note, where those are
not installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from camstream import annotation as annotate
from camstream import contract
from camstream.commands.demo import sample_clip
from camstream.models import zoo
from camstream.models.device import create_session
from camstream.models.session import Model
from camstream.sinks.encoding import Encoding
from camstream.sinks.video import VideoFile
from camstream.sources.file import FileSource

# Frames in a row before it is the other's turn: as in a stream, caches are warm, and the threads
# that torch leaves spinning for a while slow only the first frame of the other's turn.
_STREAK = 10

Progress = Callable[[str], None]


def run_all(model: str, device: str, *, quick: bool, progress: Progress) -> None:
    """Measure everything, one line a figure."""
    network = zoo.load_model(model, device=device)
    progress(f"{network.info.name} on {network.device}, onnxruntime {ort.__version__}")
    rounds = 60 if quick else 300
    compare_bare(network, rounds, progress)
    compare_device(network, rounds, progress)
    compare_torchcam(network, rounds // 6, progress)
    with tempfile.TemporaryDirectory() as folder:
        clip = make_clip(Path(folder), seconds=4 if quick else 10)
        for preset, limit in (("veryfast", 1.3), ("ultrafast", 1.9)):
            compare_annotate(network, clip, preset, limit, 1 if quick else 3, progress)
        first_frame(model, clip, progress)


def in_turns(rounds: int, *runs: Callable[[], object]) -> list[float]:
    """Time several things in turns; returns the median of each, milliseconds."""
    for run in runs:
        for _ in range(5):
            run()
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(rounds // _STREAK):
        for run, own in zip(runs, times, strict=True):
            for _ in range(_STREAK):
                started = time.perf_counter()
                run()
                own.append((time.perf_counter() - started) * 1e3)
    return [float(np.median(own)) for own in times]


def compare_bare(network: Model, rounds: int, progress: Progress) -> float | None:
    """Time the model with its maps against the same file cut down to its logits."""
    if importlib.util.find_spec("onnx") is None:
        progress("maps / bare classifier: left out, onnx is not installed")
        return None
    import onnx.utils

    with tempfile.TemporaryDirectory() as folder:
        bare_path = Path(folder) / "bare.onnx"
        inputs, outputs = [contract.FRAMES], [contract.LOGITS]
        onnx.utils.extract_model(str(network.path), str(bare_path), inputs, outputs)
        bare, _, _ = create_session(str(bare_path), network.device)
    feed = {contract.FRAMES: _noise(network)}
    full_ms, bare_ms = in_turns(
        rounds,
        lambda: network.session.run(list(contract.OUTPUTS), feed),
        lambda: bare.run([contract.LOGITS], feed),
    )
    progress(
        f"maps / bare classifier: {full_ms / bare_ms:.3f} (wanted <= 1.02): "
        f"{full_ms:.2f} ms with the maps of 5 classes, {bare_ms:.2f} ms without"
    )
    return full_ms / bare_ms


def compare_device(network: Model, rounds: int, progress: Progress) -> None:
    """Time the device against the CPU and compare their outputs; nothing to do on the CPU."""
    if network.device == "cpu":
        return
    cpu = Model(network.path, device="cpu")
    image = np.random.default_rng(0).integers(0, 255, (1080, 1920, 3), np.uint8)
    here, there = network.predict(image), cpu.predict(image)
    difference = float(np.abs(here.cam.maps - there.cam.maps).max())
    device_ms, cpu_ms = in_turns(rounds, lambda: network.predict(image), lambda: cpu.predict(image))
    progress(
        f"cpu / {network.device}: {cpu_ms / device_ms:.2f}: {cpu_ms:.2f} ms and {device_ms:.2f} ms "
        f"from a 1080p image to its maps, which differ by {difference:.2e} at most"
    )


def compare_torchcam(network: Model, rounds: int, progress: Progress) -> float | None:
    """Time one image through camstream against torch-cam's CAM on the same network in torch."""
    missing = [name for name in ("torch", "torchcam") if importlib.util.find_spec(name) is None]
    if missing or network.info.name != zoo.DEFAULT_MODEL:
        progress(
            "torch-cam / camstream: left out (needs torch and torchcam, and the default model)"
        )
        return None
    import torch
    from torchcam.methods import CAM

    from export.source import load_named

    torch_network = load_named(network.info.name).network
    extractor = CAM(torch_network, "_bn1", fc_layer="_fc", input_shape=(3, 224, 224))
    image = np.random.default_rng(0).integers(0, 255, (224, 224, 3), np.uint8)

    # All cores for both: here nothing else runs beside the model.
    whole = Model(network.path, device=network.device, threads=os.cpu_count())

    def rival() -> object:
        rgb = torch.from_numpy(image[..., ::-1].copy()).permute(2, 0, 1)[None].float()
        with torch.inference_mode():
            scores = torch_network((rgb - 127) / 128)
        return extractor(int(scores.argmax()), scores)

    ours_ms, rival_ms = in_turns(rounds, lambda: whole.predict(image, classes=[-1]), rival)
    progress(
        f"torch-cam / camstream: {rival_ms / ours_ms:.1f} (wanted >= 4): "
        f"{rival_ms:.1f} ms and {ours_ms:.1f} ms from an image to its map"
    )
    return rival_ms / ours_ms


def make_clip(folder: Path, *, seconds: int, size_wh: tuple[int, int] = (1920, 1080)) -> Path:
    """Make a 1080p H.264 clip by enlarging the sample."""
    path = folder / "clip.mp4"
    source = FileSource(sample_clip())
    sink = VideoFile(path, encoding=Encoding(preset="fast"), rate_hz=source.rate_hz)
    for frame in source:
        if frame.pts_s >= seconds:
            break
        sink.write_picture(frame.picture.resized(size_wh))
    source.close()
    sink.finish()
    return path


def compare_annotate(
    network: Model, clip: Path, preset: str, limit: float, rounds: int, progress: Progress
) -> float:
    """Time annotating a clip against merely re-encoding the annotated clip."""
    encoding = Encoding(preset=preset)
    annotated = clip.with_name(f"annotated-{preset}.mp4")
    again = clip.with_name("again.mp4")
    job = annotate.AnnotationJob(source=clip, output=annotated, encoding=encoding, overwrite=True)
    ratios, rate_hz = [], 0.0
    for _ in range(rounds):
        stats = annotate.run(job, network).stats
        started = time.perf_counter()
        _transcode(annotated, again, encoding)
        ratios.append(stats.wall_s / (time.perf_counter() - started))
        rate_hz = stats.rate_hz
    ratio = float(np.median(ratios))
    progress(
        f"annotate / re-encode, 1080p x264 {preset}: {ratio:.2f} (wanted <= {limit}): "
        f"{rate_hz:.1f} frames/s"
    )
    return ratio


def _transcode(path: Path, to: Path, encoding: Encoding) -> None:
    """Decode and encode, nothing else: the least that any annotating program does."""
    source = FileSource(path)
    sink = VideoFile(to, encoding=encoding, overwrite=True, rate_hz=source.rate_hz)
    for frame in source:
        sink.write_picture(frame.picture)
    source.close()
    sink.finish()


def first_frame(model: str, clip: Path, progress: Progress) -> float:
    """Time a fresh process from the command to a clip of one annotated frame."""
    one = clip.with_name("one.mp4")
    source = FileSource(clip)
    sink = VideoFile(one, rate_hz=source.rate_hz)
    sink.write_picture(next(iter(source)).picture)
    source.close()
    sink.finish()
    command = [sys.executable, "-P", "-m", "camstream", "annotate", str(one), "--model", model]
    command += ["-o", str(clip.with_name("one.cam.mp4")), "--overwrite"]
    times = []
    for _ in range(3):
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - started)
    seconds = float(np.median(times))
    progress(f"command to first annotated frame, on disk: {seconds:.2f} s (wanted < 2)")
    return seconds


def _noise(network: Model) -> NDArray[np.uint8]:
    shape = (1, *network.info.size_hw, 3)
    return np.random.default_rng(0).integers(0, 255, shape, np.uint8)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    parser.add_argument("--model", default=zoo.DEFAULT_MODEL, help="a model's name or file")
    parser.add_argument("--device", default="auto", help="as for camstream annotate")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)  # as the command line does
    run_all(arguments.model, arguments.device, quick=arguments.quick, progress=print)


if __name__ == "__main__":
    main()
