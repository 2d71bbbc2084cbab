"""Teaching as a guest of a live session: frames for classes 1 to 9, a new model, a file.

The work is done in a thread of its own, so that the picture never waits; the session polls for
what came of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

from camstream.errors import CamstreamError, ModelError, UsageError
from camstream.live import actions
from camstream.live.state import TaughtClass, TeachingState

if TYPE_CHECKING:
    from camstream.models.session import Model
    from camstream.picture import Picture
    from camstream.teach.teacher import Teacher

MAX_CLASSES = 9
_MAX_WAITING = 30  # frames that may wait: a key held down brings one every picture
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
        self._saved: set[Path] = set()
        self._work = ""

    @property
    def state(self) -> TeachingState:
        """The classes and their frames, and what is going on."""
        counts = self._teacher.counts if self._teacher is not None else {}
        classes = tuple(
            TaughtClass(
                number=number,
                name=name,
                frames=counts.get(name, 0),
                is_named=name != _stock_name(number),
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

    def close(self) -> None:
        """End the thread; what waits is not done any more, a file that is being saved is finished."""
        self._worker.shutdown(wait=True, cancel_futures=True)

    def _add(self, picture: Picture, number: int) -> str:
        """Add a picture to a class; where too many wait, it is left out."""
        self._latest = number
        if len(self._jobs) < _MAX_WAITING:
            name = self._name_of(number)
            self._start("", lambda teacher: teacher.add(picture, name))
        return ""

    def _name_of(self, number: int) -> str:
        return self._names.setdefault(number, _stock_name(number))

    def _name(self, number: int, name: str) -> str:
        name, old = name.strip(), self._name_of(number)
        if not name or name == old:
            return ""
        if name in self._names.values():
            return f"another class is called {name} already"
        self._names[number] = name
        self._start("", lambda teacher: teacher.rename(old, name))
        return f"class {number} is {name}"

    def _forget(self, number: int) -> str:
        name = self._name_of(number)
        self._start("", lambda teacher: teacher.forget(name))
        return f"forgot the frames of {name}"

    def _fit(self, teacher: Teacher) -> Model:
        return teacher.fit(device=self._model.device, refine=self._refine)

    def _save(self) -> None:
        """Fit once more, as names may have changed, and save."""
        stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
        output = self._output or self._folder / f"camstream-taught-{stamp}.onnx"

        def fit_and_save(teacher: Teacher) -> str:
            self._results.put(self._fit(teacher))
            teacher.save(output, overwrite=self._overwrite or output in self._saved)
            self._saved.add(output)
            return f"saved {output.name}"

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


def _stock_name(number: int) -> str:
    return f"class {number}"
