"""The cameras of a session, and the one model that looks at them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from camstream.errors import SinkError, SourceError, UsageError
from camstream.frame import Annotated
from camstream.live.camera import Camera
from camstream.live.describe import called
from camstream.live.desk import Desk
from camstream.live.files import CameraFiles
from camstream.live.finishing import Finishing
from camstream.live.outputs import OutputPaths
from camstream.maps.select import MapSelector, Selection
from camstream.models.cores import usable_cores
from camstream.models.device import PROVIDERS
from camstream.models.together import Together, best_batch
from camstream.sinks.group import say_kept
from camstream.sources.several import check_apart, name_of
from camstream.stats import RunStats, StageTimes

if TYPE_CHECKING:
    from camstream.contract import ModelInfo
    from camstream.frame import Frame
    from camstream.live.camera import OpenCamera
    from camstream.models.session import Model
    from camstream.stages import Infer

_JOIN_S = 6.0  # longer than a network stream may take to say that nothing comes
_MOST_WORKERS = 4
_MOST_GONE = 100  # cameras that were removed and are still told of at the end


@dataclass(frozen=True, slots=True)
class Looking:
    """A model as several cameras use it.

    Attributes:
        infer: Looks at a frame; called in several threads.
        info: What the model says of itself.
        prepare: Makes the network's input, in any thread.
        device: What runs it.
        workers: How many frames are looked at at a time, each of another camera.
    """

    infer: Infer
    info: ModelInfo
    prepare: Callable[[Frame], Frame] = lambda frame: frame
    device: str = "cpu"
    workers: int = 1

    @classmethod
    def through(cls, model: Model) -> Looking:
        """Look through a model that is open: a frame a core, or all that wait in one call.

        Two threads with a frame each use two cores better than one call with both, see
        tests/benchmarks/cameras.py; on any other device the best batch is measured here.
        """
        if model.device == "cpu":
            workers, infer = min(usable_cores(), _MOST_WORKERS), model.infer
        elif not model.looks_again and (workers := best_batch(model)) > 1:
            infer = Together(model, workers).infer
        else:
            workers, infer = 1, model.infer
        return cls(infer, model.info, model.prepare, model.device, workers)


class Rack:
    """Adds and removes cameras, and has them looked at.

    Attributes:
        cameras: Those that are looked at now, in the order of their numbers.
        gone: What was done with each that was removed, by its number.
        times: Milliseconds of each stage, of all cameras together.
        poll: Returns what went wrong, since the last call, with the files of cameras that were
            removed.
    """

    def __init__(
        self,
        open_camera: OpenCamera,
        looking: Looking,
        selection: Selection,
        outputs: OutputPaths,
        folder: Path,
        *,
        changed: Callable[[], None],
        tell: Callable[[Annotated], None] | None = None,
    ) -> None:
        """Prepare, without a camera.

        Args:
            open_camera: See ``Camera``.
            looking: The model.
            selection: Which maps are shown at first.
            outputs: See ``WallSession``.
            folder: See ``WallSession``.
            changed: Called, from any thread, when there is something new.
            tell: See ``WallSession``.

        Raises:
            SinkError: An output cannot be written.
        """
        self.cameras: list[Camera] = []
        self.times = StageTimes()
        self._open_camera, self._looking, self._selection = open_camera, looking, selection
        self._changed, self._tell = changed, tell
        self._files = CameraFiles(outputs, folder, labels=looking.info.labels)
        self._desk = Desk(self._look, failed=changed, workers=looking.workers)
        self.gone: dict[int, RunStats] = {}
        self._leaving: list[Camera] = []  # their threads may not have ended
        self._finishing = Finishing(changed)
        self.poll = self._finishing.poll
        self._last_number = 0
        self._is_running = self._was_reached = False

    @property
    def infer(self) -> Infer:
        """The model."""
        return self._looking.infer

    @property
    def shown(self) -> int:
        """Pictures of all cameras that were shown."""
        gone = sum(one.frames_out for one in self.gone.values())
        return gone + sum(camera.figures.shown for camera in self.cameras)

    def start(self) -> None:
        """Begin to read and to look."""
        self._is_running = True
        self._desk.start()
        for camera in self.cameras:
            camera.start()

    def add(self, address: str) -> Camera:
        """Add a camera; once ``start`` was called, it begins at once.

        Raises:
            UsageError: It is looked at already.
            SinkError: A file of it cannot be written.
        """
        check_apart(address, [camera.address for camera in self.cameras])
        name = name_of(address, [camera.name for camera in self.cameras])
        camera = Camera(
            self._last_number + 1,
            name,
            address,
            open_camera=self._open_camera,
            selector=MapSelector(self._looking.infer, self._looking.info, self._selection),
            outputs=self._files.open(name),
            offer=self._desk.offer,
            is_waiting=self._desk.is_waiting,
            prepare=self._looking.prepare,
            changed=self._changed,
        )
        self._last_number = camera.id
        self._desk.add(camera.id)
        self.cameras = [*self.cameras, camera]
        if self._is_running:
            camera.start()
        return camera

    def camera(self, number: int) -> Camera:
        """Return the camera of a number.

        Raises:
            UsageError: There is none.
        """
        for camera in self.cameras:
            if camera.id == number:
                return camera
        known = ", ".join(str(camera.id) for camera in self.cameras)
        raise UsageError(f"there is no camera {number}; there are {known}")

    def remove(self, camera: Camera) -> str:
        """Look at a camera no more, and begin to complete its files; returns a message.

        What goes wrong with these is told by ``poll``.
        """
        self._desk.remove(camera.id)
        camera.stop()
        self.cameras = [one for one in self.cameras if one is not camera]
        self.gone[camera.id] = self._stats_of(camera)
        while len(self.gone) > _MOST_GONE:
            del self.gone[min(self.gone)]
        self._leaving.append(camera)
        self._finishing.begin(camera)
        return f"{camera.name} is looked at no more"

    def lose_files(self, camera: Camera, error: SinkError) -> None:
        """Go on without the files of a camera, which cannot be written any more.

        They are kept as they are; the error is raised at the end.
        """
        self._finishing.errors.append(error)
        camera.outputs.keep(error)
        camera.outputs = self._files.none(camera.name)

    def select(self, selection: Selection) -> None:
        """Use another selection of maps from now on, for pictures that are held, too."""
        if selection is self._selection:
            return
        self._selection = selection
        for camera in self.cameras:
            camera.selector.selection = selection
            camera.look_again()

    def use(self, looking: Looking, selection: Selection) -> None:
        """Use another model from now on; no picture is shown with a map of the one before."""
        self._looking, self._selection = looking, selection
        for camera in self.cameras:
            camera.use(looking.infer, looking.info, looking.prepare, selection)

    def check(self) -> None:
        """Raise what ended the model's or a camera's thread, and forget cameras that have gone.

        Raises:
            SourceError: None of the sources could be opened.
        """
        if self._desk.error is not None:
            raise self._desk.error
        self._leaving = [one for one in self._leaving if one.is_alive]
        for camera in self.cameras:
            if camera.error is not None:
                raise camera.error
        self._was_reached = self._was_reached or any(
            camera.source is not None for camera in self.cameras
        )
        if not self._was_reached and all(camera.is_unreachable for camera in self.cameras):
            reasons = "; ".join(camera.problem for camera in self.cameras)
            raise SourceError(f"none of {len(self.cameras)} sources can be opened: {reasons}")

    def close(self, error: BaseException | None) -> None:
        """End all threads, then complete the files, or keep them after an error.

        Args:
            error: What ended the run; gets a word on what is kept. None: nothing went wrong.

        Raises:
            SinkError: A file cannot be completed, and nothing else went wrong.
        """
        for camera in self.cameras:
            camera.stop()
        self._desk.stop()
        deadline = time.monotonic() + _JOIN_S
        for camera in (*self._leaving, *self.cameras):
            camera.join(max(0.0, deadline - time.monotonic()))
        finishing = self._finishing
        if error is not None:
            for camera in self.cameras:
                camera.outputs.keep(error)
            say_kept(error, self._files.keep())
            finishing.join()
            return
        for camera in self.cameras:
            finishing.begin(camera)
        finishing.join()
        try:
            self._files.finish()
        except SinkError as met:
            finishing.errors.append(met)
        if finishing.errors:
            raise finishing.errors[0]

    def stats(self, wall_s: float) -> RunStats:
        """Sum up a run that took so many seconds."""
        device = self._looking.device
        each = (
            *self.gone.values(),
            *(self._stats_of(camera) for camera in self.cameras),
        )
        return RunStats(
            source=called(self.cameras),
            device=device,
            provider=PROVIDERS[device],
            frames_in=sum(one.frames_in for one in each),
            frames_out=sum(one.frames_out for one in each),
            frames_dropped=sum(one.frames_dropped for one in each),
            wall_s=round(wall_s, 3),
            rate_hz=round(sum(one.frames_out for one in each) / wall_s, 2),
            stages_ms=self.times.percentiles(),
            frames_mapped=sum(one.frames_mapped or 0 for one in each),
            reconnects=sum(one.reconnects for one in each),
            cameras=each,
        )

    def _stats_of(self, camera: Camera) -> RunStats:
        return camera.figures.stats(camera.name, self._looking.device, camera.reconnects)

    def _look(self, number: int, frame: Frame) -> None:
        camera = next((one for one in self.cameras if one.id == number), None)
        if camera is None:
            return
        is_next = frame.index > camera.looked_index  # a picture that is held is looked at again
        prediction = camera.look(frame)
        self.times.add("infer", prediction.infer_ms)
        if is_next and self._tell is not None:
            self._tell(Annotated(prediction=prediction, picture=frame.picture, source=camera.name))
