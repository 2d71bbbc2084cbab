"""What is counted and measured of one of several cameras."""

from __future__ import annotations

import time

from camstream.frame import Frame, Prediction
from camstream.live.pace import Pace
from camstream.stats import RunningRate, RunStats, StageTimes

STALE_S = 1.0  # a picture that is older (and three times the usual gap) is not one of now
_BUSY_SHARE = 0.05  # of the pictures that come: so many must be left out to be worth a word


class Figures:
    """Counts a camera's pictures; each method is for one thread, the values are for all.

    Attributes:
        times: How long each stage takes for a frame.
        arrived: Pictures that came.
        seen: Those that the model looked at.
        dropped: Those that were replaced by a newer one first.
        passed: Those that came in a pause.
        shown: Those that were shown with a map.
        came: How often pictures come, of late.
        looked: How often the model looks.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self.times = StageTimes()
        self.arrived = self.seen = self.dropped = self.passed = self.shown = 0
        self.came, self.looked, self._left_out = Pace(), Pace(), Pace()
        self._lag = RunningRate()

    def add_frame(self, frame: Frame) -> None:
        """Count a picture that came."""
        self.arrived += 1
        self.came.add(frame.captured_s)

    def add_dropped(self, frame: Frame) -> None:
        """Count one that a newer one replaced; that is the one which is given."""
        self.dropped += 1
        self._left_out.add(frame.captured_s)

    def add_seen(self, prediction: Prediction) -> None:
        """Count one that the model looked at."""
        self.seen += 1
        self.looked.add(time.perf_counter())
        self.times.add("infer", prediction.infer_ms)

    def add_shown(self, frame: Frame, now_s: float) -> float:
        """Count one that was shown; returns the milliseconds since it came."""
        self.shown += 1
        lag_ms = self._lag.add(frame.captured_s, now_s)
        self.times.add("lag", lag_ms)
        return lag_ms

    def begin_anew(self) -> None:
        """Forget rates and lag: a pause is no slow picture."""
        self._lag = RunningRate()
        for pace in (self.came, self.looked, self._left_out):
            pace.clear()

    @property
    def shown_hz(self) -> float:
        """Pictures shown a second, of late."""
        return self._lag.rate_hz

    @property
    def lag_ms(self) -> float:
        """Median milliseconds from arrival to shown, of late."""
        return self._lag.lag_ms

    def why_dropped(self, now_s: float) -> str:
        """Say why pictures are dropped now; empty while few are."""
        if self._left_out.rate_hz <= _BUSY_SHARE * self.came.rate_hz:
            return ""
        return "" if self._left_out.is_late(now_s, patience_s=STALE_S) else "the model is busy"

    def stats(
        self, source: str, device: str, provider: str, wall_s: float, reconnects: int
    ) -> RunStats:
        """Sum up a run, see ``RunStats``."""
        return RunStats(
            source=source,
            device=device,
            provider=provider,
            frames_in=self.arrived,
            frames_out=self.shown,
            frames_dropped=self.dropped,
            wall_s=round(wall_s, 3),
            rate_hz=round(self.shown / wall_s, 2),
            stages_ms=self.times.percentiles(),
            frames_mapped=self.seen,
            reconnects=reconnects,
        )
