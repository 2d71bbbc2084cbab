"""The video that an archive tells of: whether it is still there, and still the same."""

from __future__ import annotations

from pathlib import Path, PurePath

from camstream.address import is_address, shown
from camstream.errors import SourceError, first_line
from camstream.media import PHOTO_SUFFIXES
from camstream.query.entries import Video

_MTIME_NS = 2_000_000_000  # what file systems and copies may differ by


def find_file(video: Video) -> Path:
    """Return where a video lies.

    Raises:
        SourceError: It is not there any more, or has changed since it was read.
    """
    if is_address(video.path):
        raise SourceError(f"{shown(video.path)} is no file of this machine; copy it here to cut it")
    path = Path(video.path)
    try:
        status = path.stat()
    except FileNotFoundError:
        raise SourceError(f"{path} is not there any more") from None
    except (OSError, ValueError) as error:
        raise SourceError(f"cannot read {path}: {first_line(error)}") from error
    is_other = video.size is not None and status.st_size != video.size
    if video.mtime_ns is not None and abs(status.st_mtime_ns - video.mtime_ns) > _MTIME_NS:
        is_other = True
    if is_other:
        raise SourceError(f"{path} has changed since it was read: archive it again")
    return path


def is_photo(video: Video) -> bool:
    """Whether it is no video: archives have photos, too."""
    return PurePath(video.path).suffix.lower() in PHOTO_SUFFIXES
