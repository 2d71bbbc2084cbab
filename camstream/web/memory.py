"""What one state alone does not tell: since when, what was where, and which frames are new."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from camstream.frame import Annotated
from camstream.live.timeline import Timeline, seen_in

if TYPE_CHECKING:
    from camstream.live.state import LiveState


class Memory:
    """Remembers of the states that it sees.

    Attributes:
        timeline: The labels found so far in a file that is played.
        present_since_s: Since when it has been decided what is decided of presence now,
            ``time.perf_counter()``; None where the model decides nothing.
    """

    def __init__(self) -> None:
        self.timeline = Timeline()
        self.present_since_s: float | None = None
        self._played = ""
        self._is_present: bool | None = None
        self._last_index = -1

    def see(self, state: LiveState, before: LiveState | None) -> None:
        """Take the next state, and the one before."""
        prediction = state.prediction
        if prediction is None or (before is not None and prediction is before.prediction):
            return
        if state.source != self._played:
            self._played, self.timeline = state.source, Timeline()
        main = prediction.displayed[0]
        if state.player is not None:
            self.timeline.add(state.player, seen_in(prediction, state.info))
        is_present = None if main.state is None else not main.state.is_background
        if is_present is not self._is_present:
            self._is_present = is_present
            self.present_since_s = None if is_present is None else time.perf_counter()

    def new_frame(self, state: LiveState) -> Annotated | None:
        """Return the frame of the only source, if the model has looked at it since the last call."""
        made = state.prediction
        if state.cameras or made is None or made.frame.index <= self._last_index:
            return None
        self._last_index = made.frame.index
        return Annotated(prediction=made, picture=made.frame.picture)


# A change of one of these is told at once; measured values are told ten times a second.
_REPLACED = ["style", "selection", "info", "answer"]
_CHANGED = [
    "source",
    "source_state",
    "is_paused",
    "message_s",
    "recording",
    "model",
    "teaching",
    "focus",
]


def differ(state: LiveState, other: LiveState) -> bool:
    """Whether an action, or its effect, lies between two states."""
    return any(getattr(state, name) is not getattr(other, name) for name in _REPLACED) or any(
        getattr(state, name) != getattr(other, name) for name in _CHANGED
    )
