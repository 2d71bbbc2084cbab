"""Cuts people and things out of photos, to be put into others.

People are where MediaPipe's segmentation saw them (``cut_people.py``), things where camstream's own
maps are warm. Either is a first guess; the outline is found along the picture's edges by GrabCut
(Rother, Kolmogorov, Blake, SIGGRAPH 2004).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from camstream.errors import SourceError
from camstream.media import read_photo
from camstream.models.session import Model
from camstream.picture import ImageU8, Picture
from camstream.teach.dataset import ImageFolder

F32 = NDArray[np.float32]

_LONG_SIDE = 320  # of photos that something is cut out of, pixels
_PERSON, _THING = 0.02, 0.04  # of the photo's area at least
_ROUNDS = 4  # of GrabCut


@dataclass(frozen=True, slots=True)
class Guess:
    """How a guess between 0 and 1 is understood.

    Attributes:
        cold: What is less is not part of it.
        warm: What is more may be.
        hot: What is more is.
    """

    cold: float
    warm: float
    hot: float


# A segmentation says how sure it is; a map says how much there is of what speaks for a class.
SEGMENTED, MAPPED = Guess(0.1, 0.5, 0.85), Guess(0.03, 0.3, 0.8)


@dataclass(frozen=True, slots=True)
class Cutting:
    """A person or a thing cut out of a photo.

    Attributes:
        photo: Index of the album's item.
        image: (h, w, 3) uint8 BGR.
        mask: (h, w) uint8, 255 where it is.
    """

    photo: int
    image: ImageU8
    mask: NDArray[np.uint8]


def cut_people(dataset: ImageFolder, masks: Path, on_photo: Callable[[], None]) -> list[Cutting]:
    """Cut out people, alone or in groups, that are in sight as a whole but for their feet.

    Args:
        dataset: With the classes no person and person.
        masks: What ``cut_people.py`` wrote.
        on_photo: Is called after each.

    Raises:
        SourceError: There is no such file.
    """
    if not masks.is_file():
        raise SourceError(f"no masks {masks}; make them with export/heads/cut_people.py")
    with np.load(masks, allow_pickle=False) as stored:
        known = {name: stored[name] for name in stored.files}

    def cut(number: int) -> list[Cutting]:
        image, name = _read(dataset, number), dataset.items[number].name
        if name not in known:
            return []
        sure = known[name].astype(np.float32) / np.float32(255)
        guess = cv2.resize(sure, image.shape[1::-1], interpolation=cv2.INTER_AREA)
        mask = find_outline(image, np.asarray(guess, np.float32), SEGMENTED)
        return list(cut_out(number, image, mask, _PERSON))

    return _side_by_side(cut, dataset, 1, on_photo)


def cut_things(dataset: ImageFolder, model: Model, on_photo: Callable[[], None]) -> list[Cutting]:
    """Cut out what stands out most in photos without people.

    Args:
        dataset: With the classes no person and person.
        model: Names things and maps them; opened with ``refine``.
        on_photo: Is called after each.
    """

    def cut(number: int) -> list[Cutting]:
        image = _read(dataset, number)
        (heat,) = model.predict(image, classes=[-1]).cam.displayed
        guess = cv2.resize(np.maximum(heat, 0), image.shape[1::-1])
        guess /= max(float(guess.max()), np.finfo(np.float32).tiny)
        mask = find_outline(image, np.asarray(guess, np.float32), MAPPED)
        return list(cut_out(number, image, mask, _THING))[:1]

    return _side_by_side(cut, dataset, 0, on_photo)


def find_outline(image: ImageU8, guess: F32, meaning: Guess) -> NDArray[np.bool_]:
    """Find the outline of something.

    Args:
        image: (H, W, 3) uint8 BGR.
        guess: (H, W) from 0 to 1.
        meaning: How that is understood.

    Returns:
        (H, W), true on it; false everywhere where the guess rules nothing in, or nothing out.
    """
    marks = np.where(guess > meaning.warm, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    marks[guess > meaning.hot] = cv2.GC_FGD
    marks[guess < meaning.cold] = cv2.GC_BGD
    edge = np.ones_like(marks, np.bool_)
    edge[2:, 2:-2] = False  # things may stand on the lower one
    marks[edge & (guess < 0.5)] = cv2.GC_BGD
    if not (marks == cv2.GC_FGD).any() or not (marks == cv2.GC_BGD).any():
        return np.zeros(marks.shape, np.bool_)
    cv2.setRNGSeed(0)  # this thread's
    behind, before = np.zeros((2, 1, 65))  # what GrabCut learns of the colours
    cv2.grabCut(image, marks, (0, 0, 1, 1), behind, before, _ROUNDS, cv2.GC_INIT_WITH_MASK)
    found = np.isin(marks, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    closed = cv2.morphologyEx(found, cv2.MORPH_CLOSE, np.ones((5, 5)))
    return np.asarray(cv2.morphologyEx(closed, cv2.MORPH_OPEN, np.ones((3, 3))) > 0)


def cut_out(photo: int, image: ImageU8, mask: NDArray[np.bool_], least: float) -> Iterator[Cutting]:
    """Cut out each part of a mask that does not touch the left, the upper or the right edge.

    Args:
        photo: Index of the album's item.
        image: (H, W, 3) uint8 BGR.
        mask: (H, W), true where something is.
        least: Part of the picture that it must cover.

    Returns:
        The largest first.
    """
    _, parts, boxes, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    for number in 1 + np.argsort(-boxes[1:, cv2.CC_STAT_AREA]):
        left, top, width, height, area = (int(value) for value in boxes[number])
        inside = np.s_[top : top + height, left : left + width]
        free = left > 1 and top > 1 and left + width < mask.shape[1] - 1
        if free and area >= least * mask.size:
            whole = np.asarray((parts[inside] == number) * 255, np.uint8)
            yield Cutting(photo, image[inside].copy(), whole)


def _read(dataset: ImageFolder, number: int) -> ImageU8:
    picture = Picture.from_bgr(read_photo(dataset.items[number].path))
    scale = min(1.0, _LONG_SIDE / max(picture.size_wh))
    width, height = (round(side * scale) for side in picture.size_wh)
    return picture.bgr((width, height))


def _side_by_side(
    cut: Callable[[int], list[Cutting]],
    dataset: ImageFolder,
    class_index: int,
    on_photo: Callable[[], None],
) -> list[Cutting]:
    """Cut out of all photos of a class on every core; in the album's order."""
    numbers = [n for n, item in enumerate(dataset.items) if item.class_index == class_index]
    found: list[Cutting] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for some in pool.map(cut, numbers):
            found += some
            on_photo()
    return found
