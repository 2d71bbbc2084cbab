"""Judges the model ``person``: photos left out, people put into scenes, clips, and the clock."""

from __future__ import annotations

import contextlib
import csv
import itertools
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold

from camstream.contract import fit_size
from camstream.media import read_photo
from camstream.models.session import Model
from camstream.picture import ImageU8, Picture
from camstream.sources.file import FileSource
from camstream.teach.calibration import calibrate
from camstream.teach.dataset import ImageFolder
from export.person.fit_neck import Net, fit, logits
from export.person.person_photos import LABELS
from export.person.scenes import SQUARE
from export.person.views import TwoGrids, Views

PERSON = LABELS[1]
_ROOM = "intel_one_by_one_person.mp4"
# Frames of that clip with one person upright, each with one of the empty room in the same light.
_UPRIGHT = ((130, 30), (640, 720), (1000, 900), (1340, 1380))
_DIFFERENT = 25  # grey levels by which a person differs from the room
_HEIGHTS = (1 / 10, 1 / 6, 1 / 4, 1 / 2)  # of the frame
_SCENE_WH = (1280, 720)
INPUT_SIZES = (SQUARE[0], 2 * SQUARE[0])
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


@dataclass(frozen=True, slots=True)
class Judgement:
    """How photos are judged by what was fitted without them.

    Attributes:
        logits: (N,) of the class person.
        person: (N,) what is true.
    """

    logits: NDArray[np.float32]
    person: NDArray[np.bool_]

    def __str__(self) -> str:
        """Give the part that is right, with and without people, and the area under the ROC."""
        seen = self.logits > 0
        parts = [float((seen[self.person == one] == one).mean()) for one in set(self.person)]
        said = f"balanced {np.mean(parts):.1%}"
        for one, name in ((True, "with people"), (False, "without")):
            if one in self.person:
                said += f", {(self.person == one).sum()} {name}: {self._right(one):.1%}"
        if len(parts) == 2:
            said += f", area under the ROC curve {roc_auc_score(self.person, self.logits):.2%}"
        return said

    def calibration(self) -> tuple[float, float]:
        """Give the scale and the offset that make the logits probabilities; classes count alike."""
        values = np.stack([np.zeros_like(self.logits), self.logits], axis=1).astype(np.float64)
        found, _ = calibrate(values, self.person.astype(np.int64))
        return found.scale, float(found.offset[1] - found.offset[0])

    def scaled(self, scale: float, offset: float) -> Judgement:
        """Give the same with calibrated logits."""
        return Judgement(self.logits * np.float32(scale) + np.float32(offset), self.person)

    def _right(self, one: bool) -> float:
        return float(((self.logits > 0) == one)[self.person == one].mean())


def together(some: Iterable[Judgement]) -> Judgement:
    """Put the photos of several together."""
    each = list(some)
    return Judgement(
        np.concatenate([one.logits for one in each]), np.concatenate([one.person for one in each])
    )


def cross_validate(views: Sequence[Views], photos: Views, folds: int = 5) -> Judgement:
    """Judge every photo by what was fitted to scenes without it and without a fifth of the others.

    Args:
        views: To fit to.
        photos: Photo n as it is in row n.
        folds: How many parts.
    """
    judged = np.zeros(len(photos.person), np.float32)
    for _, rows in StratifiedKFold(folds, shuffle=True, random_state=0).split(
        judged, photos.person
    ):
        left_out = np.isin(np.arange(len(judged)), rows)
        judged[rows] = logits(fit(views, left_out), photos.fine_features[rows], photos.late[rows])
    return Judgement(judged, photos.person)


def judge_photos(net: Net, photos: Views, judged: NDArray[np.bool_]) -> Judgement:
    """Judge some photos.

    Args:
        net: Fitted without them.
        photos: Photo n as it is in row n.
        judged: (N,) which.
    """
    seen = logits(net, photos.fine_features[judged], photos.late[judged])
    return Judgement(seen, photos.person[judged])


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


def judge_small(
    dataset: ImageFolder, two_grids: TwoGrids, net: Net, threshold: float, videos: Path
) -> dict[str, float]:
    """Put persons of known height into empty scenes, and look with inputs of two sizes.

    Four persons are cut out of a clip that nothing was taught on, and pasted into photos of
    houses, which the net must not have been fitted to; a logit above the threshold is a person.

    Returns:
        By input size and height as a part of the frame, and for the empty scenes, the part in
        which a person is seen.
    """
    persons = list(cut_persons(videos / _ROOM))
    scenes = [item for item in dataset.items if item.source == "houses"]
    scenes = scenes[:: len(scenes) // _SCENES][:_SCENES]
    random = np.random.default_rng(0)
    seen: dict[str, list[bool]] = {}
    for number, item in enumerate(scenes):
        empty = Picture.from_bgr(read_photo(item.path)).bgr(_SCENE_WH)
        image, mask = persons[number % len(persons)]
        displayed = {
            f"1/{1 / h:.0f} of the height": paste(empty, image, mask, h, random) for h in _HEIGHTS
        }
        for (name, scene), side in itertools.product(
            {"nobody": empty, **displayed}.items(), INPUT_SIZES
        ):
            size_wh = fit_size(_SCENE_WH, preferred_hw=(side, side), multiple=32)
            fine_features, late = two_grids(Picture.from_bgr(scene).bgr(size_wh))
            (logit,) = logits(net, fine_features[np.newaxis], late[np.newaxis])
            seen.setdefault(f"{name}, input size {side}", []).append(bool(logit > threshold))
    return {name: float(np.mean(each)) for name, each in seen.items()}


def time_models(models: Sequence[Model]) -> list[tuple[float, float]]:
    """Time models in turns on a 720p picture, so that a busy machine slows all alike.

    Returns:
        For each, frames per second: the median, and the fastest of ten, where others who use
        the machine disturb least.
    """
    picture = np.random.default_rng(0).integers(0, 255, (720, 1280, 3), np.uint8)
    times = np.zeros((len(models), _TIMED))
    for turn in range(_TIMED):
        for number, model in enumerate(models):
            started = time.perf_counter()
            model.predict(picture)
            times[number, turn] = time.perf_counter() - started
    return [(1 / float(np.median(each)), 1 / float(np.quantile(each, 0.1))) for each in times]


def cut_persons(clip: Path) -> Iterator[tuple[ImageU8, NDArray[np.uint8]]]:
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


def paste(
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
