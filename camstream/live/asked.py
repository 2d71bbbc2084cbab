"""What is asked of a session: by keys and clicks in its window, and from other threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import TYPE_CHECKING

from camstream.live.keys import Keyboard

if TYPE_CHECKING:
    from camstream.live import actions
    from camstream.live.prompt import Prompt
    from camstream.live.screen import Screen
    from camstream.live.state import LiveState


class Asked:
    """Collects actions; ``put`` is for any thread, all else for the session's.

    Attributes:
        waiting: Those of other threads that were not taken.
    """

    def __init__(self, screen: Screen | None) -> None:
        """Begin with nothing.

        Args:
            screen: Has keys and clicks; None: there are none.
        """
        self.waiting: SimpleQueue[actions.Action] = SimpleQueue()
        self.put = self.waiting.put
        self._screen = screen
        self._keyboard = Keyboard()
        self._keys: list[str] = []

    @property
    def prompt(self) -> Prompt | None:
        """The question that is being answered by keys, None while none is."""
        return self._keyboard.prompt

    def read_keys(self) -> None:
        """Take the keys that were pressed; ``take`` says what they mean."""
        while self._screen is not None and (key := self._screen.key()) is not None:
            self._keys.append(key)

    def take(self, state: Callable[[], LiveState]) -> Iterator[actions.Action]:
        """Give what was asked for since the last call, in its order; do each before the next.

        Args:
            state: Returns the state as it is now: what a key means depends on it.
        """
        while self._keys:
            yield from self._keyboard.press(self._keys.pop(0), state())
        if self._screen is not None:
            yield from self._screen.clicks(state())
        for _ in range(self.waiting.qsize()):
            yield self.waiting.get()
