"""Judges the model ``person`` on photos of whole sources left out, on clips, and by the clock."""

from __future__ import annotations

import contextlib
import csv
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from camstream.model import Model, fit_size
from camstream.picture import ImageU8, Picture
from camstream.source.file import FileSource
from export.heads.person_photos import LABELS, SIZE
from export.teach.album import read_photo
from export.teach.features import Gallery
from export.teach.fit import Fitted, Layer, train
from export.teach.report import balanced_accuracy
from export.teach.trunk import Trunk

PERSON = LABELS[1]
_ROOM = "intel_one_by_one_person.mp4"
# Frames of that clip with one person upright, each with one of the empty room in the same light.
_UPRIGHT = ((130, 30), (640, 720), (1000, 900), (1340, 1380))
_DIFFERENT = 25  # grey levels by which a person differs from the room
_HEIGHTS = (1 / 10, 1 / 6, 1 / 4, 1 / 2)  # of the frame
_SCENE_WH = (1280, 720)
_SCENES = 80
_TIMED = 200


@dataclass(frozen=True, slots=True)
class Range:
    """Frames of a clip that all have a person, or none.

    Attributes:
        first: The first frame's index.
        last: The last one's.
        person: Whether there is a person.
    """

    first: int
    last: int
    person: bool


def read_presence(videos: Path) -> dict[str, list[Range]]:
    """Read which frames of which clips have a person, beyond doubt."""
    found: dict[str, list[Range]] = {}
    with (videos / "presence.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            one = Range(int(row["first_frame"]), int(row["last_frame"]), row["person"] == "yes")
            found.setdefault(row["file"], []).append(one)
    return found


def judge_without(gallery: Gallery, out: Sequence[str], judged: str, fitted: Fitted) -> float:
    """Give the balanced accuracy on one source of what was fitted without several."""
    layer = fit_without(gallery, out, fitted)
    mask = np.array(gallery.sources) == judged
    seen = layer.logits(gallery.features[mask, 0]).argmax(axis=1)
    return balanced_accuracy(gallery.targets[mask], seen)


def fit_without(gallery: Gallery, out: Sequence[str], fitted: Fitted) -> Layer:
    """Fit as before, to all sources but some."""
    kept = ~np.isin(gallery.sources, out)
    return train(gallery.samples()[np.repeat(kept, gallery.views)], fitted.chosen).calibrated(
        fitted.calibration
    )


def judge_presence(model: Model, videos: Path, *, step: int = 1) -> dict[str, tuple[int, int]]:
    """Count the right frames, and all, of the clips whose presence is known.

    Args:
        model: Looks.
        videos: The folder with ``presence.csv``.
        step: Look at every so many frames.
    """
    counts = {}
    for name, ranges in read_presence(videos).items():
        truth = {i: one.person for one in ranges for i in range(one.first, one.last + 1)}
        hits = [
            (model.predict(image).top[0].label == PERSON) == truth[index]
            for index, image in _frames(videos / name, step)
            if index in truth
        ]
        counts[name] = sum(hits), len(hits)
    return counts


def judge_clips(model: Model, videos: Path, *, step: int = 5) -> dict[str, float]:
    """Give the part of the frames of each clip in which a person is seen."""
    seen = {}
    for path in sorted(videos.iterdir()):
        if path.suffix != ".csv":
            labels = [model.predict(image).top[0].label for _, image in _frames(path, step)]
            seen[path.name] = labels.count(PERSON) / len(labels)
    return seen


def judge_small(gallery: Gallery, trunk: Trunk, layer: Layer, videos: Path) -> dict[str, float]:
    """Put persons of known height into empty scenes.

    Four persons are cut out of a clip that nothing was taught on, and pasted into photos of
    houses, which the layer must not have been fitted to.

    Returns:
        By height as a part of the frame, and for the empty scenes, the part in which a person
        is seen.
    """
    persons = list(_cut_out(videos / _ROOM))
    scenes = [item for item in gallery.album.items if item.source == "houses"]
    scenes = scenes[:: len(scenes) // _SCENES][:_SCENES]
    random = np.random.default_rng(0)
    size_wh = fit_size(_SCENE_WH, preferred_hw=(SIZE, SIZE), multiple=trunk.info.size_multiple)
    seen: dict[str, list[bool]] = {}
    for number, item in enumerate(scenes):
        empty = read_photo(item.path).bgr(_SCENE_WH)
        image, mask = persons[number % len(persons)]
        shown = {
            f"1/{1 / h:.0f} of the height": _paste(empty, image, mask, h, random) for h in _HEIGHTS
        }
        for name, scene in {"nobody": empty, **shown}.items():
            pooled = trunk.pooled(Picture.from_bgr(scene).bgr(size_wh))
            is_seen = bool(layer.logits(pooled[np.newaxis]).argmax() == 1)
            seen.setdefault(name, []).append(is_seen)
    return {name: float(np.mean(each)) for name, each in seen.items()}


def time_models(paths: Sequence[Path], threads: int) -> list[tuple[float, float]]:
    """Time models in turns on a 720p picture, so that a busy machine slows all alike.

    Returns:
        For each, frames per second: the median, and the fastest of ten, where others who use
        the machine disturb least.
    """
    models = [Model(path, device="cpu", threads=threads) for path in paths]
    picture = np.random.default_rng(0).integers(0, 255, (720, 1280, 3), np.uint8)
    times = np.zeros((len(models), _TIMED))
    for turn in range(_TIMED):
        for number, model in enumerate(models):
            started = time.perf_counter()
            model.predict(picture)
            times[number, turn] = time.perf_counter() - started
    return [(1 / float(np.median(each)), 1 / float(np.quantile(each, 0.1))) for each in times]


def _cut_out(clip: Path) -> Iterator[tuple[ImageU8, NDArray[np.uint8]]]:
    """Cut persons out where they differ from the empty room: (H, W, 3) and a (H, W) mask."""
    wanted = {index for pair in _UPRIGHT for index in pair}
    frames = {index: image for index, image in _frames(clip) if index in wanted}
    for person, empty in _UPRIGHT:
        difference = cv2.absdiff(frames[person], frames[empty])
        far = cv2.GaussianBlur(difference, (0, 0), 2).max(axis=2) > _DIFFERENT
        closed = cv2.morphologyEx(far.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((15, 15)))
        _, parts, boxes, _ = cv2.connectedComponentsWithStats(closed)
        largest = 1 + int(boxes[1:, cv2.CC_STAT_AREA].argmax())
        x, y, width, height = boxes[largest, :4]
        inside = np.s_[y : y + height, x : x + width]
        mask = np.asarray((parts[inside] == largest) * 255, np.uint8)
        yield frames[person][inside], mask


def _paste(
    scene: ImageU8,
    person: ImageU8,
    mask: NDArray[np.uint8],
    height: float,
    random: np.random.Generator,
) -> ImageU8:
    """Put a person of a height (part of the scene's) somewhere on the lower half of a scene."""
    tall = round(height * scene.shape[0])
    wide = max(1, round(person.shape[1] * tall / person.shape[0]))
    small = cv2.resize(person, (wide, tall), interpolation=cv2.INTER_AREA)
    cover = cv2.resize(mask, (wide, tall), interpolation=cv2.INTER_AREA)[..., np.newaxis] / 255
    x = int(random.integers(0, scene.shape[1] - wide))
    feet = int(random.integers(max(tall, scene.shape[0] // 2), scene.shape[0] + 1))
    made = scene.copy()
    part = made[feet - tall : feet, x : x + wide]
    part[:] = np.rint(part * (1 - cover) + small * cover)
    return made


def _frames(clip: Path, step: int = 1) -> Iterator[tuple[int, ImageU8]]:
    """Read every so many frames of a clip, each with its index."""
    with contextlib.closing(FileSource(clip)) as source:
        for frame in source:
            if frame.index % step == 0:
                yield frame.index, frame.picture.bgr()
