"""The keys of the live window, and what they change."""

from __future__ import annotations

import dataclasses
import time
from typing import Literal

from camstream.overlay import COLORMAPS, Style

_OPACITY_STEP = 0.1
_MESSAGE_S = 2.5

HELP = """\
q\tquit
space\tpause
+ -\theatmap stronger, weaker
c\tnext colour map
h\theatmap on, off
l\tlabel on, off
b\tboxes on, off
d\tdisplay of rate and lag on, off
s\tsnapshot
r\trecord on, off
?\tthis help"""

Errand = Literal["pause", "record", "snapshot"]


class Controls:
    """What the user can change while watching.

    Attributes:
        style: How predictions are drawn.
        is_paused: Whether the picture is held.
        wants_quit: Whether the user has seen enough.
        show_help: Whether the keys are listed on the picture.
        show_display: Whether rate, lag, drops and device are shown.
    """

    def __init__(self, style: Style, *, show_display: bool) -> None:
        self.style = style
        self.is_paused = False
        self.wants_quit = False
        self.show_help = False
        self.show_display = show_display
        self._message, self._message_until = "", 0.0

    @property
    def message(self) -> str:
        """What was last said, for a short while."""
        return self._message if time.perf_counter() < self._message_until else ""

    def say(self, message: str) -> None:
        """Show a message for a short while."""
        self._message, self._message_until = message, time.perf_counter() + _MESSAGE_S

    def obey(self, key: str | None) -> Errand | None:
        """Change what a key changes; gives the errand that is left to the viewer."""
        match key:
            case "q" | "escape":
                self.wants_quit = True
            case "space":
                self.is_paused = not self.is_paused
                return "pause"
            case "+" | "=":
                self._change_opacity(_OPACITY_STEP)
            case "-":
                self._change_opacity(-_OPACITY_STEP)
            case "c":
                following = (COLORMAPS.index(self.style.colormap) + 1) % len(COLORMAPS)
                self.style = dataclasses.replace(self.style, colormap=COLORMAPS[following])
                self.say(f"colour map {self.style.colormap}")
            case "h":
                self.style = dataclasses.replace(
                    self.style, show_heatmap=not self.style.show_heatmap
                )
            case "l":
                self.style = dataclasses.replace(self.style, show_label=not self.style.show_label)
            case "b":
                self.style = dataclasses.replace(self.style, show_boxes=not self.style.show_boxes)
            case "d":
                self.show_display = not self.show_display
            case "s":
                return "snapshot"
            case "r":
                return "record"
            case "?" | "/":
                self.show_help = not self.show_help
            case _:
                pass
        return None

    def _change_opacity(self, step: float) -> None:
        opacity = min(1.0, max(0.0, round(self.style.heatmap_opacity + step, 2)))
        self.style = dataclasses.replace(self.style, heatmap_opacity=opacity)
        self.say(f"heatmap opacity {opacity:.0%}")
