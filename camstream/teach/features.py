"""Pooled features of every picture of an album; computed once, then read from the cache."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import platformdirs

from camstream.errors import SourceError
from camstream.graph.backbone import Backbone
from camstream.picture import ImageU8
from camstream.teach.calibration import I64
from camstream.teach.dataset import MIN_PICTURES, ImageFolder, Item
from camstream.teach.fit import F32, Samples

# The frames of a clip are cut into this many stretches. What lies in one stretch is alike, and
# is fitted to or judged by as a whole.
_STRETCHES = 5
_CACHE_VERSION = 1


@dataclass(frozen=True, slots=True)
class Look:
    """How pictures are shown to the trunk.

    Attributes:
        size_hw: Preferred height and width of the new model; None: the trunk's own.
        stretch: Every picture is stretched to ``size_hw``, so that its shape tells nothing;
            otherwise each keeps its shape, as it does when the model is used.
        flips: Every picture is looked at in a mirror as well.
        every_s: Seconds from one sample of a clip to the next.
    """

    size_hw: tuple[int, int] | None = None
    stretch: bool = False
    flips: bool = True
    every_s: float = 0.5

    @property
    def views(self) -> int:
        """How often each picture is looked at."""
        return 2 if self.flips else 1

    def images(self, item: Item, backbone: Backbone) -> Iterator[tuple[str, list[ImageU8]]]:
        """Read the pictures of an item at the network's size: a name, and one image a view.

        Raises:
            SourceError: It cannot be read.
        """
        for name, picture in item.pictures(self.every_s):
            if self.stretch:
                size_wh = (self.size_hw or backbone.info.size_hw)[::-1]
            else:
                size_wh = backbone.size_wh(picture, self.size_hw)
            image = picture.bgr(size_wh)
            yield name, [image, np.ascontiguousarray(image[:, ::-1])][: self.views]


@dataclass(frozen=True, slots=True)
class Gallery:
    """The pictures of an album as features.

    Attributes:
        dataset: The album.
        names: (N,) what to call each picture.
        targets: (N,) its class.
        sources: (N,) where it came from, see ``Item.source``.
        groups: (N,) pictures of one group are alike.
        features: (N, V, D) float32, one row a view; the picture as it is comes first.
        skipped: What could not be read, and why.
    """

    dataset: ImageFolder
    names: tuple[str, ...]
    targets: I64
    sources: tuple[str, ...]
    groups: I64
    features: F32
    skipped: tuple[str, ...]

    @property
    def views(self) -> int:
        """How many rows belong to a picture."""
        return int(self.features.shape[1])

    def samples(self) -> Samples:
        """Give every view as a sample; those of picture n are n * V to (n + 1) * V."""
        count, views, channels = self.features.shape
        return Samples(
            self.features.reshape(count * views, channels),
            np.repeat(self.targets, views),
            np.repeat(self.groups, views),
            self.dataset.labels,
        )


def look_through(
    dataset: ImageFolder,
    backbone: Backbone,
    look: Look,
    *,
    cache: Path | None = None,
    on_item: Callable[[], None] = lambda: None,
) -> Gallery:
    """Compute the features of every picture that can be read.

    Args:
        dataset: What to look at.
        backbone: Looks.
        look: How.
        cache: The folder to keep features in; None: the user's cache folder.
        on_item: Called after each photo or clip.

    Raises:
        SourceError: A class has too few pictures that can be read.
    """
    kept = _Cache(dataset, backbone, look, cache)
    found: dict[Item, tuple[list[str], F32]] = {}
    skipped: list[str] = []

    def see(item: Item) -> tuple[list[str], F32] | SourceError:
        known = kept.get(item)
        if known is not None:
            return known
        try:
            shots = [
                (name, [backbone.pooled(view) for view in views])
                for name, views in look.images(item, backbone)
            ]
        except SourceError as error:
            return error
        return [name for name, _ in shots], np.array([rows for _, rows in shots], np.float32)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            for item, seen in zip(dataset.items, pool.map(see, dataset.items), strict=True):
                if isinstance(seen, SourceError):
                    skipped.append(str(seen))
                else:
                    found[item] = seen
                on_item()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    _refuse_few(dataset, found)
    kept.put(found)
    return _gallery(dataset, found, skipped)


def _refuse_few(dataset: ImageFolder, found: dict[Item, tuple[list[str], F32]]) -> None:
    counts = [0] * len(dataset.labels)
    for item, (names, _) in found.items():
        counts[item.class_index] += len(names)
    for label, count in zip(dataset.labels, counts, strict=True):
        if count < MIN_PICTURES:
            raise SourceError(
                f"cannot teach {label!r}: {count} of its pictures can be read, and at least "
                f"{MIN_PICTURES} are needed (some dozens are better)"
            )


def _gallery(
    dataset: ImageFolder, found: dict[Item, tuple[list[str], F32]], skipped: list[str]
) -> Gallery:
    names: list[str] = []
    sources: list[str] = []
    targets: list[int] = []
    groups: list[int] = []
    for item, (shots, _) in found.items():
        names += shots
        sources += [item.source] * len(shots)
        targets += [item.class_index] * len(shots)
        first = groups[-1] + 1 if groups else 0
        groups += [first + stretch_of(n, len(shots)) for n in range(len(shots))]
    return Gallery(
        dataset,
        tuple(names),
        np.array(targets, np.int64),
        tuple(sources),
        np.array(groups, np.int64),
        np.concatenate([rows for _, rows in found.values()]),
        tuple(skipped),
    )


def stretch_of(number: int, count: int) -> int:
    """Give the stretch that frame ``number`` of ``count`` of a clip lies in, counted from 0."""
    return number * min(_STRETCHES, count) // count


class _Cache:
    """Features on the disk, by file and its time and size; one file an album, trunk and look."""

    def __init__(
        self, dataset: ImageFolder, backbone: Backbone, look: Look, folder: Path | None
    ) -> None:
        key = f"{_CACHE_VERSION} {dataset.folder.resolve()} {backbone.sha256} {look}"
        name = hashlib.sha256(key.encode()).hexdigest()[:24]
        folder = folder or platformdirs.user_cache_path("camstream") / "features"
        self._path = folder / f"{name}.npz"
        self._known: dict[str, tuple[list[str], F32]] = {}
        try:
            with np.load(self._path, allow_pickle=False) as stored:
                names, rows = stored["names"], stored["rows"]
                ends = np.cumsum(stored["counts"])
                for key, end, count in zip(stored["keys"], ends, stored["counts"], strict=True):
                    part = slice(end - count, end)
                    self._known[str(key)] = [str(name) for name in names[part]], rows[part]
        except (OSError, ValueError, KeyError, EOFError):
            self._known = {}  # not there yet, or damaged: computed anew

    def get(self, item: Item) -> tuple[list[str], F32] | None:
        return self._known.get(_key(item))

    def put(self, found: dict[Item, tuple[list[str], F32]]) -> None:
        """Keep what is there now; that it cannot be written is no reason to fail."""
        atomic_file = self._path.with_name(f"{self._path.stem}.partial-{os.getpid()}.npz")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(
                atomic_file,
                keys=np.array([_key(item) for item in found]),
                counts=np.array([len(names) for names, _ in found.values()]),
                names=np.array([name for names, _ in found.values() for name in names]),
                rows=np.concatenate([rows for _, rows in found.values()]),
            )
            atomic_file.replace(self._path)
        except OSError:
            atomic_file.unlink(missing_ok=True)


def _key(item: Item) -> str:
    state = item.path.stat()
    return f"{item.name} {state.st_mtime_ns} {state.st_size}"
