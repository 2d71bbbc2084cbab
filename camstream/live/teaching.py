"""Teaching in the live window: keys give frames to classes, a key fits, a key saves.

The work is done in a thread of its own, so the picture never waits; the viewer asks now and then
what came of it. The teacher itself is ``camstream.teach.teacher.Teacher``, handed in by the command.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Protocol

from camstream.errors import CamstreamError, ModelError

if TYPE_CHECKING:
    from camstream.contract import ModelInfo
    from camstream.models.session import Model
    from camstream.picture import Picture

MAX_CLASSES = 9
_QUEUE = 30  # frames that may wait: a key held down brings one every picture


class Teacher(Protocol):
    """What learns; see ``camstream.teach.teacher.Teacher``."""

    @property
    def counts(self) -> Mapping[str, int]: ...
    def add(self, picture: Picture, label: str) -> None: ...
    def rename(self, label: str, name: str) -> None: ...
    def forget(self, label: str) -> None: ...
    def fit(self, *, device: str = "cpu", refine: bool = False) -> Model: ...
    def save(self, output: Path, *, overwrite: bool = False) -> ModelInfo: ...


class Teaching:
    """Classes 1 to 9, their frames and their names.

    Attributes:
        latest: The class that was taught last, None before the first.
    """

    def __init__(
        self,
        open_teacher: Callable[[], Teacher],
        names: Sequence[str] = (),
        *,
        device: str = "cpu",
        refine: bool = False,
        output: Path | None = None,
        overwrite: bool = False,
        folder: Path = Path(),
    ) -> None:
        """Begin with no frames; nothing is opened before the first one.

        Args:
            open_teacher: Opens what learns; may take a second.
            names: Of the first classes; the others are "class 3" and so on until they are named.
            device: Where the taught model is to run.
            refine: Whether its maps are to be finer, see ``camstream.graph.refine``.
            output: The file that is saved to; None: one named after the time, in ``folder``.
            overwrite: Whether a file that is there may be replaced; one saved before always is.
            folder: Where a file without a name goes.

        Raises:
            ModelError: There are too many names, or one comes twice.
        """
        if len(names) > MAX_CLASSES or len(set(names)) < len(names):
            raise ModelError(
                f"up to {MAX_CLASSES} classes can be taught, each with a name of its own; "
                f"not {', '.join(names)}"
            )
        self.latest: int | None = None
        self._labels = dict(enumerate(names, 1))
        self._open = open_teacher
        self._device = device
        self._sharp = refine
        self._output = output
        self._overwrite = overwrite
        self._folder = folder
        self._teacher: Teacher | None = None
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="camstream-teach")
        self._jobs: list[Future[None]] = []
        self._outcomes: SimpleQueue[str | Model] = SimpleQueue()
        self._saved: set[Path] = set()
        self._busy = ""

    @property
    def status(self) -> str:
        """How many frames each class has, and what is being done; empty before the first frame."""
        counts = self._teacher.counts if self._teacher is not None else {}
        reported = [
            f"{number} {label} {counts[label]}"
            for number, label in sorted(self._labels.items())
            if counts.get(label)
        ]
        if not reported and not self._busy:
            return ""
        return "   ".join([*reported, self._busy or "f fits   x saves"])

    def unnamed(self, after: int = 0) -> int | None:
        """Give the first taught class beyond a number that has no name yet."""
        counts = self._teacher.counts if self._teacher is not None else {}
        labels = self._labels.items()
        return next(
            (
                n
                for n, label in sorted(labels)
                if n > after and label == _stock(n) and counts.get(label)
            ),
            None,
        )

    def label(self, number: int) -> str:
        """The name of a class."""
        return self._labels.setdefault(number, _stock(number))

    def add(self, picture: Picture, number: int) -> None:
        """Give a picture to a class, 1 to 9; one too many at a time is left out."""
        self.latest = number
        if len(self._jobs) < _QUEUE:
            label = self.label(number)
            self._do("", lambda teacher: teacher.add(picture, label))

    def name(self, number: int, name: str) -> str:
        """Name a class; gives what there is to be said."""
        name, old = name.strip(), self.label(number)
        if not name or name == old:
            return ""
        if name in self._labels.values():
            return f"another class is called {name} already"
        self._labels[number] = name
        self._do("", lambda teacher: teacher.rename(old, name))
        return f"class {number} is {name}"

    def forget(self) -> str:
        """Forget the frames of the class that was taught last; gives what there is to be said."""
        if self.latest is None:
            return ""
        label = self.label(self.latest)
        self._do("", lambda teacher: teacher.forget(label))
        return f"forgot the frames of {label}"

    def fit(self) -> None:
        """Fit to what was taught; the model comes with ``results``."""
        self._do(
            "fitting ...", lambda teacher: teacher.fit(device=self._device, refine=self._sharp)
        )

    def save(self) -> None:
        """Fit once more, as names may have changed, and save."""
        stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
        output = self._output or self._folder / f"camstream-taught-{stamp}.onnx"

        def fit_and_save(teacher: Teacher) -> str:
            self._outcomes.put(teacher.fit(device=self._device, refine=self._sharp))
            teacher.save(output, overwrite=self._overwrite or output in self._saved)
            self._saved.add(output)
            return f"saved {output.name}"

        self._do("saving ...", fit_and_save)

    def results(self) -> list[str | Model]:
        """Take what came of the work since: messages, and models to look through from now on."""
        while self._jobs and self._jobs[0].done():
            self._jobs.pop(0).result()  # raises what is nobody's mistake but ours
        found = []
        while not self._outcomes.empty():
            found.append(self._outcomes.get_nowait())
        return found

    def close(self) -> None:
        """End the thread; what waits is left undone, a file that is being saved is finished."""
        self._worker.shutdown(wait=True, cancel_futures=True)

    def _do(self, busy: str, work: Callable[[Teacher], Model | str | None]) -> None:
        def guarded() -> None:
            self._busy = busy
            try:
                if self._teacher is None:
                    self._teacher = self._open()
                result = work(self._teacher)
            except CamstreamError as error:
                result = str(error)
            finally:
                self._busy = ""
            if result is not None:
                self._outcomes.put(result)

        self._jobs.append(self._worker.submit(guarded))


def _stock(number: int) -> str:
    return f"class {number}"
