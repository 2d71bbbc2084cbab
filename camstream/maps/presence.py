"""When something is there: intervals of presence from a score for every frame.

A score over ``on_threshold`` begins a presence, one under ``off_threshold`` ends it, so that a score which
wavers between the two changes nothing. Presences that are close are then joined, and what is
still short is left out. All times are seconds, so the rule means the same at any frame rate.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from camstream.errors import UsageError


@dataclass(frozen=True, slots=True)
class PresenceRule:
    """What counts as presence.

    Attributes:
        on_threshold: A score of at least this begins a presence.
        off_threshold: A score under this ends it; at most ``on_threshold``.
        min_duration_s: Shorter presences are left out, seconds.
        max_gap_s: Presences no further apart than this are one, seconds.
        max_dropout_s: Where no frame comes for longer than this (a stream that was away), presence
            ends with the last frame before, seconds.
    """

    on_threshold: float = 0.5
    off_threshold: float = 0.25
    min_duration_s: float = 0.3
    max_gap_s: float = 0.5
    max_dropout_s: float = 2.0

    def __post_init__(self) -> None:
        if not self.off_threshold <= self.on_threshold:
            raise UsageError(
                f"presence ends at {self.off_threshold:g}, above where it begins: {self.on_threshold:g}"
            )
        if min(self.min_duration_s, self.max_gap_s, self.max_dropout_s) < 0:
            raise UsageError("the times of a presence rule are 0 or more seconds")


class Switch:
    """Decides frame by frame whether something is there, as a rule says.

    Attributes:
        is_on: What was decided for the last frame.
    """

    def __init__(self, rule: PresenceRule = PresenceRule()) -> None:
        self.is_on = False
        self._rule = rule
        self._last_s = -math.inf

    def update(self, pts_s: float, score: float) -> bool:
        """Decide a frame: the next one, or the last one once more.

        Args:
            pts_s: Its media time, seconds. Where it jumps back, or far ahead, all begins anew.
            score: Of the thing. NaN counts as 0.
        """
        if not 0 <= pts_s - self._last_s <= self._rule.max_dropout_s:
            self.is_on = False
        self._last_s = pts_s
        limit = self._rule.off_threshold if self.is_on else self._rule.on_threshold
        self.is_on = score >= limit
        return self.is_on


@dataclass(frozen=True, slots=True)
class Interval:
    """One presence.

    Attributes:
        start_s: Media time of its first frame, seconds.
        end_s: Media time of the first frame after it; of its last frame where none follows.
        peak_score: The highest score from start to end.
    """

    start_s: float
    end_s: float
    peak_score: float


class Presence:
    """Finds intervals frame by frame, in constant memory."""

    def __init__(self, rule: PresenceRule = PresenceRule()) -> None:
        self._rule = rule
        self._switch = Switch(rule)
        self._open: Interval | None = None  # someone is there; its end is the latest frame
        self._waiting: Interval | None = None  # ended, and may yet be joined with what follows
        self._last_s = -math.inf
        self._between = 0.0  # the highest score since the waiting one ended

    @property
    def certain(self) -> Interval | None:
        """The presence that goes on, or ended just now, where it is long enough to be given later.

        Its end is the latest so far. None before that is certain.
        """
        found = self._open or self._waiting
        return found if found is not None and self._is_long(found) else None

    def add(self, pts_s: float, score: float) -> list[Interval]:
        """Add a frame.

        Args:
            pts_s: Its media time, seconds; more than the frame's before.
            score: Of the thing, on any fixed scale. NaN counts as 0.

        Returns:
            The intervals that are complete now: none or one, rarely two.

        Raises:
            ValueError: The time does not grow.
        """
        if not pts_s > self._last_s:
            raise ValueError(f"a frame at {pts_s:g} s follows one at {self._last_s:g} s")
        score = 0.0 if math.isnan(score) else score
        if pts_s - self._last_s > self._rule.max_dropout_s:
            self._close(self._last_s)
        self._last_s = pts_s
        is_on = self._switch.update(pts_s, score)
        if self._open is not None and not is_on:
            self._close(pts_s)
        if self._open is not None:
            self._open = Interval(self._open.start_s, pts_s, max(self._open.peak_score, score))
        elif is_on:
            self._open = Interval(pts_s, pts_s, score)
            return self._resume()
        else:
            self._between = max(self._between, score)
            if self._waiting is not None and pts_s - self._waiting.end_s > self._rule.max_gap_s:
                return self._release()
        return []

    def finish(self) -> list[Interval]:
        """Give the intervals that are left; call it after the last frame."""
        if self._open is not None:
            self._close(self._last_s)
        return self._release()

    def _close(self, end_s: float) -> None:
        if self._open is not None:
            self._waiting = Interval(self._open.start_s, end_s, self._open.peak_score)
            self._open, self._between = None, 0.0

    def _resume(self) -> list[Interval]:
        """Join what has just begun with what is waiting, or let that go."""
        before, now = self._waiting, self._open
        if before is None or now is None or now.start_s - before.end_s > self._rule.max_gap_s:
            return self._release()
        peak = max(before.peak_score, self._between, now.peak_score)
        self._open, self._waiting = Interval(before.start_s, now.end_s, peak), None
        return []

    def _release(self) -> list[Interval]:
        done, self._waiting = self._waiting, None
        return [done] if done is not None and self._is_long(done) else []

    def _is_long(self, interval: Interval) -> bool:
        return interval.end_s - interval.start_s >= self._rule.min_duration_s


def find_intervals(
    samples: Iterable[tuple[float, float]], rule: PresenceRule = PresenceRule()
) -> list[Interval]:
    """Find the intervals of presence in a whole sequence.

    Args:
        samples: (pts_s, score) of every frame, times growing.
        rule: What counts as presence.

    Returns:
        In order, apart from each other, none outside the sequence. Every frame that scores at
        least ``rule.on_threshold`` lies in one, unless that one would be shorter than
        ``rule.min_duration_s``.

    Raises:
        ValueError: The times do not grow.
    """
    presence = Presence(rule)
    found = [interval for pts_s, score in samples for interval in presence.add(pts_s, score)]
    return found + presence.finish()
