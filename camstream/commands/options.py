"""Options that several commands take, and the model that they choose.

Each is an annotation for a parameter; its default stands in the command's signature and comes from
the record that the option fills. ``--help`` groups options by the panels named here.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, NamedTuple, get_args

import typer

from camstream.commands.panels import DebugOption as DebugOption
from camstream.commands.panels import OverwriteOption as OverwriteOption
from camstream.commands.panels import batch_option as batch_option
from camstream.commands.panels import input_option as input_option
from camstream.commands.panels import model_option as model_option
from camstream.commands.panels import output_option as output_option
from camstream.commands.panels import show_option as show_option
from camstream.console import console, note
from camstream.drawing.overlay import Colormap, Style
from camstream.maps.boxes import BoxRule
from camstream.maps.select import MAX_TOP_K, Selection
from camstream.maps.smoothing import SMOOTHING_LEVELS, SmoothingLevel
from camstream.models import second_look, zoo
from camstream.models.classes import complete
from camstream.models.device import PROVIDERS
from camstream.models.session import Model

STYLE, SELECTION = Style(), Selection()  # their defaults are the options' defaults


def _starting_with(begun: str, words: tuple[str, ...]) -> list[str]:
    return [word for word in words if word.startswith(begun)]


def _complete_model(begun: str) -> list[str]:
    files = sorted(str(path) for path in Path().glob("*.onnx"))
    return _starting_with(begun, (*zoo.SHIPPED, *files))


def _complete_device(begun: str) -> list[str]:
    return _starting_with(begun, ("auto", *PROVIDERS))


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


class SizeWH(NamedTuple):
    """A size in pixels; as a tuple it is (width, height)."""

    width: int
    height: int


def parse_size(text: str) -> SizeWH:
    """Read "WIDTHxHEIGHT".

    Raises:
        BadParameter: It is something else.
    """
    width, cross, height = text.lower().partition("x")
    if not (cross and width.isdecimal() and height.isdecimal() and int(width) * int(height)):
        raise typer.BadParameter(f"give width and height in pixels, as 640x480, not {text!r}")
    return SizeWH(int(width), int(height))


ModelOption = Annotated[
    str,
    model_option(
        "--model",
        "-m",
        metavar="NAME|FILE",
        help=f"{' or '.join(zoo.SHIPPED)}, or an .onnx file.",
        autocompletion=_complete_model,
    ),
]
OtherModelsOption = Annotated[
    list[str] | None,
    model_option(
        "--other-model",
        metavar="FILE",
        help="A model that the page can change to; may be given again.",
        autocompletion=_complete_model,
    ),
]
DeviceOption = Annotated[
    str,
    model_option(
        metavar="NAME",
        help=f"auto (CUDA if it works), {', '.join(PROVIDERS)}.",
        autocompletion=_complete_device,
    ),
]
InputSizeOption = Annotated[
    int | None,
    model_option(
        min=32,
        max=2048,
        metavar="N",
        help="The network sees NxN pixels: more finds smaller things, slower.",
        show_default="the model's",
    ),
]
RefineOption = Annotated[bool, model_option("--refine", help="Finer maps that follow outlines.")]
ZoomOption = Annotated[
    bool,
    model_option("--zoom", help="Where unsure of a name, look again at what the maps point to."),
]

TopKOption = Annotated[
    int, show_option(min=1, max=MAX_TOP_K, metavar="K", help="Show maps of the K best classes.")
]
ClassesOption = Annotated[
    list[str] | None,
    show_option(
        metavar="NAME",
        help='Show this class, or group of classes such as "dog"; may be given again.',
        autocompletion=complete,
    ),
]
ContrastOption = Annotated[
    tuple[str, str] | None,
    show_option(
        metavar="A B",
        help="Show what speaks for class A and not for class B.",
        autocompletion=complete,
    ),
]
SmoothOption = Annotated[
    SmoothingLevel,
    show_option(
        "--smooth", metavar="LEVEL", help=f"Smoothing over time: {', '.join(SMOOTHING_LEVELS)}."
    ),
]
TrailOption = Annotated[
    float,
    show_option(
        min=0,
        max=60,
        metavar="SECONDS",
        help="Draw the way of the strongest point over the last SECONDS.",
        show_default=False,
    ),
]
DecayOption = Annotated[
    float,
    show_option(
        min=0,
        max=60,
        metavar="SECONDS",
        help="Let heat fade slowly: to a third in SECONDS.",
        show_default=False,
    ),
]
RangeOption = Annotated[
    tuple[float, float] | None,
    show_option(
        "--range",
        metavar="LOW HIGH",
        help="Values of the map (logit units) where heat begins and is full.",
        show_default="the model's",
    ),
]
BoxesOption = Annotated[
    bool, show_option("--boxes", help="Draw the boxes that records have anyway.")
]
BoxRuleOption = Annotated[
    BoxRule | None,
    show_option(
        metavar="RULE",
        help="Boxes around: largest (one region), all (each region), five (as the paper).",
        show_default="largest; all with a background class",
    ),
]
BoxThresholdOption = Annotated[
    float | None,
    show_option(
        metavar="RATIO",
        help="A box ends where the map falls to this part of its maximum.",
        show_default="20%",
        parser=parse_ratio,
    ),
]
OpacityOption = Annotated[
    float, show_option(min=0, max=1, metavar="N", help="Opacity of strong heat; 0 hides it.")
]
ColormapOption = Annotated[
    Colormap, show_option(metavar="NAME", help=f"Colors of heat: {', '.join(get_args(Colormap))}.")
]

LegendOption = Annotated[bool, show_option("--legend", help="Explain the colors of heat in a bar.")]

RecordsOption = Annotated[
    Path | None, output_option(metavar="FILE", help="A record per frame: .jsonl, .csv or .parquet.")
]
MapsOption = Annotated[Path | None, output_option(metavar="FILE", help="The raw maps: .npz.")]
PresenceOption = Annotated[
    Path | None,
    output_option(metavar="FILE", help="When something was there: .csv, a row per presence."),
]
StatsOption = Annotated[Path | None, output_option(metavar="FILE", help="Counts and times: .json.")]
JsonOption = Annotated[Path | None, output_option(metavar="FILE", help="The figures: .json.")]

JobsOption = Annotated[
    int | None,
    batch_option(
        "--jobs",
        "-j",
        min=1,
        max=1024,
        metavar="N",
        help="So many files are worked on side by side.",
        show_default="by processors and memory",
    ),
]
FileTimeoutOption = Annotated[
    float | None,
    batch_option(
        min=1, metavar="SECONDS", help="Give a file up that takes longer.", show_default="never"
    ),
]
FileMemoryOption = Annotated[
    float | None,
    batch_option(
        min=0.1,
        metavar="GB",
        help="Give a file up that takes more memory.",
        show_default="8, at most 80 % of what is free",
    ),
]
VerifyOption = Annotated[
    bool,
    batch_option("--verify", help="Know inputs again by their content, not by size and time."),
]
RetryFailedOption = Annotated[
    bool, batch_option("--retry-failed", help="Try again what failed twice.")
]

BackgroundOption = Annotated[
    str | None,
    input_option(
        metavar="CLASS",
        help='The class that means "none of the others"; it has no heat.',
        show_default='the one called "no ...", "none" or "ok"',
    ),
]
ModelSizeOption = Annotated[
    SizeWH | None,
    model_option(
        metavar="WxH",
        help="Size of the pictures that the new model works on.",
        show_default="the network's",
        parser=parse_size,
    ),
]
FlipOption = Annotated[
    bool, input_option("--flip/--no-flip", help="Learn from mirrored pictures as well.")
]


def open_model(
    name: str,
    *,
    device: str = "auto",
    input_size: int | None = None,
    refine: bool = False,
    zoom: bool = False,
) -> Model:
    """Open a model and print which device runs it.

    Args:
        name: As for ``zoo.load_model``; so are the others.
        device: See there.
        input_size: See there.
        refine: See there.
        zoom: See there.

    Raises:
        UsageError: There is no such model.
        ModelError: The model cannot run as asked.
    """
    model = zoo.load_model(name, device=device, input_size=input_size, refine=refine, zoom=zoom)
    if zoom:
        second_look.check(model.info)
    say_device(model.info.name, model.device, model.gpu_problem if device == "auto" else "")
    return model


def say_device(model: str, device: str, gpu_problem: str) -> None:
    """Print which device runs a model, and why it is not the GPU."""
    console.print(f"{model} on {device} ({PROVIDERS[device]})", style="dim", markup=False)
    if device == "cpu" and gpu_problem:
        note(gpu_problem)
