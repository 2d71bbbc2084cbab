"""What a live session's display says: functions of the session's state, without any drawing."""

from __future__ import annotations

from camstream.live.prompt import Prompt
from camstream.live.state import LiveState, TeachingState

_MESSAGE_S = 2.5
_READING_S = 0.05  # and so long for each character
_STALE_S = 1.0  # a picture older than this (and 3 frames) is not shown as if it were live


def hud(state: LiveState, now_s: float) -> list[str]:
    """Return the text at the bottom of the picture, the last note lowest.

    Args:
        state: Of the session.
        now_s: ``time.perf_counter()``.
    """
    if state.is_mosaic:
        return _typed(state, now_s)
    if state.frame is None or state.prediction is None:
        return [_awaited(state)]
    notes = []
    if state.is_paused:
        notes.append(
            f"paused, {_count(state.passed, 'frame')} passed" if state.passed else "paused"
        )
    elif note := state.source_state or absence(state, now_s):
        notes.append(note)
    notes += _typed(state, now_s)
    if state.teaching is not None:
        notes += _counts(state.teaching)
    if state.display != "off":
        notes.append(_readings(state, now_s))
    return notes


def _typed(state: LiveState, now_s: float) -> list[str]:
    """The question that is being answered, or the message of the moment."""
    if state.prompt is not None:
        return _lines(state.prompt)
    message = message_of(state, now_s)
    return [message] if message else []


def message_of(state: LiveState, now_s: float) -> str:
    """Return the latest message for as long as it takes to read it, then an empty text."""
    until_s = state.message_s + _MESSAGE_S + _READING_S * len(state.message)
    return state.message if now_s < until_s else ""


def is_stale(state: LiveState, now_s: float) -> bool:
    """Whether nothing comes from the source, so that the picture is not that of now."""
    if state.is_mosaic:
        return not any(one.is_of_now for one in state.cameras)
    if state.frame is None:
        return bool(state.cameras)  # what was shown before is another camera's
    if state.is_paused or state.player is not None:
        return False
    age_s = now_s - state.frame.captured_s
    return bool(state.source_state) or age_s > max(_STALE_S, 3 / (state.source_rate_hz or 30))


def absence(state: LiveState, now_s: float) -> str:
    """Say why the picture is not that of now; empty where it is, or is held on purpose."""
    if not is_stale(state, now_s):
        return ""
    if state.frame is None:
        return _awaited(state)
    return state.source_state or f"no picture for {now_s - state.frame.captured_s:.0f} s"


def _awaited(state: LiveState) -> str:
    return state.source_state or f"waiting for the first picture of {state.source}"


def _readings(state: LiveState, now_s: float) -> str:
    """Rate, lag and device; no rate and no lag are claimed while no picture comes."""
    device = state.device.upper()
    if state.player is not None and state.player.counts == "photos":
        return device  # a photo has no rate
    is_running = not state.is_paused and not is_stale(state, now_s)
    line = f"{state.rate_hz:.0f} fps, {state.lag_ms:.0f} ms, {device}" if is_running else device
    if state.display == "short" or state.frame is None or state.prediction is None:
        return line
    age_ms = max(0.0, state.frame.captured_s - state.prediction.frame.captured_s) * 1e3
    lag = f"{state.lag_ms:.0f} ms from arrival to screen; " if is_running else ""
    dropped = f"{_count(state.dropped, 'frame')} not shown"
    if state.passed:
        dropped += f", {state.passed} of them in a pause"
    return f"{line}\n{lag}map {age_ms:.0f} ms old; {dropped}"


def _lines(prompt: Prompt) -> list[str]:
    """The question with what was typed, and below it what may be meant."""
    mark = "_" if prompt.overwrites else "|"
    typed = f"{prompt.text[: prompt.cursor]}{mark}{prompt.text[prompt.cursor :]}"
    lines = [f"{prompt.question}: {typed}"]
    if prompt.problem:
        lines.append(prompt.problem)
    elif prompt.suggestions:
        best, *others = prompt.suggestions
        lines.append(f"Enter: {best}" + (f"   or {', '.join(others)}" if others else ""))
    return lines


def _counts(teaching: TeachingState) -> list[str]:
    """How many frames each class has, and what comes next."""
    classes = [one for one in teaching.classes if one.frames or one.is_named]
    if not classes and not teaching.work:
        return []
    counts = "   ".join(f"{one.number} {one.name} {one.frames}" for one in classes)
    if teaching.work:
        return ["   ".join([counts, teaching.work]) if counts else teaching.work]
    if not any(one.frames for one in classes):
        return [f"{counts}: hold a digit"]
    alike = ", ".join(one.name for one in classes if one.is_alike)
    return [
        *([f"{alike}: all frames alike: move it"] if alike else []),
        f"{counts}   f fits   x saves",
    ]


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
