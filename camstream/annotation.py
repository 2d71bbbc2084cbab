"""Annotates clips and photos: each frame of the input, with its overlay, is one of the output."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from camstream.drawing.overlay import Style, annotate
from camstream.errors import SinkError
from camstream.frame import Prediction
from camstream.maps.select import MapSelector, Selection
from camstream.media import PHOTO_SUFFIXES
from camstream.models.device import PROVIDERS
from camstream.models.session import Model
from camstream.pipeline import Pipeline
from camstream.sinks import SideFiles, SidePaths
from camstream.sinks.atomic_file import AtomicFile, check_apart
from camstream.sinks.encoding import Encoding
from camstream.sinks.gif import GifFile
from camstream.sinks.group import SinkGroup, say_kept
from camstream.sinks.photo import PhotoFile
from camstream.sinks.picture_file import PictureFile
from camstream.sinks.records import write_json
from camstream.sinks.video import VideoFile
from camstream.sources.file import FileSource
from camstream.sources.photo import PhotoSource
from camstream.stages import Sink
from camstream.stats import RunStats


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotationJob:
    """One file to annotate. The outputs that are None are not written.

    Attributes:
        source: The input.
        output: The video file to write.
        records: Where to write a record a frame.
        style: How to draw.
        encoding: How to encode.
        overwrite: Whether existing outputs may be replaced.
        stats: Where to write counts and times as JSON.
        selection: Which maps to display.
        maps: Where to write the raw maps.
        presence: Where to write the intervals of presence.
        settings: The options that it was started with, for ``stats``; see ``RunStats``.
    """

    source: Path
    output: Path
    records: Path | None = None
    style: Style = Style()
    encoding: Encoding = Encoding()
    overwrite: bool = False
    stats: Path | None = None
    selection: Selection = Selection()
    maps: Path | None = None
    presence: Path | None = None
    settings: dict[str, dict[str, object]] = field(default_factory=dict)

    @property
    def outputs(self) -> list[Path]:
        """Every file that the job writes."""
        paths = (self.output, self.records, self.stats, self.maps, self.presence)
        return [path for path in paths if path is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotationResult:
    """The result of a job.

    Attributes:
        stats: Counts and times.
        warnings: What could not be kept, or was damaged, one line each.
        labels: Number of frames in which each label was displayed, most frequent first.
        is_damaged: Whether part of the input could not be read.
        is_stopped: Whether it was stopped before the input's end; the output plays up to there.
        end_s: Media time of the last frame.
    """

    stats: RunStats
    warnings: tuple[str, ...]
    labels: dict[str, int]
    is_damaged: bool
    is_stopped: bool
    end_s: float


def run(
    job: AnnotationJob,
    model: Model,
    *,
    sinks: Sequence[Sink] = (),
    on_frame: Callable[[Prediction, int | None], None] = lambda *_: None,
    stop: Callable[[], bool] = lambda: False,
) -> AnnotationResult:
    """Annotate one file.

    Args:
        job: The input, the outputs and the settings.
        model: Is run on every frame.
        sinks: Further sinks for the annotated frames; finished or discarded with the outputs.
        on_frame: Called after each frame with its prediction and the number of frames in the
            input, None where unknown.
        stop: Called after each frame; True finishes a playable file and returns.

    Raises:
        SourceError: The input cannot be read.
        SinkError: An output cannot be written. The others are written to the end.

    An error after the first frame leaves the outputs with what was made before it, and its text
    says so; before, nothing is left.
    """
    inputs = [job.source, model.path]
    _check_outputs(job, inputs)
    source = open_recorded(job.source)
    opened: list[Sink] = []
    outputs = SinkGroup(opened)
    try:
        opened += sinks
        video = _open_output(job, source, inputs)
        opened.append(video)
        side_paths = SidePaths(records=job.records, maps=job.maps, presence=job.presence)
        opened += SideFiles(
            side_paths, model.info.labels, overwrite=job.overwrite, inputs=inputs
        ).sinks
        return _run(job, model, source, video, outputs, on_frame, stop)
    except BaseException as error:
        if outputs.frames:
            say_kept(error, outputs.keep())
        else:
            outputs.discard()
        source.close()
        raise


def open_recorded(path: Path) -> FileSource | PhotoSource:
    """Open a clip or a photo by its suffix.

    Raises:
        SourceError: It cannot be opened.
    """
    if path.suffix.lower() in PHOTO_SUFFIXES:
        return PhotoSource(path)
    return FileSource(path, even=True)


def _open_output(
    job: AnnotationJob, source: FileSource | PhotoSource, inputs: Sequence[Path]
) -> PictureFile:
    """Open what the suffix of the output names."""
    suffix = job.output.suffix.lower()
    if suffix in PHOTO_SUFFIXES:
        if isinstance(source, FileSource):
            raise SinkError(
                f"cannot write {job.output}: a photo holds one picture and {source.name} is a "
                "clip; give a name that ends in .mp4 or .gif"
            )
        return PhotoFile(job.output, overwrite=job.overwrite, inputs=inputs)
    if suffix == ".gif":
        return GifFile(job.output, overwrite=job.overwrite, inputs=inputs)
    like = source if isinstance(source, FileSource) else None
    return VideoFile(
        job.output, like=like, encoding=job.encoding, overwrite=job.overwrite, inputs=inputs
    )


def _check_outputs(job: AnnotationJob, inputs: Sequence[Path]) -> None:
    """Find outputs that cannot be written before the work begins, which may take hours."""
    check_apart(inputs, job.outputs)
    for path in job.outputs:
        AtomicFile(path, overwrite=job.overwrite, inputs=inputs)


def _run(
    job: AnnotationJob,
    model: Model,
    source: FileSource | PhotoSource,
    video: PictureFile,
    outputs: SinkGroup,
    on_frame: Callable[[Prediction, int | None], None],
    stop: Callable[[], bool],
) -> AnnotationResult:
    labels: dict[str, int] = {}
    end_s = 0.0
    is_stopped = False
    started = time.perf_counter()
    with Pipeline(source, MapSelector(model.infer, model.info, job.selection)) as pipeline:
        for prediction in pipeline:
            with pipeline.times.measure("annotate"):
                annotated = annotate(prediction, job.style)
            with pipeline.times.measure("write"):
                outputs.write(annotated)
            is_asked = job.selection.classes or job.selection.contrast
            label = (prediction.top if is_asked else prediction.displayed)[0].label
            labels[label] = labels.get(label, 0) + 1
            end_s = prediction.frame.pts_s
            on_frame(prediction, source.frame_count)
            if stop():
                is_stopped = True
                break
    frames = outputs.frames
    if not frames:
        raise SinkError(f"{job.output} was not written: there was not one frame")
    video.is_whole = not is_stopped
    failure: SinkError | None = None
    try:
        outputs.finish()
    except SinkError as error:
        failure = error  # the counts are written all the same
    wall_s = time.perf_counter() - started
    stats = RunStats(
        source=source.name,
        device=model.device,
        provider=PROVIDERS[model.device],
        # After a stop, frames that were read ahead do not count.
        frames_in=frames if is_stopped else pipeline.captured,
        frames_out=frames,
        frames_dropped=0 if is_stopped else pipeline.captured - frames,
        wall_s=round(wall_s, 3),
        rate_hz=round(frames / wall_s, 2),
        stages_ms=pipeline.times.percentiles(),
        settings=job.settings,
    )
    if job.stats is not None:
        write_json(job.stats, stats.to_dict(), overwrite=job.overwrite)
    if failure is not None:
        raise failure
    return AnnotationResult(
        stats=stats,
        warnings=tuple(source.warnings + video.warnings),
        labels=dict(sorted(labels.items(), key=lambda item: -item[1])),
        is_damaged=source.is_damaged,
        is_stopped=is_stopped,
        end_s=end_s,
    )
