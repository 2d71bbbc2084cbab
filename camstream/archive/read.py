"""Reads one video, or a part of it, into rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import av

from camstream.annotation import open_recorded
from camstream.archive.rows import Look, Row, to_row
from camstream.archive.sampling import Samples
from camstream.archive.start_time import StartTime, find_start
from camstream.contract import ModelInfo
from camstream.errors import SourceError, reading
from camstream.frame import Annotated, Prediction
from camstream.pipeline import Pipeline
from camstream.sources.container import open_input
from camstream.sources.file import FileSource
from camstream.sources.photo import PhotoSource
from camstream.stages import Sink

OnRow = Callable[[Row], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A part of a video.

    Attributes:
        seek_s: Where decoding begins: the time of a key frame before ``begin_s``; None: at the
            beginning.
        begin_s: Media time of its first frame; None: the video's first.
        end_s: Media time of the first frame after it; None: it goes to the end.
        frames: Number of its frames; None: unknown.
        check: What ``Samples.check`` must be at its end; None: that is not known.
    """

    seek_s: float | None = None
    begin_s: float | None = None
    end_s: float | None = None
    frames: int | None = None
    check: int | None = None


WHOLE = Span()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a video, or of a part, when it was read.

    Attributes:
        decoded: Number of frames.
        end_s: Where its last frame ends, seconds.
        rate_hz: Frames a second, None where unknown.
        width: Of its frames, pixels.
        height: Of its frames, pixels.
        warnings: See ``FileSource.warnings``.
        is_damaged: See ``FileSource.is_damaged``.
        is_stopped: Whether it was asked to end early.
        turned: How its frames are turned upright, in words; empty: they are upright.
        check: Checksum of the times of its frames.
    """

    decoded: int
    end_s: float
    rate_hz: float | None
    width: int
    height: int
    warnings: tuple[str, ...]
    is_damaged: bool = False
    is_stopped: bool = False
    turned: str = ""
    check: int = 0


def read(
    path: Path,
    look: Look,
    info: ModelInfo,
    *,
    rate_hz: float | None,
    span: Span = WHOLE,
    on_row: OnRow,
    maps: Sink | None = None,
    on_frame: Callable[[int, int | None, str], None] = lambda *_: None,
    stop: Callable[[], bool] = lambda: False,
) -> Facts:
    """Read a video or a part of it.

    Args:
        path: The file.
        look: Looks at frames.
        info: Of its model.
        rate_hz: Frames a second to look at; None: every frame.
        span: Which part.
        on_row: Called with each row, not decided yet; ``index`` counts from the part's beginning.
        maps: Takes each prediction as well.
        on_frame: Called with each: frames so far, of all (None: unknown), label.
        stop: Called after each; True ends.

    Raises:
        SourceError: It cannot be read.
    """
    source = open_recorded(path)
    try:
        _seek(source, span)
        samples = Samples(source, rate_hz=rate_hz, begin_s=span.begin_s, end_s=span.end_s)
        size_wh, is_stopped = (0, 0), False
        total = source.frame_count if span is WHOLE else span.frames
        with Pipeline(samples, look) as pipeline:
            for prediction in pipeline:
                size_wh = prediction.frame.picture.size_wh
                row = to_row(prediction, info)
                on_row(row)
                if maps is not None:
                    maps.write(_annotated(prediction))
                on_frame(row["index"] + 1, total, row["label"])
                if stop():
                    is_stopped = True
                    break
    finally:
        source.close()
    rate = source.rate_hz
    return Facts(
        decoded=samples.frames,
        end_s=samples.last_pts_s + (1 / rate if rate else 0.0),
        rate_hz=rate,
        width=size_wh[0],
        height=size_wh[1],
        warnings=tuple(source.warnings),
        is_damaged=source.is_damaged,
        is_stopped=is_stopped,
        turned=str(getattr(source, "orientation", None) or ""),
        check=samples.check,
    )


def _seek(source: FileSource | PhotoSource, span: Span) -> None:
    if span.seek_s is None:
        return
    if not isinstance(source, FileSource) or not source.seek(span.seek_s):
        raise SourceError(f"cannot read {source.path}: it begins only at its beginning")


def _annotated(prediction: Prediction) -> Annotated:
    return Annotated(prediction=prediction, picture=prediction.frame.picture)


def start_of(path: Path, name: str, *, mtime_ns: int) -> StartTime:
    """Say when a video begins.

    Args:
        path: The file.
        name: Its own name, where it lies elsewhere under another one.
        mtime_ns: When it was written last, nanoseconds since 1970; 0: unknown.

    Raises:
        SourceError: It cannot be read.
    """
    with open_input(path) as container:
        metadata = dict(container.metadata)
        duration_s = (container.duration or 0) / av.time_base
    if not mtime_ns:
        with reading(path):
            mtime_ns = path.stat().st_mtime_ns
    return find_start(name, metadata, modified_s=mtime_ns / 1e9, duration_s=duration_s)


def parse_time(text: str) -> datetime:
    """Read what ``datetime.isoformat`` wrote."""
    return datetime.fromisoformat(text)
