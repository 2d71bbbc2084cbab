"""What a user names on the command line: files, folders, globs, lists, and live sources."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from camstream.address import file_of, shown
from camstream.errors import NotFoundError, SourceError, UsageError, first_line, reading
from camstream.media import PHOTO_SUFFIXES, VIDEO_SUFFIXES
from camstream.sources import live_address
from camstream.sources.live import STDIN

LIST_SUFFIX = ".txt"
_LONGEST_LIST = 10_000_000  # bytes


def expand(
    texts: Sequence[str],
    *,
    live: bool = False,
    leave_out: Callable[[Path], bool] = lambda _: False,
) -> list[str | Path]:
    """Turn what was named into sources, in order and each once.

    A folder stands for the photos and clips in it, a glob for the files that match (Windows
    leaves both to the program), a .txt file for the sources that it lists: one a line, beside the
    list itself; empty lines and lines that begin with # are none.

    Args:
        texts: As they were typed.
        live: Let cameras, streams, screens and the standard input through, as str.
        leave_out: Says which files of a folder or glob are none, such as unfinished outputs.

    Raises:
        NotFoundError: A folder holds no photo and no clip, or a glob or list names nothing.
        UsageError: A live source is named where only files can be read.
        SourceError: A folder or list cannot be read.
    """
    found: list[str | Path] = []
    for text in texts:
        found += _expand_one(text, live=live, leave_out=leave_out, is_listed=False)
    return list(dict.fromkeys(found))


def _expand_one(
    text: str, *, live: bool, leave_out: Callable[[Path], bool], is_listed: bool
) -> Iterator[str | Path]:
    address = live_address(text)
    if address is not None and live:
        yield text
        return
    if address is not None and not (isinstance(address, int) and Path(text).is_file()):
        raise UsageError(_not_live(address))
    path = file_of(text)
    try:
        is_folder, is_there = path.is_dir(), path.exists()
    except (OSError, ValueError):  # a name that no file system takes: opening it says so
        yield path
        return
    if is_folder:
        yield from _inside(path, leave_out)
    elif is_there:
        if path.suffix.lower() != LIST_SUFFIX:
            yield path
        elif is_listed:
            raise SourceError(f"{shown(path)} is a list in a list: name what it lists")
        else:
            for line in _lines(path):
                yield from _expand_one(line, live=live, leave_out=leave_out, is_listed=True)
    elif any(mark in text for mark in "*?["):
        # Path.glob raises for patterns such as "a**.mp4".
        matches = sorted(Path(name) for name in glob.glob(str(path), recursive=True))  # noqa: PTH207
        files = [file for file in matches if file.is_file() and not leave_out(file)]
        if not files:
            raise NotFoundError(f"no file matches {shown(text)}")
        yield from files
    elif shown(text) != text:  # before it gives a name to an output or a progress bar
        raise NotFoundError(
            f"cannot read {shown(text)}: there is no such file; an address begins with "
            "rtsp://, http:// or the like"
        )
    else:
        yield path


def _inside(folder: Path, leave_out: Callable[[Path], bool]) -> list[Path]:
    suffixes = PHOTO_SUFFIXES | VIDEO_SUFFIXES
    try:
        inside = sorted(
            file
            for file in folder.iterdir()
            if file.suffix.lower() in suffixes and file.is_file() and not leave_out(file)
        )
    except OSError as error:
        raise SourceError(f"cannot read the folder {folder}: {first_line(error)}") from error
    if not inside:
        raise NotFoundError(f"there is no photo and no video file in the folder {folder}")
    return inside


def is_list(text: str) -> bool:
    """Return whether a text names a list of sources."""
    return live_address(text) is None and file_of(text).suffix.lower() == LIST_SUFFIX


def listed(text: str) -> list[str]:
    """Return the sources that a list names, as they would be typed.

    Raises:
        NotFoundError: It names none.
        SourceError: It cannot be read.
    """
    return _lines(file_of(text))


def _lines(path: Path) -> list[str]:
    """Return the sources that a list names; relative paths are beside the list."""
    with reading(path):
        if path.stat().st_size > _LONGEST_LIST:
            raise SourceError(f"cannot read {path}: it is too long for a list of sources")
        text = path.read_text(encoding="utf-8-sig")
    lines = [line.strip() for line in text.splitlines()]
    named = [line for line in lines if line and not line.startswith("#")]
    if not named:
        raise NotFoundError(f"{path} lists nothing: it needs a file or folder on each line")
    return [
        # "/" of an absolute path replaces the folder before it.
        line if live_address(line) is not None else str(path.parent / file_of(line))
        for line in named
    ]


def _not_live(address: str | int) -> str:
    name = "the standard input" if address == STDIN else shown(address)
    return f'{name} is no file; for cameras, streams and screens there is "camstream live"'
