"""A live session of several cameras through one model."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from camstream.drawing.overlay import Style, annotate
from camstream.errors import SinkError, UsageError
from camstream.frame import Annotated
from camstream.live import actions
from camstream.live.ask import ask_at
from camstream.live.asked import Asked
from camstream.live.describe import describe
from camstream.live.mosaic import MOSAIC_WH, camera_at
from camstream.live.outputs import OutputPaths, RunLimits
from camstream.live.paint import draw
from camstream.live.playing import pause, play, player_of
from camstream.live.rack import Looking, Rack
from camstream.live.screen import Screen
from camstream.live.spare_memory import SpareMemory
from camstream.live.state import LiveState, apply
from camstream.live.timeline import seen_in
from camstream.live.values import checked
from camstream.maps.select import Contrast, Selection
from camstream.models.classes import ClassNames
from camstream.sources.play import open_live
from camstream.stats import RunStats

if TYPE_CHECKING:
    from camstream.live.camera import Camera, OpenCamera
    from camstream.live.models import ModelSwitch
    from camstream.live.pairing import Pair
    from camstream.models.session import Model
    from camstream.stages import Display, Source

_IDLE_S = 0.03  # the longest time between two looks at window and actions while nothing comes
_PASS_S = 0.002  # the shortest: pictures that come together are taken together
_DRAW_S = 1 / 30  # pictures of all cameras are drawn no more often than that
_DRAW_SHARE = 0.5  # of this thread's time, at most: recording and keys need the rest
_FIGURES_S = 0.1  # figures that change by themselves are read so often
_CHOOSE = "show one camera alone first: click it, or press its number"


def open_one(address: str, waiting: Callable[[float], None]) -> Source:
    """Open a source by its address; a file is played at its own speed, to its end."""
    return open_live([address], waiting=waiting)


class WallSession:
    """Shows several sources through one model, until all have ended or somebody quits.

    Attributes:
        state: Everything that there is to know of it now; read it from any thread.
        rack: Its cameras.
        parting: Empty: nothing is taught.
    """

    parting = ""

    def __init__(
        self,
        addresses: Sequence[str],
        looking: Looking,
        *,
        open_camera: OpenCamera = open_one,
        style: Style = Style(),
        selection: Selection = Selection(),
        outputs: OutputPaths = OutputPaths(),
        limits: RunLimits = RunLimits(),
        display: Display | None = None,
        stop: Callable[[], bool] = lambda: False,
        folder: Path = Path(),
        models: ModelSwitch | None = None,
        watch: Callable[[LiveState], None] | None = None,
        tell: Callable[[Annotated], None] | None = None,
    ) -> None:
        """Put a session together; ``run`` starts it.

        Args:
            addresses: The sources, as on the command line: cameras' numbers, URLs, files.
            looking: The model.
            open_camera: Opens a source, see ``Camera``; called in the camera's own thread.
            style: How predictions are drawn at first.
            selection: Which maps are shown at first.
            outputs: What is written: folders, with a file for each camera; ``records`` may be one
                file for all.
            limits: When the session ends by itself; frames of all cameras are counted.
            display: Where pictures are shown and keys come from; the session closes it. None:
                nothing is shown.
            stop: Called again and again; True ends the session.
            folder: Where snapshots and recordings that an action begins are put.
            models: Opens other models; the session closes it. None: the model stays.
            watch: Called with each state that is to be shown, from the thread that runs the
                session; it must return at once.
            tell: Called with each frame that the model has looked at, also with those between two
                states, from any thread; its picture is the camera's. It must return at once.

        Raises:
            SinkError: An output cannot be written.
            UsageError: Two sources are the same.
        """
        info = looking.info
        self.state = LiveState(
            style=style,
            selection=selection,
            info=info,
            names=ClassNames(info.labels),
            device=looking.device,
            source="",
            source_rate_hz=None,
            named_classes=selection.classes,
            named_contrast=selection.contrast or Contrast(),
            display="off" if display is None else "short",
            can_open=True,
            models=() if models is None else models.names,
            model=None if models is None else models.choice,
        )
        self._changed = threading.Event()
        self.rack = Rack(
            open_camera, looking, selection, outputs, folder, changed=self._changed.set, tell=tell
        )
        self._limits = limits
        self._spare = SpareMemory()
        self._models = models
        self._watch = watch
        self._stop = stop
        self._screen = None if display is None else Screen(display)
        self._asked = Asked(self._screen)
        self._next_draw_s = self._next_figures_s = 0.0
        self._has_news = True
        try:
            for address in addresses:
                self.rack.add(address)
        except BaseException as error:
            self.rack.close(error)
            raise
        self._update()

    def do(self, action: actions.Action) -> None:
        """Ask for an action, from any thread; it is done before the next picture.

        An action that is impossible changes nothing but the message in the state.
        """
        self._asked.put(action)
        self._changed.set()

    def run(self) -> RunStats:
        """Run to the end.

        Raises:
            SourceError: None of the sources can be opened.
            ModelError: The model failed.
            SinkError: An output could not be written.
        """
        started = time.perf_counter()
        error: BaseException | None = None
        try:
            self.rack.start()
            while not self._is_over(started):
                self._pass()
                self._spare.give_back()
        except BaseException as met:
            error = met
            raise
        finally:
            if self._screen is not None:
                self._screen.close()
            if self._models is not None:
                self._models.close()
            self.rack.close(error)
        self._update()
        return self.rack.stats(time.perf_counter() - started)

    def _is_over(self, started: float) -> bool:
        limits, rack = self._limits, self.rack
        rack.check()
        return (
            self.state.is_quitting
            or self._stop()
            or (self._screen is not None and not self._screen.is_open)
            or (limits.frames is not None and rack.shown >= limits.frames)
            or (limits.seconds is not None and time.perf_counter() - started >= limits.seconds)
            or all(camera.is_done for camera in rack.cameras)
        )

    def _pass(self) -> None:
        """Take what is new of each camera, show it, and do what was asked for."""
        now_s = time.perf_counter()
        due_s = (camera.due_in_s(now_s) for camera in self.rack.cameras)
        wait_s = min((one for one in due_s if one is not None), default=_IDLE_S)
        self._changed.wait(min(_IDLE_S, max(_PASS_S, wait_s)))
        time.sleep(_PASS_S)
        self._changed.clear()
        for camera in self.rack.cameras:
            pair = camera.take(time.perf_counter())
            if pair is not None:
                self._present(camera, pair)
        self._show()
        self._react()

    def _present(self, camera: Camera, pair: Pair) -> None:
        """Count a picture that is shown from now on, and write it."""
        self._has_news = True
        if not pair.is_new:
            return
        player = None if camera.source is None else player_of(camera.source)
        if player is not None:
            camera.timeline.add(player, seen_in(pair.prediction, self.state.info))
        outputs = camera.outputs
        picture = pair.frame.picture
        if outputs.needs_picture:
            picture = annotate(pair.prediction, self.state.style, picture=picture).picture
        annotated = Annotated(prediction=pair.prediction, picture=picture, source=camera.name)
        try:
            with self.rack.times.measure("write"):
                message = outputs.write(annotated, pair.frame.captured_s)
        except SinkError as error:
            message = str(error)
            self.rack.lose_files(camera, error)
        if message:
            self._say(f"{camera.name}: {message}")
        self.rack.times.add("lag", camera.figures.add_shown(pair.frame, time.perf_counter()))

    def _show(self) -> None:
        """Draw what is new, unless that would take more than its share of the time."""
        started = time.perf_counter()
        is_new = self._has_news or started >= self._next_figures_s
        if not is_new or started < self._next_draw_s:
            return
        self._has_news = False
        self._next_figures_s = started + _FIGURES_S
        self._update()
        if self._watch is not None:
            self._watch(self.state)
        if self._screen is not None:
            with self.rack.times.measure("draw"):
                self._screen.show(self.state)
        spent_s = time.perf_counter() - started
        least_s = _DRAW_S if self.state.is_mosaic else 0.0
        self._next_draw_s = started + max(least_s, spent_s / _DRAW_SHARE)

    def _react(self) -> None:
        """Do what was asked for since the last pass."""
        self._asked.read_keys()
        for action in self._asked.take(lambda: self.state):
            self._do(action)
        if self._asked.prompt is not self.state.prompt:
            self._has_news = True
            self._update(prompt=self._asked.prompt)
        for opened in () if self._models is None else self._models.poll():
            if isinstance(opened, str):
                self._say(opened)
            else:
                self._use(opened)
        for message in self.rack.poll():
            self._say(message)
        self.rack.select(self.state.selection)

    def _do(self, action: actions.Action) -> None:
        self._has_news = True
        try:
            checked(action)
            if isinstance(action, actions.TeachAction):
                raise UsageError("several cameras cannot be taught: begin with one")
            if isinstance(action, actions.ModelAction):
                no_choice = "this run keeps its model"
                self._say(no_choice if self._models is None else self._models.do(action))
                return
            if isinstance(action, actions.PlayAction):
                camera = self._focused()
                self._say(play(camera.playable, action))
                if isinstance(action, actions.Step):
                    camera.hold(on=True)
                return
            match action:
                case actions.Quit():
                    self._update(is_quitting=True)
                case actions.Focus(number):
                    self._focus(number)
                case actions.AddCamera(address) | actions.OpenSource(address):
                    self._say(f"opening {self.rack.add(address).name} ...")
                case actions.RemoveCamera(number):
                    self._remove(self.state.focus if number is None else number)
                case actions.Pause(on):
                    self._pause(on)
                case actions.ToggleFullscreen(on):
                    if self._screen is not None:
                        self._screen.fullscreen(on)
                case actions.AskAt(x, y):
                    self._ask(x, y)
                case actions.CloseAnswer():
                    self._update(answer=None)
                case actions.Snapshot():
                    self._say(self._snapshot())
                case actions.Record(on):
                    self._record(on)
                case _:
                    self.state = apply(self.state, action)
        except (UsageError, SinkError) as error:  # SinkError: a file of a camera that was added
            self._say(str(error))

    def _use(self, model: Model) -> None:
        """Look through another model from now on."""
        self.state = self.state.with_model(model.info)
        self.rack.use(Looking.through(model), self.state.selection)
        choice = None if self._models is None else self._models.choice
        self._update(model=choice, device=model.device)
        self._say(f"model: {model.info.name}")

    def _focus(self, number: int | None) -> None:
        if number is not None:
            self.rack.camera(number)
        self._update(focus=number, answer=None)

    def _focused(self) -> Camera:
        if self.state.focus is None:
            raise UsageError(_CHOOSE)
        return self.rack.camera(self.state.focus)

    def _chosen(self) -> list[Camera]:
        """The camera that is shown alone, or all."""
        return self.rack.cameras if self.state.focus is None else [self._focused()]

    def _remove(self, number: int | None) -> None:
        if number is None:
            raise UsageError(_CHOOSE)
        if len(self.rack.cameras) == 1:
            raise UsageError("this is the last camera: q ends the run")
        camera = self.rack.camera(number)
        focus = None if self.state.focus == number else self.state.focus
        message = self.rack.remove(camera)
        self._update(focus=focus)
        self._say(message)

    def _pause(self, on: bool | None) -> None:
        # One that was never open cannot be held; it would count as one that goes on, for ever.
        chosen = [(one, one.source) for one in self._chosen() if one.source is not None]
        if on is None:
            on = not all(camera.is_held for camera, _ in chosen)
        for camera, source in chosen:
            camera.hold(pause(source, on=on, is_paused=camera.is_paused))

    def _record(self, on: bool | None) -> None:
        chosen = self._chosen()
        if on is None:
            on = not any(camera.outputs.recording for camera in chosen)
        said = [camera.outputs.record(on) for camera in chosen]
        self._say("; ".join(message for message in said if message))

    def _snapshot(self) -> str:
        if self.state.frame is None:
            return "no snapshot: there is no picture yet"
        return self._chosen()[0].outputs.snapshot(draw(self.state))

    def _ask(self, x: float, y: float) -> None:
        """Ask what is at a place of the camera that is shown alone; of all, show that one alone."""
        if self.state.is_mosaic:
            found = camera_at(self.state, MOSAIC_WH, x, y)
            self._focus(self.state.focus if found is None else found)
            return
        camera = self._focused()
        if camera.pair is not None:
            shown = dataclasses.replace(camera.pair.prediction, frame=camera.pair.frame)
            self._update(answer=ask_at(shown, self.rack.infer, self.state.info, x, y))

    def _say(self, message: str) -> None:
        if message:
            self._update(message=message, message_s=time.perf_counter())

    def _update(self, **changes: Any) -> None:
        """Replace the state by one that holds these changes, and what is measured now."""
        changed = dataclasses.replace(self.state, **changes)
        self.state = describe(changed, self.rack.cameras, self.rack.gone.values())
