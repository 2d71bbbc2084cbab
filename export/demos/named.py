"""The demos by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from camstream.errors import ModelError
from export.demos.digits import DIGITS
from export.demos.sweep import SWEEP

if TYPE_CHECKING:
    from export.demos.demo import Demo

DEMOS: dict[str, Demo] = {demo.name: demo for demo in (DIGITS, SWEEP)}


def find(name: str) -> Demo:
    """Look a demo up by name.

    Raises:
        ModelError: There is none of that name.
    """
    if name not in DEMOS:
        raise ModelError(f"no demo {name!r}; there are {', '.join(DEMOS)}")
    return DEMOS[name]
