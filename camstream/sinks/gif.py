"""A clip as an animated GIF, for pages and messages that show nothing else.

Each picture has its own 256 colours. Times are rounded to hundredths of a second, and pictures
that follow in less than two of them are left out, since browsers would play them slowly.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
from av.container import Flags
from av.filter import Graph
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from camstream.errors import SinkError
from camstream.frame import Annotated
from camstream.picture import Picture, fitted
from camstream.sinks.atomic_file import AtomicFile
from camstream.sinks.fragments import has_picture

_TICK = Fraction(1, 100)
_LEAST_TICKS = 2


class GifFile:
    """Writes pictures into an animated GIF.

    Attributes:
        target: The file's name after ``finish``.
        warnings: What could not be kept, one line each.
        frames: Number of pictures written.
        is_whole: Of no meaning: there is no sound to cut.
    """

    def __init__(
        self,
        target: Path,
        *,
        overwrite: bool = False,
        inputs: Sequence[Path] = (),
    ) -> None:
        """Prepare a file.

        Args:
            target: NAME.gif.
            overwrite: Whether an existing file may be replaced.
            inputs: Files that must never be replaced.

        Raises:
            SinkError: It may not be written.
        """
        self._atomic_file = AtomicFile(target, overwrite=overwrite, inputs=inputs)
        self.target = target
        self.warnings: list[str] = []
        self.frames = 0
        self.is_whole = True
        self._last = -_LEAST_TICKS
        self._has_failed = False
        self._size = 0  # of the file up to its last whole picture
        with self._writing():
            self._container = av.open(f"file:{self._atomic_file.path}", "w", format="gif")
            self._container.flags |= cast("int", Flags.flush_packets.value)
        self._stream: VideoStream | None = None
        self._graph: Graph | None = None
        self._size_wh = (0, 0)

    def write(self, annotated: Annotated) -> None:
        """Write an annotated frame's picture, see ``write_picture``."""
        self.write_picture(annotated.picture)

    def write_picture(self, picture: Picture) -> None:
        """Write a picture at its own time.

        Raises:
            SinkError: It cannot be written.
        """
        frame = picture.video_frame
        if frame.pts is None or not frame.time_base:
            raise SinkError(f"cannot write {self.target}: a picture has no time (pts, time_base)")
        at = round(frame.pts * frame.time_base / _TICK)
        if at - self._last < _LEAST_TICKS:
            if not self.warnings:
                self.warnings.append("a GIF plays 50 pictures a second at most: some are left out")
            return
        with self._writing():
            for packet in self._started(picture).encode(self._coloured(picture, at)):
                self._container.mux(packet)
            self._size = self._atomic_file.path.stat().st_size
        self._last = at
        self.frames += 1

    def finish(self) -> None:
        """Close the file and give it its name.

        Raises:
            SinkError: It cannot be written, or there was not one picture.
        """
        with self._writing():
            self._end()
        if not self.frames:
            self.discard()
            raise SinkError(f"{self.target} was not written: there was not one frame")
        self._atomic_file.commit()

    def keep(self) -> Path | None:
        """Keep what was written before an error; returns its name, None where nothing plays."""
        if self._atomic_file.is_done:
            return None
        with contextlib.suppress(SinkError):
            with contextlib.suppress(SinkError), self._writing():
                self._end()
            if self._has_failed:
                with self._writing():
                    os.truncate(self._atomic_file.path, self._size)
            if has_picture(self._atomic_file.path):
                return self._atomic_file.keep()
        self.discard()
        return None

    def discard(self) -> None:
        """Close and remove the file."""
        with contextlib.suppress(av.error.FFmpegError, OSError):
            self._container.close()
        self._atomic_file.discard()

    def _started(self, picture: Picture) -> VideoStream:
        if self._stream is None:
            self._size_wh = picture.size_wh
            self._stream = self._container.add_stream("gif", rate=1 / _TICK)
            self._stream.width, self._stream.height = picture.size_wh
            self._stream.pix_fmt = "pal8"
            self._stream.codec_context.time_base = self._stream.time_base = _TICK
        return self._stream

    def _coloured(self, picture: Picture, at: int) -> VideoFrame:
        """Reduce a picture to its best 256 colours."""
        if picture.size_wh != self._size_wh:
            picture = fitted(picture.even(), self._size_wh)
        frame = VideoFrame.from_ndarray(picture.bgr(), "bgr24")
        frame.pts, frame.time_base = at, _TICK
        if self._graph is None:
            self._graph = _palette_graph(self._size_wh)
        self._graph.push(frame)
        coloured = self._graph.pull()
        assert isinstance(coloured, VideoFrame)
        coloured.pts, coloured.time_base = at, _TICK
        return coloured

    def _end(self) -> None:
        if self._stream is not None and not self._has_failed:
            for packet in self._stream.encode(None):
                self._container.mux(packet)
        self._container.close()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        with self._atomic_file.writing():
            try:
                yield
            except (av.error.FFmpegError, OSError, ValueError) as error:
                self._has_failed = True
                reason = getattr(error, "strerror", None) or str(error)
                raise SinkError(f"cannot write {self.target}: {reason}") from error


def _palette_graph(size_wh: tuple[int, int]) -> Graph:
    graph = Graph()
    width, height = size_wh
    source = graph.add_buffer(
        width=width, height=height, format=VideoFormat("bgr24"), time_base=_TICK
    )
    split = graph.add("split")
    palette = graph.add("palettegen", "stats_mode=single:reserve_transparent=0")
    use = graph.add("paletteuse", "new=1")
    sink = graph.add("buffersink")
    source.link_to(split)
    split.link_to(palette, 0, 0)
    split.link_to(use, 1, 0)
    palette.link_to(use, 0, 1)
    use.link_to(sink)
    graph.configure()
    return graph
