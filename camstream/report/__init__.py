"""Reports on a clip from its records, as one HTML page.

``read`` reads the records, ``timeline`` finds what happened when, ``pictures`` takes small pictures
out of the video, ``figures`` draws the curves, ``page`` puts all of it on a page.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from camstream.address import shown
from camstream.errors import SinkError
from camstream.maps.presence import PresenceRule
from camstream.report.figures import read_stats
from camstream.report.page import to_html
from camstream.report.pictures import choose_times, make_thumbnails
from camstream.report.read import read_records
from camstream.report.timeline import Timeline, build_timeline
from camstream.sinks.atomic_file import AtomicFile, check_apart


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The options of ``camstream report``.

    Attributes:
        records: The records of one run; JSON lines, CSV or Parquet.
        output: The page to write.
        video: The clip, or the annotated one; None for a page without pictures.
        stats: The file that ``--stats`` wrote in the run; None: the page has no statistics.
        rule: What counts as presence of a class.
        overwrite: Whether existing outputs may be replaced.
    """

    records: Path
    output: Path
    video: Path | None = None
    stats: Path | None = None
    rule: PresenceRule = PresenceRule()
    overwrite: bool = False

    @property
    def inputs(self) -> list[Path]:
        """Every file that is read."""
        return [path for path in (self.records, self.video, self.stats) if path is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What was written.

    Attributes:
        timeline: The clip over time.
        thumbs: How many small pictures the page has.
        size_bytes: The size of the page.
        warnings: One line each; the page has them too.
    """

    timeline: Timeline
    thumbs: int
    size_bytes: int
    warnings: tuple[str, ...]


def report(request: Request, *, progress: Callable[[str], None] = lambda _: None) -> Result:
    """Read the records, write the page.

    Args:
        request: What to report on.
        progress: Called with each step.

    Raises:
        SourceError: An input cannot be read, or the video is plainly of another clip.
        SinkError: An output cannot be written. Nothing of it is left.
    """
    check_apart(request.inputs, [request.output])
    page = AtomicFile(request.output, overwrite=request.overwrite, inputs=request.inputs)
    progress(f"reading {shown(request.records)}")
    run = read_stats(request.stats) if request.stats is not None else []
    timeline = build_timeline(read_records(request.records), request.rule)
    thumbnails = None
    if request.video is not None:
        progress(f"looking up {len(choose_times(timeline))} pictures in {request.video.name}")
        thumbnails = make_thumbnails(request.video, timeline)
    warnings = [*timeline.records.warnings, *(thumbnails.warnings if thumbnails else ())]
    progress(f"writing {request.output.name}")
    title = (request.video or request.records).stem
    text = to_html(timeline, thumbnails, title=title, warnings=warnings, run=run)
    size_bytes = _write(page, text)
    return Result(
        timeline=timeline,
        thumbs=len(thumbnails.thumbs) if thumbnails else 0,
        size_bytes=size_bytes,
        warnings=tuple(warnings),
    )


def _write(atomic_file: AtomicFile, text: str) -> int:
    try:
        atomic_file.path.write_text(text, encoding="utf-8")
        size_bytes = atomic_file.path.stat().st_size
    except OSError as error:
        atomic_file.discard()
        raise SinkError(f"cannot write {atomic_file.target}: {error.strerror}") from error
    atomic_file.commit()
    return size_bytes
