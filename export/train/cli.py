"""``camstream train``: a network trained on folders of photos."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from camstream.commands.options import DebugOption, with_options
from camstream.console import plain_errors, stoppable
from camstream.errors import SetupError
from export.train.options import KeepOptions, LearningOptions, NetworkOptions, PhotoOptions


@with_options
def train(
    folder: Annotated[
        Path, typer.Argument(help="One folder a class, named by it, with its photos.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The .onnx file to write.")],
    network: NetworkOptions,
    learning: LearningOptions,
    photos: PhotoOptions,
    keep: KeepOptions,
    debug: DebugOption = False,
) -> None:
    """Train a network on your own classes, and write it with its class activation maps.

    The network keeps its convolutions, gets a new linear layer for your classes and learns from
    your photos. Some are set aside: on these the file is measured, and its colour scale chosen.
    Ctrl-C keeps what was learnt; --resume goes on from there to the same result.
    """
    # Before torch is imported: threads that spin while they wait make a training many times slower
    # on cores that others use too.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    with plain_errors(debug), stoppable() as stop:
        try:
            from export.train.command import Request, train_folder
        except ModuleNotFoundError as error:
            raise SetupError(
                f"training needs {error.name}, which is not installed; "
                'run: pip install "camstream[export]"'
            ) from error
        train_folder(Request(folder, output, network, learning, photos, keep), stop)
        stop.end()
