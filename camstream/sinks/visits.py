"""A video file for each visit: from some seconds before something is there until it has gone.

What came before is kept in memory as JPEG pictures, in the picture's own planes: a second of 1080p
takes about 10 MB so, and 90 MB as it is. The encoder works through it while the visit goes on, a
few pictures with each new one, so that no picture has to wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from camstream.errors import SinkError, UsageError
from camstream.frame import Prediction
from camstream.maps.presence import PresenceRule
from camstream.picture import Picture
from camstream.sinks.group import say_kept
from camstream.sinks.packed import PackedPicture, pack, unpack
from camstream.sinks.recorder import Recorder

_MOST_BYTES = 64 * 2**20
_AT_ONCE = 4  # waiting pictures encoded with each new one
_LONGEST_PRE_ROLL_S = 60.0
_GONE_FOR_S = 2.0


@dataclass(frozen=True, slots=True)
class _Waiting:
    packed: PackedPicture
    captured_s: float


class Visits:
    """Records while something is present, each time into a file of its own.

    Attributes:
        files: What was recorded, in order.
    """

    def __init__(
        self,
        folder: Path,
        *,
        pre_roll_s: float = 5.0,
        rate_hz: float | None = None,
        rule: PresenceRule = PresenceRule(),
        gone_for_s: float = _GONE_FOR_S,
        inputs: Sequence[Path] = (),
        name: str = "visit",
    ) -> None:
        """Prepare; a file begins with the first visit.

        Args:
            folder: Where the files are put: NAME-20261128-093012.mp4, by the clock's time of the
                first picture.
            pre_roll_s: How much is recorded of the time before, seconds. Fewer where that would
                take more than 64 MB of memory.
            rate_hz: A hint for the encoder, frames a second.
            rule: What counts as presence: it begins at ``on_threshold`` and ends under
                ``off_threshold``.
            gone_for_s: A visit ends when nothing was present for so long, seconds.
            inputs: Files that must never be replaced.
            name: What the files' names begin with.

        Raises:
            SinkError: There is no such folder.
            UsageError: The times are wrong.
        """
        if not folder.is_dir():
            raise SinkError(f"cannot write visits into {folder}: there is no such folder")
        if not 0 <= pre_roll_s <= _LONGEST_PRE_ROLL_S or not gone_for_s >= 0:
            raise UsageError(f"a pre-roll is 0 to {_LONGEST_PRE_ROLL_S:g} seconds")
        self._folder = folder
        self._pre_roll_s = pre_roll_s
        self._rate_hz = rate_hz
        self._rule = rule
        self._gone_for_s = gone_for_s
        self._inputs = inputs
        self._name = name
        self._waiting: deque[_Waiting] = deque()
        self._bytes = 0
        self._recorder: Recorder | None = None
        self._is_present = False
        self._present_s = 0.0
        self.files: list[Path] = []

    @property
    def recording(self) -> str:
        """The name of the file that is written, empty where nothing is present."""
        return "" if self._recorder is None else self._recorder.target.name

    def write(self, picture: Picture, captured_s: float, prediction: Prediction) -> str:
        """Take a picture.

        Args:
            picture: What is displayed, without instruments.
            captured_s: When its frame arrived, seconds on a monotonic clock, growing.
            prediction: What decides whether something is present.

        Returns:
            What is to be told: a visit begins or ends; else empty.

        Raises:
            SinkError: The visit's file cannot be written; what was written of it is kept, and
                the next visit gets a new one.
        """
        score = prediction.presence
        limit = self._rule.off_threshold if self._is_present else self._rule.on_threshold
        self._is_present = score >= limit  # NaN is no presence
        message = ""
        if self._is_present:
            self._present_s = captured_s
            message = self._begin(captured_s)
        try:
            if self._recorder is not None and not self._waiting:
                self._recorder.write(picture, captured_s)
            else:
                self._add(picture, captured_s)
                self._encode(_AT_ONCE)
            if self._recorder is not None and captured_s - self._present_s > self._gone_for_s:
                message = self.finish()
        except SinkError as error:
            self._fail(error)
            raise
        return message

    def finish(self) -> str:
        """End the visit that is being recorded; returns what is to be told.

        Raises:
            SinkError: Its file cannot be written.
        """
        if self._recorder is None:
            return ""
        self._encode(len(self._waiting))
        recorder, self._recorder = self._recorder, None
        recorder.finish()
        self.files.append(recorder.target)
        return f"saved {recorder.target.name}"

    def keep(self) -> list[Path]:
        """Keep what was recorded of the visit, after an error; returns its file."""
        recorder, self._recorder = self._recorder, None
        kept = None if recorder is None else recorder.keep()
        return [] if kept is None else [kept]

    def discard(self) -> None:
        """Remove the file of the visit that is being recorded."""
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            recorder.discard()

    def _begin(self, captured_s: float) -> str:
        if self._recorder is not None:
            return ""
        first_s = self._waiting[0].captured_s if self._waiting else captured_s
        begin = datetime.now() - timedelta(seconds=captured_s - first_s)
        stem = f"{self._name}-{begin:%Y%m%d-%H%M%S}"
        target = self._folder / f"{stem}.mp4"
        number = 2
        while target.exists():
            target = self._folder / f"{stem}-{number}.mp4"
            number += 1
        self._recorder = Recorder(
            target, overwrite=False, rate_hz=self._rate_hz, inputs=self._inputs
        )
        return f"recording {target.name}"

    def _add(self, picture: Picture, captured_s: float) -> None:
        """Remember a picture; while nothing is recorded, forget what is too old or too much."""
        packed = pack(picture)
        self._waiting.append(_Waiting(packed, captured_s))
        self._bytes += packed.size_bytes
        if self._recorder is None:
            oldest_s = captured_s - self._pre_roll_s
            while self._waiting and (
                self._bytes > _MOST_BYTES or self._waiting[0].captured_s <= oldest_s
            ):
                self._take()

    def _encode(self, most: int) -> None:
        if self._recorder is not None:
            for _ in range(min(most, len(self._waiting))):
                oldest = self._take()
                self._recorder.write(unpack(oldest.packed), oldest.captured_s)

    def _take(self) -> _Waiting:
        oldest = self._waiting.popleft()
        self._bytes -= oldest.packed.size_bytes
        return oldest

    def _fail(self, error: SinkError) -> None:
        self._waiting.clear()
        self._bytes = 0
        self._is_present = False  # the next picture with somebody begins another file
        say_kept(error, self.keep())
