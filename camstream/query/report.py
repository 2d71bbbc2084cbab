"""The report over an archive: a page of all videos, and a page of each, beside it in a folder."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePath
from urllib.parse import quote

from camstream.errors import SinkError, SourceError, UsageError
from camstream.maps.presence import PresenceRule
from camstream.query.entries import Video, read_video
from camstream.query.folder import Stored, find_videos
from camstream.query.overview import Row, to_html
from camstream.query.records import Seen, read_seen
from camstream.query.ribbon import make_ribbon
from camstream.query.video_file import find_file
from camstream.report.page import to_html as to_clip_html
from camstream.report.timeline import build_timeline
from camstream.safe_text import safe_text
from camstream.sinks.atomic_file import AtomicFile
from camstream.sinks.naming import make_folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to write.

    Attributes:
        archive: The folder.
        output: The page of all videos; the others lie in a folder of its name without the suffix.
        rule: What counts as presence of a class, in the videos' own reports.
        overwrite: Whether the page of all videos may be replaced.
    """

    archive: Path
    output: Path
    rule: PresenceRule = PresenceRule()
    overwrite: bool = False

    @property
    def folder(self) -> Path:
        """Where the videos' own reports are."""
        return self.output.with_suffix("")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What was written.

    Attributes:
        videos: How many videos the page has.
        written: How many reports of videos were written; the others were there already.
        size_bytes: Of the page of all videos.
        warnings: What could not be read, one line each.
    """

    videos: int
    written: int
    size_bytes: int
    warnings: tuple[str, ...]


def write_report(
    request: Request, *, progress: Callable[[int, int | None], None] = lambda _done, _all: None
) -> Result:
    """Write the page of all videos, and the report of each that has none newer than its records.

    Args:
        request: What to write.
        progress: Called with the number of videos done and of all.

    Raises:
        UsageError: The folder is no archive, or there is no video in it.
        SourceError: It cannot be read, or none of its videos.
        SinkError: An output cannot be written.
    """
    if request.folder == request.output:
        raise SinkError(f"cannot write {request.output}: give a name that ends in .html")
    page = AtomicFile(request.output, overwrite=request.overwrite)
    stored = find_videos(request.archive)
    if not stored:
        raise UsageError(f"there is no video in the archive {request.archive}")
    make_folder(request.folder)
    rows: list[Row] = []
    warnings: list[str] = []
    written = 0
    for done, one in enumerate(stored, 1):
        try:
            video = read_video(one)
            seen = read_seen(one, safe_text(video.video))
        except SourceError as error:
            warnings.append(str(error))
        else:
            played = _link_to_file(video, request)
            own = request.folder / f"{video.video_id}.{_made_of(request, played)}.html"
            if not _is_fresh(own, one):
                text = _to_clip(video, seen, request, played)
                _write(AtomicFile(own, overwrite=True), text)
                written += 1
            link = quote(f"{request.folder.name}/{own.name}", errors="surrogateescape")
            rows.append(Row(video, make_ribbon(seen, video.duration_s), link))
        progress(done, len(stored))
    if not rows:
        raise SourceError(f"cannot read any video of {request.archive}: {warnings[0]}")
    text = to_html(rows, name=request.archive.resolve().name, warnings=warnings)
    size_bytes = _write(page, text)
    return Result(
        videos=len(rows), written=written, size_bytes=size_bytes, warnings=tuple(warnings)
    )


def _is_fresh(own: Path, stored: Stored) -> bool:
    """Whether the report of a video is newer than its records."""
    try:
        return own.stat().st_mtime_ns > max(stored.stamp[1], stored.stamp[3])
    except OSError:
        return False


def _made_of(request: Request, played: str | None) -> str:
    """Return 8 digits for what a report depends on besides the records: else it is another page."""
    parts = [str(request.archive.resolve()), asdict(request.rule), played]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:8]


def _link_to_file(video: Video, request: Request) -> str | None:
    """Return where the report finds its video; None: it is not there, or not what it was."""
    try:
        path = find_file(video)
        return quote(
            Path(os.path.relpath(path.resolve(), request.folder.resolve())).as_posix(),
            errors="surrogateescape",
        )
    except (SourceError, ValueError):  # ValueError: on another drive
        return None


def _to_clip(video: Video, seen: Seen, request: Request, played: str | None) -> str:
    """Write the report of a video."""
    # Samples may be further apart than the frames that the rule is made for.
    lasting_s = max(request.rule.max_dropout_s, 1.5 * video.step_s)
    rule = replace(request.rule, max_dropout_s=lasting_s)
    return to_clip_html(
        build_timeline(seen.records, rule),
        None,
        title=safe_text(PurePath(video.video).stem or video.video),
        video=played,
    )


def _write(file: AtomicFile, text: str) -> int:
    try:
        with file.writing():
            file.path.write_text(text, encoding="utf-8", errors="backslashreplace")
            size_bytes = file.path.stat().st_size
        file.commit()
    finally:
        if not file.is_done:
            file.discard()
    return size_bytes
