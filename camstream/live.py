"""Watches a live source: the newest picture with the newest map, and what keys do to them.

The picture keeps the source's own rate however slow the model is. Where the model is quick
enough, the display waits for it, so that picture and map are of the same frame; where it is
not, the latest map is drawn and its age is shown.
"""

from __future__ import annotations

import dataclasses
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import cv2
import numpy as np

from camstream.channel import ChannelClosed
from camstream.contract import ModelInfo
from camstream.errors import SinkError
from camstream.frame import Frame, Prediction
from camstream.overlay import COLORMAPS, Annotated, Style, annotate
from camstream.pipeline import Infer, Pipeline
from camstream.sink.draft import Draft
from camstream.sink.recorder import Recorder
from camstream.sink.records import RecordsFile
from camstream.sink.window import Window
from camstream.source import Source
from camstream.source.live import PacedSource
from camstream.stats import RunStats

_WAIT_FOR_MAP_S = 0.030  # the longest that a picture waits for its own map
_WINDOW_CARE_S = 0.03  # how often the window is looked after while no frame comes
_MESSAGE_S = 2.5
_OPACITY_STEP = 0.1

HELP = (
    "q  quit",
    "space  pause",
    "+  -  heatmap stronger, weaker",
    "c  next colour map",
    "h  heatmap on, off",
    "l  label on, off",
    "b  boxes on, off",
    "d  display of rate and lag on, off",
    "s  snapshot",
    "r  record on, off",
    "?  this help",
)


@dataclass(frozen=True, slots=True)
class Outputs:
    """What a live run writes and when it ends.

    Attributes:
        record: A video file of what is seen.
        records: A JSON line for each frame that the model looked at.
        overwrite: Whether existing files may be replaced.
        frames: Stop after so many frames were shown.
        seconds: Stop after so many seconds.
    """

    record: Path | None = None
    records: Path | None = None
    overwrite: bool = False
    frames: int | None = None
    seconds: float | None = None


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
        outputs: Outputs = Outputs(),
        window: Window | None = None,
        stop: Callable[[], bool] = lambda: False,
        folder: Path = Path(),
    ) -> None:
        """Put a viewer together; ``run`` starts it.

        Args:
            source: A live source; it is closed at the end.
            infer: The model.
            info: What the model says of itself.
            device: What runs it, for the display.
            style: How to draw at first.
            outputs: What to write, and when to end.
            window: Where to show it; None shows nothing.
            stop: Asked for every frame; True ends the run.
            folder: Where snapshots and recordings by key go.

        Raises:
            SinkError: An output cannot be written.
        """
        self.style = style
        self.is_paused = False
        self._source = source
        self._info = info
        self._device = device
        self._window = window
        self._outputs = outputs
        self._stop = stop
        self._folder = folder
        self._pipeline = Pipeline(source, infer, show_frames=True)
        self._newest: Prediction | None = None
        self._recorded_index = -1
        self._shown = 0
        self._quit = False
        self._show_help = False
        self._show_display = window is not None
        self._message, self._message_until = "", 0.0
        self._shown_at: deque[float] = deque(maxlen=31)
        self._lags_ms: deque[float] = deque(maxlen=31)
        self._last: tuple[Frame, Prediction] | None = None
        self._records: RecordsFile | None = None
        self._recorder: Recorder | None = None
        if outputs.record is not None:
            self._recorder = self._new_recorder(outputs.record, overwrite=outputs.overwrite)
        if outputs.records is not None:
            self._records = RecordsFile(outputs.records, overwrite=outputs.overwrite)

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
        finally:
            self._close()
        wall_s = time.perf_counter() - started
        return RunStats(
            source=self._source.name,
            device=self._device,
            frames_in=self._pipeline.captured,
            frames_out=self._shown,
            frames_dropped=self._pipeline.frames.dropped,
            wall_s=round(wall_s, 3),
            rate_hz=round(self._shown / wall_s, 2),
            stages_ms=self._pipeline.times.percentiles(),
            frames_mapped=self._pipeline.inferred,
            reconnects=self._source.reconnects,
        )

    def _frames(self, started: float) -> Iterator[Frame]:
        """Give frames as they come, and look after the window while none comes."""
        while not self._wants_end(started):
            try:
                frame = self._pipeline.frames.get(timeout_s=_WINDOW_CARE_S)
            except TimeoutError:
                self._redraw()
                continue
            except ChannelClosed:
                self._pipeline.raise_error()
                return
            if self.is_paused:
                self._redraw()
            else:
                yield frame

    def _wants_end(self, started: float) -> bool:
        limits = self._outputs
        return (
            self._quit
            or self._stop()
            or (self._window is not None and self._shown > 0 and not self._window.is_open)
            or (limits.frames is not None and self._shown >= limits.frames)
            or (limits.seconds is not None and time.perf_counter() - started >= limits.seconds)
        )

    def _look_at(self, frame: Frame) -> None:
        prediction = self._map_for(frame)
        if prediction is None:  # the model has not seen anything yet
            return
        with self._pipeline.times.measure("annotate"):
            annotated = self._draw(frame, prediction)
        self._show(annotated)
        now = time.perf_counter()
        self._shown += 1
        self._shown_at.append(now)
        self._lags_ms.append((now - frame.captured_s) * 1e3)
        self._pipeline.times.add("lag", self._lags_ms[-1])
        self._last = frame, prediction
        with self._pipeline.times.measure("write"):
            if self._recorder is not None:
                self._recorder.write(annotated.picture, frame.captured_s)
            if self._records is not None and prediction.frame.index > self._recorded_index:
                self._recorded_index = prediction.frame.index
                self._records.write(annotated)

    def _map_for(self, frame: Frame) -> Prediction | None:
        """Take the newest prediction; wait for the frame's own where it will be here soon."""
        newest = self._newest
        quick = newest is None or newest.infer_ms < _WAIT_FOR_MAP_S * 1e3
        deadline = frame.captured_s + _WAIT_FOR_MAP_S if quick else 0.0
        while newest is None or newest.frame.index < frame.index:
            wait_s = max(0.0, deadline - time.perf_counter())
            try:
                newest = self._pipeline.predictions.get(timeout_s=wait_s)
            except TimeoutError:
                break
            except ChannelClosed:
                break
        self._newest = newest
        return newest

    def _draw(self, frame: Frame, prediction: Prediction) -> Annotated:
        notes = self._notes(frame, prediction)
        cam_range = self._info.cam_range
        return annotate(prediction, cam_range, self.style, picture=frame.picture, notes=notes)

    def _notes(self, frame: Frame, prediction: Prediction) -> list[str]:
        notes = list(HELP) if self._show_help else []
        if self._source.state:
            notes.append(self._source.state)
        if self.is_paused:
            notes.append("paused")
        if time.perf_counter() < self._message_until:
            notes.append(self._message)
        if self._show_display:
            if self._recorder is not None:
                notes.append(f"recording {self._recorder.target.name}")
            notes.append(self._display(frame, prediction))
        return notes

    def _display(self, frame: Frame, prediction: Prediction) -> str:
        times = self._shown_at
        rate_hz = (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else 0.0
        lag_ms = float(np.median(self._lags_ms)) if self._lags_ms else 0.0
        age_ms = (frame.captured_s - prediction.frame.captured_s) * 1e3
        age = f"map {age_ms:.0f} ms old" if age_ms > 0 else "map of this frame"
        dropped = self._pipeline.frames.dropped
        return (
            f"{rate_hz:.0f} fps   lag {lag_ms:.0f} ms   {age}   dropped {dropped}   {self._device}"
        )

    def _show(self, annotated: Annotated) -> None:
        if self._window is None:
            return
        self._window.show(annotated.picture.bgr())
        self._obey(self._window.key())

    def _redraw(self) -> None:
        """Show the last picture again: its state, a message or the style may have changed."""
        if self._window is None:
            return
        if self._last is not None:
            self._show(self._draw(*self._last))
        else:
            self._obey(self._window.key())

    def _obey(self, key: str | None) -> None:
        """Do what a key says."""
        opacity = self.style.heatmap_opacity
        match key:
            case "q" | "escape":
                self._quit = True
            case "space":
                self.is_paused = not self.is_paused
                if isinstance(self._source, PacedSource):
                    self._source.pause(self.is_paused)
            case "+" | "=":
                self._restyle(heatmap_opacity=min(1.0, round(opacity + _OPACITY_STEP, 2)))
                self._say(f"heatmap opacity {self.style.heatmap_opacity:.0%}")
            case "-":
                self._restyle(heatmap_opacity=max(0.0, round(opacity - _OPACITY_STEP, 2)))
                self._say(f"heatmap opacity {self.style.heatmap_opacity:.0%}")
            case "c":
                following = (COLORMAPS.index(self.style.colormap) + 1) % len(COLORMAPS)
                self._restyle(colormap=COLORMAPS[following])
                self._say(f"colour map {self.style.colormap}")
            case "h":
                self._restyle(show_heatmap=not self.style.show_heatmap)
            case "l":
                self._restyle(show_label=not self.style.show_label)
            case "b":
                self._restyle(show_boxes=not self.style.show_boxes)
            case "d":
                self._show_display = not self._show_display
            case "s":
                self._snapshot()
            case "r":
                self._toggle_recording()
            case "?" | "/":
                self._show_help = not self._show_help
            case _:
                pass

    def _restyle(self, **changes: float | str | bool) -> None:
        self.style = dataclasses.replace(self.style, **changes)  # type: ignore[arg-type]

    def _say(self, message: str) -> None:
        self._message, self._message_until = message, time.perf_counter() + _MESSAGE_S

    def _snapshot(self) -> None:
        if self._last is None:
            return
        frame, prediction = self._last
        picture = annotate(
            prediction, self._info.cam_range, self.style, picture=frame.picture
        ).picture
        try:
            draft = Draft(self._folder / f"camstream-{_stamp()}.png")
            encoded = cv2.imencode(".png", picture.bgr())[1]
            draft.path.write_bytes(encoded.tobytes())
            draft.commit()
            self._say(f"saved {draft.target.name}")
        except (SinkError, OSError) as error:
            self._say(f"no snapshot: {error}")

    def _toggle_recording(self) -> None:
        """A recording that fails by key is told on the picture and does not end the run."""
        try:
            if self._recorder is not None:
                recorder, self._recorder = self._recorder, None
                recorder.finish()
                self._say(f"saved {recorder.target.name}")
            else:
                target = self._folder / f"camstream-{_stamp()}.mp4"
                self._recorder = self._new_recorder(target, overwrite=False)
        except SinkError as error:
            self._say(f"no recording: {error}")

    def _new_recorder(self, target: Path, *, overwrite: bool) -> Recorder:
        return Recorder(target, overwrite=overwrite, rate_hz=self._source.rate_hz)

    def _close(self) -> None:
        """Finish what was written, also after an error: it is whole up to there."""
        if self._window is not None:
            self._window.close()
        try:
            if self._recorder is not None:
                self._recorder.finish()
        finally:
            if self._records is not None:
                self._records.finish()


def _stamp() -> str:
    return datetime.now().strftime("%Y%m%d-%H%M%S-%f")[:-3]
