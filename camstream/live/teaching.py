"""Teaching as a guest of a live session: frames for classes 1 to 9, a new model, a file.

The work is done in a thread of its own, so that the picture never waits; the session polls for
what came of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

from camstream.errors import CamstreamError, ModelError, UsageError
from camstream.live import actions
from camstream.live.hold import HeldKey
from camstream.live.likeness import Likeness
from camstream.live.state import TaughtClass, TeachingState
from camstream.safe_text import safe_text

if TYPE_CHECKING:
    from camstream.models.session import Model
    from camstream.picture import Picture
    from camstream.teach.teacher import Teacher

MAX_CLASSES = 9
_MAX_WAITING = 30  # frames that may wait
_MAX_NAME = 60  # characters
_NOTHING_TAUGHT = "hold a key from 1 to 9 first: it teaches what is seen"


def _open_teacher(model: Model, input_size: int | None) -> Teacher:
    from camstream.teach.teacher import Teacher  # scikit-learn takes a second, and few users teach

    return Teacher(model.file, input_size=input_size)


class Teaching:
    """Classes 1 to 9, their frames and their names."""

    def __init__(
        self,
        model: Model,
        names: Sequence[str] = (),
        *,
        input_size: int | None = None,
        refine: bool = False,
        output: Path | None = None,
        overwrite: bool = False,
        folder: Path = Path(),
        open_teacher: Callable[[Model, int | None], Teacher] = _open_teacher,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Begin with no frames; nothing is opened before the first one.

        Args:
            model: Its features are used, and its device.
            names: Of the first classes; the others are "class 3" and so on until they are named.
            input_size: Pixels a side that the taught model prefers; None: as many as ``model``.
            refine: Whether its maps are refined, see ``camstream.graph.refine``.
            output: The file that is saved to; None: one named after the time, in ``folder``.
            overwrite: Whether a file that is there may be replaced; one saved before always is.
            folder: Where a file without a name goes.
            open_teacher: Takes model and input size; tests give their own.
            clock: Returns seconds, monotonic; tests give their own.

        Raises:
            ModelError: There are too many names, or one comes twice.
        """
        if len(names) > MAX_CLASSES or len(set(names)) < len(names):
            raise ModelError(
                f"up to {MAX_CLASSES} classes can be taught, each with a name of its own; "
                f"not {', '.join(names)}"
            )
        self._latest: int | None = None
        self._names = dict(enumerate(names, 1))
        self._model = model
        self._input_size = input_size
        self._open_teacher = open_teacher
        self._refine = refine
        self._output = output
        self._overwrite = overwrite
        self._folder = folder
        self._teacher: Teacher | None = None
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="camstream-teach")
        self._jobs: list[Future[None]] = []
        self._results: SimpleQueue[str | Model] = SimpleQueue()
        self._saved: list[Path] = []
        self._work = ""
        self._held = HeldKey()
        self._clock = clock
        # The worker's: by number of the class, as a name may change meanwhile.
        self._frames: dict[int, int] = {}
        self._likeness: dict[int, Likeness] = {}
        self._is_fitted = False
        self._changes = self._saved_changes = 0  # asked for; asked for before the last save
        self._parting: str | None = None

    @property
    def state(self) -> TeachingState:
        """The classes and their frames, and what is going on."""
        classes = tuple(
            TaughtClass(
                number=number,
                name=name,
                frames=self._frames.get(number, 0),
                is_named=name != _stock_name(number),
                is_alike=number in self._likeness and self._likeness[number].is_alike,
            )
            for number, name in sorted(self._names.items())
        )
        return TeachingState(classes, self._latest, self._work)

    def do(self, action: actions.TeachAction, picture: Picture | None) -> str:
        """Do what an action asks for.

        Args:
            action: One of teaching.
            picture: The displayed one; None before the first.

        Returns:
            A message for the user, or an empty text.

        Raises:
            UsageError: There is no class of that number.
        """
        match action:
            case actions.Teach(number):
                return self._add(picture, _checked(number)) if picture is not None else ""
            case actions.NameClass(name, number):
                number = number or self._latest
                return self._name(_checked(number), name) if number else _NOTHING_TAUGHT
            case actions.Forget(number):
                number = number or self._latest
                return self._forget(_checked(number)) if number else _NOTHING_TAUGHT
            case actions.Fit():
                self._start("fitting ...", self._fit)
            case actions.Save():
                self._save()
        return ""

    def poll(self) -> list[str | Model]:
        """Return what came of the work since: messages, and models to use from now on."""
        while self._jobs and self._jobs[0].done():
            self._jobs.pop(0).result()  # raises errors that are not a user's
        found = []
        while not self._results.empty():
            found.append(self._results.get_nowait())
        return found

    def see(self, picture: Picture) -> None:
        """Take a picture that is displayed: while a key is held down, it is one of a class."""
        self._held.see(picture, self._clock())

    def close(self) -> str:
        """Save what was taught and not saved yet, and end the thread.

        Returns:
            Where the model is and how it is used, or why there is none; empty where nothing was
            taught.
        """
        if self._parting is None:
            if self._changes > self._saved_changes:
                self._save(only_if_taught=True)
            self._worker.shutdown(wait=True)
            told = [found for found in self.poll() if isinstance(found, str)]
            if self._changes > self._saved_changes and any(self._frames.values()):
                self._parting = f"what was taught is not saved: {told[-1]}"
            else:
                self._parting = f"taught: {_usage(self._saved[-1])}" if self._saved else ""
        return self._parting

    def _add(self, picture: Picture, number: int) -> str:
        """Add what was seen since the key went down; where too many wait, it is left out."""
        self._latest = number
        self._name_of(number)
        for seen in self._held.press(number, picture, self._clock()):
            if len(self._jobs) < _MAX_WAITING:
                self._changes += 1
                self._start("", partial(self._learn, seen, number, self._names[number]))
        return ""

    def _learn(self, picture: Picture, number: int, name: str, teacher: Teacher) -> None:
        teacher.add(picture, name)
        self._frames[number] = self._frames.get(number, 0) + 1
        self._likeness.setdefault(number, Likeness()).add(picture)

    def _name_of(self, number: int) -> str:
        return self._names.setdefault(number, _stock_name(number))

    def _name(self, number: int, name: str) -> str:
        name, old = safe_text(name, limit=_MAX_NAME).strip(), self._name_of(number)
        if not name or name == old:
            return ""
        others = (_stock_name(other) for other in range(1, MAX_CLASSES + 1) if other != number)
        if name in self._names.values() or name in others:
            return f"another class is called {name} already"
        self._names[number] = name
        self._changes += 1

        def rename(teacher: Teacher) -> Model | None:
            teacher.rename(old, name)
            return self._fit(teacher) if self._is_fitted else None  # shows the name at once

        self._start("", rename)
        return f"class {number} is {name}"

    def _forget(self, number: int) -> str:
        name = self._name_of(number)
        self._changes += 1

        def forget(teacher: Teacher) -> None:
            teacher.forget(name)
            self._frames[number] = 0
            self._likeness.pop(number, None)

        self._start("", forget)
        return f"forgot the frames of {name}"

    def _fit(self, teacher: Teacher) -> Model:
        model = teacher.fit(
            device=self._model.device, refine=self._refine, zoom=self._model.looks_again
        )
        self._is_fitted = True
        return model

    def _save(self, *, only_if_taught: bool = False) -> None:
        """Fit once more, as names may have changed, and save."""
        stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
        output = self._output or self._folder / f"camstream-taught-{stamp}.onnx"
        changes = self._changes

        def fit_and_save(teacher: Teacher) -> str | None:
            if only_if_taught and not any(self._frames.values()):
                return None
            self._results.put(self._fit(teacher))
            teacher.save(output, overwrite=self._overwrite or output in self._saved)
            self._saved.append(output)
            self._saved_changes = changes
            return f"saved: {_usage(output)}"

        self._start("saving ...", fit_and_save)

    def _start(self, work: str, job: Callable[[Teacher], Model | str | None]) -> None:
        """Do a job in the thread, after those that wait; errors of the user become messages."""

        def guarded() -> None:
            self._work = work
            try:
                if self._teacher is None:
                    self._teacher = self._open_teacher(self._model, self._input_size)
                result = job(self._teacher)
            except CamstreamError as error:
                result = str(error)
            finally:
                self._work = ""
            if result is not None:
                self._results.put(result)

        self._jobs.append(self._worker.submit(guarded))


def _checked(number: int) -> int:
    if not 1 <= number <= MAX_CLASSES:
        raise UsageError(f"classes 1 to {MAX_CLASSES} can be taught, not {number}")
    return number


def _usage(model: Path) -> str:
    """Say how a model is used."""
    name = f'"{model}"' if " " in str(model) else str(model)
    return f"camstream live --model {name}"


def _stock_name(number: int) -> str:
    return f"class {number}"
