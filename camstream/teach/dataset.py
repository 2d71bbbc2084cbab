"""A folder with one folder per class: its photos and clips, and the pictures in them."""

from __future__ import annotations

import contextlib
import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from camstream.errors import NotFoundError, SourceError, UsageError
from camstream.media import PHOTO_SUFFIXES, VIDEO_SUFFIXES, read_photo
from camstream.picture import Picture
from camstream.sources.file import FileSource

MIN_PICTURES = 5  # of a class; some of them are needed for validation

_BACKGROUNDS = frozenset(["background", "empty", "no", "none", "nothing", "ok"])
_NEGATIONS = ("no ", "not ", "without ")


@dataclass(frozen=True, slots=True)
class Sample:
    """One photo or clip.

    Attributes:
        path: The file.
        name: Its path within the folder, with "/" on every system.
        class_index: Index into the labels of the folder.
        source: Where the file came from: the sub-folder it is in, else its name up to the first
            "_"; empty where there is neither.
    """

    path: Path
    name: str
    class_index: int
    source: str

    @property
    def is_clip(self) -> bool:
        """Whether the file is a clip, not a photo."""
        return self.path.suffix.lower() in VIDEO_SUFFIXES

    def pictures(self, every_s: float) -> Iterator[tuple[str, Picture]]:
        """Read the photo, or some frames of the clip; yields each picture with its name.

        Args:
            every_s: Seconds from one sample of a clip to the next.

        Raises:
            SourceError: The file cannot be read.
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
    """The classes of a folder, and their photos and clips.

    Attributes:
        folder: The folder.
        labels: The names of its class folders, sorted.
        samples: The photos and clips, class by class.
    """

    folder: Path
    labels: tuple[str, ...]
    samples: tuple[Sample, ...]


def class_folders(folder: Path) -> list[Path]:
    """Return the sub-folders of a folder, sorted, without hidden ones; none if it is no folder."""
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def open_dataset(
    folder: Path, *, purpose: str = "teach from", with_clips: bool = True
) -> ImageFolder:
    """List the photos and clips of a folder; hidden files and others are left out.

    Args:
        folder: The folder; sub-folders of its class folders are searched as well.
        purpose: What the files are for, as an error names it: "cannot <purpose> <folder>".
        with_clips: Whether clips are listed as well as photos.

    Raises:
        SourceError: There is no such folder, it has fewer than two classes, a class is empty, or
            one file is in two classes.
    """
    if not folder.is_dir():
        raise NotFoundError(f"cannot {purpose} {folder}: there is no such folder")
    classes = class_folders(folder)
    if len(classes) < 2:
        found = f"only {classes[0].name!r}" if classes else "no folder"
        raise SourceError(
            f"cannot {purpose} {folder}: it must hold one folder per class, at least two (such as "
            f"'cup' and 'no cup'), and holds {found}"
        )
    suffixes = PHOTO_SUFFIXES | VIDEO_SUFFIXES if with_clips else PHOTO_SUFFIXES
    kind = "photo or clip" if with_clips else "photo"
    samples: list[Sample] = []
    for index, inside in enumerate(classes):
        found_files = [
            path
            for path in sorted(inside.rglob("*"))
            if path.suffix.lower() in suffixes and _is_visible_file(path, inside)
        ]
        if not found_files:
            raise SourceError(f"cannot {purpose} {folder}: no {kind} is in {inside.name!r}")
        samples += [
            Sample(path, path.relative_to(folder).as_posix(), index, _source_of(path, inside))
            for path in found_files
        ]
    _refuse_duplicates(samples)
    return ImageFolder(folder, tuple(inside.name for inside in classes), tuple(samples))


def check_counts(
    dataset: ImageFolder, counts: Sequence[int], *, purpose: str = "teach from"
) -> None:
    """Check that every class has enough pictures.

    Args:
        dataset: The classes.
        counts: How many pictures of each class can be read.
        purpose: See ``open_dataset``.

    Raises:
        SourceError: A class has fewer than ``MIN_PICTURES``.
    """
    for label, count in zip(dataset.labels, counts, strict=True):
        if count < MIN_PICTURES:
            raise SourceError(
                f"cannot {purpose} {dataset.folder}: {count} pictures of {label!r} can be read, "
                f"and at least {MIN_PICTURES} are needed (some dozens are better)"
            )


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


def _is_visible_file(path: Path, inside: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(inside).parts)
    return not hidden and path.is_file()


def _source_of(path: Path, inside: Path) -> str:
    parts = path.relative_to(inside).parts
    if len(parts) > 1:
        return parts[0]
    prefix, underscore, _ = path.stem.partition("_")
    return prefix if underscore else ""


def _refuse_duplicates(samples: list[Sample]) -> None:
    """Refuse a file that is in two classes: one of its two names is wrong."""
    by_size: dict[int, list[Sample]] = defaultdict(list)
    for sample in samples:
        by_size[sample.path.stat().st_size].append(sample)
    for alike in by_size.values():
        if len({sample.class_index for sample in alike}) < 2:
            continue
        first_of: dict[bytes, Sample] = {}
        for sample in alike:
            digest = hashlib.sha256(sample.path.read_bytes()).digest()
            other = first_of.setdefault(digest, sample)
            if other.class_index != sample.class_index:
                raise SourceError(
                    f"{other.name} and {sample.name} are the same file in two classes; remove the "
                    "wrong one"
                )
