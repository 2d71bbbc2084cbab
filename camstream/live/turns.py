"""Whose turn it is at the one model: that of the camera that was looked at longest ago."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class _Place(Generic[T]):
    """Of one camera: what waits, when it had its last turn, and whether that has not ended."""

    last_turn: int
    waiting: T | None = None
    is_busy: bool = False


class Turns(Generic[T]):
    """Holds the newest frame of each camera, and gives them out in turn.

    Nobody who waits has to let more than each of the others go first once. A camera has one turn at a
    time, so that its frames stay in order. Not for several threads; see ``camstream.live.desk``.
    """

    def __init__(self) -> None:
        """Begin without a camera."""
        self._places: dict[int, _Place[T]] = {}
        self._turn = 0

    def add(self, camera: int) -> None:
        """Give a camera a place; its first turn comes before the others' next ones."""
        self._places.setdefault(camera, _Place(-1))

    def remove(self, camera: int) -> None:
        """Take a camera's place, and what waits there."""
        self._places.pop(camera, None)

    def offer(self, camera: int, item: T) -> bool:
        """Put the newest of a camera on its place.

        Returns:
            Whether one that waited there is replaced. What a camera without a place offers is
            forgotten.
        """
        place = self._places.get(camera)
        if place is None:
            return False
        was_waiting = place.waiting is not None
        place.waiting = item
        return was_waiting

    def take(self) -> tuple[int, T] | None:
        """Take what waits for the camera that had its turn longest ago; None where nothing does.

        The camera gets no other turn until ``done`` was called.
        """
        waiting = [
            (place.last_turn, camera)
            for camera, place in self._places.items()
            if place.waiting is not None and not place.is_busy
        ]
        if not waiting:
            return None
        _, camera = min(waiting)
        place = self._places[camera]
        item, place.waiting = place.waiting, None
        assert item is not None
        place.is_busy = True
        place.last_turn, self._turn = self._turn, self._turn + 1
        return camera, item

    def done(self, camera: int) -> None:
        """End a camera's turn."""
        place = self._places.get(camera)
        if place is not None:
            place.is_busy = False
