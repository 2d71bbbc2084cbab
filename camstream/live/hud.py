"""What the live window says at its bottom: keys, state, messages, rate and lag."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from camstream.live.controls import HELP
from camstream.stages import Source, status_of
from camstream.stats import RunningRate

if TYPE_CHECKING:
    from camstream.frame import Frame, Prediction
    from camstream.live.controls import Controls
    from camstream.live.outputs import Saver
    from camstream.live.teaching import Teaching

_STALE_S = 1.0  # a picture older than this (and 3 frames) is not shown as if it were live


@dataclass(frozen=True, slots=True)
class Notes:
    """Composes the notes of a picture from what the viewer consists of.

    Attributes:
        controls: What the user asked for and was told.
        source: Says whether it is there.
        saver: Says what is being recorded.
        teaching: Says how many frames each class has; None where nothing can be taught.
        device: What runs the model, in words.
        rate: Of the pictures, and their lag.
    """

    controls: Controls
    source: Source
    saver: Saver
    teaching: Teaching | None
    device: str
    rate: RunningRate

    def of(self, frame: Frame, prediction: Prediction, *, dropped: int) -> list[str]:
        """Give the notes of a picture, the last one lowest.

        Args:
            frame: The picture.
            prediction: Whose map is drawn on it; maybe of an earlier one.
            dropped: How many frames were not shown so far.
        """
        notes = [HELP] if self.controls.show_help else []
        notes += self._state(frame.captured_s)
        if self.teaching is not None and self.teaching.status:
            notes.append(self.teaching.status)
        if self.controls.show_display:
            if self.saver.recording:
                notes.append(f"recording {self.saver.recording}")
            age_ms = max(0.0, frame.captured_s - prediction.frame.captured_s) * 1e3
            notes.append(
                f"{self.rate.rate_hz:.0f} fps   lag {self.rate.lag_ms:.0f} ms   "
                f"map {age_ms:.0f} ms old   dropped {dropped}   {self.device}"
            )
        return notes

    def before_the_first(self) -> list[str]:
        """Give the notes where there is no picture yet."""
        waiting = (
            status_of(self.source).state or f"waiting for the first picture of {self.source.name}"
        )
        return [HELP, waiting] if self.controls.show_help else [waiting]

    def _state(self, captured_s: float) -> list[str]:
        notes, status = [], status_of(self.source)
        age_s = time.perf_counter() - captured_s
        if self.controls.is_paused:
            notes.append("paused")
        elif status.state:
            notes.append(status.state)
        elif age_s > max(_STALE_S, 3 / (status.rate_hz or 30)):
            notes.append(f"no picture for {age_s:.0f} s")
        if self.controls.message:
            notes.append(self.controls.message)
        return notes
