"""What a live run keeps: a recording, records, snapshots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import cv2

from camstream.errors import SinkError
from camstream.frame import Annotated, Frame
from camstream.picture import Picture
from camstream.sinks import SideFiles, SidePaths
from camstream.sinks.atomic_file import AtomicFile
from camstream.sinks.video import Recorder


@dataclass(frozen=True, slots=True)
class Outputs:
    """What a live run writes and when it ends.

    Attributes:
        record: A video file of what is seen.
        records: A record for each frame whose map is shown.
        overwrite: Whether existing files may be replaced.
        frames: Stop after so many frames were shown.
        seconds: Stop after so many seconds.
        maps: The raw maps of each frame whose map is shown.
        presence: When something was there, see ``camstream.sinks.presence``.
    """

    record: Path | None = None
    records: Path | None = None
    overwrite: bool = False
    frames: int | None = None
    seconds: float | None = None
    maps: Path | None = None
    presence: Path | None = None


class Saver:
    """Writes what is seen, and says in words what came of what a key asked for."""

    def __init__(
        self, outputs: Outputs, folder: Path, *, labels: Sequence[str], rate_hz: float | None
    ) -> None:
        """Open what is written from the start.

        Args:
            outputs: The files asked for.
            folder: Where snapshots and recordings by key go.
            labels: One name a class, in the order of the logits.
            rate_hz: The source's nominal rate, a hint for the encoder.

        Raises:
            SinkError: An output cannot be written.
        """
        self._folder = folder
        self._rate_hz = rate_hz
        self._last_index = -1
        self._recorder: Recorder | None = None
        paths = SidePaths(records=outputs.records, maps=outputs.maps, presence=outputs.presence)
        self._sides = SideFiles(paths, labels, overwrite=outputs.overwrite)
        if outputs.record is not None:
            try:
                self._recorder = self._record_to(outputs.record, overwrite=outputs.overwrite)
            except SinkError:
                self._sides.discard()
                raise

    @property
    def recording(self) -> str:
        """The name of the file that is being recorded, or nothing."""
        return self._recorder.target.name if self._recorder is not None else ""

    def write(self, annotated: Annotated, frame: Frame) -> None:
        """Write a picture that was shown, and what goes beside it once for each map.

        Raises:
            SinkError: It cannot be written.
        """
        if self._recorder is not None:
            self._recorder.write(annotated.picture, frame.captured_s)
        if annotated.prediction.frame.index > self._last_index:
            self._last_index = annotated.prediction.frame.index
            self._sides.write(annotated)

    def snapshot(self, picture: Picture) -> str:
        """Write a picture; a failure is told and does not end the run."""
        try:
            atomic_file = AtomicFile(self._folder / f"camstream-{_stamp()}.png")
            atomic_file.path.write_bytes(cv2.imencode(".png", picture.bgr())[1].tobytes())
            atomic_file.commit()
        except OSError as error:
            return f"no snapshot: {error}"
        return f"saved {atomic_file.target.name}"

    def toggle_recording(self) -> str:
        """Begin or end a recording; a failure is told and does not end the run."""
        try:
            if self._recorder is None:
                target = self._folder / f"camstream-{_stamp()}.mp4"
                self._recorder = self._record_to(target, overwrite=False)
                return ""
            recorder, self._recorder = self._recorder, None
            recorder.finish()
        except SinkError as error:
            return f"no recording: {error}"
        return f"saved {recorder.target.name}"

    def finish(self) -> None:
        """Finish what was written, also after an error: it is whole up to there.

        Raises:
            SinkError: It cannot be written, or there was not one picture to record.
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
