"""Makes small clips and reads them back, through PyAV alone: a number is drawn in each frame."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import cv2
import numpy as np
from av import AudioFrame, Packet, VideoFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

ImageU8 = NDArray[np.uint8]

BITS = 10
_CELL_PX = 8
SIZE_WH = (160, 96)


@dataclass(frozen=True)
class Video:
    """How a clip's picture is made.

    Attributes:
        frames: How many.
        size_wh: Width and height as coded.
        time_base: Of the timestamps.
        pts: Timestamps; None counts up by ``step``.
        step: Distance of two frames, in ``time_base``.
        codec: Encoder.
        pix_fmt: What it encodes.
        tags: colorspace, color_range, color_primaries, color_trc; 0 is unknown... as FFmpeg counts.
        matrix: Display matrix (a, b, c, d), None for none.
        aspect: Sample aspect ratio.
        options: The encoder's.
    """

    frames: int = 20
    size_wh: tuple[int, int] = SIZE_WH
    time_base: Fraction = Fraction(1, 30)
    step: int = 1
    pts: Sequence[int] | None = None
    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    tags: tuple[int, int, int, int] | None = None
    matrix: tuple[int, int, int, int] | None = None
    aspect: Fraction | None = None
    options: dict[str, str] | None = None

    @property
    def times(self) -> list[int]:
        """All timestamps, in ``time_base``."""
        return list(self.pts or range(0, self.frames * self.step, self.step))

    @property
    def seconds(self) -> float:
        """From the first frame to the end of the last."""
        return float((self.times[-1] + self.step) * self.time_base)


def numbered(number: int, size_wh: tuple[int, int] = SIZE_WH) -> ImageU8:
    """A soft BGR picture with a number as black and white squares at the bottom left."""
    width, height = size_wh
    image = np.empty((height, width, 3), np.uint8)
    image[..., 0] = np.linspace(60, 160, width)[np.newaxis, :]
    image[..., 1] = np.linspace(90, 140, height)[:, np.newaxis]
    image[..., 2] = 100 + number % 20
    for bit in range(BITS):
        x = bit * _CELL_PX
        image[height - _CELL_PX :, x : x + _CELL_PX] = 255 if number >> bit & 1 else 0
    return image


def make_photo(path: Path, number: int, size_wh: tuple[int, int] = SIZE_WH) -> Path:
    """Write a photo of ``numbered``, and its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), numbered(number, size_wh))
    return path


def read_number(image: ImageU8) -> int:
    """Read what ``numbered`` drew."""
    row = image[image.shape[0] - _CELL_PX // 2]
    centres = range(_CELL_PX // 2, BITS * _CELL_PX, _CELL_PX)
    return sum(1 << bit for bit, x in enumerate(centres) if row[x].mean() > 127)


def make(
    path: Path,
    video: Video | None = Video(),
    *,
    pictures: Iterable[VideoFrame] | None = None,
    audio: Sequence[str] = (),
    audio_s: float | None = None,
    subtitles: str | None = None,
    data: bool = False,
    attachment: bool = False,
    metadata: dict[str, str] | None = None,
    options: dict[str, str] | None = None,
    start_s: float = 0.0,
) -> Path:
    """Write a clip.

    Args:
        path: Where; its suffix says which container.
        video: The picture, None for none.
        pictures: The frames, instead of numbered ones.
        audio: Encoders, one for each stream.
        audio_s: Length of the sound; None takes the picture's.
        subtitles: Codec of a stream with one line a half second.
        data: Whether there is a data stream, one packet a second.
        attachment: Whether a text file is attached.
        metadata: Of the container.
        options: The muxer's.
        start_s: When the sound begins.
    """
    with av.open(str(path), "w", options=options or {}) as container:
        container.metadata.update(metadata or {})
        parts: list[Iterator[Packet[Any]]] = []
        length_s = video.seconds if video else 2.0
        if video:
            parts.append(_encoded(container, video, pictures))
        parts += [_sound(container, codec, start_s, audio_s or length_s) for codec in audio]
        if subtitles:
            parts.append(_subtitles(container, subtitles, length_s))
        if data:
            parts.append(_data(container, length_s))
        if attachment:
            container.add_attachment("note.txt", "text/plain", b"hello")
        first = [next(part) for part in parts]  # opens the encoders before the header is written
        for packet in first:
            container.mux(packet)
        for part in parts:
            for packet in part:
                container.mux(packet)
    return path


def _encoded(
    container: OutputContainer, video: Video, pictures: Iterable[VideoFrame] | None
) -> Iterator[Packet[Any]]:
    rate = Fraction(1) / (video.time_base * video.step)
    stream = container.add_stream(video.codec, rate=rate, options=dict(video.options or {}))
    assert isinstance(stream, VideoStream)
    context = stream.codec_context
    context.width, context.height = video.size_wh
    context.pix_fmt = video.pix_fmt
    context.time_base = stream.time_base = video.time_base
    if video.codec == "libsvtav1":
        os.environ.setdefault("SVT_LOG", "1")
    if video.codec == "libx265":
        context.options = {"x265-params": "log-level=none"}
    if video.tags:
        context.colorspace, context.color_range, context.color_primaries, context.color_trc = (
            video.tags
        )
    if video.aspect:
        context.sample_aspect_ratio = video.aspect
    if video.matrix:
        a, b, c, d = (value << 16 for value in video.matrix)
        stream.set_display_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30])
    given = iter(pictures or ())
    for index, pts in enumerate(video.times):
        frame = next(given, None)
        if frame is None:
            frame = VideoFrame.from_ndarray(numbered(index, video.size_wh), "bgr24")
            frame = frame.reformat(format=video.pix_fmt)
        frame.pts, frame.time_base = pts, video.time_base
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _sound(
    container: OutputContainer, codec: str, start_s: float, length_s: float
) -> Iterator[Packet[Any]]:
    stream = container.add_stream(codec, rate=48_000)
    assert isinstance(stream, AudioStream)
    stream.codec_context.layout = "mono"
    rate, block = 48_000, 960 if codec == "libopus" else 1024
    for start in range(0, int(length_s * rate), block):
        times = (start + np.arange(block)) / rate
        wave = (0.2 * np.sin(2 * np.pi * 440 * times)).astype(np.float32)[np.newaxis]
        if codec == "libopus":
            wave = np.ascontiguousarray(wave)
        frame = AudioFrame.from_ndarray(
            wave, format="flt" if codec == "libopus" else "fltp", layout="mono"
        )
        frame.sample_rate, frame.pts = rate, start + int(start_s * rate)
        frame.time_base = Fraction(1, rate)
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _subtitles(container: OutputContainer, codec: str, length_s: float) -> Iterator[Packet[Any]]:
    stream = container.add_stream(codec)
    header = b"[Script Info]\n"
    stream.codec_context.subtitle_header = header  # type: ignore[union-attr]
    for number in range(int(length_s * 2)):
        text = f"line {number}".encode()
        packet: Packet[Any] = Packet(
            len(text).to_bytes(2, "big") + text if codec == "mov_text" else text
        )
        packet.stream = stream
        packet.time_base = Fraction(1, 1000)
        packet.pts = packet.dts = number * 500
        packet.duration = 400
        yield packet


def _data(container: OutputContainer, length_s: float) -> Iterator[Packet[Any]]:
    stream = container.add_data_stream("bin_data")
    for number in range(int(length_s) + 1):
        packet: Packet[Any] = Packet(b"payload")
        packet.stream = stream
        packet.time_base = Fraction(1, 1000)
        packet.pts = packet.dts = number * 1000
        yield packet


@dataclass(frozen=True)
class ClipContents:
    """What a clip holds.

    Attributes:
        frames: Decoded, in order.
        numbers: Read from the frames.
        times_s: Of the frames.
        duration_s: Of the file as it declares it, None where it does not.
        packets: For each other stream (type, codec) its packets: (time, bytes).
        metadata: Of the container.
    """

    frames: list[VideoFrame]
    numbers: list[int]
    times_s: list[Fraction]
    duration_s: float | None
    packets: list[tuple[str, str, list[tuple[Fraction, bytes]]]]
    metadata: dict[str, str]


def read(path: Path) -> ClipContents:
    """Read a whole clip."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        frames = list(container.decode(video))
        duration = container.duration / av.time_base if container.duration else None
        metadata = dict(container.metadata)
    numbers = [read_number(cast("ImageU8", frame.to_ndarray(format="bgr24"))) for frame in frames]
    times = [Fraction(frame.pts or 0) * (frame.time_base or 1) for frame in frames]
    return ClipContents(frames, numbers, times, duration, _packets(path), metadata)


def _packets(path: Path) -> list[tuple[str, str, list[tuple[Fraction, bytes]]]]:
    found: dict[int, tuple[str, str, list[tuple[Fraction, bytes]]]] = {}
    with av.open(str(path)) as container:
        for stream in container.streams:
            if stream.type != "video":
                name = stream.codec_context.name if stream.codec_context else "none"
                found[stream.index] = (stream.type, name, [])
        for packet in container.demux():
            if packet.stream_index in found and packet.size:
                time = packet.pts if packet.pts is not None else packet.dts
                found[packet.stream_index][2].append(
                    (Fraction(time or 0) * packet.time_base, bytes(packet))
                )
    return list(found.values())
