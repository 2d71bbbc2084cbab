"""Pooled features of every picture of a dataset; computed once, then read from the cache."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import platformdirs

from camstream.errors import SourceError
from camstream.frame import Frame
from camstream.graph.backbone import Backbone
from camstream.maps import zoom
from camstream.models.cores import usable_cores
from camstream.models.session import Model
from camstream.picture import ImageU8, Picture
from camstream.teach.dataset import ImageFolder, Sample, check_counts
from camstream.teach.fit import F32, I64, TrainingData

# The frames of a clip are cut into this many segments. Frames of one segment are alike, so a
# segment is either fitted to or used for validation as a whole.
_SEGMENTS = 5
_CACHE_VERSION = 1

_NamedFeatures = tuple[list[str], F32]  # of one photo or clip: N names and (N, V, D) features


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureOptions:
    """How pictures are prepared for the backbone.

    Attributes:
        size_hw: Preferred height and width of the new model; None: those of the backbone.
        stretch: Stretch every picture to ``size_hw``, so that its aspect ratio cannot be learned;
            otherwise each keeps its aspect ratio, as it does when the model is used.
        flips: Compute the features of every picture mirrored as well.
        every_s: Seconds from one sample of a clip to the next.
        crop: Compute the features of what the maps of the model point to as well, see
            ``camstream.maps.zoom``; of the whole picture once more where they point to all of it.
    """

    size_hw: tuple[int, int] | None = None
    stretch: bool = False
    flips: bool = True
    every_s: float = 0.5
    crop: bool = False

    def images(
        self, sample: Sample, backbone: Backbone, model: Model | None = None
    ) -> Iterator[tuple[str, list[ImageU8]]]:
        """Read the pictures of a sample at the network's size: a name, and one image per view.

        Args:
            sample: A photo or clip.
            backbone: The network that the images are for.
            model: Whose maps say where the thing is; None: the pictures are not cropped.

        Yields:
            The picture as it is, its mirror image, what the maps point to, and its mirror image, as far
            as the options ask for them.

        Raises:
            SourceError: The file cannot be read.
        """
        for name, picture in sample.pictures(self.every_s):
            parts = [picture] if model is None else [picture, _pointed_to(model, picture)]
            images = [part.bgr(self._size_wh(part, backbone)) for part in parts]
            mirrored = [np.ascontiguousarray(image[:, ::-1]) for image in images]
            pairs = zip(images, mirrored, strict=True)
            yield name, [view for pair in pairs for view in pair[: 2 if self.flips else 1]]

    def _size_wh(self, picture: Picture, backbone: Backbone) -> tuple[int, int]:
        if self.stretch:
            return (self.size_hw or backbone.info.size_hw)[::-1]
        return backbone.size_wh(picture, self.size_hw)


def _pointed_to(model: Model, picture: Picture) -> Picture:
    """Crop a picture to what the maps of its best classes point to; all of it where that is all."""
    maps = model.infer(Frame(0, 0.0, 0.0, picture)).cam.maps
    box = zoom.crop_around(zoom.joined(maps), picture.size_wh)
    if box is None:
        return picture
    left, top, right, bottom = (int(value) for value in box.xyxy)
    return picture.cropped((left, top, right, bottom))


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSet:
    """The features of all pictures of a dataset.

    Attributes:
        dataset: The folder, its labels and files.
        names: (N,) the name of each picture.
        targets: (N,) its class index.
        sources: (N,) where it came from, see ``Sample.source``.
        groups: (N,) group numbers; pictures of one group are alike.
        features: (N, V, D) float32, one row per view; the picture as it is comes first.
        skipped: One error message per file that cannot be read.
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

    def training_data(self) -> TrainingData:
        """Return one row per view; those of picture n are n * V to (n + 1) * V - 1."""
        count, views, channels = self.features.shape
        return TrainingData(
            features=self.features.reshape(count * views, channels),
            targets=np.repeat(self.targets, views),
            groups=np.repeat(self.groups, views),
            labels=self.dataset.labels,
        )


def extract_features(
    dataset: ImageFolder,
    backbone: Backbone,
    options: FeatureOptions,
    *,
    cache: Path | None = None,
    on_sample: Callable[[], None] = lambda: None,
) -> FeatureSet:
    """Compute the features of every picture that can be read.

    Args:
        dataset: The photos and clips.
        backbone: The network that computes the features.
        options: How pictures are prepared.
        cache: The folder that features are stored in; None: the user's cache folder.
        on_sample: Called after each photo or clip.

    Raises:
        SourceError: A class has too few pictures that can be read.
    """
    stored = _Cache(dataset, backbone, options, cache)
    found: dict[Sample, _NamedFeatures] = {}
    skipped: list[str] = []
    model = Model(backbone.file, device="cpu", threads=1) if options.crop else None

    def extract(sample: Sample) -> _NamedFeatures | SourceError:
        known = stored.get(sample)
        if known is not None:
            return known
        try:
            rows = [
                (name, [backbone.pooled(view) for view in views])
                for name, views in options.images(sample, backbone, model)
            ]
        except SourceError as error:
            return error
        return [name for name, _ in rows], np.array([row for _, row in rows], np.float32)

    with ThreadPoolExecutor(usable_cores()) as pool:
        try:
            results = pool.map(extract, dataset.samples)
            for sample, result in zip(dataset.samples, results, strict=True):
                if isinstance(result, SourceError):
                    skipped.append(str(result))
                else:
                    found[sample] = result
                on_sample()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    counts = [0] * len(dataset.labels)
    for sample, (names, _) in found.items():
        counts[sample.class_index] += len(names)
    check_counts(dataset, counts)
    stored.put(found)
    return _feature_set(dataset, found, skipped)


def _feature_set(
    dataset: ImageFolder, found: dict[Sample, _NamedFeatures], skipped: list[str]
) -> FeatureSet:
    names: list[str] = []
    sources: list[str] = []
    targets: list[int] = []
    groups: list[int] = []
    for sample, (pictures, _) in found.items():
        count = len(pictures)
        names += pictures
        sources += [sample.source] * count
        targets += [sample.class_index] * count
        first = groups[-1] + 1 if groups else 0
        groups += [first + segment_of(number, count) for number in range(count)]
    return FeatureSet(
        dataset=dataset,
        names=tuple(names),
        targets=np.array(targets, np.int64),
        sources=tuple(sources),
        groups=np.array(groups, np.int64),
        features=np.concatenate([rows for _, rows in found.values()]),
        skipped=tuple(skipped),
    )


def segment_of(number: int, count: int) -> int:
    """Return the segment, from 0, of frame ``number`` of a clip with ``count`` frames."""
    return number * min(_SEGMENTS, count) // count


class _Cache:
    """Features on the disk, by photo or clip, its time and size.

    There is one cache file per folder, backbone and options.
    """

    def __init__(
        self,
        dataset: ImageFolder,
        backbone: Backbone,
        options: FeatureOptions,
        folder: Path | None,
    ) -> None:
        key = f"{_CACHE_VERSION} {dataset.folder.resolve()} {backbone.sha256} {options}"
        name = hashlib.sha256(key.encode()).hexdigest()[:24]
        folder = folder or platformdirs.user_cache_path("camstream") / "features"
        self._path = folder / f"{name}.npz"
        self._known: dict[str, _NamedFeatures] = {}
        try:
            with np.load(self._path, allow_pickle=False) as stored:
                names, rows = stored["names"], stored["rows"]
                ends = np.cumsum(stored["counts"])
                for key, end, count in zip(stored["keys"], ends, stored["counts"], strict=True):
                    part = slice(end - count, end)
                    self._known[str(key)] = [str(name) for name in names[part]], rows[part]
        except (OSError, ValueError, KeyError, EOFError):
            self._known = {}  # not there yet, or damaged: computed anew

    def get(self, sample: Sample) -> _NamedFeatures | None:
        return self._known.get(_key(sample))

    def put(self, found: dict[Sample, _NamedFeatures]) -> None:
        """Replace the file; a cache that cannot be written is not an error."""
        partial = self._path.with_name(f"{self._path.stem}.partial-{os.getpid()}.npz")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(
                partial,
                keys=np.array([_key(sample) for sample in found]),
                counts=np.array([len(names) for names, _ in found.values()]),
                names=np.array([name for names, _ in found.values() for name in names]),
                rows=np.concatenate([rows for _, rows in found.values()]),
            )
            partial.replace(self._path)
        except OSError:
            with contextlib.suppress(OSError):  # where the folder is none, this fails as well
                partial.unlink()


def _key(sample: Sample) -> str:
    state = sample.path.stat()
    return f"{sample.name} {state.st_mtime_ns} {state.st_size}"
