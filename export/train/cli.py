"""``camstream train``: a network trained on folders of photos; nothing here needs torch."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from camstream.commands.options import (
    BackgroundOption,
    DebugOption,
    FlipOption,
    ModelSizeOption,
    OverwriteOption,
    input_option,
    model_option,
    output_option,
)
from camstream.commands.plugins import missing
from camstream.commands.settings import PresetOption
from camstream.console import plain_errors, stoppable
from export.options import PoolOption, WeightsOption
from export.train.recipe import Recipe, Variation

training_option = partial(typer.Option, rich_help_panel="Training")
_RECIPE, _VARIATION = Recipe(), Variation()  # their defaults are the options' defaults


def train(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="One folder per class, with its photos.")
    ],
    *,
    background: BackgroundOption = None,
    val_split: Annotated[
        float,
        input_option(
            min=0.01,
            max=0.9,
            metavar="N",
            help="Part of each class to check with, not to learn from.",
        ),
    ] = 0.2,
    flip: FlipOption = _VARIATION.flip,
    crop: Annotated[
        float,
        input_option(
            min=0.05,
            max=1.0,
            metavar="N",
            help="Show parts of a photo, at least N of its area; 1 shows all.",
        ),
    ] = _VARIATION.crop,
    color_jitter: Annotated[
        float,
        input_option(
            min=0.0,
            max=1.0,
            metavar="N",
            help="How much colors and brightness are changed; 0 leaves them.",
        ),
    ] = _VARIATION.colour,
    network: Annotated[
        str,
        model_option(
            "--network",
            "-n",
            metavar="NAME",
            help="The network to train; docs/networks.md lists them.",
        ),
    ] = "efficientnet_lite0",
    weights: WeightsOption = None,
    pool: PoolOption = "avg",
    model_size: ModelSizeOption = None,
    device: Annotated[
        Literal["auto", "cpu", "cuda"], model_option(help="Device to train on.")
    ] = "auto",
    epochs: Annotated[
        int,
        training_option(min=1, metavar="N", help="How often all photos are learned from, at most."),
    ] = _RECIPE.epochs,
    patience: Annotated[
        int,
        training_option(
            min=1, metavar="N", help="Stop when N epochs in a row brought nothing better."
        ),
    ] = _RECIPE.patience,
    batch: Annotated[
        int, training_option(min=1, metavar="N", help="Photos at a time; fewer need less memory.")
    ] = _RECIPE.batch,
    head_lr: Annotated[
        float,
        training_option(
            min=0.0, metavar="N", help="How fast the new last layers learn (highest learning rate)."
        ),
    ] = _RECIPE.head_lr,
    backbone_lr: Annotated[
        float | None,
        training_option(
            min=0.0,
            metavar="N",
            help="How fast all other layers learn; 0 keeps them as they are.",
            show_default="a tenth of --head-lr",
        ),
    ] = _RECIPE.backbone_lr,
    weight_decay: Annotated[
        float,
        training_option(
            min=0.0, metavar="N", help="How strongly weights are kept small (AdamW); 0: not at all."
        ),
    ] = _RECIPE.weight_decay,
    balance: Annotated[
        bool, training_option(help="Let each class count the same, also one of few photos.")
    ] = _RECIPE.balance,
    seed: Annotated[
        int, training_option(min=0, metavar="N", help="The same N gives the same result.")
    ] = _RECIPE.seed,
    output: Annotated[
        Path, output_option("--output", "-o", metavar="FILE", help="The new model: .onnx.")
    ],
    resume: Annotated[
        bool, output_option("--resume", help="Continue an interrupted training.")
    ] = False,
    overwrite: OverwriteOption = False,
    _preset: PresetOption = None,
    debug: DebugOption = False,
) -> None:
    """Train a network on your own classes, and write it with its class activation maps.

    All layers learn, not only the last one as in camstream teach; this needs the extra "export".
    Ctrl-C keeps the progress; --resume continues to the same result.

    $ camstream train photos/ -o cups.onnx        # photos/cup, photos/no cup
    $ camstream train photos/ --network vgg16_gap --epochs 40 -o cups.onnx
    """
    # Before torch is imported: threads that spin while they wait make a training many times slower
    # on cores that others use too.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    with plain_errors(debug), stoppable() as stop:
        try:
            from export.train.command import Request, train_folder
        except ModuleNotFoundError as error:
            raise missing("camstream train", error) from error
        request = Request(
            folder=folder,
            output=output,
            network=network,
            weights=weights,
            pool=pool,
            size_wh=model_size,
            background=background,
            device=device,
            recipe=Recipe(
                epochs=epochs,
                batch=batch,
                head_lr=head_lr,
                backbone_lr=backbone_lr,
                weight_decay=weight_decay,
                patience=patience,
                balance=balance,
                seed=seed,
            ),
            variation=Variation(flip=flip, crop=crop, colour=color_jitter),
            val_split=val_split,
            resume=resume,
            overwrite=overwrite,
        )
        train_folder(request, stop)
        stop.end()
