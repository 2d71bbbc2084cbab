"""Several sources that are looked at side by side: which they are, and what they are called."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from camstream.address import file_of, shown
from camstream.errors import UsageError
from camstream.sources import live_address
from camstream.sources.inputs import is_list, listed

_DEVICE = re.compile(r"/dev/video(\d{1,4})")
_SUFFIX = re.compile(r"\.[a-z0-9]{2,5}(?=$| \(\d+\)$)", re.IGNORECASE)
_MOST = 64
_LONGEST_STEM = 60


def cameras_in(texts: Sequence[str]) -> list[str]:
    """Return the sources that are to be looked at side by side; none where they are not.

    Several are, as soon as one of them is live: a camera, a stream, a screen or the standard input.
    Clips and photos alone are shown one after the other, see ``play.open_live``. A list (.txt)
    stands for the sources in it; a folder or glob is one source, whose files follow each other.

    Args:
        texts: As they were typed.

    Raises:
        UsageError: Two are the same source, or there are too many.
        SourceError: A list cannot be read.
    """
    found = [one for text in texts for one in (listed(text) if is_list(text) else [text])]
    if len(found) < 2 or all(live_address(one) is None for one in found):
        return []
    if len(found) > _MOST:
        raise UsageError(f"up to {_MOST} sources can be looked at together, not {len(found)}")
    for place, one in enumerate(found):
        check_apart(one, found[:place])
    return found


def check_apart(address: str, others: Collection[str]) -> None:
    """Check that a source is none of the others.

    Raises:
        UsageError: It is one of them.
    """
    same = next((other for other in others if _identity(other) == _identity(address)), None)
    if same is None:
        return
    name = _shown(address)
    both = name if _shown(same) == name else f"{name}, which is also {_shown(same)},"
    raise UsageError(f"{both} is looked at already: name each source once")


def name_of(address: str, taken: Collection[str] = ()) -> str:
    """Return what a source is called: without secrets, and like none of the names that are taken."""
    name = _shown(address)
    if live_address(address) is None:
        name = file_of(address).name or name
    return _unlike(name, taken, "{} ({})")


def stem_of(name: str, taken: Collection[str] = ()) -> str:
    """Return the beginning of the names of a source's files, like none that are taken.

    Args:
        name: From ``name_of``.
        taken: Other stems; no two may differ in capitals only.
    """
    text = re.sub(r"^[a-z]+:/*", "", name, flags=re.IGNORECASE)
    if live_address(name) is None or "/" in text:  # the end of a host's name is no suffix
        text = _SUFFIX.sub("", text)
    stem = re.sub(r"[^\w.]+", "-", text).strip("-._")[:_LONGEST_STEM].rstrip("-._")
    return _unlike(stem.lower() or "camera", taken, "{}-{}")


def _unlike(name: str, taken: Collection[str], pattern: str) -> str:
    unlike, number = name, 2
    while unlike in taken:
        unlike, number = pattern.format(name, number), number + 1
    return unlike


def _shown(address: str) -> str:
    live = live_address(address)
    return "the standard input" if live == "-" else shown(address if live is None else live)


def _identity(address: str) -> object:
    """What two addresses of one source have in common."""
    live = live_address(address)
    if live is None:
        path = file_of(address)
        try:
            return path.resolve()
        except (OSError, ValueError, RuntimeError):  # a name that no file system takes
            return path
    device = _DEVICE.fullmatch(str(live))
    return int(device[1]) if device else live
