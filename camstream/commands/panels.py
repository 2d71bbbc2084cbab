"""Options of every command, and the panels by which ``--help`` groups them; needs no model."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

# An option in a panel of --help.
input_option = partial(typer.Option, rich_help_panel="Input")
model_option = partial(typer.Option, rich_help_panel="Model")
show_option = partial(typer.Option, rich_help_panel="What to show")
output_option = partial(typer.Option, rich_help_panel="Output")
batch_option = partial(typer.Option, rich_help_panel="Many files")

OverwriteOption = Annotated[bool, output_option("--overwrite", help="Replace existing outputs.")]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
