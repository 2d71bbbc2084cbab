"""The files that come with camstream, and how to know that they are whole."""

from __future__ import annotations

import functools
from pathlib import Path

from camstream.errors import ModelError
from camstream.graph.trial import SHIPPED_SHA256, sha256_of

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
    if sha256_of(path) != SHIPPED_SHA256[name]:
        raise ModelError(f"{path} is damaged (its SHA-256 is another); install camstream again")
    return path
