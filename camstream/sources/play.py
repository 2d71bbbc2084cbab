"""Opens what ``camstream live`` shows: files and photos to be played, everything else as it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from camstream.media import PHOTO_SUFFIXES
from camstream.sources import open_source
from camstream.sources.file import FileSource
from camstream.sources.inputs import expand
from camstream.sources.photos import Album
from camstream.sources.player import Player
from camstream.sources.sequence import SequenceSource
from camstream.stages import Source


def open_live(
    sources: str | Sequence[str],
    *,
    size_wh: tuple[int, int] | None = None,
    stays: bool = False,
    is_looping: bool = False,
    speed: float = 1.0,
    waiting: Callable[[float], None] | None = None,
) -> Source:
    """Open a camera, a stream, files, photos, or what a folder, a glob or a list stands for.

    Args:
        sources: Cameras' numbers or devices, URLs or paths, see ``expand``; several are shown one
            after the other, several photos are looked through.
        size_wh: Width and height to ask a camera for.
        stays: Whether the last picture of a file stays, and photos wait to be looked through.
        is_looping: Whether a file begins again at its end.
        speed: One of ``player.SPEEDS``, for a file.
        waiting: Called while a camera or stream is being opened, see ``open_source``.

    Raises:
        SourceError: It cannot be opened.
    """
    named = [sources] if isinstance(sources, str) else list(sources)
    found = expand(named, live=True)
    photos = [one for one in found if isinstance(one, Path) and _is_photo(one)]
    if len(photos) == len(found):
        path = Path(named[0])
        name = (path.name or str(path)) if len(named) == 1 else f"{len(photos)} photos"
        return Album(photos, name=name, stays=stays, is_looping=is_looping)
    play = partial(_play, size_wh=size_wh, is_looping=is_looping, speed=speed, waiting=waiting)
    if len(found) == 1:
        return play(found[0], stays=stays)
    return SequenceSource(found, partial(play, stays=False, is_looping=False))


def _is_photo(path: Path) -> bool:
    return path.suffix.lower() in PHOTO_SUFFIXES


def _play(
    source: str | Path,
    *,
    size_wh: tuple[int, int] | None,
    stays: bool,
    is_looping: bool,
    speed: float,
    waiting: Callable[[float], None] | None,
) -> Source:
    if isinstance(source, Path) and _is_photo(source):
        return Album([source], name=source.name, stays=stays, is_looping=is_looping)
    opened = open_source(source, size_wh=size_wh, waiting=waiting)
    if not isinstance(opened, FileSource):
        return opened
    file = opened.path
    return Player(opened, lambda: FileSource(file), stays=stays, is_looping=is_looping, speed=speed)
