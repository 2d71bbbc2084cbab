"""The files that come with camstream, and how to know that they are whole."""

from __future__ import annotations

import functools
from pathlib import Path

from camstream.errors import ModelError
from camstream.graph.trial import sha256_of

SHA256 = {
    "efficientnet_lite0.onnx": "a0839befde485e1d9f0fe70e0780af5435d5163f47e8423cc827f5a83324a79c",
    "person.json": "b1efbcceb1f8886d19f5265b0a16a16bc46b287e2f8d1fc5c318035a51677930",
    "person.npz": "053431435e74df4173753b7081932d9f1c65a0f6174cc21673a2521d9418f3bf",
}
_FOLDER = Path(__file__).parent


@functools.lru_cache
def intact(name: str) -> Path:
    """Find a file that comes with camstream, and make sure that it is the one that was shipped.

    Raises:
        ModelError: It is missing or damaged.
    """
    path = _FOLDER / name
    if not path.is_file():
        raise ModelError(f"{path} is missing: this installation is incomplete; install it again")
    if sha256_of(path) != SHA256[name]:
        raise ModelError(f"{path} is damaged (its SHA-256 is another); install camstream again")
    return path
