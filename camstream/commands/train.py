"""``camstream train``: a network that learns the user's own classes."""

from __future__ import annotations

import typer

from camstream.commands.child import run_child
from camstream.models import zoo as catalog


def train(context: typer.Context) -> None:
    """Train a network on folders of photos, one a class (needs the "export" extra)."""
    raise typer.Exit(run_child(catalog.module_command("export.train", context.args)))
