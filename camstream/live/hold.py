"""Which pictures were seen while a key was held down.

A keyboard says that a key is down again and again, but not that it goes up: the first repeat comes
after half a second or so, the others quickly. So a picture that is seen after a press counts only
once the next press has come.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from camstream.picture import Picture

_STILL_DOWN_S = 0.6  # presses no further apart are repeats of a key that stays down
_EVERY_S = 0.1  # pictures that come faster are much the same


class HeldKey:
    """Remembers one key, and the pictures since it was last pressed."""

    def __init__(self) -> None:
        self._number: int | None = None
        self._pressed_s = 0.0
        self._taken_s = 0.0
        self._waiting: list[Picture] = []
        self._last: Picture | None = None

    def press(self, number: int, picture: Picture, now_s: float) -> list[Picture]:
        """Take a press, or a repeat.

        Args:
            number: Of the key.
            picture: The displayed one.
            now_s: ``time.perf_counter()``.

        Returns:
            The pictures that were seen while the key was down, since the press before; of the
            first press, the displayed one.
        """
        is_repeat = number == self._number and now_s - self._pressed_s <= _STILL_DOWN_S
        if not is_repeat:
            self._number, self._waiting, self._last = number, [], None
        self._pressed_s = now_s
        if not is_repeat or now_s - self._taken_s >= _EVERY_S:
            self._take(picture, now_s)
        found, self._waiting = self._waiting, []
        return found

    def see(self, picture: Picture, now_s: float) -> None:
        """Take a picture that is displayed now; call it for each."""
        if self._number is None:
            return
        if now_s - self._pressed_s > _STILL_DOWN_S:
            self._number, self._waiting, self._last = None, [], None
        elif now_s - self._taken_s >= _EVERY_S:
            self._take(picture, now_s)

    def _take(self, picture: Picture, now_s: float) -> None:
        """Keep a picture, unless it is the one before: of a held picture once is enough."""
        if picture is not self._last:
            self._waiting.append(picture)
            self._last, self._taken_s = picture, now_s
