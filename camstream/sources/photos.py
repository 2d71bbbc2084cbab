"""A photo, or a folder of photos, that is looked through."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from camstream.errors import SourceError
from camstream.frame import Frame
from camstream.media import read_photo
from camstream.picture import Picture
from camstream.sources.player import PlayerState

_APART_S = 60.0  # of media time: smoothing begins anew with each photo


class Album:
    """Shows one photo after the other, each when it is asked for.

    Attributes:
        name: Of the photo, or of the folder.
        rate_hz: None.
        state: Empty, or which photo could not be read.
    """

    rate_hz: float | None = None

    def __init__(self, paths: Sequence[Path], *, name: str, stays: bool, is_looping: bool) -> None:
        """Begin with the first photo.

        Args:
            paths: At least one photo.
            name: What messages call them.
            stays: Whether each photo stays until another is asked for; else every one comes once.
            is_looping: Whether the first one follows the last one.
        """
        self.name = name
        self.is_live = stays
        self.state = ""
        self._paths = paths
        self._stays = stays
        self._is_looping = is_looping
        self._changed = threading.Condition()
        self._is_stopped = False
        self._at = 0
        self._wanted: int | None = 0

    @property
    def player(self) -> PlayerState:
        """Which photo is shown."""
        return PlayerState(
            position=self._at,
            length=len(self._paths) - 1,
            is_looping=self._is_looping,
            has_ended=True,
            counts="photos",
        )

    def pause(self, paused: bool) -> None:
        """Do nothing: a photo stays."""

    def seek(self, to: float) -> None:
        """Go to a photo, from 0; before the first is the first, after the last the last."""
        with self._changed:
            self._wanted = max(0, min(round(to), len(self._paths) - 1))
            self._changed.notify_all()

    def skip(self, by_s: float) -> None:
        """Go to the next photo, or back to the one before."""
        self.step((by_s > 0) - (by_s < 0))

    def step(self, frames: int) -> None:
        """Go on or back by so many photos."""
        with self._changed:
            goal = (self._at if self._wanted is None else self._wanted) + frames
        self.seek(goal % len(self._paths) if self._is_looping else goal)

    def set_speed(self, speed: float) -> None:
        """Do nothing: a photo stays."""

    def loop(self, on: bool) -> None:
        """Let the first photo follow the last one, or not."""
        self._is_looping = on

    def __iter__(self) -> Iterator[Frame]:
        """Yield each photo that is asked for; raises SourceError where not one can be read."""
        index, has_shown = 0, False
        while (at := self._next()) is not None:
            path = self._paths[at]
            try:
                picture = Picture.from_bgr(read_photo(path))
            except SourceError as error:
                self.state = str(error)
                if not has_shown and at == len(self._paths) - 1:
                    raise
                if not has_shown:
                    self.seek(at + 1)
                continue
            self.state, has_shown = "", True
            yield Frame(index, index * _APART_S, time.perf_counter(), picture)
            index += 1

    def _next(self) -> int | None:
        with self._changed:
            if not self._stays and self._wanted is None and self._at + 1 < len(self._paths):
                self._wanted = self._at + 1
            while self._wanted is None and self._stays and not self._is_stopped:
                self._changed.wait()
            if self._is_stopped or self._wanted is None:
                return None
            self._at, self._wanted = self._wanted, None
            return self._at

    def stop(self) -> None:
        """Make the iteration end."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()

    def close(self) -> None:
        """Stop."""
        self.stop()
