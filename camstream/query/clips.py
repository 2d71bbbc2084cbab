"""Cuts intervals out of their videos without encoding: packets are copied as they are.

A decoder can only begin at a key frame, so a clip begins with the last one before its interval.
"""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import av

from camstream.errors import SourceError
from camstream.query.intervals import Found
from camstream.query.video_file import find_file, is_photo
from camstream.query.words import time_code
from camstream.safe_text import safe_text
from camstream.sinks.atomic_file import AtomicFile
from camstream.sinks.naming import make_folder
from camstream.sources.container import demux, exact, open_input, plain_reason
from camstream.sources.file import FileSource

if TYPE_CHECKING:
    from av import Packet
    from av.container import InputContainer, OutputContainer
    from av.stream import Stream

# Containers that clips of their own kind are written into; all others become Matroska.
_SAME = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".ts", ".mts", ".m2ts")
_OTHER = ".mkv"
_BACK_S = (0.0, 10.0, 60.0)  # a file without an index may jump too far
_APART_S = 3.0  # how far sound may lie in the file from the picture that it belongs to
_EPSILON_S = Fraction(1, 1000)
_LONGEST_STEM = 100


@dataclass(frozen=True, slots=True)
class Clip:
    """What was cut out.

    Attributes:
        path: The file.
        earlier_s: How much earlier than the interval it begins, seconds.
        left_out: Streams that its container cannot hold, one line each.
    """

    path: Path
    earlier_s: float
    left_out: tuple[str, ...]


def name_clips(found: Sequence[Found], folder: Path) -> list[Path]:
    """Name the clips of intervals: "gate.0-01-02.50.mp4"; no two are alike."""
    stems = {one.video.video_id: _stem(one.video.video) for one in found}
    alike = Counter(stem.casefold() for stem in stems.values())  # some file systems tell no case
    names = []
    for one in found:
        stem = stems[one.video.video_id]
        if alike[stem.casefold()] > 1:
            stem = f"{stem}.{one.video.video_id[:8]}"
        suffix = PurePath(one.video.path).suffix.lower()
        at = time_code(one.start_s).replace(":", "-")
        names.append(folder / f"{stem}.{at}{suffix if suffix in _SAME else _OTHER}")
    return names


def cut_clips(
    found: Sequence[Found],
    folder: Path,
    *,
    on_clip: Callable[[Found, Clip], None],
    on_problem: Callable[[str], None],
    stop: Callable[[], bool] = lambda: False,
) -> None:
    """Cut intervals out, each into a file of its own; what is there is left alone.

    Args:
        found: The intervals.
        folder: Where to; it is made.
        on_clip: Called with each clip.
        on_problem: Called with a line for each that cannot be cut; the others go on.
        stop: Asked before each clip; True ends it there.

    Raises:
        SinkError: The folder cannot be written to.
    """
    make_folder(folder)
    for one, path in zip(found, name_clips(found, folder), strict=True):
        if stop():
            return
        if path.exists():
            on_problem(f"{path} exists already and is left alone")
            continue
        try:
            if path.suffix == _OTHER and is_photo(one.video):
                raise SourceError(f"{one.video.path} is a photo: there is nothing to cut out of it")
            on_clip(one, cut(find_file(one.video), path, one.start_s, one.end_s))
        except SourceError as error:
            on_problem(str(error))


def cut(source: Path, target: Path, start_s: float, end_s: float) -> Clip:
    """Cut a part out of a video.

    Args:
        source: The video.
        target: The file to write; its suffix says which container.
        start_s: Media time at which the part begins, seconds.
        end_s: And at which it ends.

    Raises:
        SourceError: The video cannot be read, or there is nothing at that time.
        SinkError: The file cannot be written. Nothing of it is left.
    """
    file = AtomicFile(target, inputs=[source])
    like = FileSource(source)
    try:
        with file.writing():
            clip = _Cut(like, Fraction(start_s), Fraction(end_s))
            left_out = clip.write(file.path)
        file.commit()
        return Clip(target, float(Fraction(start_s) - clip.begin_s), tuple(left_out))
    except av.error.FFmpegError as error:
        raise SourceError(
            f"cannot cut {source} at {time_code(start_s)}: {plain_reason(error)}"
        ) from error
    finally:
        like.close()
        if not file.is_done:
            file.discard()


class _Cut:
    """A part of a file, from a key frame on."""

    def __init__(self, like: FileSource, start_s: Fraction, end_s: Fraction) -> None:
        self._like = like
        self._end_s = end_s
        self.begin_s = self._find_key(start_s)

    def write(self, path: Path) -> list[str]:
        """Write the part; returns which streams are left out."""
        with contextlib.closing(open_input(self._like.path)) as container:
            form = _FORMATS.get(path.suffix.lower()) or _FORMATS[_OTHER]
            with av.open(str(path), "w", format=form) as output:
                streams, left_out = self._add(container, output)
                self._copy(container, output, streams)
        return left_out

    def _find_key(self, start_s: Fraction) -> Fraction:
        """Find the last key frame that is not after a time."""
        for back_s in (None,) if self._like.timeline().has_jumps else _BACK_S:
            with contextlib.closing(open_input(self._like.path)) as container:
                begin_s = None
                stream = container.streams[self._like.stream.index]
                for packet in self._packets(container, [stream], start_s, back_s):
                    at_s = _time(packet)
                    if packet.is_keyframe and at_s is not None:
                        if at_s > start_s + _EPSILON_S:
                            break
                        begin_s = at_s
                if begin_s is not None:
                    return begin_s
        raise SourceError(
            f"{self._like.path} has no key frame before {time_code(float(start_s))} to begin at"
        )

    def _packets(
        self,
        container: InputContainer,
        streams: list[Stream],
        from_s: Fraction,
        back_s: float | None,
    ) -> Iterator[Packet[Any]]:
        """Read packets from a time on, on the clock of the records; None for all of them."""
        timeline = self._like.timeline()
        if back_s is not None:
            wanted_s = from_s - Fraction(back_s) + timeline.shift_s
            container.seek(max(0, int(wanted_s * av.time_base)))
        if self._like.stream.index not in [stream.index for stream in streams]:
            streams = [*streams, container.streams[self._like.stream.index]]
        if back_s is None:
            yield from timeline.corrected(demux(container, *streams))
            return
        for packet in demux(container, *streams):
            ticks = round(timeline.shift_s / exact(packet.time_base))
            packet.pts = None if packet.pts is None else packet.pts - ticks
            packet.dts = None if packet.dts is None else packet.dts - ticks
            yield packet

    def _add(
        self, container: InputContainer, output: OutputContainer
    ) -> tuple[dict[int, Stream], list[str]]:
        streams: dict[int, Stream] = {}
        left_out = []
        for stream in container.streams:
            is_picture = stream.index == self._like.stream.index
            if not is_picture and stream.type not in ("audio", "subtitle"):
                continue
            try:
                copy: Stream = output.add_stream_from_template(stream, opaque=True)
            except (av.error.FFmpegError, ValueError, AttributeError, TypeError) as error:
                if is_picture:
                    raise SourceError(
                        f"cannot cut {self._like.path}: its picture cannot be copied into a clip"
                    ) from error
                left_out.append(f"{stream.type} stream {stream.index} cannot be copied")
                continue
            copy.metadata.update(stream.metadata)
            streams[stream.index] = copy
        return streams, left_out

    def _copy(
        self, container: InputContainer, output: OutputContainer, streams: dict[int, Stream]
    ) -> None:
        leader = self._like.stream.index
        wanted = [container.streams[index] for index in streams]
        back_s = None if self._like.timeline().has_jumps else _APART_S
        is_begun = False
        for packet in self._packets(container, wanted, self.begin_s, back_s):
            at_s, index = _time(packet), packet.stream_index
            decoded_s = None if packet.dts is None else packet.dts * exact(packet.time_base)
            if at_s is None:
                continue
            if index == leader:
                order_s = at_s if decoded_s is None else decoded_s
                if order_s > self._end_s + Fraction(_APART_S):
                    break
                # Pictures that are shown before the key frame need those before it.
                is_begun = is_begun or (packet.is_keyframe and at_s >= self.begin_s - _EPSILON_S)
                if not is_begun or at_s < self.begin_s - _EPSILON_S or order_s >= self._end_s:
                    continue
            elif not self.begin_s <= at_s < self._end_s:
                continue
            ticks = round(self.begin_s / exact(packet.time_base))
            packet.pts = None if packet.pts is None else packet.pts - ticks
            packet.dts = None if packet.dts is None else packet.dts - ticks
            packet.stream = streams[index]
            output.mux(packet)


_FORMATS = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
    ".ts": "mpegts",
    ".mts": "mpegts",
    ".m2ts": "mpegts",
}


def _time(packet: Packet[Any]) -> Fraction | None:
    at = packet.pts if packet.pts is not None else packet.dts
    return None if at is None else at * exact(packet.time_base)


def _stem(video: str) -> str:
    """Give a name for files out of a video's path, which may be anything."""
    stem = safe_text(PurePath(video).stem, limit=_LONGEST_STEM)
    return re.sub(r'[\\/:*?"<>|]', "_", stem).strip(". ") or "clip"
