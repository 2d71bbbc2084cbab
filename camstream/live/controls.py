"""The keys of the live window, and what they change."""

from __future__ import annotations

import dataclasses
import time
from typing import Any, Literal

from camstream.drawing.overlay import COLORMAPS, Style
from camstream.errors import UsageError
from camstream.live.prompt import Prompt
from camstream.maps.select import ClassGroup, Contrast, Selection
from camstream.maps.smoothing import SMOOTHING_LEVELS
from camstream.models.classes import ClassNames

_OPACITY_STEP = 0.1
_MESSAGE_S = 2.5
_TOP_KS = (1, 2, 3, 5, 8)  # with the plain picture these fill a grid
_TRAIL_S = 3.0

HELP = """\
q\tquit
space\tpause
k\tmaps of the 1, 2, 3, 5, 8 best classes
/\twatch a class: type its name
w\twatching on, off
v\tthe best class against the second
m\tcalm: off, default, strong
t\ttrail of the peak on, off
+ -\theatmap stronger, weaker
c\tnext colour map
h l b\theatmap, label, boxes on, off
d\tdisplay of rate and lag on, off
s r\tsnapshot; record on, off
1 to 9\tteach: this is class 1 to 9
n z\tname it; forget its frames
f x\tfit to what was taught; save it
?\tthis help"""


Errand = Literal["pause", "record", "snapshot", "teach", "name", "forget", "fit", "save"]

_DIGITS = tuple("123456789")
_ERRANDS: dict[str, Errand] = {
    "s": "snapshot",
    "r": "record",
    "n": "name",
    "z": "forget",
    "f": "fit",
    "x": "save",
}


class Controls:
    """What the user can change while watching.

    Attributes:
        style: How predictions are drawn.
        selection: What is looked for.
        is_paused: Whether the picture is held.
        wants_quit: Whether the user has seen enough.
        show_help: Whether the keys are listed on the picture.
        show_display: Whether rate, lag, drops and device are shown.
        prompt: The question that is being answered, None while none is.
        class_number: The class that a key was pressed for, 1 to 9.
    """

    def __init__(
        self, style: Style, selection: Selection, names: ClassNames, *, show_display: bool
    ) -> None:
        """Begin with what the command line said.

        Args:
            style: How predictions are drawn at first.
            selection: What is looked for at first; what is watched there can be switched off and on.
            names: Of the model's classes, for the one that is typed.
            show_display: Whether rate, lag, drops and device are shown at first.
        """
        self.style = style
        self.selection = selection
        self.is_paused = False
        self.wants_quit = False
        self.show_help = False
        self.show_display = show_display
        self.prompt: Prompt | None = None
        self.class_number = 0
        self._names = names
        self._watched = selection.classes
        self._contrast = selection.contrast or Contrast()
        self._message, self._message_until = "", 0.0

    @property
    def message(self) -> str:
        """What was last said, for a short while; while a name is typed, that and the nearest."""
        if self.prompt is not None:
            return self.prompt.line
        return self._message if time.perf_counter() < self._message_until else ""

    def say(self, message: str) -> None:
        """Show a message for a short while."""
        self._message, self._message_until = message, time.perf_counter() + _MESSAGE_S

    def renew(self, names: ClassNames) -> None:
        """Forget what was asked for by name: the classes are others now."""
        self._names = names
        self._watched, self._contrast = (), Contrast()
        contrast = None if self.selection.contrast is None else self._contrast
        self.selection = dataclasses.replace(self.selection, classes=(), contrast=contrast)

    def obey(self, key: str) -> Errand | None:
        """Change what a key changes; gives the errand that is left to the viewer."""
        if (prompt := self.prompt) is not None:
            if prompt.press(key) and self.prompt is prompt:  # an answer may ask again
                self.prompt = None
            return None
        if key in _DIGITS:
            self.class_number = int(key)
            return "teach"
        if key in _ERRANDS:
            return _ERRANDS[key]
        match key:
            case "q" | "escape":
                self.wants_quit = True
            case "space":
                self.is_paused = not self.is_paused
                return "pause"
            case "?":
                self.show_help = not self.show_help
            case "d":
                self.show_display = not self.show_display
            case _ if not self._change_selection(key):
                self._change_style(key)
        return None

    def _change_selection(self, key: str) -> bool:
        selection = self.selection
        match key:
            case "k":
                following = next((k for k in _TOP_KS if k > selection.top_k), _TOP_KS[0])
                self._look(
                    f"the {following} best" if following > 1 else "the best", top_k=following
                )
            case "/":
                self.prompt = Prompt("watch", self._watch_named, self._names.suggest)
            case "w":
                self._watch(() if selection.classes else self._watched)
            case "v":
                contrast = None if selection.contrast else self._contrast
                self._look("contrast" if contrast else "no contrast", contrast=contrast)
            case "m":
                smoothing = SMOOTHING_LEVELS[
                    (SMOOTHING_LEVELS.index(selection.smoothing) + 1) % len(SMOOTHING_LEVELS)
                ]
                self._look(f"calm: {smoothing}", smoothing=smoothing)
            case "t":
                trail_s = 0.0 if selection.trail_s else _TRAIL_S
                self._look("trail" if trail_s else "no trail", trail_s=trail_s)
            case _:
                return False
        return True

    def _watch(self, groups: tuple[ClassGroup, ...]) -> None:
        watched = ", ".join(group.label for group in groups)
        self._look(
            f"watching {watched}" if groups else "watching nothing: / names it", classes=groups
        )

    def _look(self, message: str, **changes: Any) -> None:
        self.selection = dataclasses.replace(self.selection, **changes)
        self.say(message)

    def _watch_named(self, name: str) -> None:
        try:
            self._watched = (self._names.find(name),) if name.strip() else ()
            self._watch(self._watched)
        except UsageError as error:
            self.say(str(error))

    def _change_style(self, key: str) -> None:
        style = self.style
        match key:
            case "+" | "=":
                self._change_opacity(_OPACITY_STEP)
            case "-":
                self._change_opacity(-_OPACITY_STEP)
            case "c":
                following = (COLORMAPS.index(style.colormap) + 1) % len(COLORMAPS)
                self.style = dataclasses.replace(style, colormap=COLORMAPS[following])
                self.say(f"colour map {self.style.colormap}")
            case "h":
                self.style = dataclasses.replace(style, show_heatmap=not style.show_heatmap)
            case "l":
                self.style = dataclasses.replace(style, show_label=not style.show_label)
            case "b":
                self.style = dataclasses.replace(style, show_boxes=not style.show_boxes)
            case _:
                pass

    def _change_opacity(self, step: float) -> None:
        opacity = min(1.0, max(0.0, round(self.style.heatmap_opacity + step, 2)))
        self.style = dataclasses.replace(self.style, heatmap_opacity=opacity)
        self.say(f"heatmap opacity {opacity:.0%}")
