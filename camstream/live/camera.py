"""One of several cameras: its thread, its pictures and maps, its files."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from camstream.errors import CamstreamError, SourceError, UsageError
from camstream.live.cameras import CameraCondition, CameraState
from camstream.live.figures import STALE_S, Figures
from camstream.live.pairing import Pair, Pairing
from camstream.live.playing import player_of
from camstream.live.timeline import Timeline
from camstream.sources import live_address
from camstream.sources.back_off import BackOff
from camstream.stages import status_of

if TYPE_CHECKING:
    from camstream.contract import ModelInfo
    from camstream.frame import Frame, Prediction
    from camstream.live.outputs import Outputs
    from camstream.maps.select import MapSelector, Selection
    from camstream.stages import Infer, Source

    OpenCamera = Callable[[str, Callable[[float], None]], Source]

_log = logging.getLogger(__name__)


class _Left(Exception):  # noqa: N818 (not an error: nobody waits for the camera any more)
    """The camera was removed while it was being opened."""


class Camera:
    """Reads a source in a thread of its own, whatever happens to the others.

    Attributes:
        id: Its number in this run.
        name: What it is called, unlike any other.
        address: As it was given.
        selector: Looks at its frames; called in the desk's thread only.
        outputs: Its files.
        source: What is read; None until it could be opened.
        pairing: What is to be shown next.
        figures: What is counted and measured.
        timeline: The labels found so far in a file.
        is_paused: Whether its picture is held.
        problem: What went wrong last, in words.
        error: What ended its thread that must end the run, too.
        looked_index: Of the frame that the model looked at last; -1 before the first.
    """

    def __init__(
        self,
        number: int,
        name: str,
        address: str,
        *,
        open_camera: OpenCamera,
        selector: MapSelector,
        outputs: Outputs,
        offer: Callable[[int, Frame], bool],
        is_waiting: Callable[[int], bool],
        prepare: Callable[[Frame], Frame],
        changed: Callable[[], None],
    ) -> None:
        """Prepare; ``start`` begins to open and to read it.

        Args:
            number: See ``id``.
            name: See ``name``.
            address: A camera's number, a URL, a file ...
            open_camera: Opens it; its second argument is called while it waits, and what that
                raises ends the opening.
            selector: See ``selector``.
            outputs: See ``outputs``.
            offer: Takes each frame to be looked at; returns whether it replaced one.
            is_waiting: Says whether one of before was not looked at yet.
            prepare: Makes the network's input; called in the camera's thread.
            changed: Called when there is something new.
        """
        self.id, self.name, self.address = number, name, address
        self.selector, self.outputs = selector, outputs
        self.source: Source | None = None
        self.pairing = Pairing()
        self.figures = Figures()
        self.timeline = Timeline()
        self.is_paused = False
        self._open_camera = open_camera
        self._offer, self._is_waiting = offer, is_waiting
        self._prepare, self._changed = prepare, changed
        self._back_off = BackOff()
        self._offered_index = self.looked_index = -1
        self._begun_s = self._held_s = time.perf_counter()
        self.problem = ""
        self._has_tried = self._is_over = self._has_failed = False
        self._next_try_s: float | None = None
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._pair: Pair | None = None
        self.error: BaseException | None = None
        self._thread = threading.Thread(
            target=self._run, name=f"camstream-camera-{number}", daemon=True
        )

    def start(self) -> None:
        """Begin to open and to read it."""
        self._thread.start()

    @property
    def is_done(self) -> bool:
        """Whether no picture comes any more, none will be tried for, and the last one was shown."""
        is_last_waiting = self.looked_index < self._offered_index or self.pairing.has_news
        return self._is_over and (self._has_failed or not is_last_waiting)

    @property
    def playable(self) -> Source:
        """The source, to be played.

        Raises:
            UsageError: It is not open.
        """
        if self.source is None:
            raise UsageError(f"{self.name} is not open yet")
        return self.source

    @property
    def is_unreachable(self) -> bool:
        """Whether it could not be opened so far."""
        return self._has_tried and self.source is None

    @property
    def reconnects(self) -> int:
        """How often pictures came again after they had stopped."""
        return 0 if self.source is None else status_of(self.source).reconnects

    @property
    def pair(self) -> Pair | None:
        """What is shown of it."""
        return self._pair

    def look(self, frame: Frame) -> Prediction:
        """Look at a frame with the model, in the desk's thread."""
        turn = self.pairing.turn
        prediction = self.selector(frame)
        self.figures.add_seen(prediction)
        self.pairing.add_prediction(prediction, turn)
        self.looked_index = frame.index
        self._changed()
        return prediction

    def take(self, now_s: float) -> Pair | None:
        """Take what is to be shown now, None where nothing has changed; in the session's thread."""
        pair = self.pairing.next(now_s)
        if pair is not None:
            self._pair = pair
        return pair

    def due_in_s(self, now_s: float) -> float | None:
        """In how many seconds a picture will not wait for its map any more; None for none."""
        due_s = self.pairing.due_s
        return None if due_s is None else due_s - now_s

    def use(
        self,
        infer: Infer,
        info: ModelInfo,
        prepare: Callable[[Frame], Frame],
        selection: Selection,
    ) -> None:
        """Use another model from now on."""
        self._prepare = prepare
        self.selector.replace(infer, info, selection)
        self.pairing.forget()  # also what is being looked at now
        self.look_again()

    def look_again(self) -> None:
        """Have a picture that stays looked at once more: what is asked of it has changed."""
        stays = self.is_held or self._condition(time.perf_counter()) != "live"
        if self._pair is not None and stays:
            self._offer(self.id, self._pair.frame)

    @property
    def is_held(self) -> bool:
        """Whether no other picture comes by itself."""
        player = None if self.source is None else player_of(self.source)
        return self.is_paused or self._is_over or (player is not None and player.has_ended)

    def hold(self, on: bool) -> None:
        """Hold its picture, or let it go on."""
        self.is_paused = on
        self._held_s = time.perf_counter()
        self.figures.begin_anew()

    def stop(self) -> None:
        """Make its thread end soon, which then closes the source."""
        self._stop.set()
        with self._lock:
            if self.source is not None:
                self.source.stop()

    @property
    def is_alive(self) -> bool:
        """Whether its thread has not ended."""
        return self._thread.is_alive()

    def join(self, timeout_s: float) -> None:
        """Wait for the end of its thread."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
            if self._thread.is_alive():
                _log.error("%s does not end within %g s", self._thread.name, timeout_s)

    def state(self, now_s: float) -> CameraState:
        """Say how it is.

        Args:
            now_s: ``time.perf_counter()``.
        """
        condition = self._condition(now_s)
        is_live = condition == "live"
        pair = self._pair
        view = None if pair is None else pair.prediction.displayed[0]
        figures = self.figures
        since_s = figures.came.last_s if pair is None else pair.frame.captured_s
        next_try_s = self._next_try_s
        if self.source is not None:
            next_try_s = status_of(self.source).next_try_s
        return CameraState(
            id=self.id,
            name=self.name,
            address=self.address,
            state=condition,
            rate_in_hz=figures.came.rate_hz if is_live else 0.0,
            rate_hz=figures.looked.rate_hz if is_live else 0.0,
            dropped=figures.dropped,
            why=figures.why_dropped(now_s) if is_live else "",
            lag_ms=figures.lag_ms if is_live else 0.0,
            lost_s=now_s - (since_s or self._begun_s) if condition == "lost" else None,
            next_try_s=None if next_try_s is None else max(0.0, next_try_s - now_s),
            problem=self.problem,
            label="" if view is None else view.name,
            score=0.0 if view is None else view.score,
            is_recording=bool(self.outputs.recording),
            frame=None if pair is None else pair.frame,
            prediction=None if pair is None else pair.prediction,
        )

    def _condition(self, now_s: float) -> CameraCondition:
        if self._is_over:
            return "failed" if self._has_failed else "ended"
        if self.source is None:
            return "lost" if self._has_tried else "opening"
        player = player_of(self.source)
        if player is not None and player.has_ended:
            return "ended"
        if self.is_paused:
            return "paused"
        if status_of(self.source).state:
            return "lost"
        if player is None:
            came = self.figures.came
            if came.last_s is None:
                if now_s - self._held_s > 2 * STALE_S:
                    return "lost"
                return "opening" if self._pair is None else "live"  # it goes on
            if came.is_late(now_s, patience_s=STALE_S):
                return "lost"
        return "live"

    # The rest runs in the camera's thread.

    def _run(self) -> None:
        try:
            if (source := self._opened()) is not None:
                for frame in source:
                    self._add(frame)
                    if self._stop.is_set():
                        break
        except CamstreamError as error:
            self.problem, self._has_failed = str(error), True
            if not self._stop.is_set():
                _log.warning("%s: %s", self.name, error)
        except BaseException as error:  # handed to the session's thread, whatever it is
            self.error = error
        finally:
            self._is_over = self._has_tried = True
            if self.source is not None:
                self.source.close()
            self._changed()

    def _opened(self) -> Source | None:
        """Open the source, again and again; None where the camera is not wanted any more."""
        while not self._stop.is_set():
            try:
                source = self._open_camera(self.address, self._check)
            except _Left:
                return None
            except SourceError as error:
                self.problem = str(error)
                if live_address(self.address) is None:
                    raise  # a file that cannot be read now cannot be read in a second
                _log.info("%s", error)
            else:
                with self._lock:
                    self.source = source
                    if self._stop.is_set():
                        source.stop()
                self.problem = ""
                return source
            wait_s = self._back_off.next_s()
            self._next_try_s = time.perf_counter() + wait_s
            self._has_tried = True
            self._changed()
            self._stop.wait(wait_s)
            self._next_try_s = None
        return None

    def _check(self, _: float) -> None:
        if self._stop.is_set():
            raise _Left

    def _add(self, frame: Frame) -> None:
        figures = self.figures
        figures.add_frame(frame)
        if self.is_paused and self.source is not None and player_of(self.source) is None:
            figures.passed += 1
            return
        if not self._is_waiting(self.id):  # else most frames are replaced, and it would be in vain
            with figures.times.measure("prepare"):
                frame = self._prepare(frame)
        self.pairing.add_frame(frame)
        self._offered_index = frame.index
        if self._offer(self.id, frame):
            figures.add_dropped(frame)
        self._changed()
