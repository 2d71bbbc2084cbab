"""What a live session's display shows, text and picture: functions of the session's state."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from camstream.drawing.overlay import annotate
from camstream.drawing.text import add_notes
from camstream.live.keys import HELP
from camstream.live.state import LiveState, Prompt, TeachingState
from camstream.picture import Picture

_BLANK_WH = (640, 360)  # the picture before the first one
_MESSAGE_S = 2.5
_STALE_S = 1.0  # a picture older than this (and 3 frames) is not shown as if it were live


def draw(state: LiveState, notes: Sequence[str]) -> Picture:
    """Draw the displayed frame with its maps, or black before the first one.

    Args:
        state: Of the session.
        notes: The text for the bottom left corner, see ``hud``.
    """
    if state.frame is not None and state.prediction is not None:
        frame, style = state.frame, state.style
        return annotate(state.prediction, style, picture=frame.picture, notes=notes).picture
    blank = Picture.from_bgr(np.zeros((*_BLANK_WH[::-1], 3), np.uint8))
    add_notes(blank, notes)
    return blank


def hud(state: LiveState, now_s: float) -> list[str]:
    """Return the text at the bottom of the picture, the last note lowest.

    Args:
        state: Of the session.
        now_s: ``time.perf_counter()``.
    """
    notes = [HELP] if state.show_help else []
    if state.frame is None or state.prediction is None:
        waiting = f"waiting for the first picture of {state.source}"
        return [*notes, state.source_state or waiting]
    age_s = now_s - state.frame.captured_s
    if state.is_paused:
        notes.append("paused")
    elif state.source_state:
        notes.append(state.source_state)
    elif age_s > max(_STALE_S, 3 / (state.source_rate_hz or 30)):
        notes.append(f"no picture for {age_s:.0f} s")
    if state.prompt is not None:
        notes.append(_line(state.prompt))
    elif state.message and now_s < state.message_s + _MESSAGE_S:
        notes.append(state.message)
    if state.teaching is not None:
        notes += _counts(state.teaching)
    if state.show_display:
        if state.recording:
            notes.append(f"recording {state.recording}")
        map_age_ms = max(0.0, state.frame.captured_s - state.prediction.frame.captured_s) * 1e3
        notes.append(
            f"{state.rate_hz:.0f} fps   lag {state.lag_ms:.0f} ms   map {map_age_ms:.0f} ms old   "
            f"dropped {state.dropped}   {state.device}"
        )
    return notes


def _line(prompt: Prompt) -> str:
    suggestions = f"\t{', '.join(prompt.suggestions)}" if prompt.suggestions else ""
    return f"{prompt.question}: {prompt.text}_{suggestions}"


def _counts(teaching: TeachingState) -> list[str]:
    """Write how many frames each class has; nothing before the first frame."""
    counts = [f"{one.number} {one.name} {one.frames}" for one in teaching.classes if one.frames]
    if not counts and not teaching.work:
        return []
    return ["   ".join([*counts, teaching.work or "f fits   x saves"])]
