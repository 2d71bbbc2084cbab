"""The parts of a long video that are read: their files, and the note that says that they are whole."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import msgspec

from camstream.archive.read import Facts, Span
from camstream.archive.storage import Folder
from camstream.batch.task import Json
from camstream.sinks.atomic_file import plain_reasons

_NOTE = "note.json"


def publish_part(
    folder: Folder, name: str, made: Sequence[tuple[Path, str]], span: Span, facts: Facts
) -> None:
    """Give the files of a part their names: that of its note last.

    Args:
        folder: Of the archive.
        name: Of the part, see ``layout.part_name``.
        made: Its files, and the suffix of each.
        span: Which part it is.
        facts: What is known of it.

    Raises:
        SinkError: They cannot be written.
    """
    sizes = {suffix: path.stat().st_size for path, suffix in made}
    note = {"span": dataclasses.asdict(span), "facts": dataclasses.asdict(facts), "sizes": sizes}
    path = made[0][0].with_name(_NOTE)
    with plain_reasons(path):
        path.write_text(json.dumps(note), encoding="ascii")
    for file, suffix in (*made, (path, ".json")):
        folder.publish(file, name + suffix)


def read_part(folder: Folder, name: str, span: Span, scratch: Path) -> Json | None:
    """Return what is known of a part that an earlier run has read; None: it is not there, or not whole.

    Args:
        folder: Of the archive.
        name: See ``publish_part``.
        span: Which part it must be.
        scratch: A folder for what is fetched.
    """
    if not folder.exists(f"{name}.json"):
        return None
    try:
        note = json.loads(folder.fetch(f"{name}.json", scratch).read_bytes())
        msgspec.convert(note["facts"], Facts)
        is_same = msgspec.convert(note["span"], Span) == span
        sizes = [(name + suffix, size) for suffix, size in note["sizes"].items()]
    except (OSError, ValueError, KeyError, AttributeError):
        return None
    # A kill while parts were removed leaves some of the files, a power cut empty ones.
    is_whole = all(folder.size(file) == size for file, size in sizes)
    facts: Json = note["facts"]
    return facts if is_same and is_whole else None
