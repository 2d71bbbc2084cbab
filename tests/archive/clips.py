"""Clips that are hard to cut: moving noise, so that a wrong reference is seen in every pixel."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av import VideoFrame
from av.video.stream import VideoStream

from tests.clips import SIZE_WH


def moving(count: int, size_wh: tuple[int, int] = SIZE_WH) -> Iterator[VideoFrame]:
    """Give pictures that move sideways over a texture, with a little noise."""
    noise = np.random.default_rng(7)
    width, height = size_wh
    texture = noise.integers(0, 255, (height // 4, width // 4 + count, 3), np.uint8)
    texture = texture.repeat(4, 0).repeat(4, 1)
    for index in range(count):
        image = texture[:, 4 * index : 4 * index + width].astype(np.int16)
        image = image + noise.integers(-6, 6, image.shape)
        image = np.clip(image + 40 * np.sin(index / 9), 0, 255)
        yield VideoFrame.from_ndarray(np.ascontiguousarray(image, np.uint8), "bgr24").reformat(
            format="yuv420p"
        )


def write(
    path: Path,
    *,
    frames: int = 90,
    size_wh: tuple[int, int] = SIZE_WH,
    codec: str = "libx264",
    times: Sequence[int] | None = None,
    time_base: Fraction = Fraction(1, 30),
    matrix: Sequence[int] | None = None,
    **options: str,
) -> Path:
    """Write a clip of moving pictures.

    Args:
        path: Its suffix says which container.
        frames: How many.
        size_wh: Width and height.
        codec: Encoder.
        times: Of the frames, in ``time_base``; None: one after the other.
        time_base: Seconds.
        matrix: Display matrix (a, b, c, d); None: upright.
        **options: The encoder's; "_" in a name is "-".
    """
    os.environ.setdefault("SVT_LOG", "1")
    with av.open(str(path), "w") as container:
        named = {name.replace("_", "-"): value for name, value in options.items()}
        stream = container.add_stream(codec, rate=30, options=named)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = size_wh
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.time_base = stream.time_base = time_base
        if matrix:
            a, b, c, d = (value << 16 for value in matrix)
            stream.set_display_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30])
        for pts, frame in zip(times or range(frames), moving(frames, size_wh), strict=True):
            frame.pts, frame.time_base = pts, time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_uneven(path: Path, *, frames: int = 90, start_s: float = 3.0) -> Path:
    """Write a clip of uneven times that do not begin at 0, with open groups of pictures."""
    steps = np.random.default_rng(3).integers(10, 160, frames).cumsum()
    return write(
        path,
        frames=frames,
        times=[int(start_s * 1000 + step) for step in steps],
        time_base=Fraction(1, 1000),
        g="15",
        bf="3",
        x264_params="open-gop=1:scenecut=0",
    )
