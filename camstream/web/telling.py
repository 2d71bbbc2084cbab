"""What the page is told of a session's state, as plain values for JSON."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from camstream.live import layout
from camstream.live.hud import is_stale, message_of
from camstream.live.models import shown_model
from camstream.live.state import LiveState
from camstream.maps.select import ClassGroup

if TYPE_CHECKING:
    from camstream.frame import Prediction


def tell(
    state: LiveState,
    *,
    size_wh: tuple[int, int] | None = None,
    present_since_s: float | None = None,
    sources: Mapping[str, str] = {},
    now_s: float | None = None,
) -> dict[str, Any]:
    """Write a state as plain values; docs/manual/web.md explains each.

    Args:
        state: Of the session.
        size_wh: Of the picture that is sent; None before the first.
        present_since_s: Since when what is decided of presence holds, ``time.perf_counter()``.
        sources: What may be opened: the name, without secrets, and the address.
        now_s: ``time.perf_counter()``; a parameter for tests.
    """
    now_s = time.perf_counter() if now_s is None else now_s
    prediction, selection = state.prediction, state.selection
    # With all cameras side by side there is no best class: each camera has its own.
    one = None if state.is_mosaic else prediction
    names = {address: name for name, address in sources.items()}
    is_held = state.is_paused or is_stale(state, now_s)
    return {
        "source": state.source,
        "source_state": state.source_state,
        "source_rate_hz": state.source_rate_hz,
        "sources": list(sources),
        "is_stale": is_stale(state, now_s),
        "without_picture_s": (
            None if state.frame is None else round(max(0.0, now_s - state.frame.captured_s), 1)
        ),
        "rate_hz": None if is_held else round(state.rate_hz, 1),
        "lag_ms": None if is_held else round(state.lag_ms, 1),
        "shown": state.shown,
        "dropped": state.dropped,
        "device": state.device,
        "model": state.info.name,
        "is_paused": state.is_paused,
        "passed": state.passed,
        "message": message_of(state, now_s),
        "recording": state.recording,
        "recorded_s": round(state.recorded_s, 1),
        "picture_wh": size_wh,
        "tiles": None if size_wh is None else _tiles(state, size_wh),
        "style": dataclasses.asdict(state.style),
        "selection": {
            "classes": [_side(state, group) for group in selection.classes],
            "contrast": _contrast(state),
            "top_k": selection.top_k,
            "smoothing": selection.smoothing,
            "trail_s": selection.trail_s,
            "input_wh": None if prediction is None else prediction.image.shape[1::-1],
            "input_size": None if state.model is None else state.model.input_size,
            "refine": bool(
                state.model.refine
                if state.model is not None
                else prediction is not None and prediction.cam.refined is not None
            ),
        },
        "top": [] if one is None else _top(state, one),
        "displayed": [] if one is None else _displayed(one),
        "caveat": "" if prediction is None else prediction.cam.caveat,
        "presence": None if one is None else _presence(one, present_since_s, now_s),
        "answer": _answer(state),
        "teaching": _teaching(state),
        "player": _player(state),
        "cameras": [
            {**camera.to_dict(), "source": names.get(camera.address)} for camera in state.cameras
        ],
        "focus": state.focus,
        "models": [shown_model(name) for name in state.models],
        "chosen_model": None if state.model is None else shown_model(state.model.name),
    }


def _top(state: LiveState, prediction: Prediction) -> list[dict[str, Any]]:
    return [
        {
            "class_index": one.class_index,
            "label": one.label,
            "name": state.names.name_of(one.label, one.class_index),
            "score": round(one.score, 4),
        }
        for one in prediction.top
    ]


def _displayed(prediction: Prediction) -> list[dict[str, Any]]:
    return [
        {
            "class_index": view.class_index,
            "label": view.label,
            "name": view.name,
            "score": round(view.score, 4),
            "is_sure": view.is_sure,
            "is_contrast": view.is_contrast,
        }
        for view in prediction.displayed
    ]


def _contrast(state: LiveState) -> Mapping[str, Any] | None:
    contrast = state.selection.contrast
    if contrast is None:
        return None
    sides = contrast.sides
    return {"sides": None if sides is None else [_side(state, side) for side in sides]}


def _side(state: LiveState, group: ClassGroup) -> Mapping[str, str]:
    """A class or a group: what it is called, and the name that finds it."""
    is_one = len(group.indices) == 1
    name = state.names.name_of(group.label, group.indices[0]) if is_one else group.label
    return {"label": group.label, "name": name}


def _presence(
    prediction: Prediction, since_s: float | None, now_s: float
) -> Mapping[str, Any] | None:
    decided = prediction.displayed[0].state
    if decided is None:
        return None
    return {
        "is_present": not decided.is_background,
        "since_s": None if since_s is None else round(max(0.0, now_s - since_s), 1),
        "score": round(decided.presence, 4),
    }


def _answer(state: LiveState) -> Mapping[str, Any] | None:
    answer = state.answer
    if answer is None:
        return None
    return {
        "x": answer.x,
        "y": answer.y,
        "classes": [
            {
                "class_index": one.class_index,
                "label": one.label,
                "value": round(one.value, 2),
                "name": state.names.name_of(one.label, one.class_index),
            }
            for one in answer.classes
        ],
        "box": None
        if answer.box is None
        else {"label": answer.box.label, "score": round(answer.box.score, 4)},
    }


def _teaching(state: LiveState) -> Mapping[str, Any] | None:
    if state.teaching is None:
        return None
    return {
        "classes": [dataclasses.asdict(one) for one in state.teaching.classes],
        "latest": state.teaching.latest,
        "work": state.teaching.work,
    }


def _player(state: LiveState) -> Mapping[str, Any] | None:
    player = state.player
    if player is None:
        return None
    return {
        "position": round(player.position, 3),
        "duration": player.length,
        "is_playing": not state.is_paused and not player.has_ended,
        "has_ended": player.has_ended,
        "speed": player.speed,
        "is_looping": player.is_looping,
        "counts": player.counts,
        "timeline": [
            {"label": label, "start": round(begin, 4), "end": round(end, 4)}
            for begin, end, label in state.timeline.runs()
        ],
    }


def _tiles(state: LiveState, size_wh: tuple[int, int]) -> Mapping[str, int]:
    """How many pictures are side by side in the one that is sent."""
    if state.is_mosaic:  # its cameras are told apart by their own places
        return {"count": 1, "columns": 1, "rows": 1}
    count = layout.tile_count(state)
    width, _ = layout.tile_size_in(state, size_wh)
    columns = max(1, round(size_wh[0] / width))
    return {"count": count, "columns": columns, "rows": -(-count // columns)}
