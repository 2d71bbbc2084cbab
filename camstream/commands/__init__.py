"""The command line: parse, build, run, turn errors into one line and an exit code.

A command is a module here; ``options`` holds what several commands take.
"""

from __future__ import annotations

import logging
import sys

import cv2
import typer

from camstream.commands import plugins
from camstream.commands.annotate import annotate
from camstream.commands.demo import demo
from camstream.commands.live import live
from camstream.commands.measure import evaluate
from camstream.commands.models import doctor, info
from camstream.commands.report import report
from camstream.commands.teach import teach

app = typer.Typer(
    help="See what a network looks at, live.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for command in (annotate, live):
    app.command()(command)
for entry_point in plugins.find("camstream.commands"):
    app.command()(entry_point.load())
for command in (teach, info, doctor, demo, evaluate, report):
    app.command()(command)


@app.callback()
def _settings() -> None:
    # The pipeline has a thread for each stage; OpenCV's own threads would fight over the cores.
    cv2.setNumThreads(1)
    logging.basicConfig(format="camstream: %(message)s", level=logging.WARNING)


def main() -> None:
    """Run the command line."""
    try:
        app(prog_name="camstream")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
