"""Pictures of the user's own, sampled evenly from a clip or a folder."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import av
import numpy as np

from camstream.errors import SourceError
from camstream.media import PHOTO_SUFFIXES, read_photo
from camstream.picture import Picture

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray


def sample_pictures(
    source: Path, count: int, *, size_hw: tuple[int, int]
) -> list[NDArray[np.uint8]]:
    """Choose pictures evenly over a clip, or over the photos and clips of a folder.

    Args:
        source: The clip or the folder.
        count: How many; fewer where there are fewer.
        size_hw: Height and width to stretch each to, as camstream does before the network.

    Returns:
        (H, W, 3) uint8 BGR pictures, in their order.

    Raises:
        SourceError: There is nothing there that can be read.
    """
    if not source.exists():
        raise SourceError(f"cannot read pictures from {source}: there is no such file or folder")
    files = sorted(source.iterdir()) if source.is_dir() else [source]
    kept: list[NDArray[np.uint8]] = []
    stride = 1
    for index, picture in enumerate(shot for file in files for shot in _pictures(file)):
        # The end is not known: keep every stride-th, and thin out whenever there are too many.
        if index % stride == 0:
            kept.append(picture.bgr(size_hw[::-1]))
        if len(kept) >= 4 * count:
            kept, stride = kept[::2], 2 * stride
    if not kept:
        raise SourceError(f"no picture in {source}: give a clip, or a folder of photos or clips")
    chosen = np.unique(np.linspace(0, len(kept) - 1, count).round().astype(int))
    return [kept[number] for number in chosen]


def _pictures(file: Path) -> Iterator[Picture]:
    """Decode a photo or a clip; what is neither gives nothing."""
    if file.suffix.lower() in PHOTO_SUFFIXES:
        with contextlib.suppress(SourceError):
            yield Picture.from_bgr(read_photo(file))
        return
    try:
        with av.open(str(file)) as container:
            if container.streams.video:
                yield from map(Picture.from_video_frame, container.decode(video=0))
    except (av.error.FFmpegError, OSError):
        return
