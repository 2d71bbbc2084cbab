"""What several commands take: single options, and records of options that belong together."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from camstream.console import console, note
from camstream.contract import ModelInfo
from camstream.drawing.overlay import Colormap, Style
from camstream.errors import ModelError
from camstream.maps.boxes import BoxRule
from camstream.maps.select import MAX_TOP_K, Contrast, Selection
from camstream.maps.smoothing import SmoothingLevel
from camstream.models import zoo as zoo
from camstream.models.classes import ClassNames, complete
from camstream.models.device import PROVIDERS
from camstream.models.session import Model

_STYLE, _FOCUS = Style(), Selection()

ModelOption = Annotated[
    str, typer.Option("--model", "-m", help="A network's name or an .onnx file.")
]
DeviceOption = Annotated[
    str, typer.Option(help=f"auto, {', '.join(PROVIDERS)}. auto takes CUDA where it works.")
]
RecordsOption = Annotated[
    Path | None, typer.Option(help="Write a record a frame: a .jsonl, .csv or .parquet file.")
]
MapsOption = Annotated[Path | None, typer.Option(help="Write the raw maps to a .npz file.")]
RefineOption = Annotated[
    bool, typer.Option("--sharp", help="Finer maps that follow outlines; off, maps are exact.")
]
InputSizeOption = Annotated[
    int | None,
    typer.Option(
        min=32,
        max=2048,
        metavar="N",
        help="Let the network see as many pixels as NxN have: larger sees smaller things, makes "
        "finer maps and is slower.  [default: the model's]",
    ),
]


def parse_ratio(text: str) -> float:
    """Read a part of a map's maximum, "20%" or "0.2".

    Raises:
        BadParameter: It is something else, or not between 0 and 1.
    """
    number, percent, rest = text.partition("%")
    try:
        value = float(number) / (100 if percent else 1)
    except ValueError:
        value = math.nan
    if rest or not 0 < value < 1:
        raise typer.BadParameter(f"give a part of the map's maximum, 20% or 0.2, not {text!r}")
    return value


BoxThresholdOption = Annotated[
    float | None,
    typer.Option(
        metavar="RATIO",
        help="Where a box ends, as a part of the map's maximum.  [default: 20%]",
        parser=parse_ratio,
    ),
]
PresenceOption = Annotated[
    Path | None,
    typer.Option(help="Write when something was there to a .csv file: start_s,end_s,peak_score."),
]
StatsOption = Annotated[Path | None, typer.Option(help="Write counts and times as JSON.")]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace existing outputs.")]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


@dataclass(frozen=True, slots=True)
class Network:
    """Which model, and what runs it."""

    model: ModelOption = zoo.DEFAULT_MODEL
    device: DeviceOption = "auto"

    def load(self, *, input_size: int | None = None, refine: bool = False) -> Model:
        """Open the model and say what really runs it."""
        model = zoo.load_model(self.model, device=self.device, input_size=input_size, refine=refine)
        provider = PROVIDERS[model.device]
        console.print(
            f"{model.info.name} on {model.device} ({provider})", style="dim", markup=False
        )
        if self.device == "auto" and model.device == "cpu" and model.gpu_problem:
            note(model.gpu_problem)
        return model


@dataclass(frozen=True, slots=True)
class Look:
    """How a prediction is drawn."""

    opacity: Annotated[
        float, typer.Option("--opacity", min=0.0, max=1.0, help="Of strong heat; 0 shows none.")
    ] = _STYLE.heatmap_opacity
    colormap: Annotated[Colormap, typer.Option(help="Colours of heat.")] = _STYLE.colormap
    boxes: Annotated[
        bool, typer.Option("--boxes", help="Draw boxes read from the maps; records get them too.")
    ] = _STYLE.show_boxes
    refine: RefineOption = False
    input_size: InputSizeOption = None

    def style(self) -> Style:
        """Give the style; what it refuses is told as a wrong option."""
        try:
            return Style(
                heatmap_opacity=self.opacity,
                colormap=self.colormap,
                show_boxes=self.boxes,
            )
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error


@dataclass(frozen=True, slots=True)
class Ask:
    """What is looked for."""

    top_k: Annotated[
        int,
        typer.Option(min=1, max=MAX_TOP_K, help="Show the maps of so many best classes in a grid."),
    ] = 1
    classes: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Show this class's map whatever wins, or a group's such as dog. Repeatable.",
            autocompletion=complete,
        ),
    ] = None
    contrast: Annotated[
        tuple[str, str] | None,
        typer.Option(
            metavar="A B", help="Show what speaks for A against B.", autocompletion=complete
        ),
    ] = None
    smoothing: Annotated[SmoothingLevel, typer.Option(help="Smoothing over time.")] = (
        _FOCUS.smoothing
    )
    trail: Annotated[
        float, typer.Option(min=0, max=60, metavar="SECONDS", help="Show the path of the peak.")
    ] = 0.0
    decay: Annotated[
        float,
        typer.Option(
            min=0,
            max=60,
            metavar="SECONDS",
            help="Let heat fade so slowly: where things have been.",
        ),
    ] = 0.0

    cam_range: Annotated[
        tuple[float, float] | None,
        typer.Option(
            "--range",
            help="Map values (logit units) where heat begins and is full.  [default: the model's]",
        ),
    ] = None
    box_rule: Annotated[
        BoxRule | None,
        typer.Option(
            help="The paper's box around the largest region, all regions, or the paper's five "
            "boxes.  [default: largest; all with a model that has a class for nothing]"
        ),
    ] = None
    box_threshold: BoxThresholdOption = None

    def selection(self, info: ModelInfo) -> Selection:
        """Find the classes in the model.

        Raises:
            ModelError: It has no such class.
        """
        names = ClassNames(info.labels)
        contrast = None
        if self.contrast is not None:
            contrast = Contrast((names.find(self.contrast[0]), names.find(self.contrast[1])))
        classes = tuple(names.find(name) for name in self.classes or ())
        try:
            return Selection(
                top_k=self.top_k,
                classes=classes,
                contrast=contrast,
                smoothing=self.smoothing,
                trail_s=self.trail,
                decay_s=self.decay,
                box_rule=self.box_rule,
                box_threshold=self.box_threshold,
                cam_range=self.cam_range,
            )
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take records of options: each field of such a parameter is an option.

    Typer reads a function's signature, so the decorated command shows the records' fields in
    place of the parameters that are dataclasses.
    """
    hints = get_type_hints(command, include_extras=True)
    records: dict[str, list[str]] = {}
    displayed: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        kind = hints[name]
        if not dataclasses.is_dataclass(kind):
            displayed.append(parameter.replace(annotation=kind, kind=parameter.KEYWORD_ONLY))
            continue
        types = get_type_hints(kind, include_extras=True)
        records[name] = [field.name for field in dataclasses.fields(kind)]
        displayed += [
            inspect.Parameter(
                field.name,
                parameter.KEYWORD_ONLY,
                default=field.default,
                annotation=types[field.name],
            )
            for field in dataclasses.fields(kind)
        ]

    @functools.wraps(command)
    def flat(**values: Any) -> None:
        for name, fields in records.items():
            values[name] = hints[name](**{field: values.pop(field) for field in fields})
        command(**values)

    flat.__signature__ = inspect.Signature(displayed)  # type: ignore[attr-defined]
    flat.__annotations__ = {parameter.name: parameter.annotation for parameter in displayed}
    return flat


def parse_size(text: str | None) -> tuple[int, int] | None:
    """Read WIDTHxHEIGHT; None stays None.

    Raises:
        ModelError: It is something else.
    """
    if text is None:
        return None
    width, cross, height = text.lower().partition("x")
    if not (cross and width.isdecimal() and height.isdecimal() and int(width) * int(height)):
        raise ModelError(f"--size {text}: give width and height, as 224x224")
    return int(width), int(height)
