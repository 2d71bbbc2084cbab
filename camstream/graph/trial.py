"""Runs a model file that is new here once in a child process, before it is run in this one.

An ONNX file is a program: it may run for ever, take all memory or crash the process. The first run
is therefore done by ``trial_child``, with a limit on time and on memory. A file that came through is
remembered by its SHA-256 in the user's cache folder, as are the files that camstream itself wrote and
verified on this machine; those that come with camstream need no trial.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import onnxruntime as ort

from camstream.contract import MAX_FILE_BYTES, ModelInfo
from camstream.errors import ModelError
from camstream.graph.runtime_errors import reason

Kind = Literal["model", "source"]

_CHILD = Path(__file__).with_name("trial_child.py")
# The files that come with camstream.
SHIPPED_SHA256 = {
    "efficientnet_lite0.onnx": "76d3773f8674298df6b09fe68c0190617e292aad05d28655a5429769ea9ec4b5",
    "person.json": "7aef27df6c340a6e72d614cf6edf3fae0ef804f7d8aa01930d1d25b4b0bcb31b",
    "person.npz": "0de41bb6edc41fc62d0eff865645ae5d32376476c23f89c70679fd346212e183",
}
SECONDS = 10.0  # and one more for each 10 MB
MEMORY = 2 * 2**30  # bytes, and four times the file's own
_OUT_OF_MEMORY = "it needs more than {:.1f} GB of memory"


def ensure_tried(path: Path, *, kind: Kind = "model") -> None:
    """Make sure that a model file has run once; a file that has is not run again.

    Args:
        path: A camstream model, or any ONNX file as the source of one.
        kind: Which of the two.

    Raises:
        ModelError: It cannot be opened, its metadata are wrong, or it does not come through its
            first run in time.
    """
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise ModelError(f"{path} has more than 2 GB; a model is an ONNX file of less")
    digest = sha256_of(path)
    kinds: tuple[Kind, ...] = ("model", "source") if kind == "source" else ("model",)
    if (
        digest in SHIPPED_SHA256.values()
        or not sys.executable
        or any(_note(digest, k).is_file() for k in kinds)
    ):
        return
    seconds, memory = SECONDS + size / 1e7, MEMORY + 4 * size
    command = [sys.executable, "-P", str(_CHILD), str(path.absolute()), str(memory), kind]
    try:
        child = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=seconds,
            check=False,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
    except subprocess.TimeoutExpired as error:
        raise ModelError(
            f"{path} did not end its first run within {seconds:.0f} seconds; it is not opened"
        ) from error
    answer = _read(child.stdout)
    if answer is None:
        raise ModelError(f"{path} crashes ONNX Runtime, or {_too_much(memory)}; it is not opened")
    if kind == "model" and "outputs" in answer and "metadata" in answer:
        ModelInfo.of_file(answer["metadata"], answer["outputs"], path=str(path))
    if answer["error"] or not answer["ran"]:
        why = reason(answer["error"])
        raise ModelError(f"cannot open {path}: {_too_much(memory) if 'memory' in why else why}")
    remember(digest, kind=kind)


def remember(digest: str, *, kind: Kind = "model") -> None:
    """Note that a file of this SHA-256 runs; a cache that cannot be written costs only a trial."""
    note = _note(digest, kind)
    with contextlib.suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        note.touch()


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal; read once for a file that does not change."""
    status = path.stat()
    return _sha256(path, status.st_mtime_ns, status.st_size, status.st_ino)


@functools.lru_cache(maxsize=64)
def _sha256(path: Path, *_: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _note(digest: str, kind: Kind) -> Path:
    import platformdirs  # a model that comes with camstream needs no note

    folder = platformdirs.user_cache_path("camstream") / "tried"
    return folder / f"{digest}-{kind}-{ort.__version__}"


def _read(line: bytes) -> dict[str, Any] | None:
    """Read what the child said; None where it died before it could."""
    try:
        return dict(json.loads(line))
    except (ValueError, TypeError):
        return None


def _too_much(memory: int) -> str:
    return _OUT_OF_MEMORY.format(memory / 2**30)
