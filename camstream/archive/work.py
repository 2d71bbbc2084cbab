"""What a worker of an archive does: a video, a part of a long one, or the joining of its parts.

A worker has one model, opened once. Messages and results are plain JSON, so that the same work is
done by the children of a pool (``camstream.batch``) and by the actors of a Ray cluster.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import itertools
import json
from pathlib import Path

import msgspec

from camstream.address import is_address
from camstream.annotation import AnnotationJob
from camstream.annotation import run as annotate
from camstream.api import make_selection
from camstream.archive import layout
from camstream.archive.cuts import Cuts, find_cuts
from camstream.archive.join import join_maps, joined
from camstream.archive.options import Video, WorkerOptions
from camstream.archive.parts import publish_part, read_part
from camstream.archive.read import WHOLE, Facts, OnRow, Span, parse_time, read, start_of
from camstream.archive.rows import Decided, Look
from camstream.archive.start_time import StartTime
from camstream.archive.storage import Folder, local_copy, open_folder
from camstream.archive.tables import RowsFile, VideoRow, read_rows, read_start, write_video
from camstream.batch.annotating import about_model, sha256_of_model
from camstream.batch.task import Json
from camstream.batch.worker import Control
from camstream.errors import SourceError, reading
from camstream.frame import Prediction
from camstream.media import PHOTO_SUFFIXES
from camstream.models.session import Model
from camstream.models.zoo import find_model
from camstream.sinks.arrays import MapsFile

# In the folder where files become whole.
RECORDS_FILE, MAPS_FILE = "records.parquet", "maps.npz"


class ArchiveWork:
    """The work, with its model.

    Attributes:
        about: What is told of the model.
    """

    def __init__(self, options: WorkerOptions) -> None:
        """Open the model and the archive.

        Args:
            options: What is asked for.

        Raises:
            CamstreamError: The model cannot be opened, or does not know a class.
        """
        self._options = options
        wanted = options.look
        self._model = Model(
            find_model(options.model),
            device=options.device,
            threads=options.threads,
            input_size=wanted.input_size,
            refine=wanted.refine,
        )
        self._selection = make_selection(self._model, classes=wanted.classes)
        self._look = Look(self._model, self._selection)
        self._sha256 = sha256_of_model(options.model)
        self._folder: Folder = open_folder(options.target)
        self.about = about_model(self._model)

    def run(self, message: Json, control: Control) -> Json:
        """Do one step.

        Args:
            message: {"step": "video", "video": ...}, or what ``camstream.archive.steps`` makes of
                what that returned.
            control: Is told how far it is, and asked whether to stop.

        Returns:
            Of "video": the result, or {"cuts": ...} where it is a long one. Of "part": what is
            known of the part, or {"uncut": why} where it is not what it must be. Of "join": the
            same, or the result. {"stopped": true} after a stop.

        Raises:
            CamstreamError: It failed.
        """
        video = msgspec.convert(message["video"], Video)
        steps = {"video": self._video, "part": self._part, "join": self._join}
        with self._folder.scratch() as scratch:
            return steps[message["step"]](video, message, control, scratch)

    def _video(self, video: Video, message: Json, control: Control, scratch: Path) -> Json:
        """Read a whole video, or say where to cut it."""
        _check_unchanged(video)
        with local_copy(video.source, scratch) as path:
            start = start_of(path, Path(video.source).name, mtime_ns=video.mtime_ns)
            cuts = self._cuts(video, path, message)
            if len(cuts.spans) > 1:
                spans = [dataclasses.asdict(span) for span in cuts.spans]
                return {"cuts": spans, "start": start.at.isoformat(), "start_from": start.found_in}
            rows = RowsFile(scratch / RECORDS_FILE, video=video.given, start=start.at)
            decide = Decided(self._options.look.rate_hz)
            facts = self._read(
                path, WHOLE, rows, lambda row: rows.write(decide(row)), control, scratch
            )
            if facts.is_stopped or not self._annotate(path, scratch, control):
                return {"stopped": True}
        _check_unchanged(video)
        result = self._publish(video, start, facts, rows.count, scratch, parts=1)
        return result | {"not_cut": message.get("uncut") or cuts.why_not}

    def _cuts(self, video: Video, path: Path, message: Json) -> Cuts:
        """Say where to cut; what would have to be fetched once a part is not cut."""
        if is_address(video.source) or "uncut" in message or path.suffix in PHOTO_SUFFIXES:
            return Cuts((WHOLE,))
        return find_cuts(path, self._options.part_s)

    def _part(self, video: Video, message: Json, control: Control, scratch: Path) -> Json:
        """Read a part; one that an earlier run has read is there."""
        span, number = msgspec.convert(message["span"], Span), message["number"]
        name = layout.part_name(message["key"], number)
        before = read_part(self._folder, name, span, scratch)
        if before is not None:
            return {"facts": before}
        _check_unchanged(video)
        start = parse_time(message["start"])
        rows = RowsFile(scratch / RECORDS_FILE, video=video.given, start=start, is_part=True)
        facts = self._read(Path(video.source), span, rows, rows.write, control, scratch)
        if facts.is_stopped:
            return {"stopped": True}
        if facts.is_damaged or (facts.decoded, facts.check) != (span.frames, span.check):
            return {"uncut": "its parts do not have the frames that they should have"}
        _check_unchanged(video)
        made = [(scratch / RECORDS_FILE, ".parquet")]
        if self._options.look.maps:
            made.append((scratch / MAPS_FILE, ".npz"))
        publish_part(self._folder, name, made, span, facts)
        return {"facts": dataclasses.asdict(facts)}

    def _join(self, video: Video, message: Json, control: Control, scratch: Path) -> Json:
        """Join all parts of a video; they stay until it is noted that the video is done."""
        _check_unchanged(video)
        facts = [msgspec.convert(part, Facts) for part in message["facts"]]
        if len({(one.width, one.height, one.turned) for one in facts if one.width}) > 1:
            return {"uncut": "its frames are not all of one size"}
        names = [layout.part_name(message["key"], number) for number in range(len(facts))]
        offsets = [*itertools.accumulate((one.decoded for one in facts), initial=0)][:-1]
        start = StartTime(parse_time(message["start"]), message["start_from"])
        rows = RowsFile(scratch / RECORDS_FILE, video=video.given, start=start.at)
        decide = Decided(self._options.look.rate_hz)
        with rows:
            for name, offset in zip(names, offsets, strict=True):
                for row in read_rows(self._folder.fetch(f"{name}.parquet", scratch)):
                    row["index"] += offset
                    rows.write(decide(row))
        if self._options.look.maps:
            parts = [self._folder.fetch(f"{name}.npz", scratch) for name in names]
            join_maps(parts, offsets, scratch / MAPS_FILE)
        if not self._annotate(Path(video.source), scratch, control):
            return {"stopped": True}
        whole = joined(facts)
        result = self._publish(video, start, whole, rows.count, scratch, parts=len(facts))
        return result | {"not_cut": ""}

    def _read(
        self,
        path: Path,
        span: Span,
        rows: RowsFile,
        on_row: OnRow,
        control: Control,
        scratch: Path,
    ) -> Facts:
        """Read a video or a part of it into its files."""
        maps = None
        if self._options.look.maps:
            maps = MapsFile(scratch / MAPS_FILE, self._model.info.labels, overwrite=True)
        with rows, contextlib.ExitStack() as stack:
            if maps is not None:
                stack.callback(maps.discard)
            facts = read(
                path,
                self._look,
                self._model.info,
                rate_hz=self._options.look.rate_hz,
                span=span,
                on_row=on_row,
                maps=maps,
                on_frame=control.progress,
                stop=control.is_stopped,
            )
            if maps is not None and not facts.is_stopped:
                maps.finish()
        return facts

    def _annotate(self, path: Path, scratch: Path, control: Control) -> bool:
        """Make the annotated video, where it was asked for; returns False after a stop."""
        if not self._options.look.video:
            return True
        job = AnnotationJob(
            source=path, output=scratch / "annotated.mp4", selection=self._selection
        )
        frames = 0

        def on_frame(prediction: Prediction, total: int | None) -> None:
            nonlocal frames
            frames += 1
            control.progress(frames, total, prediction.top[0].label)

        return not annotate(job, self._model, on_frame=on_frame, stop=control.is_stopped).is_stopped

    def _publish(
        self, video: Video, start: StartTime, facts: Facts, count: int, scratch: Path, *, parts: int
    ) -> Json:
        """Give all files of a video their names: that of its row last."""
        records = layout.records_name(video.id, start.at)
        self._remove_before(video, records, scratch)
        row = VideoRow(
            video_id=video.id,
            video=video.given,
            path=video.source,
            start=start.at,
            start_from=start.found_in,
            duration_s=round(facts.end_s, 6),
            frames=count,
            decoded=facts.decoded,
            rate_hz=self._options.look.rate_hz,
            video_rate_hz=facts.rate_hz,
            width=facts.width,
            height=facts.height,
            model=self._model.info.name,
            model_sha256=self._sha256,
            options=json.dumps(dataclasses.asdict(self._options.look), sort_keys=True),
            camstream=importlib.metadata.version("camstream"),
            warnings=facts.warnings,
            parts=parts,
            size=video.size,
            mtime_ns=video.mtime_ns,
        )
        write_video(scratch / "video.parquet", row)
        files: dict[str, int] = {}
        for name, target in (
            ("annotated.mp4", layout.annotated_name(video.id)),
            (MAPS_FILE, layout.maps_name(video.id)),
            (RECORDS_FILE, records),
            ("video.parquet", layout.videos_name(video.id)),
        ):
            if (scratch / name).exists():
                files[target] = (scratch / name).stat().st_size
                self._folder.publish(scratch / name, target)
            else:  # what is there was made with other options
                self._folder.remove(target)
        return {
            "files": files,
            "frames": count,
            "decoded": facts.decoded,
            "duration_s": facts.end_s,
            "parts": parts,
            "warnings": list(facts.warnings),
            "is_damaged": facts.is_damaged,
        }

    def _remove_before(self, video: Video, records: str, scratch: Path) -> None:
        """Remove what an earlier run made of a video whose day was another."""
        name = layout.videos_name(video.id)
        if not self._folder.exists(name):
            return
        before = read_start(self._folder.fetch(name, scratch))
        if before is None:
            return
        old = layout.records_name(video.id, before)
        if old != records:
            self._folder.remove(old)
            self._folder.remove(name)


def open_work(options: Json) -> ArchiveWork:
    """Open the work in a child or an actor; see ``camstream.batch.worker.OpenWork``."""
    return ArchiveWork(msgspec.convert(options, WorkerOptions))


def _check_unchanged(video: Video) -> None:
    """Raise where a file is not the one that was found when the work was planned."""
    if is_address(video.source):
        return
    path = Path(video.source)
    with reading(path):
        status = path.stat()
    if (status.st_size, status.st_mtime_ns) != (video.size, video.mtime_ns):
        raise SourceError(f"cannot read {video.given}: it changed meanwhile; run it again")
