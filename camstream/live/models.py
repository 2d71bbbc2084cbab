"""Another model while a session runs, or the same one opened in another way."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

from camstream.errors import CamstreamError, UsageError
from camstream.live import actions
from camstream.live.state import ModelChoice

if TYPE_CHECKING:
    from camstream.models.session import Model

_JOIN_S = 5.0
_SIDES = (32, 2048)


class ModelSwitch:
    """Opens models in a thread of its own, so that the picture never waits.

    Attributes:
        names: The models that there are to choose from, as they were given.
        choice: The one that is used now; None: one that is not among them, such as a taught one.
    """

    def __init__(
        self, choice: ModelChoice, names: Sequence[str], open_model: Callable[[ModelChoice], Model]
    ) -> None:
        """Begin with a model that is open already.

        Args:
            choice: What it is.
            names: Of all that may be chosen.
            open_model: Opens one; raises CamstreamError where it cannot.
        """
        self.names = tuple(dict.fromkeys((choice.name, *names)))
        self.choice: ModelChoice | None = choice
        self._open_model = open_model
        self._told: SimpleQueue[str | tuple[ModelChoice, Model]] = SimpleQueue()
        self._opening: threading.Thread | None = None

    def do(self, action: actions.ModelAction) -> str:
        """Begin to open what an action asks for.

        Returns:
            A message for the user; what came of it is told by ``poll``.

        Raises:
            UsageError: There is no such model, or no such size.
        """
        wanted = self._wanted(action)
        if wanted == self.choice:
            return ""
        if self._opening is not None and self._opening.is_alive():
            return "another model is being opened already"
        self._opening = threading.Thread(
            target=self._open, args=(wanted,), name="camstream-model", daemon=True
        )
        self._opening.start()
        return f"opening {shown_model(wanted.name)} ..."

    def poll(self) -> list[str | Model]:
        """Return what came of it since the last call: messages, and models to use from now on."""
        found: list[str | Model] = []
        while not self._told.empty():
            one = self._told.get_nowait()
            if isinstance(one, str):
                found.append(one)
            else:
                self.choice, model = one
                found.append(model)
        return found

    def leave(self) -> None:
        """Take note that a model is used that is none of these."""
        self.choice = None

    def close(self) -> None:
        """Wait for one that is being opened."""
        if self._opening is not None:
            self._opening.join(_JOIN_S)

    def _wanted(self, action: actions.ModelAction) -> ModelChoice:
        if isinstance(action, actions.SetModel):
            now = self.choice or ModelChoice(name="")
            return ModelChoice(name=self._named(action.name), refine=now.refine, zoom=now.zoom)
        if self.choice is None:
            raise UsageError("a model that is taught stays as it is; choose another one first")
        if isinstance(action, actions.Refine):
            on = not self.choice.refine if action.on is None else action.on
            return dataclasses.replace(self.choice, refine=on)
        side = action.side
        if side is not None and not _SIDES[0] <= side <= _SIDES[1]:
            raise UsageError(f"an input size is {_SIDES[0]} to {_SIDES[1]} pixels, not {side}")
        return dataclasses.replace(self.choice, input_size=side)

    def _named(self, name: str) -> str:
        """Find a model by its name, or by that of its file without the folder."""
        for known in self.names:
            if name in (known, shown_model(known)):
                return known
        there_are = ", ".join(map(shown_model, self.names))
        raise UsageError(f"no model {name!r}; there are {there_are}")

    def _open(self, wanted: ModelChoice) -> None:
        try:
            self._told.put((wanted, self._open_model(wanted)))
        except CamstreamError as error:
            self._told.put(str(error))


def shown_model(name: str) -> str:
    """What a model is called where people read it: a file by its name alone."""
    return Path(name).name
