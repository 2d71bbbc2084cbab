"""Measures the model ``person``: left-out photos, small people, clips, and speed."""

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
from export.person.copy_paste import SQUARE
from export.person.fit_neck import Net, SceneFeatures, TwoGrids, fit, logits
from export.person.person_photos import LABELS

PERSON = LABELS[1]
_ROOM = "intel_one_by_one_person.mp4"
# Frames of that clip with one person upright, each with a frame of the empty room in the same light.
_UPRIGHT = ((130, 30), (640, 720), (1000, 900), (1340, 1380))
_MIN_DIFFERENCE = 25  # of a person from the room, grey levels
_HEIGHTS = (1 / 10, 1 / 6, 1 / 4, 1 / 2)  # of the frame
_SCENE_WH = (1280, 720)
INPUT_SIZES = (SQUARE[0], 2 * SQUARE[0])
_SCENES = 80
_TIMED = 200


@dataclass(frozen=True, slots=True)
class Range:
    """Frames of a clip that all show a person, or all show none.

    Attributes:
        first: The first frame's index.
        last: The last one's.
        person: Whether they show a person.
    """

    first: int
    last: int
    person: bool


def read_presence(videos: Path) -> dict[str, list[Range]]:
    """Read which frames of which clips show a person beyond doubt, from ``presence.csv``."""
    found: dict[str, list[Range]] = {}
    with (videos / "presence.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            one = Range(int(row["first_frame"]), int(row["last_frame"]), row["person"] == "yes")
            found.setdefault(row["file"], []).append(one)
    return found


@dataclass(frozen=True, slots=True)
class Judgement:
    """The logits of photos by a network that was fitted without them.

    Attributes:
        logits: (N,) of the class person.
        person: (N,) the ground truth.
    """

    logits: NDArray[np.float32]
    person: NDArray[np.bool_]

    def __str__(self) -> str:
        """Return the accuracies with and without people, and the area under the ROC curve."""
        accuracies = [self._accuracy(one) for one in set(self.person)]
        text = f"balanced {np.mean(accuracies):.1%}"
        for one, name in ((True, "with people"), (False, "without")):
            if one in self.person:
                text += f", {(self.person == one).sum()} {name}: {self._accuracy(one):.1%}"
        if len(accuracies) == 2:
            text += f", area under the ROC curve {roc_auc_score(self.person, self.logits):.2%}"
        return text

    def calibration(self) -> tuple[float, float]:
        """Fit the scale and offset of the logits that calibrate them; both classes count the same."""
        values = np.stack([np.zeros_like(self.logits), self.logits], axis=1).astype(np.float64)
        found, _ = calibrate(values, self.person.astype(np.int64))
        return found.scale, float(found.offset[1] - found.offset[0])

    def scaled(self, scale: float, offset: float) -> Judgement:
        """Return the same with calibrated logits."""
        return Judgement(self.logits * np.float32(scale) + np.float32(offset), self.person)

    def _accuracy(self, one: bool) -> float:
        return float(((self.logits > 0) == one)[self.person == one].mean())


def concatenate(judgements: Iterable[Judgement]) -> Judgement:
    """Concatenate the photos of several judgements."""
    parts = list(judgements)
    return Judgement(
        np.concatenate([one.logits for one in parts]), np.concatenate([one.person for one in parts])
    )


def cross_validate(
    features: Sequence[SceneFeatures], photos: SceneFeatures, folds: int = 5
) -> Judgement:
    """Judge every photo by a network fitted without its fold of the photos.

    Args:
        features: To fit to.
        photos: The whole photo n in row n.
        folds: The number of folds.
    """
    judged = np.zeros(len(photos.person), np.float32)
    for _, rows in StratifiedKFold(folds, shuffle=True, random_state=0).split(
        judged, photos.person
    ):
        left_out = np.isin(np.arange(len(judged)), rows)
        judged[rows] = logits(
            fit(features, left_out), photos.fine_features[rows], photos.late[rows]
        )
    return Judgement(judged, photos.person)


def judge_photos(net: Net, photos: SceneFeatures, judged: NDArray[np.bool_]) -> Judgement:
    """Judge some of the photos.

    Args:
        net: Fitted without them.
        photos: The whole photo n in row n.
        judged: (N,) true for the photos to judge.
    """
    found = logits(net, photos.fine_features[judged], photos.late[judged])
    return Judgement(found, photos.person[judged])


def judge_presence(model: Model, videos: Path, *, step: int = 1) -> dict[str, tuple[int, int]]:
    """Count the correctly classified frames, and all frames, of the clips with known presence.

    Args:
        model: The model to measure.
        videos: The folder with ``presence.csv``.
        step: Classify every so many frames.
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
    """Compute the share of each clip's frames that are classified as person."""
    shares = {}
    for path in sorted(videos.iterdir()):
        if path.suffix != ".csv":
            labels = [model.predict(image).top[0].label for _, image in _frames(path, step)]
            shares[path.name] = labels.count(PERSON) / len(labels)
    return shares


def judge_small(
    dataset: ImageFolder, two_grids: TwoGrids, net: Net, threshold: float, videos: Path
) -> dict[str, float]:
    """Paste persons of known height into empty scenes, and classify them at two input sizes.

    Four persons are cropped from a clip that was not trained on, and pasted into photos of houses,
    which the net must not have been fitted to; a logit above the threshold is a person.

    Returns:
        By input size and height as a share of the frame, and for the empty scenes: the share of
        scenes that are classified as person.
    """
    persons = list(crop_persons(videos / _ROOM))
    scenes = [sample for sample in dataset.samples if sample.source == "houses"]
    scenes = scenes[:: len(scenes) // _SCENES][:_SCENES]
    random = np.random.default_rng(0)
    hits: dict[str, list[bool]] = {}
    for number, sample in enumerate(scenes):
        empty = Picture.from_bgr(read_photo(sample.path)).bgr(_SCENE_WH)
        image, mask = persons[number % len(persons)]
        pasted = {
            f"1/{1 / h:.0f} of the height": paste(empty, image, mask, h, random) for h in _HEIGHTS
        }
        for (name, scene), side in itertools.product(
            {"nobody": empty, **pasted}.items(), INPUT_SIZES
        ):
            size_wh = fit_size(_SCENE_WH, preferred_hw=(side, side), multiple=32)
            fine_features, late = two_grids(Picture.from_bgr(scene).bgr(size_wh))
            (logit,) = logits(net, fine_features[np.newaxis], late[np.newaxis])
            hits.setdefault(f"{name}, input size {side}", []).append(bool(logit > threshold))
    return {name: float(np.mean(each)) for name, each in hits.items()}


def time_models(models: Sequence[Model]) -> list[tuple[float, float]]:
    """Time models in turns on a 720p picture, so that a busy machine slows all the same.

    Returns:
        For each, frames per second: the median, and the fastest tenth, which other work on the
        machine disturbs least.
    """
    picture = np.random.default_rng(0).integers(0, 255, (720, 1280, 3), np.uint8)
    times = np.zeros((len(models), _TIMED))
    for turn in range(_TIMED):
        for number, model in enumerate(models):
            started = time.perf_counter()
            model.predict(picture)
            times[number, turn] = time.perf_counter() - started
    return [(1 / float(np.median(each)), 1 / float(np.quantile(each, 0.1))) for each in times]


def crop_persons(clip: Path) -> Iterator[tuple[ImageU8, NDArray[np.uint8]]]:
    """Crop persons where they differ from the empty room: (H, W, 3) uint8 BGR, (H, W) mask."""
    wanted = {index for pair in _UPRIGHT for index in pair}
    frames = {index: image for index, image in _frames(clip) if index in wanted}
    for person, empty in _UPRIGHT:
        difference = cv2.absdiff(frames[person], frames[empty])
        far = cv2.GaussianBlur(difference, (0, 0), 2).max(axis=2) > _MIN_DIFFERENCE
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
    """Paste a person, its height a share of the scene's, with the feet in the lower half."""
    tall = round(height * scene.shape[0])
    wide = max(1, round(person.shape[1] * tall / person.shape[0]))
    small = cv2.resize(person, (wide, tall), interpolation=cv2.INTER_AREA)
    cover = cv2.resize(mask, (wide, tall), interpolation=cv2.INTER_AREA)[..., np.newaxis] / 255
    x = int(random.integers(0, scene.shape[1] - wide))
    feet = int(random.integers(max(tall, scene.shape[0] // 2), scene.shape[0] + 1))
    pasted = scene.copy()
    part = pasted[feet - tall : feet, x : x + wide]
    part[:] = np.rint(part * (1 - cover) + small * cover)
    return pasted


def _frames(clip: Path, step: int = 1) -> Iterator[tuple[int, ImageU8]]:
    """Yield every so many frames of a clip, each with its index."""
    with contextlib.closing(FileSource(clip)) as source:
        for frame in source:
            if frame.index % step == 0:
                yield frame.index, frame.picture.bgr()
