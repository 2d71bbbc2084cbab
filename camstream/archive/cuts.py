"""Cuts a long video at key frames into parts that are read side by side.

A video is cut only where its parts together are surely what the whole is: every packet has a time,
no two have the same one, the clock does not jump, and there are random access points
(``camstream.archive.random_access``). Each part is read from the point before its own first one, and
what lies before that is thrown away: so its frames are the same, bit for bit, also where pictures are
predicted across the cut, and the frame before its first is known, on which the sampling depends.

To know all this the packets of the file are read once, without decoding. When a part is read, the
times of its frames must be exactly those that were found here; else the video is read uncut.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import av

from camstream.archive.random_access import RandomAccess
from camstream.archive.read import Span
from camstream.archive.sampling import check_of
from camstream.sources.container import demux, find_video, open_input
from camstream.sources.file import FileSource

_WORTH_IT = 1.5  # a video is cut from so many parts' length on


@dataclass(frozen=True, slots=True)
class Cuts:
    """How a video is cut.

    Attributes:
        spans: Its parts in order; one: it is not cut.
        why_not: Why it is not cut although it is long; empty: it is, or is short.
    """

    spans: tuple[Span, ...]
    why_not: str = ""


def find_cuts(path: Path, part_s: float) -> Cuts:
    """Say where to cut a video.

    Args:
        path: The file.
        part_s: Length of a part, seconds; 0: it is not to be cut.

    Raises:
        SourceError: It cannot be read.
    """
    whole = (Span(),)
    if part_s <= 0:
        return Cuts(whole)
    source = FileSource(path, even=True)
    try:
        length_s = source.duration_s
        if length_s is None or length_s < _WORTH_IT * part_s:
            return Cuts(whole)
        found = _read_packets(path, source)
    finally:
        source.close()
    if isinstance(found, str):
        return Cuts(whole, found)
    begins = _choose(found, part_s)
    if not begins:
        return Cuts(whole, "it has too few key frames from which it can be read exactly")
    return Cuts(_spans(found, begins))


@dataclass(slots=True)
class _Packets:
    """What was found in a file: the times of all frames in order, and of the usable points."""

    times_s: list[float]
    points_s: list[float]


def _read_packets(path: Path, source: FileSource) -> _Packets | str:
    """Read all packets of the picture; returns why the video cannot be cut, where it cannot."""
    timeline = source.timeline()
    times: list[float] = []
    points: list[float] = []
    latest = -float("inf")
    with open_input(path) as container:
        stream = find_video(container)
        if stream is None or timeline.has_jumps:
            return "this kind of file can only be read from its beginning"
        codec = stream.codec_context.codec.canonical_name
        access = RandomAccess(codec, stream.codec_context.extradata)
        if not access.is_known:
            return f"{codec} can only be read from its beginning"
        try:
            for packet in timeline.corrected(demux(container, stream)):
                if not packet.size:
                    continue
                if packet.pts is None:
                    return "some of its frames have no time"
                if packet.is_corrupt or packet.is_discard:
                    return "some of its frames are damaged or not to be displayed"
                pts_s = float(packet.pts * packet.time_base)
                if packet.is_keyframe and pts_s > latest and access.is_point(bytes(packet)):
                    points.append(pts_s)
                latest = max(latest, pts_s)
                times.append(pts_s)
        except (av.error.FFmpegError, OSError):
            return "it is damaged"
    times.sort()
    if timeline.jumps:
        return "its clock jumps"
    if any(a == b for a, b in itertools.pairwise(times)):
        return "some of its frames have the same time"
    return _Packets(times, points)


def _choose(found: _Packets, part_s: float) -> list[float]:
    """Choose where parts begin, all but the first: points, each at least a part's length on."""
    begins: list[float] = []
    last_s, end_s = found.times_s[0], found.times_s[-1]
    for point_s in found.points_s[1:]:
        if point_s - last_s >= part_s and end_s - point_s >= part_s / 2:
            begins.append(point_s)
            last_s = point_s
    return begins


def _spans(found: _Packets, begins: Sequence[float]) -> tuple[Span, ...]:
    before = dict(zip(found.points_s[1:], found.points_s, strict=False))
    spans = []
    at = 0
    for begin_s, end_s in zip([None, *begins], [*begins, None], strict=True):
        start = at
        while at < len(found.times_s) and (end_s is None or found.times_s[at] < end_s):
            at += 1
        times = found.times_s[start:at]
        seek_s = None if begin_s is None else before[begin_s]
        is_first = seek_s is not None and seek_s <= found.points_s[0]
        spans.append(
            Span(
                seek_s=None if is_first else seek_s,
                begin_s=begin_s,
                end_s=end_s,
                frames=len(times),
                check=check_of(times),
            )
        )
    return tuple(spans)
