"""The state of a live session, and how actions change what it shows."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar, cast, get_args

from camstream.drawing.overlay import COLORMAPS, Colormap, Style
from camstream.errors import UsageError
from camstream.live import actions
from camstream.live.ask import Answer
from camstream.live.cameras import CameraState
from camstream.live.prompt import Prompt
from camstream.live.timeline import Timeline
from camstream.maps.select import ClassGroup, Contrast, Selection
from camstream.maps.smoothing import SMOOTHING_LEVELS
from camstream.models.classes import ClassNames

if TYPE_CHECKING:
    from camstream.contract import ModelInfo
    from camstream.frame import Frame, Prediction
    from camstream.sources.player import PlayerState

T = TypeVar("T")

_TOP_KS = (1, 2, 3, 5, 8)  # with the plain picture these fill a grid
_TRAIL_S = 3.0
_MAX_TRAIL_S = 60.0  # all of its points are drawn with every picture
_DISPLAY_LEVELS: tuple[actions.DisplayLevel, ...] = get_args(actions.DisplayLevel)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaughtClass:
    """A class that is being taught.

    Attributes:
        number: 1 to 9, the key that adds a frame to it.
        name: Its name, "class 2" and so on until it is named.
        frames: How many frames it has.
        is_named: Whether somebody named it.
        is_alike: Whether it has many frames, and all of them look the same.
    """

    number: int
    name: str
    frames: int
    is_named: bool
    is_alike: bool = False


@dataclass(frozen=True, slots=True)
class TeachingState:
    """What is being taught.

    Attributes:
        classes: By number; also those that have no frames yet.
        latest: The number of the class that got the last frame, None before the first.
        work: What is going on, such as "fitting ..."; empty for nothing that takes long.
    """

    classes: tuple[TaughtClass, ...] = ()
    latest: int | None = None
    work: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChoice:
    """Which model is looked through, and how it was opened.

    Attributes:
        name: Its name, or its file, as it was given.
        input_size: Pixels a side, see ``camstream.models.session.Model``; None: the model's own.
        refine: Whether its maps are refined.
        zoom: Whether it takes a second look where it is unsure.
    """

    name: str
    input_size: int | None = None
    refine: bool = False
    zoom: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LiveState:
    """Everything that there is to know of a live session at one moment.

    The session replaces it as a whole, so that other threads can read it at any time.

    Attributes:
        style: How predictions are drawn.
        selection: Which maps are shown.
        info: What the model says of itself.
        names: The names of its classes, to find and to suggest them.
        device: What runs the model.
        source: The source's name, without secrets.
        source_rate_hz: Its nominal frames a second, None where unknown.
        source_state: Empty while frames come, otherwise what is going on ("reconnecting ...").
        named_classes: What ``Toggle("classes")`` brings back.
        named_contrast: What ``Toggle("contrast")`` brings back.
        player: Where a file or the photos are that are played; None for a live source.
        timeline: The labels found so far in that file; it is added to while the session runs.
        can_open: Whether another source can be opened.
        is_paused: Whether the picture is held.
        is_quitting: Whether somebody asked for the end.
        show_help: Whether the keys are listed on the picture.
        display: How much is said of rate, lag, drops and device.
        answer: What has evidence at a place that was asked about; None while nothing is asked.
        message: The latest one, empty before the first.
        message_s: When that was, ``time.perf_counter()``: messages are shown for a short while.
        prompt: The question that is being answered, None while none is.
        teaching: What is being taught; None where nothing can be.
        models: The names of the models that can be looked through; none where it cannot be changed.
        model: The one of these that is; None for one that was taught, or where there is no choice.
        frame: The displayed frame, None before the first.
        prediction: Its maps; those of an earlier frame where the model is slower than the source.
        shown: Frames that were shown.
        dropped: Frames that were not; the next two are among them.
        without_map: Frames that were not shown because no map was there yet.
        passed: Frames that passed while the picture was held.
        rate_hz: Frames shown a second, of late.
        lag_ms: Median time from captured to shown, of late.
        recording: The name of the file that is recorded to, or empty.
        recorded_s: How long the recording is, seconds.
        cameras: All of them, where there are several; else empty. What is said of a source, a
            frame or its prediction is then that of the camera in ``focus``.
        focus: The number of the camera that is shown alone; None: all are shown.
    """

    style: Style
    selection: Selection
    info: ModelInfo
    names: ClassNames
    device: str
    source: str
    source_rate_hz: float | None
    source_state: str = ""
    named_classes: tuple[ClassGroup, ...] = ()
    named_contrast: Contrast = Contrast()
    player: PlayerState | None = None
    timeline: Timeline = field(default_factory=Timeline)
    can_open: bool = False
    is_paused: bool = False
    is_quitting: bool = False
    show_help: bool = False
    display: actions.DisplayLevel = "short"
    answer: Answer | None = None
    message: str = ""
    message_s: float = 0.0
    prompt: Prompt | None = None
    teaching: TeachingState | None = None
    models: tuple[str, ...] = ()
    model: ModelChoice | None = None
    frame: Frame | None = None
    prediction: Prediction | None = None
    shown: int = 0
    dropped: int = 0
    without_map: int = 0
    passed: int = 0
    rate_hz: float = 0.0
    lag_ms: float = 0.0
    recording: str = ""
    recorded_s: float = 0.0
    cameras: tuple[CameraState, ...] = ()
    focus: int | None = None

    @property
    def is_mosaic(self) -> bool:
        """Whether several cameras are shown side by side."""
        return bool(self.cameras) and self.focus is None

    @property
    def focused(self) -> CameraState | None:
        """The one of several cameras that is shown alone."""
        return next((camera for camera in self.cameras if camera.id == self.focus), None)

    def say(self, message: str, **changes: Any) -> LiveState:
        """Return this state with a message, and with other attributes changed."""
        return replace(self, message=message, message_s=time.perf_counter(), **changes)

    def select(self, message: str, **changes: Any) -> LiveState:
        """Return this state with a changed selection, and a message that says so."""
        return self.say(message, selection=replace(self.selection, **changes))

    def with_model(self, info: ModelInfo) -> LiveState:
        """Return this state for another model: classes that were asked for by name are gone."""
        selection = self.selection
        contrast = None if selection.contrast is None else Contrast()
        return replace(
            self,
            info=info,
            names=ClassNames(info.labels),
            named_classes=(),
            named_contrast=Contrast(),
            answer=None,
            selection=replace(selection, classes=(), contrast=contrast),
        )


def apply(state: LiveState, action: actions.ViewAction) -> LiveState:
    """Return the state after an action that changes what is shown, and how.

    Raises:
        UsageError: The action's value is impossible, or the model has no such class.
    """
    style, selection = state.style, state.selection
    match action:
        case actions.Toggle():
            return _toggle(state, action)
        case actions.SetTopK(count):
            if count is None:
                count = next((k for k in _TOP_KS if k > selection.top_k), _TOP_KS[0])
            return state.select(f"the {count} best" if count > 1 else "the best", top_k=count)
        case actions.SetDisplay(level):
            following = _following(state.display, _DISPLAY_LEVELS)
            return replace(state, display=following if level is None else level)
        case actions.ShowClasses(names):
            groups = tuple(state.names.find(name) for name in names if name.strip())
            return _show_classes(replace(state, named_classes=groups), groups)
        case actions.SetContrast(first, second):
            return _set_contrast(state, first.strip(), second.strip())
        case actions.SetSmoothing(level):
            level = level or _following(selection.smoothing, SMOOTHING_LEVELS)
            if level not in SMOOTHING_LEVELS:
                known = ", ".join(SMOOTHING_LEVELS)
                raise UsageError(f"smoothing is one of {known}; not {level!r}")
            return state.select(f"smoothing: {level}", smoothing=level)
        case actions.SetTrail(seconds):
            if not 0 <= seconds <= _MAX_TRAIL_S:
                raise UsageError(f"a trail is of 0 to {_MAX_TRAIL_S:g} seconds, not {seconds:g}")
            return state.select("trail" if seconds else "no trail", trail_s=seconds)
        case actions.SetOpacity(opacity):
            style = replace(style, heatmap_opacity=opacity)
            return state.say(f"heatmap opacity {opacity:.0%}", style=style)
        case actions.ChangeOpacity(step):
            opacity = min(1.0, max(0.0, round(style.heatmap_opacity + step, 2)))
            return apply(state, actions.SetOpacity(opacity))
        case actions.SetColormap(name):
            name = name or _following(style.colormap, COLORMAPS)
            style = replace(style, colormap=cast(Colormap, name))
            return state.say(f"colour map {name}", style=style)


def _toggle(state: LiveState, action: actions.Toggle) -> LiveState:
    def wanted(is_on: bool) -> bool:
        return not is_on if action.on is None else action.on

    style, selection = state.style, state.selection
    match action.what:
        case "heatmap":
            style = replace(style, show_heatmap=wanted(style.show_heatmap))
        case "label":
            style = replace(style, show_label=wanted(style.show_label))
        case "boxes":
            style = replace(style, show_boxes=wanted(style.show_boxes))
        case "legend":
            style = replace(style, show_legend=wanted(style.show_legend))
        case "help":
            return replace(state, show_help=wanted(state.show_help))
        case "classes":
            return _show_classes(
                state, state.named_classes if wanted(bool(selection.classes)) else ()
            )
        case "contrast":
            is_on = wanted(selection.contrast is not None)
            contrast = state.named_contrast if is_on else None
            return state.select("contrast" if is_on else "no contrast", contrast=contrast)
        case "trail":
            seconds = (selection.trail_s or _TRAIL_S) if wanted(selection.trail_s > 0) else 0.0
            return apply(state, actions.SetTrail(seconds))
        case unknown:
            raise UsageError(f"nothing is called {unknown!r} that can be shown or hidden")
    return replace(state, style=style)


def _show_classes(state: LiveState, groups: tuple[ClassGroup, ...]) -> LiveState:
    shown = ", ".join(group.label for group in groups)
    if groups:
        return state.select(f"shown: {shown}", classes=groups)
    named = ", ".join(group.label for group in state.named_classes)
    message = f"the best class; w: {named} again" if named else "no class is chosen: / names one"
    return state.select(message, classes=groups)


def _set_contrast(state: LiveState, first: str, second: str) -> LiveState:
    if bool(first) != bool(second):
        raise UsageError("a contrast is of two classes: name both, or none for the two best")
    sides = (state.names.find(first), state.names.find(second)) if first else None
    shown = f"{sides[0].label} against {sides[1].label}" if sides else "the best against the second"
    contrast = Contrast(sides)
    return replace(state, named_contrast=contrast).select(shown, contrast=contrast)


def _following(current: T, choices: Sequence[T]) -> T:
    return choices[(choices.index(current) + 1) % len(choices)]
