"""What other packages add to the command line, by entry points.

The package ``export`` comes with camstream but needs torch, so nothing here imports it: it names
its commands, demos and map methods in pyproject.toml, as any other package can.
"""

from __future__ import annotations

import importlib.metadata
from typing import Any, Literal

from camstream.errors import SetupError

Group = Literal["camstream.commands", "camstream.demos", "camstream.class_mappers"]


def find(group: Group) -> importlib.metadata.EntryPoints:
    """Return the entry points of a group; loading one imports its module."""
    return importlib.metadata.entry_points(group=group)


def load(group: Group, name: str, *, extra: str = "export") -> Any:
    """Import what a package has registered under a name.

    Args:
        group: The group of entry points.
        name: The name in that group.
        extra: The extra of camstream that installs what it needs.

    Raises:
        SetupError: Nothing is registered under that name, or a package that it needs is missing.
    """
    for entry_point in find(group):
        if entry_point.name == name:
            try:
                return entry_point.load()
            except ModuleNotFoundError as error:
                raise missing(name, error, extra) from error
    raise SetupError(f"{name} is not part of this installation; install camstream again")


def missing(what: str, error: ModuleNotFoundError, extra: str = "export") -> SetupError:
    """Return the error that names the extra which installs a missing package."""
    return SetupError(
        f'{what} needs {error.name}, which is not installed; run: pip install "camstream[{extra}]"'
    )
