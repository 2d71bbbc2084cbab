"""What can be played of a video file whose writing failed."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import av

_MP4_LIKE = (".mp4", ".mov", ".m4v", ".3gp")


def cut_to_whole_fragments(path: Path) -> None:
    """Cut off the fragment at an mp4 file's end that is there in part: some players refuse it.

    An mp4 file is a row of boxes, each with its length and type before it (ISO/IEC 14496-12, 4.2);
    a fragment is a "moof" and the "mdat" after it.

    Raises:
        OSError: The file cannot be read or cut.
    """
    if path.suffix.lower() not in _MP4_LIKE:
        return
    end = path.stat().st_size
    with path.open("r+b") as file:
        at = whole = 0
        while at + 8 <= end:
            file.seek(at)
            length, kind = struct.unpack(">I4s", file.read(8))
            if length == 1:  # a long box: its length follows in 64 bits
                length = struct.unpack(">Q", file.read(8).rjust(8, b"\0"))[0]
            if length < 8 or at + length > end:
                break
            at += length
            if kind != b"moof":  # not complete without what follows
                whole = at
        if whole < end:
            file.truncate(whole)
            os.fsync(file.fileno())


def has_picture(path: Path) -> bool:
    """Return whether a player would show at least one picture of a file."""
    try:
        with av.open(f"file:{path}") as container:
            return next(container.decode(video=0), None) is not None
    except (av.error.FFmpegError, OSError, ValueError, IndexError):
        return False
