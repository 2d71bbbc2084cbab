"""Models by name or by path: those that come with camstream, and files of the user's own."""

from __future__ import annotations

import contextlib
import difflib
import functools
from pathlib import Path

from camstream.contract import ModelFile
from camstream.errors import UsageError
from camstream.models import shipped
from camstream.models.session import Model

DEFAULT_MODEL = "efficientnet_lite0"
PERSON = "person"
SHIPPED = (PERSON, DEFAULT_MODEL)


def load_model(
    name_or_path: str | Path = DEFAULT_MODEL,
    *,
    device: str = "auto",
    input_size: int | None = None,
    refine: bool = False,
    zoom: bool = False,
) -> Model:
    """Open a model.

    Args:
        name_or_path: One of ``SHIPPED``, or the path of an .onnx file.
        device: "auto", "cpu", "cuda" and others; see ``camstream.models.device``.
        input_size: How large a picture the network gets, see ``Model``; None: its own size.
        refine: Finer maps that follow outlines, see ``camstream.graph.refine``.
        zoom: A second look where the first is unsure, see ``camstream.models.second_look``.

    Raises:
        UsageError: There is no model of that name.
        ModelError: The file or the device cannot be used as asked.
    """
    file = find_model(name_or_path)
    return Model(file, device=device, input_size=input_size, refine=refine, zoom=zoom)


def find_model(name_or_path: str | Path = DEFAULT_MODEL) -> ModelFile:
    """Find a model's file; ``person`` is assembled in memory.

    Args:
        name_or_path: One of ``SHIPPED``, or the path of an .onnx file.

    Raises:
        UsageError: There is no model of that name, or no such file.
        ModelError: A file that comes with camstream is damaged.
    """
    path = Path(name_or_path)
    if path.is_file():
        return ModelFile(path)
    name = str(name_or_path)
    if path.suffix.lower() == ".onnx":
        raise UsageError(_no_file(path))
    if name == DEFAULT_MODEL:
        return ModelFile(shipped.intact(f"{DEFAULT_MODEL}.onnx"))
    if name == PERSON:
        return ModelFile(Path(PERSON), _person())
    near = difflib.get_close_matches(name.lower(), SHIPPED, 1, 0.5)
    remedy = (
        f"did you mean {near[0]}?"
        if near
        else f"another network is made with: camstream export {name} -o {name}.onnx"
    )
    raise UsageError(f"no model {name!r}: {' and '.join(SHIPPED)} come with camstream; {remedy}")


def _no_file(path: Path) -> str:
    """Say that there is no such .onnx file, and which one there is."""
    with contextlib.suppress(OSError):
        files = [other.name for other in path.parent.glob("*.onnx")]
        names = [*files, *SHIPPED]
        if near := difflib.get_close_matches(path.name, names, 1, 0.7):
            other = str(path.with_name(near[0])) if near[0] in files else near[0]
            return f"no model file {path}; did you mean {other}?"
    return f"no model file {path}; make one with: camstream export -o {path}"


@functools.lru_cache(maxsize=1)
def _person() -> bytes:
    """Put the head of ``person`` on the default network."""
    from camstream.models import shipped_head  # it imports onnx, 0.2 s that nobody else pays

    numbers, record = shipped.intact(f"{PERSON}.npz"), shipped.intact(f"{PERSON}.json")
    head = shipped_head.read(numbers, record)
    return shipped_head.assemble(PERSON, head, find_model(head.record.network))
