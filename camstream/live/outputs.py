"""What a live session writes: a recording, records, maps, presence, snapshots."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import cv2

from camstream.errors import SinkError
from camstream.frame import Annotated
from camstream.picture import Picture
from camstream.sinks import SideFiles, SidePaths
from camstream.sinks.atomic_file import AtomicFile
from camstream.sinks.group import say_kept
from camstream.sinks.presence_news import PresenceNews
from camstream.sinks.receivers import Receiver
from camstream.sinks.recorder import Recorder
from camstream.sinks.visits import Visits
from camstream.stages import Sink

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputPaths:
    """The files that a session writes from its start, None for none.

    Attributes:
        record: A video file of the pictures with their maps, without the session's own text.
        records: A record of each frame whose map is shown.
        maps: The raw maps of each frame whose map is shown.
        presence: When something was there, see ``camstream.sinks.presence``.
        visits: A folder for videos, one for each time that something is there.
        pre_roll_s: How much of the time before is in these, seconds.
        on_presence: Who is told when something appears and when it has gone.
        inputs: The files that are read, which no output may replace.
        overwrite: Whether existing files may be replaced.
    """

    record: Path | None = None
    records: Path | None = None
    maps: Path | None = None
    presence: Path | None = None
    visits: Path | None = None
    pre_roll_s: float = 5.0
    on_presence: Receiver | None = None
    inputs: Sequence[Path] = ()
    overwrite: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLimits:
    """When a session ends by itself, None for never.

    Attributes:
        frames: After so many frames were shown.
        seconds: After so many seconds.
    """

    frames: int | None = None
    seconds: float | None = None


class Outputs:
    """The open files of a session. Methods that an action calls return a message for the user."""

    def __init__(
        self,
        paths: OutputPaths,
        folder: Path,
        *,
        labels: Sequence[str],
        rate_hz: float | None,
        stem: str = "",
        more: Sequence[Sink] = (),
        source: Callable[[], str] = lambda: "",
    ) -> None:
        """Open what is written from the start.

        Args:
            paths: The files asked for.
            folder: Where snapshots and recordings that an action begins are put.
            labels: One name a class, in the order of the logits.
            rate_hz: The source's nominal rate, a hint for the encoder.
            stem: Of the source's files where there are several sources, else empty.
            more: Other sinks that get each frame whose map is shown.
            source: Returns the name of what is looked at now, for events of presence.

        Raises:
            SinkError: An output cannot be written.
        """
        self._folder = folder
        self._paths = paths
        self._errors: list[SinkError] = []  # of files that were asked for at the start
        self._rate_hz = rate_hz
        self._last_index = -1
        self._recorder: Recorder | None = None
        self._first_s: float | None = None
        self._last_s = 0.0
        self._visits: Visits | None = None
        if paths.visits is not None:
            self._visits = Visits(
                paths.visits,
                pre_roll_s=paths.pre_roll_s,
                rate_hz=rate_hz,
                name=f"visit-{stem}" if stem else "visit",
            )
        self._news: PresenceNews | None = None
        if paths.on_presence is not None:
            self._news = PresenceNews(paths.on_presence, source)
        side_paths = SidePaths(records=paths.records, maps=paths.maps, presence=paths.presence)
        self._stem = f"camstream-{stem}" if stem else "camstream"
        self._has_sides = side_paths != SidePaths() or bool(more)
        self._sides = SideFiles(
            side_paths, labels, overwrite=paths.overwrite, inputs=paths.inputs, once=True, more=more
        )
        if paths.record is not None:
            try:
                self._recorder = self._record_to(paths.record, overwrite=paths.overwrite)
            except SinkError:
                self._sides.discard()
                raise

    @property
    def recording(self) -> str:
        """The name of the file that is recorded to, of a visit where no other is; or empty."""
        if self._recorder is not None:
            return self._recorder.target.name
        return "" if self._visits is None else self._visits.recording

    @property
    def recorded_s(self) -> float:
        """How long the recording is, seconds; 0 before its first picture."""
        return 0.0 if self._first_s is None else self._last_s - self._first_s

    @property
    def needs_picture(self) -> bool:
        """Whether ``write`` needs the picture; otherwise only the prediction counts."""
        return self._recorder is not None or self._visits is not None

    def write(self, annotated: Annotated, captured_s: float) -> str:
        """Write a picture that was shown; records, maps and presence once for each map.

        A file that cannot be written any more is kept as it is, and the others go on.

        Args:
            annotated: The picture, without the session's own text, and the prediction that is
                drawn on it. The picture is used only where ``needs_picture`` is true.
            captured_s: When the picture arrived; the prediction may be of an earlier one.

        Returns:
            A message for the user, or an empty text.

        Raises:
            SinkError: None of the files that were asked for at the start can be written any more.
        """
        message = self._write_picture(annotated.picture, captured_s)
        message = self._write_visit(annotated, captured_s) or message
        self._first_s = (self._first_s or captured_s) if self.recording else None
        self._last_s = captured_s
        if annotated.prediction.frame.index > self._last_index:
            self._last_index = annotated.prediction.frame.index
            if self._news is not None:
                self._news.write(annotated)
            try:
                self._sides.write(annotated)
            except SinkError as error:
                message = self._lose_sides(error)
        return message

    def _lose_sides(self, error: SinkError) -> str:
        """Go on without records, maps and presence, which are kept; raises where nothing is left."""
        self._has_sides = False
        if self._recorder is None and not self._goes_on:
            raise error
        say_kept(error, self._sides.keep())
        self._sides = SideFiles(SidePaths(), (), overwrite=False)
        self._errors.append(error)
        _log.warning("%s", error)  # a run without a window shows no message
        return str(error)

    @property
    def _goes_on(self) -> bool:
        """Whether there is something that ends with the run only."""
        return self._has_sides or self._visits is not None or self._news is not None

    def _write_picture(self, picture: Picture, captured_s: float) -> str:
        recorder = self._recorder
        if recorder is None:
            return ""
        try:
            recorder.write(picture, captured_s)
        except SinkError as error:
            self._recorder = None
            kept = recorder.keep()
            say_kept(error, [] if kept is None else [kept])
            if recorder.target == self._paths.record:
                self._errors.append(error)
                if not self._goes_on:
                    raise
            return f"the recording has ended: {error}"
        return ""

    def _write_visit(self, annotated: Annotated, captured_s: float) -> str:
        """Give a picture to the videos of visits; the one that fails does not cost the next."""
        if self._visits is None:
            return ""
        try:
            return self._visits.write(annotated.picture, captured_s, annotated.prediction)
        except SinkError as error:
            self._errors.append(error)
            return f"the recording has ended: {error}"

    def snapshot(self, picture: Picture) -> str:
        """Write a picture to a PNG file; a failure becomes the message and does not end the run."""
        try:
            atomic_file = AtomicFile(self._folder / f"{self._stem}-{_stamp()}.png")
            atomic_file.path.write_bytes(cv2.imencode(".png", picture.bgr())[1].tobytes())
            atomic_file.commit()
        except OSError as error:
            return f"no snapshot: {error}"
        return f"saved {atomic_file.target.name}"

    def record(self, on: bool | None = None) -> str:
        """Begin or end a recording; a failure becomes the message and does not end the run.

        Args:
            on: Whether it records from now on; None changes it to the other state.
        """
        if on is (self._recorder is not None):
            return ""
        try:
            if self._recorder is None:
                target = self._folder / f"{self._stem}-{_stamp()}.mp4"
                self._recorder = self._record_to(target, overwrite=False)
                return ""
            recorder, self._recorder, self._first_s = self._recorder, None, None
            recorder.finish()
        except SinkError as error:
            return f"no recording: {error}"
        return f"saved {recorder.target.name}"

    def finish(self) -> None:
        """Complete the files, each also where another fails.

        Raises:
            SinkError: One cannot be written, now or before, or there was not one picture to record.
        """
        open_ones = (self._recorder, self._visits, self._sides, self._news)
        for sink in (one for one in open_ones if one is not None):
            try:
                sink.finish()
            except SinkError as error:
                self._errors.append(error)
        if self._errors:
            raise self._errors[0]

    def keep(self, error: BaseException) -> None:
        """Keep what was written before an error of the run, and add to the error what that is."""
        kept = self._sides.keep() + ([] if self._visits is None else self._visits.keep())
        if self._recorder is not None and (video := self._recorder.keep()) is not None:
            kept.insert(0, video)
        if self._news is not None:
            self._news.keep()
        say_kept(error, kept)

    def discard(self) -> None:
        """Remove the files: there was nothing to write."""
        for sink in (self._recorder, self._visits, self._news, self._sides):
            if sink is not None:
                sink.discard()

    def _record_to(self, target: Path, *, overwrite: bool) -> Recorder:
        return Recorder(
            target, overwrite=overwrite, inputs=self._paths.inputs, rate_hz=self._rate_hz
        )


def _stamp() -> str:
    return datetime.now().strftime("%Y%m%d-%H%M%S-%f")[:-3]
