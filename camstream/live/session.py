"""A live session: the newest picture with the newest map, and the actions that change it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from camstream.channel import ChannelClosed
from camstream.drawing.overlay import Style
from camstream.errors import UsageError
from camstream.frame import Annotated
from camstream.live import actions
from camstream.live.ask import ask_at
from camstream.live.asked import Asked
from camstream.live.guest import Guest
from camstream.live.outputs import OutputPaths, Outputs, RunLimits
from camstream.live.paint import draw
from camstream.live.playing import pause, play, player_of
from camstream.live.screen import Screen
from camstream.live.spare_memory import SpareMemory
from camstream.live.state import LiveState, apply
from camstream.live.switch import SwitchingSource
from camstream.live.sync import Sync
from camstream.live.timeline import Timeline, seen_in
from camstream.live.values import checked
from camstream.maps.select import Contrast, MapSelector, Selection
from camstream.models.classes import ClassNames
from camstream.models.device import PROVIDERS
from camstream.pipeline import Pipeline
from camstream.stages import status_of
from camstream.stats import RunningRate, RunStats

if TYPE_CHECKING:
    from camstream.contract import ModelInfo
    from camstream.frame import Frame, Prediction
    from camstream.live.models import ModelSwitch
    from camstream.models.session import Model
    from camstream.stages import Display, Infer, Source

_IDLE_S = 0.03  # the longest time between two looks at window and actions while no frame comes
_HELD_S = 0.5  # a picture that is to stay waits so long for its own map
_EVERY_S = 3600.0  # the same, where no picture may be left out
_ASKED_EVERY_S = 0.5
_BLANK_S = 1.0  # without a picture for so long, the window opens and says what it waits for


class LiveSession:
    """Shows a source through a model until it ends, somebody quits or a limit is reached.

    Attributes:
        state: Everything that there is to know of it now; read it from any thread.
        parting: After the end, what the guest wants the user to be told; empty for nothing.
    """

    def __init__(
        self,
        source: Source,
        infer: Infer,
        info: ModelInfo,
        *,
        device: str,
        style: Style = Style(),
        selection: Selection = Selection(),
        outputs: OutputPaths = OutputPaths(),
        limits: RunLimits = RunLimits(),
        display: Display | None = None,
        guest: Guest | None = None,
        stop: Callable[[], bool] = lambda: False,
        folder: Path = Path(),
        open_source: Callable[[str], Source] | None = None,
        models: ModelSwitch | None = None,
        watch: Callable[[LiveState], None] | None = None,
    ) -> None:
        """Put a session together; ``run`` starts it.

        Args:
            source: A live source; the session closes it.
            infer: The model.
            info: What the model says of itself.
            device: What runs it.
            style: How predictions are drawn at first.
            selection: Which maps are shown at first.
            outputs: What is written.
            limits: When the session ends by itself.
            display: Where pictures are shown and keys come from; the session closes it. None:
                nothing is shown.
            guest: Does the actions of teaching; the session closes it. None: nothing does.
            stop: Called for every frame; True ends the session.
            folder: Where snapshots and recordings that an action begins are put.
            open_source: Opens another live source by its address; None: none can be opened.
            models: Opens other models; the session closes it. None: the model stays.
            watch: Called with each state that is to be shown, from the thread that runs the
                session; it must return at once.

        Raises:
            SinkError: An output cannot be written.
        """
        self.state = LiveState(
            style=style,
            selection=selection,
            info=info,
            names=ClassNames(info.labels),
            device=device,
            source=source.name,
            source_rate_hz=status_of(source).rate_hz,
            named_classes=selection.classes,
            named_contrast=selection.contrast or Contrast(),
            display="off" if display is None else "short",
            teaching=None if guest is None else guest.state,
            player=player_of(source),
            can_open=open_source is not None,
            models=() if models is None else models.names,
            model=None if models is None else models.choice,
        )
        self.parting = ""
        self._source = SwitchingSource(source, open_source)
        self._played = source  # the one that the timeline is of
        self._infer = infer
        self._limits = limits
        self._screen = None if display is None else Screen(display)
        self._begun_s = time.perf_counter()
        self._spare = SpareMemory()
        self._asked_s = 0.0
        self._unshown: Frame | None = None  # the newest one, while the model has not answered yet
        self._guest = guest
        self._models = models
        self._watch = watch
        self._stop = stop
        self._asked = Asked(self._screen)
        self._rate = RunningRate()
        self._selector = MapSelector(infer, info, selection)
        self._pipeline = Pipeline(self._source, self._selector, show_frames=True)
        meanwhile = None if display is None else self._read_typing
        self._sync = Sync(self._pipeline, meanwhile=meanwhile)
        self._outputs = Outputs(
            outputs,
            folder,
            labels=info.labels,
            rate_hz=status_of(source).rate_hz,
            source=lambda: self._source.name,
        )

    def do(self, action: actions.Action) -> None:
        """Ask for an action, from any thread; it is done before the next picture.

        An action that is impossible changes nothing but the message in the state.
        """
        self._asked.put(action)

    def run(self) -> RunStats:
        """Run to the end.

        Raises:
            SourceError: The source failed.
            SinkError: An output could not be written.
        """
        started = time.perf_counter()
        try:
            with self._pipeline:
                while not self._is_over(started) and self._step():
                    self._spare.give_back()
                self._close_display()
        except BaseException as error:
            self._close_display()
            self._outputs.keep(error)
            raise
        finally:
            if self._models is not None:
                self._models.close()
            if self._guest is not None:
                self.parting = self._guest.close()
        self._outputs.finish()
        self._update()
        wall_s = time.perf_counter() - started
        return RunStats(
            source=self._source.name,
            device=self.state.device,
            provider=PROVIDERS[self.state.device],
            frames_in=self._pipeline.captured,
            frames_out=self.state.shown,
            frames_dropped=self.state.dropped,
            wall_s=round(wall_s, 3),
            rate_hz=round(self.state.shown / wall_s, 2),
            stages_ms=self._pipeline.times.percentiles(),
            frames_mapped=self._pipeline.inferred,
            reconnects=self._source.status.reconnects,
        )

    def _is_over(self, started: float) -> bool:
        limits = self._limits
        return (
            self.state.is_quitting
            or self._stop()
            or (self._screen is not None and not self._screen.is_open)
            or (limits.frames is not None and self.state.shown >= limits.frames)
            or (limits.seconds is not None and time.perf_counter() - started >= limits.seconds)
        )

    def _step(self) -> bool:
        """Show the next picture, or the last one again; returns False where none comes any more."""
        try:
            frame = self._sync.frame(_IDLE_S)
        except TimeoutError:
            self._show_again()
        except ChannelClosed:
            self._pipeline.raise_error()
            if self._unshown is not None and (last := self._sync.last()) is not None:
                self._present(self._unshown, last)
            return False
        else:
            if self.state.is_paused and self.state.player is None:
                self._update(passed=self.state.passed + 1)
                self._show_again()
            else:
                self._show_next(frame)
        self._react()
        return True

    def _show_next(self, frame: Frame) -> None:
        patience_s = _HELD_S if self._is_held() else 0.0
        if not self._source.is_live:
            patience_s = _EVERY_S
        prediction = self._sync.prediction_for(frame, patience_s=patience_s)
        if prediction is not None:
            self._present(frame, prediction)
            return
        # The model has not answered yet: the last frame before it does is shown then.
        waits = self._unshown is None
        self._unshown = frame
        self._update(without_map=self.state.without_map + (not waits))
        self._show_again()

    def _present(self, frame: Frame, prediction: Prediction) -> None:
        """Show a frame with a map, and write it."""
        self._unshown = None
        self._update(frame=frame, prediction=prediction)
        self._mark(prediction)
        self._ask_again()
        times = self._pipeline.times
        with times.measure("annotate"):
            self._show()
            whole = draw(self.state) if self._outputs.needs_picture else frame.picture
        times.add("lag", self._rate.add(frame.captured_s, time.perf_counter()))
        self._update(shown=self.state.shown + 1)
        if self._guest is not None:
            self._guest.see(frame.picture)
        with times.measure("write"):
            annotated = Annotated(prediction=prediction, picture=whole)
            self._say(self._outputs.write(annotated, frame.captured_s))

    def _is_held(self) -> bool:
        """Whether no other picture comes by itself."""
        player = player_of(self._source.current)
        return self.state.is_paused or (player is not None and player.has_ended)

    def _mark(self, prediction: Prediction) -> None:
        """Add what is seen to the timeline of a file; that of another source is its own."""
        if self._played is not self._source.current:
            self._played = self._source.current
            self._update(timeline=Timeline())
        if self.state.player is not None:
            self.state.timeline.add(self.state.player, seen_in(prediction, self.state.info))

    def _show_again(self) -> None:
        """Show the last picture again: its map may have come, its state or style have changed."""
        late, shown = self._sync.late(), self.state.frame
        if late is not None and self._unshown is not None:
            self._present(self._unshown, late)
            return
        if late is not None and shown is not None and late.frame.index <= shown.index:
            self._update(prediction=late)
            self._mark(late)
        self._update()
        self._show()

    def _show(self) -> None:
        if self._watch is not None:
            self._watch(self.state)
        waits_s = time.perf_counter() - self._begun_s
        if self._screen is None or (self.state.frame is None and waits_s < _BLANK_S):
            return  # a window that opens with the first picture has its shape
        self._read_typing()
        self._screen.show(self.state)
        self._asked.read_keys()

    def _read_typing(self) -> None:
        """Read keys between pictures too where they come quickly; that delays pictures a little."""
        if self._asked.prompt is not None:
            self._asked.read_keys()

    def _react(self) -> None:
        """Do what was asked for since the last picture."""
        before = self.state
        for action in self._asked.take(lambda: self.state):
            self._do(action)
        if self._asked.prompt is not self.state.prompt:
            self._update(prompt=self._asked.prompt)
        self._select()
        for message in self._source.poll():
            self._say(message)
        for result in self._guest.poll() if self._guest is not None else ():
            if isinstance(result, str):
                self._say(result)
            else:
                self._use(result, f"these classes now: {', '.join(result.info.labels)}")
                if self._models is not None:
                    self._models.leave()
        for opened in self._models.poll() if self._models is not None else ():
            if isinstance(opened, str):
                self._say(opened)
            else:
                self._use(opened, f"model: {opened.info.name}")
        if self._watch is not None and self.state is not before:
            self._watch(self.state)

    def _do(self, action: actions.Action) -> None:
        try:
            checked(action)
            if isinstance(action, actions.TeachAction):
                self._say(self._teach(action))
                return
            if isinstance(action, actions.CameraAction):
                raise UsageError("this run has one source: name several at its start")
            if isinstance(action, actions.ModelAction):
                no_choice = "this run keeps its model"
                self._say(no_choice if self._models is None else self._models.do(action))
                return
            if isinstance(action, actions.PlayAction):
                self._say(play(self._source.current, action))
                if isinstance(action, actions.Step):
                    self._update(is_paused=True)
                return
            match action:
                case actions.Quit():
                    self._update(is_quitting=True)
                case actions.Pause(on):
                    held = pause(self._source.current, on=on, is_paused=self.state.is_paused)
                    self._update(is_paused=held)
                    self._rate = RunningRate()  # a pause is no slow frame
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
                    self._say(self._outputs.record(on))
                case actions.OpenSource(address):
                    self._say(self._source.switch(address))
                case _:
                    self.state = apply(self.state, action)
        except UsageError as error:
            self._say(str(error))

    def _teach(self, action: actions.TeachAction) -> str:
        if self._guest is None:
            return "this run cannot be taught"
        frame = self.state.frame
        return self._guest.do(action, None if frame is None else frame.picture)

    def _snapshot(self) -> str:
        if self.state.prediction is None:
            return "no snapshot: there is no picture yet"
        return self._outputs.snapshot(draw(self.state))

    def _ask(self, x: float, y: float) -> None:
        self._asked_s = time.perf_counter()
        if self.state.frame is not None and self.state.prediction is not None:
            shown = dataclasses.replace(self.state.prediction, frame=self.state.frame)
            self._update(answer=ask_at(shown, self._infer, self.state.info, x, y))

    def _ask_again(self) -> None:
        """Let the answer to a click follow the picture, twice a second."""
        answer = self.state.answer
        if answer is not None and time.perf_counter() - self._asked_s > _ASKED_EVERY_S:
            self._ask(answer.x, answer.y)

    def _select(self) -> None:
        """Use a selection that was changed, for a held picture too."""
        if self._selector.selection is not self.state.selection:
            self._selector.selection = self.state.selection
            if self._is_held():
                self._infer_again()

    def _use(self, model: Model, message: str) -> None:
        """Use another model from now on."""
        self._sync.forget()
        self._infer = model.infer
        self.state = dataclasses.replace(self.state.with_model(model.info), device=model.device)
        self._selector.replace(model.infer, model.info, self.state.selection)
        self._infer_again()
        self._say(message)

    def _infer_again(self) -> None:
        if self.state.prediction is not None:
            self._update(prediction=self._selector(self.state.prediction.frame))

    def _say(self, message: str) -> None:
        """Put a message into the state, unless it is empty; what was measured changes with it."""
        said = {"message": message, "message_s": time.perf_counter()} if message else {}
        self._update(**said)

    def _update(self, **changes: Any) -> None:
        """Replace the state by one that holds these changes, and what is measured now."""
        missed = sum(
            changes.get(name, getattr(self.state, name)) for name in ("without_map", "passed")
        )
        readings = {
            "dropped": self._pipeline.frames.dropped + missed,
            "source": self._source.name,
            "source_rate_hz": self._source.status.rate_hz,
            "source_state": self._source.status.state,
            "teaching": None if self._guest is None else self._guest.state,
            "model": None if self._models is None else self._models.choice,
            "rate_hz": self._rate.rate_hz,
            "lag_ms": self._rate.lag_ms,
            "recording": self._outputs.recording,
            "recorded_s": self._outputs.recorded_s,
            "player": player_of(self._source.current),
        }
        self.state = dataclasses.replace(self.state, **readings, **changes)

    def _close_display(self) -> None:
        """Close the window at once, before the threads are waited for."""
        if self._screen is not None:
            self._screen.close()
