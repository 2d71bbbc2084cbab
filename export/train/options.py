"""The options of ``camstream train``; nothing here needs torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from camstream.errors import ModelError
from export.train.recipe import Recipe, Variation

_RECIPE, _VARIATION = Recipe(), Variation()


@dataclass(frozen=True, slots=True)
class NetworkOptions:
    """What is trained, and where it starts."""

    network: Annotated[
        str, typer.Option("--network", "-n", help="A network that ends in a global pooling.")
    ] = "efficientnet_lite0"
    weights: Annotated[
        str | None,
        typer.Option(
            help="Where to start: packaged, imagenet, random, or a .pth or .safetensors file.  "
            "[default: the best there is]"
        ),
    ] = None
    pool: Annotated[str, typer.Option(help="Global pooling: avg or max.")] = "avg"
    size: Annotated[
        str | None, typer.Option(help="Width and height to train at.  [default: the network's]")
    ] = None
    background: Annotated[
        str | None,
        typer.Option(help='The class of what is none of the others.  [default: "no ..." or "ok"]'),
    ] = None
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto"


@dataclass(frozen=True, slots=True)
class LearningOptions:
    """How it is trained."""

    epochs: Annotated[int, typer.Option(min=1, help="The most epochs.")] = _RECIPE.epochs
    batch: Annotated[int, typer.Option(min=1, help="Photos a batch.")] = _RECIPE.batch
    head_lr: Annotated[
        float, typer.Option(min=0.0, help="Highest learning rate of new layers.")
    ] = _RECIPE.head_lr
    backbone_lr: Annotated[
        float | None,
        typer.Option(min=0.0, help="Of the old ones; 0 leaves them.  [default: a tenth of it]"),
    ] = _RECIPE.backbone_lr
    weight_decay: Annotated[float, typer.Option(min=0.0, help="AdamW's.")] = _RECIPE.weight_decay
    patience: Annotated[
        int, typer.Option(min=1, help="Epochs without a smaller loss before it ends.")
    ] = _RECIPE.patience
    balance: Annotated[
        bool, typer.Option(help="Count all classes the same, however many photos they have.")
    ] = _RECIPE.balance
    seed: Annotated[int, typer.Option(min=0, help="Of all that is left to chance.")] = _RECIPE.seed

    def recipe(self) -> Recipe:
        """Give the recipe."""
        return Recipe(
            epochs=self.epochs,
            batch=self.batch,
            head_lr=self.head_lr,
            backbone_lr=self.backbone_lr,
            weight_decay=self.weight_decay,
            patience=self.patience,
            balance=self.balance,
            seed=self.seed,
        )


@dataclass(frozen=True, slots=True)
class PhotoOptions:
    """How the photos are used."""

    set_aside: Annotated[
        float, typer.Option(min=0.01, max=0.9, help="Part of each class to check with.")
    ] = 0.2
    flip: Annotated[bool, typer.Option(help="Mirror half of the photos.")] = _VARIATION.flip
    crop: Annotated[
        float, typer.Option(min=0.05, max=1.0, help="Smallest part of a photo's area to show.")
    ] = _VARIATION.crop
    colour: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="How far colours and light are changed.")
    ] = _VARIATION.colour

    def variation(self) -> Variation:
        """Give the variation."""
        return Variation(flip=self.flip, crop=self.crop, colour=self.colour)


@dataclass(frozen=True, slots=True)
class KeepOptions:
    """What is done about a training that was interrupted."""

    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where a training was interrupted.")
    ] = False
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing outputs.")] = (
        False
    )

    def check(self, output: Path, checkpoint: Path) -> None:
        """Refuse to lose what is there.

        Raises:
            ModelError: An interrupted training is there, and nothing was said of it.
        """
        if checkpoint.exists() and not (self.resume or self.overwrite):
            raise ModelError(
                f"{checkpoint} is there, a training of {output.name} that was interrupted; go on "
                "with --resume, or begin again with --overwrite"
            )
