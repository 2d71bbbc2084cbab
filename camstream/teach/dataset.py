"""A folder with one folder a class: which photos and clips are in it, and their pictures."""

from __future__ import annotations

import contextlib
import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from camstream.errors import SourceError, UsageError
from camstream.media import PHOTO_SUFFIXES, VIDEO_SUFFIXES, read_photo
from camstream.picture import Picture
from camstream.sources.file import FileSource

MIN_PICTURES = 5  # of a class; a part of them must be left to judge by

_BACKGROUNDS = frozenset(["background", "empty", "no", "none", "nothing", "ok"])
_NEGATIONS = ("no ", "not ", "without ")


@dataclass(frozen=True, slots=True)
class Item:
    """One photo or clip.

    Attributes:
        path: The file.
        name: Its path within the folder.
        class_index: Of the album's labels.
        source: Where it came from: the sub-folder it is in, else its name up to the first "_";
            empty where its name says nothing.
    """

    path: Path
    name: str
    class_index: int
    source: str

    @property
    def is_clip(self) -> bool:
        """Whether it is a clip, not a photo."""
        return self.path.suffix.lower() in VIDEO_SUFFIXES

    def pictures(self, every_s: float) -> Iterator[tuple[str, Picture]]:
        """Read the photo, or sample the clip; each picture with its name.

        Args:
            every_s: Seconds from one sample of a clip to the next.

        Raises:
            SourceError: It cannot be read.
        """
        if not self.is_clip:
            yield self.name, Picture.from_bgr(read_photo(self.path))
            return
        with contextlib.closing(FileSource(self.path)) as frames:
            due_s = -1.0
            for frame in frames:
                if frame.pts_s >= due_s:
                    yield f"{self.name} at {frame.pts_s:.1f} s", frame.picture
                    due_s = max(frame.pts_s, due_s) + every_s


@dataclass(frozen=True, slots=True)
class ImageFolder:
    """What is to be taught.

    Attributes:
        folder: The folder.
        labels: The names of its class folders, sorted.
        items: Class by class.
    """

    folder: Path
    labels: tuple[str, ...]
    items: tuple[Item, ...]


def open_dataset(folder: Path) -> ImageFolder:
    """List the photos and clips of a folder; hidden files and others are left out.

    Raises:
        SourceError: There is no such folder, it has fewer than two classes, a class is empty, or
            one file is in two classes.
    """
    if not folder.is_dir():
        raise SourceError(f"cannot teach from {folder}: there is no such folder")
    classes = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if len(classes) < 2:
        found = f"only {classes[0].name!r}" if classes else "no folder"
        raise SourceError(
            f"cannot teach from {folder}: it must hold one folder a class, at least two (such as "
            f"'cup' and 'no cup'), and holds {found}"
        )
    items: list[Item] = []
    for index, inside in enumerate(classes):
        files = [f for f in sorted(inside.rglob("*")) if _is_picture(f, inside)]
        if not files:
            raise SourceError(f"cannot teach {inside.name!r}: no photo or clip is in {inside}")
        items += [Item(f, str(f.relative_to(folder)), index, _source_of(f, inside)) for f in files]
    _refuse_duplicates(items)
    return ImageFolder(folder, tuple(inside.name for inside in classes), tuple(items))


def find_background(labels: tuple[str, ...], asked: str | None = None) -> str | None:
    """Find the class that means "none of the others", by its name.

    Args:
        labels: The classes.
        asked: What the user calls it; None: found by names such as "no cup", "none", "ok".

    Raises:
        UsageError: There is no class of the name asked for, or several look like one.
    """
    if asked is not None:
        if asked not in labels:
            raise UsageError(f"--background {asked}: the classes are {', '.join(labels)}")
        return asked
    plain = {label: label.lower().replace("_", " ").replace("-", " ") for label in labels}
    found = [
        label
        for label, text in plain.items()
        if text in _BACKGROUNDS or text.startswith(_NEGATIONS)
    ]
    if len(found) > 1:
        raise UsageError(
            f"{' and '.join(map(repr, found))} both look like the background class; choose one "
            "with --background"
        )
    return found[0] if found else None


def _is_picture(path: Path, inside: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(inside).parts)
    return not hidden and path.suffix.lower() in PHOTO_SUFFIXES | VIDEO_SUFFIXES and path.is_file()


def _source_of(path: Path, inside: Path) -> str:
    parts = path.relative_to(inside).parts
    if len(parts) > 1:
        return parts[0]
    prefix, underscore, _ = path.stem.partition("_")
    return prefix if underscore else ""


def _refuse_duplicates(items: list[Item]) -> None:
    """Refuse a file that is in two classes: one of its two names is wrong."""
    by_size: dict[int, list[Item]] = defaultdict(list)
    for item in items:
        by_size[item.path.stat().st_size].append(item)
    for alike in by_size.values():
        if len({item.class_index for item in alike}) < 2:
            continue
        seen: dict[bytes, Item] = {}
        for item in alike:
            digest = hashlib.sha256(item.path.read_bytes()).digest()
            other = seen.setdefault(digest, item)
            if other.class_index != item.class_index:
                raise SourceError(
                    f"{other.name} and {item.name} are the same file in two classes; remove the "
                    "wrong one"
                )
