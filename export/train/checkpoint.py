"""A training that was interrupted, on disk: whole or not there, and read without running code."""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from camstream.errors import ModelError, SinkError
from camstream.sinks.atomic_file import AtomicFile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from export.train.training import Training

Settings = dict[str, str]
State = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A file that a training is kept in.

    Attributes:
        path: The file.
        settings: All that the result follows from; a training goes on only with the same.
    """

    path: Path
    settings: Settings

    @classmethod
    def of(cls, output: Path, settings: Mapping[str, object]) -> Checkpoint:
        """The checkpoint of what will be ``output``, beside it."""
        reported = {name: json.dumps(value, default=str) for name, value in settings.items()}
        return cls(output.with_suffix(".checkpoint.pt"), reported)

    def save(self, training: Training) -> None:
        """Keep a training in place of what was kept before.

        Raises:
            SinkError: It cannot be written; what was kept before stays.
        """
        atomic_file = AtomicFile(self.path, overwrite=True)
        try:
            torch.save({"settings": self.settings, "training": training.state()}, atomic_file.path)
        except (OSError, RuntimeError) as error:  # torch's writer says RuntimeError of a full disk
            atomic_file.discard()
            raise SinkError(f"cannot write {self.path}: {error}") from error
        atomic_file.commit()

    def restore(self, training: Training) -> None:
        """Go on where it was kept.

        Raises:
            ModelError: It cannot be read, or was made with other settings or of a network that
                is built otherwise now; it stays as it is.
        """
        settings, state = self._held()
        other = [name for name, value in self.settings.items() if settings.get(name) != value]
        if other:
            name = other[0]
            raise ModelError(
                f"cannot go on from {self.path}: its {name} was {settings.get(name)}, now it is "
                f"{self.settings[name]}; give what it began with, or --overwrite to begin again"
            )
        try:
            changed = _difference(state["network"], training.network.state_dict())
            if not changed:
                training.restore(state)
        except (RuntimeError, ValueError, LookupError, TypeError, AttributeError) as error:
            changed = (str(error).strip() or type(error).__name__).splitlines()[0]
        if changed:
            raise ModelError(
                f"cannot go on from {self.path}: it does not fit the network as it is built now "
                f"({changed}); go on with the camstream that began it, or --overwrite to begin again"
            )

    def remove(self) -> None:
        """Forget it."""
        self.path.unlink(missing_ok=True)

    def _held(self) -> tuple[Settings, State]:
        try:
            held: Any = torch.load(self.path, map_location="cpu", weights_only=True)
            return held["settings"], held["training"]
        except (
            OSError,
            RuntimeError,
            EOFError,
            KeyError,
            TypeError,
            pickle.UnpicklingError,
        ) as error:
            first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ModelError(f"cannot go on from {self.path}: {first_line}") from error


def _difference(kept: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> str:
    """Tell the first layer of a network that is not as it was kept; empty where all are."""
    for name in [*own, *kept]:
        was, now = (tuple(x[name].shape) if name in x else "missing" for x in (kept, own))
        if was != now:
            return f"{name} was {was}, now it is {now}"
    return ""
