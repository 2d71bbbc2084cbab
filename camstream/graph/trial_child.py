"""Opens a model and runs it once, in a process of its own; ``trial`` starts it as a script.

It imports nothing of camstream, so that it starts fast. Its arguments are the model's path, how
many bytes of memory it may take, and "model" (a camstream model) or "source" (any ONNX file). One
line of JSON on stdout says how far it came.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

_KEY = "camstream"
_SIDE = 224  # of a source's input, where it fixes none
_MAX_SIDE = 4096
_LONGEST = 4_000_000  # characters of metadata that the caller reads
_TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}


def limit_memory(size: int) -> None:
    """Let this process take no more memory, where the system can do that."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (size, size))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def open_bytes(content: bytes) -> ort.InferenceSession:
    """Open a model on one thread; weights in other files are not found, as the folder is empty."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def try_model(content: bytes, answer: dict[str, Any]) -> None:
    """Run a camstream model on a black and on a random picture of its preferred size."""
    with tempfile.TemporaryDirectory() as empty:
        before = Path.cwd()
        os.chdir(empty)
        try:
            session = open_bytes(content)
        finally:
            os.chdir(before)
    answer["outputs"] = [value.name for value in session.get_outputs()]
    text = session.get_modelmeta().custom_metadata_map.get(_KEY)
    answer["metadata"] = text and text[: _LONGEST + 1]
    size = _size(text)
    if size is None:  # the caller refuses the metadata
        return
    random = np.random.default_rng(0).integers(0, 256, (1, *size, 3), np.uint8)
    for frames in (np.zeros_like(random), random):
        session.run(None, {"frames": frames})
    answer["ran"] = True


def _size(text: str | None) -> tuple[int, int] | None:
    try:
        height, width = json.loads(text or "")["size_hw"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    sides = (height, width)
    if all(type(side) is int and 1 <= side <= _MAX_SIDE for side in sides):
        return height, width
    return None


def try_source(path: Path, answer: dict[str, Any]) -> None:
    """Do with any ONNX file what may crash or hang: infer its shapes, open it, and run it."""
    import onnx

    model = onnx.load(path)
    with contextlib.suppress(onnx.shape_inference.InferenceError):
        onnx.shape_inference.infer_shapes(model, data_prop=True)
    del model
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    feed = {value.name: _black(value.shape, value.type) for value in session.get_inputs()}
    # A wrong guess of a free size fails here, and tells nothing of the file.
    with contextlib.suppress(Exception):
        session.run(None, feed)
    answer["ran"] = True


def _black(shape: list[Any], kind: str) -> np.ndarray[Any, Any]:
    sizes = [size if isinstance(size, int) and size > 0 else 0 for size in shape]
    last = len(sizes) == 4 and sizes[3] == 3
    free = [1, _SIDE, _SIDE, 3] if last else [1, 3, _SIDE, _SIDE]
    guess = free if len(sizes) == 4 else [1] * len(sizes)
    return np.zeros([size or free for size, free in zip(sizes, guess, strict=True)], _TYPES[kind])


def main(path: str, memory: str, kind: str) -> None:
    """Try a model, and say how far that came."""
    limit_memory(int(memory))
    answer: dict[str, Any] = {"ran": False, "error": ""}
    try:
        if kind == "model":
            try_model(Path(path).read_bytes(), answer)
        else:
            try_source(Path(path), answer)
    except BaseException as error:  # whatever it is, the caller says it
        answer["error"] = f"{type(error).__name__}: {error}"[:2000]
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main(*sys.argv[1:])
