"""What counts as a video or a photo, for everybody who looks into folders."""

from __future__ import annotations

VIDEO_SUFFIXES = frozenset(
    [
        ".3gp",
        ".avi",
        ".flv",
        ".gif",
        ".m2ts",
        ".m4v",
        ".mkv",
        ".mov",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".mts",
        ".ogv",
        ".ts",
        ".webm",
        ".wmv",
    ]
)
