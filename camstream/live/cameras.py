"""What there is to know of each of several cameras at one moment, and how it is said in words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from camstream.frame import Frame, Prediction

CameraCondition = Literal["opening", "live", "lost", "paused", "ended", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CameraState:
    """One of several cameras at one moment.

    Attributes:
        id: Its number, from 1, which no other camera gets in this run.
        name: What it is called, unlike any other and without secrets.
        address: As it was given, with its secrets: it is not shown.
        state: "opening": it was never open; "live": pictures come; "lost": none comes, and it is
            tried again for ever; "paused"; "ended": a clip is at its end; "failed": it will not be
            tried again.
        rate_in_hz: Pictures that come a second, of late; 0 while none comes.
        rate_hz: Those of them that the model looks at.
        dropped: Pictures that came and were not looked at, since the beginning.
        why: Why pictures are dropped now, in words; empty while none is.
        lag_ms: Median time from arrival to shown, of late.
        lost_s: How long no picture has come, seconds; None while it is not lost.
        next_try_s: In how many seconds it is tried again; None while it is being tried.
        problem: What went wrong last, in words; empty for nothing.
        label: What is seen, as it is displayed; empty before the first map.
        score: Its probability, 0 to 1.
        is_recording: Whether it is recorded.
        frame: The picture that is shown, None before the first.
        prediction: Its map, or that of an earlier picture.
    """

    id: int
    name: str
    address: str = field(default="", repr=False)
    state: CameraCondition = "opening"
    rate_in_hz: float = 0.0
    rate_hz: float = 0.0
    dropped: int = 0
    why: str = ""
    lag_ms: float = 0.0
    lost_s: float | None = None
    next_try_s: float | None = None
    problem: str = ""
    label: str = ""
    score: float = 0.0
    is_recording: bool = False
    frame: Frame | None = None
    prediction: Prediction | None = None

    @property
    def is_of_now(self) -> bool:
        """Whether its picture may be shown as one of now."""
        return self.state in ("live", "paused", "ended")

    def to_dict(self) -> dict[str, object]:
        """Give what is known as plain values, for JSON; without picture and address."""
        return {
            "id": self.id,
            "name": self.name,
            "state": self.state,
            "rate_in_hz": round(self.rate_in_hz, 1),
            "rate_hz": round(self.rate_hz, 1),
            "dropped": self.dropped,
            "why": self.why,
            "lag_ms": round(self.lag_ms, 1),
            "lost_s": None if self.lost_s is None else round(self.lost_s, 1),
            "next_try_s": None if self.next_try_s is None else round(self.next_try_s, 1),
            "problem": self.problem,
            "label": self.label,
            "score": round(self.score, 4),
            "health": health(self),
        }


def health(camera: CameraState) -> str:
    """Say in one line how a camera is."""
    match camera.state:
        case "opening":
            return "opening ..."
        case "lost":
            since = "no picture yet" if camera.frame is None else f"lost {_time(camera.lost_s)}"
            if camera.next_try_s is None:
                return f"{since}, trying now"
            return f"{since}, next try in {camera.next_try_s:.0f} s"
        case "failed":
            return camera.problem
        case "live":
            return _running(camera)
    return camera.state


def _running(camera: CameraState) -> str:
    came, seen, lag = _rate(camera.rate_in_hz), _rate(camera.rate_hz), f"{camera.lag_ms:.0f} ms"
    if not camera.why or seen == came:
        return f"{came} a second, {lag}"
    return f"{seen} of {came} a second seen: {camera.why}, {lag}"


def _rate(rate_hz: float) -> str:
    return f"{rate_hz:.1f}" if rate_hz < 2 else f"{rate_hz:.0f}"


def _time(seconds: float | None) -> str:
    """Write how long something has been: "12 s", "3 min", "2 h"."""
    seconds = seconds or 0.0
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
