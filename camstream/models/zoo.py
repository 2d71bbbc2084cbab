"""Models by name or by path: those that come with camstream, and files of the user's own."""

from __future__ import annotations

import difflib
import functools
import hashlib
from pathlib import Path

from camstream.contract import ModelFile
from camstream.errors import ModelError, UsageError
from camstream.models.session import Model

DEFAULT_MODEL = "efficientnet_lite0"
PERSON = "person"
SHIPPED = (DEFAULT_MODEL, PERSON)

_FOLDER = Path(__file__).parent
_SHA256 = {
    "efficientnet_lite0.onnx": "a0839befde485e1d9f0fe70e0780af5435d5163f47e8423cc827f5a83324a79c",
    "person.json": "b1efbcceb1f8886d19f5265b0a16a16bc46b287e2f8d1fc5c318035a51677930",
    "person.npz": "053431435e74df4173753b7081932d9f1c65a0f6174cc21673a2521d9418f3bf",
}


def load_model(
    name_or_path: str | Path = DEFAULT_MODEL,
    *,
    device: str = "auto",
    input_size: int | None = None,
    refine: bool = False,
) -> Model:
    """Open a model.

    Args:
        name_or_path: One of ``SHIPPED``, or the path of an .onnx file.
        device: "auto", "cpu", "cuda" and others; see ``camstream.models.device``.
        input_size: How large a picture the network gets, see ``Model``; None: its own size.
        refine: Finer maps that follow outlines, see ``camstream.graph.refine``.

    Raises:
        UsageError: There is no model of that name.
        ModelError: The file or the device cannot be used as asked.
    """
    file = find_model(name_or_path)
    return Model(file, device=device, input_size=input_size, refine=refine)


def find_model(name_or_path: str | Path = DEFAULT_MODEL) -> ModelFile:
    """Find a model's file; ``person`` is assembled in memory.

    Args:
        name_or_path: One of ``SHIPPED``, or the path of an .onnx file, which need not exist.

    Raises:
        UsageError: There is no model of that name.
        ModelError: A file that comes with camstream is damaged.
    """
    path = Path(name_or_path)
    if path.suffix.lower() == ".onnx" or path.is_file():
        return ModelFile(path)
    name = str(name_or_path)
    if name == DEFAULT_MODEL:
        return ModelFile(_intact(f"{DEFAULT_MODEL}.onnx"))
    if name == PERSON:
        return ModelFile(Path(PERSON), _person())
    near = difflib.get_close_matches(name, SHIPPED, 1)
    remedy = (
        f"did you mean {near[0]}?"
        if near
        else f"another network is made with: camstream export {name} -o {name}.onnx"
    )
    raise UsageError(f"no model {name!r}: {' and '.join(SHIPPED)} come with camstream; {remedy}")


@functools.lru_cache(maxsize=1)
def _person() -> bytes:
    """Put the head of ``person`` on the default network."""
    from camstream.models import shipped_head  # it imports onnx, 0.2 s that nobody else pays

    numbers, record = _intact(f"{PERSON}.npz"), _intact(f"{PERSON}.json")
    head = shipped_head.read(numbers, record)
    return shipped_head.assemble(PERSON, head, find_model(head.record.network))


@functools.lru_cache
def _intact(name: str) -> Path:
    """Find a file that comes with camstream, and make sure that it is the one that was shipped."""
    path = _FOLDER / name
    if not path.is_file():
        raise ModelError(f"{path} is missing: this installation is incomplete; install it again")
    if hashlib.sha256(path.read_bytes()).hexdigest() != _SHA256[name]:
        raise ModelError(f"{path} is damaged (its SHA-256 is another); install camstream again")
    return path
