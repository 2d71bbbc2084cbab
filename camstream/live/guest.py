"""What a session needs of whoever adds actions to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from camstream.live import actions
    from camstream.live.state import TeachingState
    from camstream.models.session import Model
    from camstream.picture import Picture


class Guest(Protocol):
    """Adds actions to a session and may bring it another model; see ``camstream.live.teaching``."""

    @property
    def state(self) -> TeachingState: ...

    def do(self, action: actions.TeachAction, picture: Picture | None) -> str:
        """Do what an action asks for, with the displayed picture; returns a message."""
        ...

    def see(self, picture: Picture) -> None:
        """Take each picture that is displayed."""
        ...

    def poll(self) -> Sequence[str | Model]:
        """Return what is new: messages, and models to use from now on."""
        ...

    def close(self) -> str:
        """End; returns what the user is to be told."""
        ...
