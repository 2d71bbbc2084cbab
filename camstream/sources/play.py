"""Opens what ``camstream live`` shows: files and photos to be played, everything else as it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from camstream.sources import open_source
from camstream.sources.file import FileSource
from camstream.sources.photos import Album, is_photo, photos_in
from camstream.sources.player import Player
from camstream.stages import Source


def open_live(
    source: str,
    *,
    size_wh: tuple[int, int] | None = None,
    stays: bool = False,
    is_looping: bool = False,
    speed: float = 1.0,
    waiting: Callable[[float], None] | None = None,
) -> Source:
    """Open a camera, a stream, a file, a photo or a folder of photos.

    Args:
        source: A camera's number or device, a URL or a path.
        size_wh: Width and height to ask a camera for.
        stays: Whether the last picture of a file stays, and photos wait to be looked through.
        is_looping: Whether a file begins again at its end.
        speed: One of ``player.SPEEDS``, for a file.
        waiting: Called while a camera or stream is being opened, see ``open_source``.

    Raises:
        SourceError: It cannot be opened.
    """
    path = Path(source)
    if path.exists() and is_photo(path):
        paths = photos_in(path)
        return Album(paths, name=path.name or str(path), stays=stays, is_looping=is_looping)
    opened = open_source(source, size_wh=size_wh, waiting=waiting)
    if not isinstance(opened, FileSource):
        return opened
    file = opened.path
    return Player(opened, lambda: FileSource(file), stays=stays, is_looping=is_looping, speed=speed)
