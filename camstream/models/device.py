"""Selects the hardware that runs the model, and verifies which one really does.

ONNX Runtime lists CUDA as available on machines that have no GPU, and falls back to the CPU
with a message on stderr. Only the session's own list of providers is reliable, so a device is
reported only after the session was made.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import os
import sys
from typing import Any

import onnxruntime as ort

from camstream.errors import ModelError, UsageError, first_line

# Name on the command line -> ONNX Runtime's provider.
PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
}
REMEDY = 'run "camstream doctor" to see what is missing, or use --device cpu'
_GPU_UNUSED = (
    "there is an NVIDIA driver, but onnxruntime cannot use CUDA: running on the CPU; "
    '"camstream doctor" explains why'
)
_OPTIONS: dict[str, dict[str, str]] = {
    # The shape is fixed for a whole source, so the exhaustive search is paid once, by its first
    # frame (or by the warm-up, where the model's preferred size is the source's).
    "cuda": {"cudnn_conv_algo_search": "EXHAUSTIVE"},
}


def create_session(
    model: str | bytes, device: str, *, threads: int | None = None
) -> tuple[ort.InferenceSession, str, str]:
    """Open a model on a device, and make sure that it is the one that runs.

    Args:
        model: The ONNX file's path, or its content.
        device: "auto" (CUDA where a driver is found, else the CPU) or a key of PROVIDERS.
        threads: CPU threads; None leaves one core to the rest of the pipeline.

    Returns:
        The session, the device's name that really runs it, and why it is not a GPU where "auto"
        found a driver but could not use it (otherwise "").

    Raises:
        ModelError: The file cannot be opened, or the device asked for cannot run it.
    """
    if device == "auto":
        if not (has_nvidia_driver() and PROVIDERS["cuda"] in ort.get_available_providers()):
            return _open(model, "cpu", threads), "cpu", ""
        try:
            return create_session(model, "cuda", threads=threads)
        except ModelError:
            return _open(model, "cpu", threads), "cpu", _GPU_UNUSED
    if device not in PROVIDERS:
        raise UsageError(f"unknown device {device!r}; known: auto, {', '.join(PROVIDERS)}")
    if PROVIDERS[device] not in ort.get_available_providers():
        raise ModelError(f"device {device!r}: this onnxruntime has no such provider; {REMEDY}")
    if device in ("cuda", "tensorrt") and not has_nvidia_driver():
        raise ModelError(f"device {device!r}: no NVIDIA driver on this machine; {REMEDY}")
    session = _open(model, device, threads)
    if not _runs_on(session, device):
        raise ModelError(
            f"device {device!r}: onnxruntime would silently run on "
            f"{session.get_providers()[0]} instead; {REMEDY}"
        )
    return session, device, ""


def has_nvidia_driver() -> bool:
    """Whether the NVIDIA driver's library can be loaded."""
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True


def preload_cuda() -> str:
    """Load the CUDA and cuDNN libraries of the ``cuda`` extra; returns what went wrong."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        if hasattr(ort, "preload_dlls"):  # only the GPU package has it
            ort.preload_dlls()
    return output.getvalue().strip()


def _runs_on(session: ort.InferenceSession, device: str) -> bool:
    return bool(session.get_providers()[0] == PROVIDERS[device])


def _open(model: str | bytes, device: str, threads: int | None) -> ort.InferenceSession:
    if device in ("cuda", "tensorrt"):
        preload_cuda()
    options = ort.SessionOptions()
    options.log_severity_level = 3  # errors: the fall-back is found out above, not read in a log
    options.intra_op_num_threads = threads or max(1, (os.cpu_count() or 2) - 1)
    # Spinning threads steal the cores that decoding and encoding need.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers: list[Any] = [(PROVIDERS[device], _OPTIONS.get(device, {}))]
    if device == "tensorrt":
        providers.append(PROVIDERS["cuda"])  # for what TensorRT leaves out
    if device != "cpu":
        providers.append(PROVIDERS["cpu"])  # for the few operators on shapes
    try:
        # Its own fall-back, at the opening or at a later run, would only be printed.
        return ort.InferenceSession(model, options, providers=providers, enable_fallback=0)
    except Exception as error:  # onnxruntime has no common base class of its own
        name = model if isinstance(model, str) else "the model in memory"
        if "INVALID_PROTOBUF" in first_line(error):
            raise ModelError(f"{name} is no ONNX file, or a damaged one") from error
        reason = f"cannot open {name}: {first_line(error)}"
        raise ModelError(reason if device == "cpu" else f"{reason}; {REMEDY}") from error
