"""What the state of a session of several cameras says of them."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING

from camstream.live.cameras import CameraState, health
from camstream.live.playing import player_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from camstream.live.camera import Camera
    from camstream.live.state import LiveState
    from camstream.stats import RunStats


def describe(state: LiveState, cameras: Sequence[Camera], gone: Iterable[RunStats]) -> LiveState:
    """Return a state with everything that is measured now.

    Args:
        state: Says which camera is shown alone.
        cameras: All that are looked at.
        gone: What was done with those that were removed: it is still counted.
    """
    now_s = time.perf_counter()
    states = tuple(camera.state(now_s) for camera in cameras)
    figures, past = [camera.figures for camera in cameras], list(gone)
    changes: dict[str, object] = {
        "cameras": states,
        "shown": sum(one.shown for one in figures) + sum(one.frames_out for one in past),
        "dropped": sum(one.dropped for one in figures) + sum(one.frames_dropped for one in past),
        "passed": sum(one.passed for one in figures),
    }
    for camera, described in zip(cameras, states, strict=True):
        if camera.id == state.focus:
            changes |= _of_one(camera, described)
            break
    else:
        changes |= _of_all(cameras, states)
    return dataclasses.replace(state, **changes)  # type: ignore[arg-type]


def _of_all(cameras: Sequence[Camera], described: tuple[CameraState, ...]) -> dict[str, object]:
    """What a state says of its source while all cameras are shown: the newest picture counts."""
    newest = max(
        (one for one in described if one.frame is not None and one.prediction is not None),
        key=lambda one: one.frame.captured_s if one.frame is not None else 0.0,
        default=None,
    )
    recording = [camera.outputs for camera in cameras if camera.outputs.recording]
    return {
        "source": called(cameras),
        "source_rate_hz": None,
        "source_state": "no picture yet" if newest is None else "",
        "player": None,
        # One that was never open cannot be held, and a clip at its end need not be.
        "is_paused": any(camera.is_paused for camera in cameras)
        and all(camera.is_held for camera in cameras if camera.source is not None),
        "frame": None if newest is None else newest.frame,
        "prediction": None if newest is None else newest.prediction,
        "rate_hz": sum(one.rate_hz for one in described),
        "lag_ms": max((one.lag_ms for one in described), default=0.0),
        "recording": recording[0].recording if recording else "",
        "recorded_s": max((one.recorded_s for one in recording), default=0.0),
    }


def called(cameras: Sequence[Camera]) -> str:
    """Return what all of them together are called."""
    return cameras[0].name if len(cameras) == 1 else f"{len(cameras)} cameras"


def _of_one(camera: Camera, described: CameraState) -> dict[str, object]:
    """What a state says of its source while one camera is shown alone."""
    is_quiet = described.state in ("opening", "lost", "failed")
    return {
        "source": camera.name,
        "source_rate_hz": described.rate_in_hz or None,
        "source_state": health(described) if is_quiet else "",
        "player": None if camera.source is None else player_of(camera.source),
        "timeline": camera.timeline,
        "is_paused": camera.is_paused,
        "frame": described.frame,
        "prediction": described.prediction,
        "rate_hz": camera.figures.shown_hz,
        "lag_ms": described.lag_ms,
        "recording": camera.outputs.recording,
        "recorded_s": camera.outputs.recorded_s,
    }
