"""Watches a live source: the newest picture with the newest map, and what keys do to them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from camstream.channel import ChannelClosed
from camstream.contract import ModelInfo
from camstream.drawing.overlay import Style, annotate
from camstream.drawing.text import add_notes
from camstream.errors import SinkError
from camstream.frame import Annotated, Frame, Prediction
from camstream.live import teach_keys
from camstream.live.controls import Controls
from camstream.live.hud import Notes
from camstream.live.outputs import Outputs, Saver
from camstream.live.sync import Sync
from camstream.live.teaching import Teaching
from camstream.maps.select import MapSelector, Selection
from camstream.models.classes import ClassNames
from camstream.models.device import PROVIDERS
from camstream.picture import Picture
from camstream.pipeline import Pipeline
from camstream.sources.paced import PacedSource
from camstream.stages import Infer, Screen, Source, status_of
from camstream.stats import RunningRate, RunStats

_WINDOW_CARE_S = 0.03  # how often the window is looked after while no frame comes
_BEFORE_THE_FIRST = np.zeros((360, 640, 3), np.uint8)


class Viewer:
    """Shows a source through a model until it ends, the user quits or a limit is reached."""

    def __init__(
        self,
        source: Source,
        infer: Infer,
        info: ModelInfo,
        *,
        device: str,
        style: Style = Style(),
        selection: Selection = Selection(),
        outputs: Outputs = Outputs(),
        window: Screen | None = None,
        stop: Callable[[], bool] = lambda: False,
        folder: Path = Path(),
        teaching: Teaching | None = None,
    ) -> None:
        """Put a viewer together; ``run`` starts it.

        Args:
            source: A live source; it is closed at the end.
            infer: The model.
            info: What the model says of itself.
            device: What runs it, for the display.
            style: How to draw at first.
            selection: What to look for at first.
            outputs: What to write, and when to end.
            window: Where to show it; None shows nothing.
            stop: Asked for every frame; True ends the run.
            folder: Where snapshots and recordings by key go.
            teaching: What the keys 1 to 9 do; None: nothing. It is closed at the end.

        Raises:
            SinkError: An output cannot be written.
        """
        self._controls = Controls(
            style, selection, ClassNames(info.labels), show_display=window is not None
        )
        self._selector = MapSelector(infer, info, selection)
        self._source = source
        self._info = info
        self._device = device
        self._window = window
        self._outputs = outputs
        self._stop = stop
        self._teaching = teaching
        self._pipeline = Pipeline(source, self._selector, show_frames=True)
        meanwhile = None if window is None else self._hear_typing
        self._sync = Sync(self._pipeline, meanwhile=meanwhile)
        self._last: tuple[Frame, Prediction] | None = None
        self._keys: list[str] = []
        self._shown = 0
        self._without_map = 0
        self._rate = RunningRate()
        self._saver = Saver(outputs, folder, labels=info.labels, rate_hz=status_of(source).rate_hz)
        self._notes = Notes(self._controls, source, self._saver, teaching, device, self._rate)

    def run(self) -> RunStats:
        """Run to the end.

        Raises:
            SourceError: The source failed.
            SinkError: An output could not be written.
        """
        started = time.perf_counter()
        try:
            with self._pipeline:
                for frame in self._frames(started):
                    self._look_at(frame)
                    if self._wants_end(started):
                        break
                self._close_window()
        except BaseException:
            self._close_window()
            with contextlib.suppress(SinkError):  # the first error is the one to be told
                self._saver.finish()
            raise
        finally:
            if self._teaching is not None:
                self._teaching.close()
        self._saver.finish()
        wall_s = time.perf_counter() - started
        return RunStats(
            source=self._source.name,
            device=self._device,
            provider=PROVIDERS[self._device],
            frames_in=self._pipeline.captured,
            frames_out=self._shown,
            frames_dropped=self._dropped,
            wall_s=round(wall_s, 3),
            rate_hz=round(self._shown / wall_s, 2),
            stages_ms=self._pipeline.times.percentiles(),
            frames_mapped=self._pipeline.inferred,
            reconnects=status_of(self._source).reconnects,
        )

    def _frames(self, started: float) -> Iterator[Frame]:
        """Give frames as they come, and look after the window while none comes."""
        while not self._wants_end(started):
            try:
                frame = self._sync.frame(_WINDOW_CARE_S)
            except TimeoutError:
                self._redraw()
                continue
            except ChannelClosed:
                self._pipeline.raise_error()
                return
            if self._controls.is_paused:
                self._redraw()
            else:
                yield frame

    @property
    def _dropped(self) -> int:
        return self._pipeline.frames.dropped + self._without_map

    def _wants_end(self, started: float) -> bool:
        limits = self._outputs
        return (
            self._controls.wants_quit
            or self._stop()
            or (self._window is not None and not self._window.is_open)
            or (limits.frames is not None and self._shown >= limits.frames)
            or (limits.seconds is not None and time.perf_counter() - started >= limits.seconds)
        )

    def _look_at(self, frame: Frame) -> None:
        prediction = self._sync.prediction_for(frame)
        if prediction is None:  # the model has not seen anything yet
            self._without_map += 1
            self._redraw()
            return
        self._last = frame, prediction
        with self._pipeline.times.measure("annotate"):
            annotated = self._draw(frame, prediction)
        self._show(annotated.picture)
        self._shown += 1
        lag_ms = self._rate.add(frame.captured_s, time.perf_counter())
        self._pipeline.times.add("lag", lag_ms)
        with self._pipeline.times.measure("write"):
            self._saver.write(annotated, frame)

    def _draw(self, frame: Frame, prediction: Prediction) -> Annotated:
        return annotate(
            prediction,
            self._controls.style,
            picture=frame.picture,
            notes=self._notes.of(frame, prediction, dropped=self._dropped),
        )

    def _show(self, picture: Picture) -> None:
        if self._window is None or not self._window.is_open:  # OpenCV would open it again
            return
        self._hear_typing()
        self._window.show(picture.bgr())
        self._read_keys()
        while self._keys:
            self._obey(self._keys.pop(0))
        self._look_anew()
        self._learn()

    def _hear_typing(self) -> None:
        """Read keys between pictures too where they come quickly; that delays pictures a little."""
        if self._controls.prompt is not None:
            self._read_keys()

    def _read_keys(self) -> None:
        while self._window is not None and (key := self._window.key()) is not None:
            self._keys.append(key)

    def _obey(self, key: str) -> None:
        match self._controls.obey(key):
            case "pause":
                if isinstance(self._source, PacedSource):
                    self._source.pause(self._controls.is_paused)
            case "snapshot":
                self._controls.say(self._snapshot())
            case "record":
                self._controls.say(self._saver.toggle_recording())
            case None:
                pass
            case _ if self._teaching is None:
                self._controls.say("this run cannot be taught")
            case errand:
                seen = self._last[0].picture if self._last is not None else None
                teach_keys.obey(errand, self._teaching, self._controls, seen)

    def _learn(self) -> None:
        """Look through a model that was just taught, and tell what else came of teaching."""
        for result in self._teaching.results() if self._teaching is not None else ():
            if isinstance(result, str):
                self._controls.say(result)
                continue
            self._info, self._sync.newest = result.info, None
            self._controls.renew(ClassNames(result.info.labels))
            self._selector.replace(result.infer, result.info, self._controls.selection)
            if self._last is not None:
                frame, prediction = self._last
                self._last = frame, self._selector(prediction.frame)
            self._controls.say(f"these classes now: {', '.join(result.info.labels)}")

    def _look_anew(self) -> None:
        """Look for what the user now asks for; at the held picture once more."""
        if self._selector.selection is self._controls.selection:
            return
        self._selector.selection = self._controls.selection
        if self._controls.is_paused and self._last is not None:
            frame, prediction = self._last
            self._last = frame, self._selector(prediction.frame)

    def _redraw(self) -> None:
        """Show the last picture again: its state, a message or the style may have changed."""
        if self._window is None:
            return
        if self._last is not None:
            self._show(self._draw(*self._last).picture)
            return
        blank = Picture.from_bgr(_BEFORE_THE_FIRST.copy())
        add_notes(blank, self._notes.before_the_first())
        self._show(blank)

    def _snapshot(self) -> str:
        if self._last is None:
            return "no snapshot: there is no picture yet"
        frame, prediction = self._last
        style = self._controls.style
        seen = annotate(
            prediction,
            style,
            picture=frame.picture,
        )
        return self._saver.snapshot(seen.picture)

    def _close_window(self) -> None:
        """Let go of the screen at once, before the threads are waited for."""
        if self._window is not None:
            self._window.close()
