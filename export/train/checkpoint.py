"""A training that was interrupted, on disk: whole or not there, and read without running code."""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from camstream.errors import ModelError, SinkError
from camstream.sink.draft import Draft

if TYPE_CHECKING:
    from collections.abc import Mapping

    from export.train.training import Training

Settings = dict[str, str]


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
        told = {name: json.dumps(value, default=str) for name, value in settings.items()}
        return cls(output.with_suffix(".checkpoint.pt"), told)

    def save(self, training: Training) -> None:
        """Keep a training in place of what was kept before.

        Raises:
            SinkError: It cannot be written; what was kept before stays.
        """
        draft = Draft(self.path, overwrite=True)
        try:
            torch.save({"settings": self.settings, "training": training.state()}, draft.path)
        except (OSError, RuntimeError) as error:  # torch's writer says RuntimeError of a full disk
            draft.discard()
            raise SinkError(f"cannot write {self.path}: {error}") from error
        draft.commit()

    def restore(self, training: Training) -> None:
        """Go on where it was kept.

        Raises:
            ModelError: It cannot be read, or was made with other settings.
        """
        try:
            held: Any = torch.load(self.path, map_location="cpu", weights_only=True)
            settings, state = held["settings"], held["training"]
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
        other = [name for name, value in self.settings.items() if settings.get(name) != value]
        if other:
            name = other[0]
            raise ModelError(
                f"cannot go on from {self.path}: its {name} was {settings.get(name)}, now it is "
                f"{self.settings[name]}; give what it began with, or --overwrite to begin again"
            )
        training.restore(state)

    def remove(self) -> None:
        """Forget it."""
        self.path.unlink(missing_ok=True)
