"""Where frames come from: files, cameras, streams."""

from __future__ import annotations

from pathlib import Path

from camstream.errors import UsageError
from camstream.sources.camera import LiveSource, is_address
from camstream.sources.file import FileSource
from camstream.stages import Source


def open_source(
    source: str | int | Path | Source,
    *,
    even: bool = False,
    size_wh: tuple[int, int] | None = None,
) -> Source:
    """Open a file, a camera or a stream.

    Args:
        source: A file's path, a camera's number or device, a URL, or a ``Source``, which is
            returned as it is.
        even: Make odd sizes of a file even, for encoders.
        size_wh: Width and height to ask a camera for.

    Raises:
        SourceError: The file, camera or stream cannot be opened.
        UsageError: The value is none of these.
    """
    if isinstance(source, int):
        return LiveSource(source, size_wh=size_wh)
    if isinstance(source, str | Path):
        text = str(source)
        if text.isdecimal():
            return LiveSource(int(text), size_wh=size_wh)
        if is_address(text) or text.startswith("/dev/"):
            return LiveSource(text, size_wh=size_wh)
        return FileSource(Path(text), even=even)
    if not hasattr(source, "is_live"):
        raise UsageError(f"{source!r} is not a file, a camera number, a URL or a source")
    return source
