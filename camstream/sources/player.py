"""A file that is played: at its own speed or another, paused, stepped through, sought in."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from camstream.errors import SourceError
from camstream.frame import Frame
from camstream.stages import status_of

SPEEDS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)

_KEPT_BYTES = 128 * 2**20  # of pictures just shown, to step back through without decoding again
_KEPT_FRAMES = 60
_RUN_UPS_S = (0.0, 2.0, 10.0, 60.0)  # how much earlier decoding begins, until it is early enough
_LATEST_S = 1.0  # decoding that is later than this is not made up for
_AS_GOOD_S = 0.002  # times differ by their rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayerState:
    """Where a player is.

    Attributes:
        position: Of the frame that came last: seconds from the beginning, or which photo, from 0.
        length: The position of the end; None where the file does not say it.
        speed: 1 is the file's own.
        is_looping: Whether it begins again at its end.
        has_ended: Whether the last frame was shown and none comes by itself.
        counts: "seconds" or "photos".
    """

    position: float = 0.0
    length: float | None = None
    speed: float = 1.0
    is_looping: bool = False
    has_ended: bool = False
    counts: str = "seconds"


class Playable(Protocol):
    """A live source that can be played; every method may be called from another thread.

    Attributes:
        player: Where it is now.
    """

    @property
    def player(self) -> PlayerState: ...

    def pause(self, paused: bool) -> None:
        """Hold, or go on; at the end, going on begins again."""
        ...

    def seek(self, to: float) -> None:
        """Go to a position; one outside is the beginning or the end."""
        ...

    def skip(self, by_s: float) -> None:
        """Go on or back by so many seconds, or to the next or previous photo."""
        ...

    def step(self, frames: int) -> None:
        """Hold, and show the frame that is so many after the one shown; before it if negative."""
        ...

    def set_speed(self, speed: float) -> None:
        """Play at so many times the file's own speed, one of ``SPEEDS``."""
        ...

    def loop(self, on: bool) -> None:
        """Begin again at the end, or stay there."""
        ...


class Footage(Protocol):
    """What ``Player`` plays: a ``Source`` that can begin elsewhere, see ``FileSource``."""

    @property
    def name(self) -> str: ...
    @property
    def duration_s(self) -> float | None: ...

    def __iter__(self) -> Iterator[Frame]: ...
    def seek(self, to_s: float) -> bool:
        """Make the iteration begin at or before a time; False where that is not possible."""
        ...

    def stop(self) -> None: ...
    def close(self) -> None: ...


class Player:
    """Plays footage as a live source: a frame comes when its time has come.

    A file is opened anew for every seek: what a decoder remembers of another place cannot disturb.

    Attributes:
        name: The name of the footage.
        rate_hz: Its nominal rate, None where unknown.
    """

    is_live = True

    def __init__(
        self,
        footage: Footage,
        reopen: Callable[[], Footage],
        *,
        stays: bool = False,
        is_looping: bool = False,
        speed: float = 1.0,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Take over footage, which is closed together with the player.

        Args:
            footage: Usually a file, not read from so far.
            reopen: Opens it once more.
            stays: Whether the player waits at the end for what is asked for then, instead of ending.
            is_looping: Whether it begins again at the end.
            speed: One of ``SPEEDS``.
            clock: Returns seconds, monotonic; a parameter for tests.
        """
        self.name = footage.name
        self.rate_hz = status_of(footage).rate_hz  # type: ignore[arg-type]
        self._footage = footage
        self._reopen = reopen
        self._stays = stays
        self._clock = clock
        self._length_s = footage.duration_s
        self._changed = threading.Condition()
        # What is asked for; under the lock of ``_changed``.
        self._is_stopped = False
        self._is_paused = False
        self._is_looping = is_looping
        self._speed = speed
        self._goal_s: float | None = None
        self._heading_s: float | None = None  # the last goal, until a frame of it is shown
        self._steps = 0
        self._is_due = False  # the next frame is shown at once
        self._has_ended = False
        # Of the iterating thread; others read the times only.
        self._first_s: float | None = None
        self._shown_s: float | None = None
        self._start: tuple[float, float] | None = None  # clock and media time of a frame shown
        self._kept: deque[Frame] = deque()

    @property
    def player(self) -> PlayerState:
        """Where it is now."""
        first_s = self._first_s or 0.0
        length = None if self._length_s is None else max(self._length_s, self._last_s - first_s)
        return PlayerState(
            position=max(0.0, self._last_s - first_s),
            length=length,
            speed=self._speed,
            is_looping=self._is_looping,
            has_ended=self._has_ended,
        )

    @property
    def _last_s(self) -> float:
        return self._first_s or 0.0 if self._shown_s is None else self._shown_s

    def pause(self, paused: bool) -> None:
        """Hold, or go on; at the end, going on begins again."""
        with self._changed:
            self._is_paused = paused
            if not paused and self._has_ended:
                self._goal_s = 0.0
            self._restart()

    def seek(self, to: float) -> None:
        """Go to a time, seconds from the beginning; one outside is the beginning or the end."""
        with self._changed:
            self._goal_s = max(0.0, to if self._length_s is None else min(to, self._length_s))
            self._heading_s = self._goal_s
            self._steps = 0
            self._restart()

    def skip(self, by_s: float) -> None:
        """Go on or back by so many seconds."""
        with self._changed:
            here_s = self.player.position if self._heading_s is None else self._heading_s
        self.seek(here_s + by_s)

    def step(self, frames: int) -> None:
        """Hold, and show the frame that is so many after the one shown; before it if negative."""
        with self._changed:
            self._is_paused = True
            self._steps += frames
            self._restart()

    def set_speed(self, speed: float) -> None:
        """Play at so many times the file's own speed."""
        with self._changed:
            self._speed = speed
            self._restart()

    def loop(self, on: bool) -> None:
        """Begin again at the end, or stay there."""
        with self._changed:
            self._is_looping = on
            self._restart()

    def stop(self) -> None:
        """Make the iteration end, also while it waits."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()
        self._footage.stop()

    def close(self) -> None:
        """Close the footage."""
        self.stop()
        self._footage.close()

    def _restart(self) -> None:
        """Begin to count time anew, and wake the iteration up."""
        self._start = None
        self._changed.notify_all()

    def __iter__(self) -> Iterator[Frame]:
        """Yield each frame when its time has come; their indices count what was yielded."""
        frames, index = iter(self._footage), 0
        while True:
            frame = next(frames, None)
            if self._first_s is None and frame is not None:
                self._first_s = frame.pts_s
            wish = self._wait_for(frame)
            if wish == "show" and frame is not None:
                self._keep(frame)
                self._shown_s, self._heading_s = frame.pts_s, None
                yield Frame(index, frame.pts_s, self._clock(), frame.picture)
                index += 1
            elif wish == "seek":
                frames = self._sought()
            elif wish == "back":
                rest = frames if frame is None else itertools.chain([frame], frames)
                frames = self._earlier(rest)
            else:
                return

    def _wait_for(self, frame: Frame | None) -> str:
        """Wait until something is to be done: "show" the frame, "seek", go "back" or "end"."""
        with self._changed:
            self._has_ended = False
            while not self._is_stopped:
                if self._goal_s is not None:
                    return "seek"
                if self._steps < 0:
                    return "back"
                if frame is None:
                    if self._is_looping and not self._is_paused and self._shown_s is not None:
                        self._goal_s, self._start = 0.0, None
                        return "seek"
                    if not self._stays:
                        break
                    self._steps, self._has_ended = 0, True
                    self._changed.wait()
                    continue
                if self._is_due or self._steps > 0:
                    self._steps = max(0, self._steps - (not self._is_due))
                    self._is_due = False
                    return "show"
                if self._is_paused:
                    self._changed.wait()
                    continue
                if self._start is None:
                    self._start = self._clock(), frame.pts_s
                begin_s, begin_pts_s = self._start
                left_s = begin_s + (frame.pts_s - begin_pts_s) / self._speed - self._clock()
                if left_s <= 0:
                    if left_s < -_LATEST_S:
                        self._start = None
                    return "show"
                self._changed.wait(left_s)
        return "end"

    def _sought(self) -> Iterator[Frame]:
        """Return the frames from the time on that is asked for; the first is shown at once."""
        with self._changed:
            goal_s, self._goal_s, self._is_due = self._goal_s or 0.0, None, True
        self._kept.clear()
        first_s = self._first_s or 0.0
        half_s = 0.5 / (self.rate_hz or 25)
        before: Frame | None = None
        frames = self._from(first_s + goal_s)
        for frame in frames:
            if frame.pts_s >= first_s + goal_s - half_s:
                return itertools.chain([frame], frames)
            before = frame
            if self._is_interrupted():
                break
        # The end: the last frame is shown, as the file may be shorter than it says.
        return iter([] if before is None else [before])

    def _from(self, to_s: float) -> Iterator[Frame]:
        """Open the footage at a time, or earlier: an index may be wrong, or there is none."""
        for run_up_s in _RUN_UPS_S:
            self._open()
            if not self._footage.seek(to_s - run_up_s):
                break
            frames = iter(self._footage)
            frame = None
            with contextlib.suppress(SourceError):  # there is nothing behind its last key frame
                frame = next(frames, None)
            if frame is not None and frame.pts_s <= to_s + _AS_GOOD_S:
                return itertools.chain([frame], frames)
            if to_s - run_up_s <= (self._first_s or 0.0):
                break
        self._open()
        return iter(self._footage)

    def _open(self) -> None:
        footage = self._reopen()
        self._footage.close()
        self._footage = footage
        if self._is_stopped:
            footage.stop()

    def _earlier(self, rest: Iterable[Frame]) -> Iterator[Frame]:
        """Go back by the frames that are asked for; what follows them comes again."""
        with self._changed:
            count, self._steps, self._is_due = -self._steps, 0, True
        shown_s = self._last_s
        earlier = [frame for frame in self._kept if frame.pts_s < shown_s - _AS_GOOD_S]
        later = [frame for frame in self._kept if frame.pts_s >= shown_s - _AS_GOOD_S]
        if len(earlier) < count and (self._first_s or 0.0) < shown_s - _AS_GOOD_S:
            rate_hz = self.rate_hz or 25
            self._kept.clear()
            run_up = self._from(max(self._first_s or 0.0, shown_s - (count + 2) / rate_hz))
            for frame in run_up:
                if frame.pts_s >= shown_s - _AS_GOOD_S:
                    later, rest = [frame], run_up
                    break
                self._keep(frame)
                if self._is_interrupted():
                    break
            earlier = list(self._kept)
        split = max(0, len(earlier) - count)
        self._kept = deque(earlier[:split])
        return itertools.chain(earlier[split:], later, rest)

    def _is_interrupted(self) -> bool:
        return self._is_stopped or self._goal_s is not None

    def _keep(self, frame: Frame) -> None:
        """Remember a frame to step back to."""
        self._kept.append(frame)
        width, height = frame.picture.size_wh
        most = max(2, min(_KEPT_FRAMES, _KEPT_BYTES // (width * height * 3 // 2)))
        while len(self._kept) > most:
            self._kept.popleft()
