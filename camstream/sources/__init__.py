"""Where frames come from: files, cameras, streams, screens, the standard input."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from camstream.address import file_of, is_address
from camstream.errors import UsageError
from camstream.sources.file import FileSource
from camstream.sources.live import STDIN, LiveSource
from camstream.sources.screen import PREFIX
from camstream.stages import Source


def open_source(
    source: str | int | Path | Source,
    *,
    even: bool = False,
    size_wh: tuple[int, int] | None = None,
    waiting: Callable[[float], None] | None = None,
) -> Source:
    """Open a file, a camera, a stream, a screen or the standard input.

    Args:
        source: A file's path, a camera's number or device, a URL, "screen:" (also "screen:1",
            "screen:0,0,1280x720"), "-" for MJPEG on the standard input; or a ``Source``, which is
            returned as it is.
        even: Make odd sizes of a file even, for encoders.
        size_wh: Width and height to ask a camera for.
        waiting: Called about every tenth of a second while anything but a file is being opened,
            with the seconds so far; what it raises ends the opening.

    Raises:
        SourceError: It cannot be opened.
        SetupError: Something is not installed.
        UsageError: The value is none of these.
    """
    if isinstance(source, int | str | Path):
        live = live_address(source)
        if live is not None:
            return LiveSource(live, size_wh=size_wh, waiting=waiting)
        return FileSource(file_of(str(source)), even=even)
    if not hasattr(source, "is_live"):
        raise UsageError(f"{type(source).__name__} is no file, camera number, URL or source")
    return source


def live_address(source: str | int | Path) -> str | int | None:
    """Return what a live source is opened by, None for the name of a file."""
    if isinstance(source, int):
        return source
    text = str(source)
    if re.fullmatch(r"\d{1,4}", text, re.ASCII):
        return int(text)
    if text == STDIN or text.startswith((PREFIX, "/dev/")):
        return text
    return text if is_address(text) else None
