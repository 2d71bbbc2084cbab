"""What one state alone does not tell: since when, and which frames are new."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from camstream.frame import Annotated

if TYPE_CHECKING:
    from camstream.frame import Prediction
    from camstream.live.state import LiveState


class Memory:
    """Remembers of the states that it sees."""

    def __init__(self) -> None:
        # Of each source: what is decided of presence, None for nothing, and since when.
        self._decided: dict[int | str, tuple[bool | None, float]] = {}
        self._last_index = -1

    def see(self, state: LiveState) -> None:
        """Take the next state."""
        now_s = time.perf_counter()
        found: dict[int | str, Prediction | None] = {
            camera.id: camera.prediction for camera in state.cameras
        } or {state.source: state.prediction}
        decided = {}
        for source, prediction in found.items():
            decision = None if prediction is None else prediction.displayed[0].state
            is_present = None if decision is None else not decision.is_background
            was_present, since_s = self._decided.get(source, (None, now_s))
            decided[source] = is_present, since_s if is_present is was_present else now_s
        self._decided = decided

    def present_since_s(self, state: LiveState) -> float | None:
        """Since when what is decided of presence holds for the source of a state.

        Returns:
            ``time.perf_counter()``; None where nothing is decided, or all cameras are shown.
        """
        source = state.focus if state.cameras else state.source
        is_present, since_s = self._decided.get(source or "", (None, 0.0))
        return None if is_present is None else since_s

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
