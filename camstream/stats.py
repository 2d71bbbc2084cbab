"""Counts and times of a run, in bounded memory."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

import numpy as np

# Percentiles are over this many latest values: memory does not grow in a run of days.
_WINDOW = 10_000


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Median and 95th percentile of a stage's time, milliseconds."""

    p50: float
    p95: float


class StageTimes:
    """Collects how long each stage takes for a frame."""

    def __init__(self) -> None:
        self._ms: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=_WINDOW))

    def add(self, stage: str, milliseconds: float) -> None:
        """Add one frame's time."""
        self._ms[stage].append(milliseconds)

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Add the time that the body takes."""
        started = time.perf_counter()
        yield
        self.add(stage, (time.perf_counter() - started) * 1e3)

    def percentiles(self) -> dict[str, Percentiles]:
        """Summarise every stage that was measured."""
        return {
            stage: Percentiles(*(round(float(p), 3) for p in np.percentile(list(ms), (50, 95))))
            for stage, ms in list(self._ms.items())
        }


class RunningRate:
    """Rate and lag of the latest second or so, for a display."""

    def __init__(self) -> None:
        self._shown_s: deque[float] = deque(maxlen=31)
        self._lags_ms: deque[float] = deque(maxlen=31)

    def add(self, captured_s: float, shown_s: float) -> float:
        """Add the times at which a frame was captured and shown; returns the milliseconds between."""
        self._shown_s.append(shown_s)
        self._lags_ms.append((shown_s - captured_s) * 1e3)
        return self._lags_ms[-1]

    @property
    def rate_hz(self) -> float:
        """Frames shown a second."""
        times = self._shown_s
        return (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else 0.0

    @property
    def lag_ms(self) -> float:
        """Median milliseconds from captured to shown."""
        return float(np.median(self._lags_ms)) if self._lags_ms else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStats:
    """What ``--stats`` writes.

    Attributes:
        source: The input's name, without secrets.
        device: What really ran the model.
        provider: ONNX Runtime's name of that device.
        frames_in: Frames that the source gave.
        frames_out: Frames that were written or shown.
        frames_dropped: Frames that were in time for neither; live, also those before the first map.
        wall_s: From the first frame asked for to the last one done.
        rate_hz: frames_out / wall_s.
        stages_ms: Percentiles of the time each stage takes for a frame. "lag" (live only) is
            from captured to shown.
        frames_mapped: Frames that went through the model; None where that is every one.
        reconnects: How often a live source was opened again.
        settings: The options of the command that were given: value, and "from" where, which is
            the command line, a preset or a file of settings. What is missing had its default.
        cameras: The same of each, where several were looked at.
    """

    source: str
    device: str
    provider: str
    frames_in: int
    frames_out: int
    frames_dropped: int
    wall_s: float
    rate_hz: float
    stages_ms: dict[str, Percentiles]
    frames_mapped: int | None = None
    reconnects: int = 0
    settings: dict[str, dict[str, object]] = field(default_factory=dict)
    cameras: tuple[RunStats, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """Give the record as plain values, for JSON."""
        return asdict(self)
