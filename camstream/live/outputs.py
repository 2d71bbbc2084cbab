"""What a live session writes: a recording, records, maps, presence, snapshots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import cv2

from camstream.errors import SinkError
from camstream.frame import Annotated
from camstream.picture import Picture
from camstream.sinks import SideFiles, SidePaths
from camstream.sinks.atomic_file import AtomicFile
from camstream.sinks.recorder import Recorder


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputPaths:
    """The files that a session writes from its start, None for none.

    Attributes:
        record: A video file of the pictures with their maps, without the session's own text.
        records: A record of each frame whose map is shown.
        maps: The raw maps of each frame whose map is shown.
        presence: When something was there, see ``camstream.sinks.presence``.
        overwrite: Whether existing files may be replaced.
    """

    record: Path | None = None
    records: Path | None = None
    maps: Path | None = None
    presence: Path | None = None
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
        self, paths: OutputPaths, folder: Path, *, labels: Sequence[str], rate_hz: float | None
    ) -> None:
        """Open what is written from the start.

        Args:
            paths: The files asked for.
            folder: Where snapshots and recordings that an action begins are put.
            labels: One name a class, in the order of the logits.
            rate_hz: The source's nominal rate, a hint for the encoder.

        Raises:
            SinkError: An output cannot be written.
        """
        self._folder = folder
        self._rate_hz = rate_hz
        self._last_index = -1
        self._recorder: Recorder | None = None
        self._first_s: float | None = None
        self._last_s = 0.0
        side_paths = SidePaths(records=paths.records, maps=paths.maps, presence=paths.presence)
        self._sides = SideFiles(side_paths, labels, overwrite=paths.overwrite)
        if paths.record is not None:
            try:
                self._recorder = self._record_to(paths.record, overwrite=paths.overwrite)
            except SinkError:
                self._sides.discard()
                raise

    @property
    def recording(self) -> str:
        """The name of the file that is recorded to, or empty."""
        return self._recorder.target.name if self._recorder is not None else ""

    @property
    def recorded_s(self) -> float:
        """How long the recording is, seconds; 0 before its first picture."""
        return 0.0 if self._first_s is None else self._last_s - self._first_s

    @property
    def needs_picture(self) -> bool:
        """Whether ``write`` needs the picture; otherwise only the prediction counts."""
        return self._recorder is not None

    def write(self, annotated: Annotated, captured_s: float) -> None:
        """Write a picture that was shown; records, maps and presence once for each map.

        Args:
            annotated: The picture, without the session's own text, and the prediction that is
                drawn on it. The picture is used only where ``needs_picture`` is true.
            captured_s: When the picture arrived; the prediction may be of an earlier one.

        Raises:
            SinkError: An output cannot be written.
        """
        if self._recorder is not None:
            self._first_s = captured_s if self._first_s is None else self._first_s
            self._last_s = captured_s
            self._recorder.write(annotated.picture, captured_s)
        if annotated.prediction.frame.index > self._last_index:
            self._last_index = annotated.prediction.frame.index
            self._sides.write(annotated)

    def snapshot(self, picture: Picture) -> str:
        """Write a picture to a PNG file; a failure becomes the message and does not end the run."""
        try:
            atomic_file = AtomicFile(self._folder / f"camstream-{_stamp()}.png")
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
                target = self._folder / f"camstream-{_stamp()}.mp4"
                self._recorder = self._record_to(target, overwrite=False)
                return ""
            recorder, self._recorder, self._first_s = self._recorder, None, None
            recorder.finish()
        except SinkError as error:
            return f"no recording: {error}"
        return f"saved {recorder.target.name}"

    def finish(self) -> None:
        """Complete the files, also after an error: they hold what was written up to there.

        Raises:
            SinkError: One cannot be written, or there was not one picture to record.
        """
        try:
            if self._recorder is not None:
                self._recorder.finish()
        finally:
            self._sides.finish()

    def _record_to(self, target: Path, *, overwrite: bool) -> Recorder:
        return Recorder(target, overwrite=overwrite, rate_hz=self._rate_hz)


def _stamp() -> str:
    return datetime.now().strftime("%Y%m%d-%H%M%S-%f")[:-3]
