"""A clip as an animated GIF, for pages and messages that show nothing else.

Each picture has its own 256 colours. Times are rounded to hundredths of a second, and pictures
that follow in less than two of them are left out, since browsers would play them slowly.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
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
from camstream.picture import Picture, fitted
from camstream.sinks.fragments import has_picture
from camstream.sinks.picture_file import PictureFile

_TICK = Fraction(1, 100)
_LEAST_TICKS = 2


class GifFile(PictureFile):
    """Writes pictures into an animated GIF; of its attributes, ``is_whole`` has no meaning."""

    def __init__(
        self, target: Path, *, overwrite: bool = False, inputs: Sequence[Path] = ()
    ) -> None:
        """Prepare NAME.gif, see ``PictureFile``."""
        super().__init__(target, overwrite=overwrite, inputs=inputs)
        self._last = -_LEAST_TICKS
        self._size = 0  # of the file up to its last whole picture
        with self._writing():
            self._container = av.open(f"file:{self._atomic_file.path}", "w", format="gif")
            self._container.flags |= cast("int", Flags.flush_packets.value)
        self._stream: VideoStream | None = None
        self._graph: Graph | None = None
        self._size_wh = (0, 0)

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
        self._close()

    def _rescue(self) -> bool:
        with contextlib.suppress(SinkError), self._writing():
            self._end()
        if self._has_failed:
            with self._writing():
                os.truncate(self._atomic_file.path, self._size)
        return has_picture(self._atomic_file.path)

    def _close(self) -> None:
        self._container.close()


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
