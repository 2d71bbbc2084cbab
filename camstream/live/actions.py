"""What can be done to a live session, as data.

A key of the window, a button of a page and a line of a program send the same actions, with
``LiveSession.do``. Their values are strings, numbers, booleans, None and lists of these, so that an
action can travel as JSON: its name in ``ACTIONS`` and its values, see ``camstream.live.values``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

Part = Literal["heatmap", "label", "boxes", "legend", "help", "classes", "contrast", "trail"]
DisplayLevel = Literal["short", "full", "off"]


@dataclass(frozen=True, slots=True)
class Toggle:
    """Show a part of the display, or hide it.

    Attributes:
        what: "heatmap", "label", "boxes"; "legend": the bar of colours; "help": the list of keys; "classes": the maps of the
            classes that were named last; "contrast": the map of one class against another;
            "trail": the path of the peak.
        on: Whether it is shown from now on; None changes it to the other state.
    """

    what: Part
    on: bool | None = None


@dataclass(frozen=True, slots=True)
class SetDisplay:
    """Say more or less of rate, lag and device at the bottom of the picture.

    Attributes:
        level: "short", "full" or "off"; None takes the next one.
    """

    level: DisplayLevel | None = None


@dataclass(frozen=True, slots=True)
class SetTopK:
    """Show the maps of the best classes.

    Attributes:
        count: How many, 1 to 9; None goes round through 1, 2, 3, 5, 8.
    """

    count: int | None = None


@dataclass(frozen=True, slots=True)
class ShowClasses:
    """Show the maps of these classes in every frame, whichever class is the best.

    Attributes:
        names: Labels, groups such as "dog", WordNet ids or class numbers, all as text; none ends it.
    """

    names: Sequence[str]


@dataclass(frozen=True, slots=True)
class SetContrast:
    """Show evidence for one class and not for another.

    Attributes:
        first: A name as in ``ShowClasses``; empty together with ``second`` for the two best
            classes of each frame.
        second: The class that it is held against.
    """

    first: str = ""
    second: str = ""


@dataclass(frozen=True, slots=True)
class SetSmoothing:
    """Change how much labels and maps are smoothed over time.

    Attributes:
        level: "off", "default" or "strong"; None takes the next one.
    """

    level: str | None = None


@dataclass(frozen=True, slots=True)
class AskAt:
    """Ask which classes have evidence at a place of the displayed frame.

    Attributes:
        x: From the frame's left edge, 0, to its right one, 1.
        y: From its upper edge, 0, to its lower one, 1.
    """

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class CloseAnswer:
    """Take the answer to ``AskAt`` from the picture."""


@dataclass(frozen=True, slots=True)
class SetTrail:
    """Draw the path of the main map's peak.

    Attributes:
        seconds: How much of the past it covers, 0 to 60; 0 draws none.
    """

    seconds: float


@dataclass(frozen=True, slots=True)
class SetOpacity:
    """Change the opacity of strong evidence in the heatmap.

    Attributes:
        opacity: 0 (only the picture) to 1 (only the heatmap).
    """

    opacity: float


@dataclass(frozen=True, slots=True)
class ChangeOpacity:
    """Make the heatmap stronger or weaker.

    Attributes:
        step: Is added to the opacity, which stays within 0 and 1.
    """

    step: float


@dataclass(frozen=True, slots=True)
class SetColormap:
    """Change the heatmap's colours.

    Attributes:
        name: One of ``camstream.drawing.overlay.COLORMAPS``; None takes the next one.
    """

    name: str | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """Hold the picture, and a file's position too, or go on.

    Attributes:
        on: Whether it is held from now on; None changes it to the other state.
    """

    on: bool | None = None


@dataclass(frozen=True, slots=True)
class Seek:
    """Go to a position of a file or of a folder of photos.

    Attributes:
        to: Seconds from the beginning, or which photo, from 0; one outside is the beginning or
            the end.
    """

    to: float


@dataclass(frozen=True, slots=True)
class Skip:
    """Go on or back in a file, or to the next or previous photo.

    Attributes:
        by_s: Seconds; negative ones go back.
    """

    by_s: float


@dataclass(frozen=True, slots=True)
class Step:
    """Hold a file, and show another frame of it.

    Attributes:
        frames: How many after the one shown; negative ones are before it.
    """

    frames: int


@dataclass(frozen=True, slots=True)
class SetSpeed:
    """Play a file at another speed.

    Attributes:
        speed: One of ``camstream.sources.player.SPEEDS``; 1 is the file's own.
    """

    speed: float


@dataclass(frozen=True, slots=True)
class ChangeSpeed:
    """Play a file slower or faster.

    Attributes:
        steps: In ``camstream.sources.player.SPEEDS``.
    """

    steps: int


@dataclass(frozen=True, slots=True)
class Loop:
    """Begin a file again at its end, or stay there.

    Attributes:
        on: Whether it begins again; None changes it to the other state.
    """

    on: bool | None = None


@dataclass(frozen=True, slots=True)
class ToggleFullscreen:
    """Let the window fill the screen, or not any more.

    Attributes:
        on: Whether it fills the screen from now on; None changes it to the other state.
    """

    on: bool | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Save the displayed picture, with the heatmap and without the text, as a PNG file."""


@dataclass(frozen=True, slots=True)
class Record:
    """Begin a recording, or end it.

    Attributes:
        on: Whether it records from now on; None changes it to the other state.
    """

    on: bool | None = None


@dataclass(frozen=True, slots=True)
class OpenSource:
    """Go on with another source; outputs and what is being taught stay.

    Attributes:
        address: As on the command line: a camera's number or device, a URL, a file.
    """

    address: str


@dataclass(frozen=True, slots=True)
class Focus:
    """Show one of several cameras alone, or all of them.

    Attributes:
        camera: Its number; None: all.
    """

    camera: int | None = None


@dataclass(frozen=True, slots=True)
class AddCamera:
    """Look at one more camera.

    Attributes:
        address: As on the command line: a camera's number or device, a URL, a file.
    """

    address: str


@dataclass(frozen=True, slots=True)
class RemoveCamera:
    """Look at a camera no more.

    Attributes:
        camera: Its number; None: the one that is shown alone.
    """

    camera: int | None = None


@dataclass(frozen=True, slots=True)
class Quit:
    """End the session."""


@dataclass(frozen=True, slots=True)
class Teach:
    """Add the displayed frame to a class that is being taught.

    Attributes:
        number: Of the class, 1 to 9.
    """

    number: int


@dataclass(frozen=True, slots=True)
class NameClass:
    """Name a class that is being taught.

    Attributes:
        name: An empty one keeps the name that it has.
        number: Of the class, 1 to 9; None: the one that got the last frame.
    """

    name: str
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Forget:
    """Forget the frames of a class that is being taught.

    Attributes:
        number: Of the class, 1 to 9; None: the one that got the last frame.
    """

    number: int | None = None


@dataclass(frozen=True, slots=True)
class Fit:
    """Fit a model to the frames that were taught, and use it from then on."""


@dataclass(frozen=True, slots=True)
class Save:
    """Fit once more, and save the model."""


@dataclass(frozen=True, slots=True)
class SetModel:
    """Look through another model.

    Attributes:
        name: One of ``LiveState.models``.
    """

    name: str


@dataclass(frozen=True, slots=True)
class SetInputSize:
    """Open the model anew so that it sees pictures of another size.

    Attributes:
        side: See ``camstream.models.session.Model``; None: the model's own.
    """

    side: int | None = None


@dataclass(frozen=True, slots=True)
class Refine:
    """Open the model anew so that its maps are finer, or not any more.

    Attributes:
        on: Whether they are refined from now on; None changes it to the other state.
    """

    on: bool | None = None


ViewAction = (
    Toggle
    | SetDisplay
    | SetTopK
    | ShowClasses
    | SetContrast
    | SetSmoothing
    | SetTrail
    | SetOpacity
    | ChangeOpacity
    | SetColormap
)
PlayAction = Seek | Skip | Step | SetSpeed | ChangeSpeed | Loop
CameraAction = Focus | AddCamera | RemoveCamera
TeachAction = Teach | NameClass | Forget | Fit | Save
ModelAction = SetModel | SetInputSize | Refine
Action = (
    ViewAction
    | AskAt
    | CloseAnswer
    | Pause
    | PlayAction
    | ToggleFullscreen
    | Snapshot
    | Record
    | OpenSource
    | CameraAction
    | Quit
    | TeachAction
    | ModelAction
)

ACTIONS: dict[str, type[Action]] = {action.__name__: action for action in get_args(Action)}
