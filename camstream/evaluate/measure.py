"""Measures the maps of a model on a photo, beside baselines that do not depend on the picture."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

from camstream import media
from camstream.errors import SourceError
from camstream.evaluate import metrics
from camstream.evaluate.annotations import GroundTruth
from camstream.evaluate.metrics import F64
from camstream.frame import Box
from camstream.maps import cam as cams
from camstream.maps.boxes import PAPER_RATIO, find_boxes, five_ratios, ratio_threshold, regions
from camstream.models.session import Model
from camstream.picture import ImageU8, MapF32

# The baselines, each the same for every photo: a box of half the photo's area and its shape in
# the middle; the whole photo; a Gaussian in the middle, the baseline of Choe et al. 2020,
# whose boxes are centred squares of the size that is best for the whole set.
CAM, CENTRE, WHOLE, GAUSSIAN = "map", "centre half", "whole photo", "centre Gaussian"
_GAUSSIAN_SIGMA = 0.25  # of the shorter side; thresholds chosen afterwards make it matter little
_ROUND_CELLS = 256

# (H, W, 3) uint8 BGR as the network gets it, and a class, to that class's map.
ClassMapper = Callable[[ImageU8, int], MapF32]


@dataclass(frozen=True, slots=True)
class Localization:
    """The result of one method for one class in one photo.

    Attributes:
        box: The box that the method finds, pixels; None if it finds none, or has no rule for one.
        iou: Its IoU with the best true box; 0 without a box, NaN without a rule.
        five_iou: Best IoU among those of the paper's five boxes that name the true class.
        curves: (2, T) see ``metrics.box_curves``.
        hit: Whether the peak of the map (of a box: its centre) lies in a true box.
        pixels: (2, bins) see ``metrics.pixel_counts``; None without a mask.
    """

    box: Box | None
    iou: float
    five_iou: float
    curves: F64
    hit: bool
    pixels: NDArray[np.int64] | None = None


@dataclass(frozen=True, slots=True)
class PhotoResult:
    """The results for one class in one photo.

    Attributes:
        ground_truth: The class and its true boxes.
        rank: The rank of the class among the best five, from 0; 5 if it is not among them.
        peak: The peak of the map of the class, logit units.
        localizations: By the name of the method; empty where no box is known.
    """

    ground_truth: GroundTruth
    rank: int
    peak: float
    localizations: dict[str, Localization]


def evaluate_photo(
    model: Model,
    ground_truth: GroundTruth,
    masks: Path | None = None,
    *,
    box_threshold: float = PAPER_RATIO,
    others: Mapping[str, ClassMapper] = MappingProxyType({}),
) -> PhotoResult:
    """Localise one class in a photo, by its map and by the baselines.

    Args:
        model: The model to evaluate.
        ground_truth: The photo, the class, and its true boxes.
        masks: A folder with a PNG for each photo, see ``read_mask``.
        box_threshold: Where the one box of a map ends, as a part of its maximum.
        others: Other methods that map a class, by name.

    Raises:
        SourceError: The photo or its mask cannot be read, or has another size than the annotation.
    """
    image = read_photo(ground_truth)
    prediction = model.predict(image, classes=[ground_truth.class_index])
    cam = prediction.cam.displayed[0]
    ranking = [top.class_index for top in prediction.top]
    rank = (
        ranking.index(ground_truth.class_index)
        if ground_truth.class_index in ranking
        else len(ranking)
    )
    localizations: dict[str, Localization] = {}
    if len(ground_truth.truth):
        size_wh = image.shape[1], image.shape[0]
        mask = None if masks is None else read_mask(masks, ground_truth.path, size_wh)
        found = partial(
            try_map,
            rank=rank,
            size_wh=size_wh,
            truth=ground_truth.truth,
            mask=mask,
            box_threshold=box_threshold,
        )
        localizations[CAM] = found(cam)
        for name, mapper in others.items():
            localizations[name] = found(mapper(prediction.image, ground_truth.class_index))
        localizations[CENTRE] = _try_box(centre_box(size_wh, 0.5), rank, ground_truth.truth)
        localizations[WHOLE] = _try_box(centre_box(size_wh, 1.0), rank, ground_truth.truth)
        localizations[GAUSSIAN] = _try_gaussian(size_wh, ground_truth.truth, mask)
    return PhotoResult(ground_truth, rank, float(cam.max()), localizations)


def try_map(
    cam: MapF32,
    rank: int,
    size_wh: tuple[int, int],
    truth: F64,
    mask: NDArray[np.int8] | None,
    box_threshold: float = PAPER_RATIO,
) -> Localization:
    """Localise a class by its class activation map, as published: without a floor.

    Args:
        cam: (h, w) float32, the map of the true class.
        rank: The rank of the true class, from 0.
        size_wh: Width and height of the photo, pixels.
        truth: (G, 4) true boxes.
        mask: (H, W) see ``read_mask``.
        box_threshold: Where the one box ends, as a part of the maximum; the five boxes have their
            own thresholds.
    """
    fine = cams.enlarge(cam)
    found = find_boxes(fine, size_wh, ratio_threshold(fine, box_threshold))[:1]
    five: list[Box] = []
    for ratio in five_ratios(rank):
        five += find_boxes(fine, size_wh, ratio_threshold(fine, ratio))[:1]
    score = metrics.normalise(fine)
    return Localization(
        found[0] if found else None,
        metrics.best_iou(found, truth),
        metrics.best_iou(five, truth),
        metrics.box_curves(score, size_wh, truth),
        metrics.is_hit(cams.find_peak(fine, size_wh).xy, truth),
        None if mask is None else _count(score, mask),
    )


def read_photo(ground_truth: GroundTruth) -> ImageU8:
    """Read a photo as (H, W, 3) uint8 BGR, upright.

    Raises:
        SourceError: The photo cannot be read, or has another size than its boxes are for.
    """
    image = media.read_photo(ground_truth.path)
    size_wh = image.shape[1], image.shape[0]
    if ground_truth.size_wh is not None and ground_truth.size_wh != size_wh:
        raise SourceError(
            f"{ground_truth.path} is {size_wh[0]}x{size_wh[1]}, but its boxes are for "
            f"{ground_truth.size_wh[0]}x{ground_truth.size_wh[1]}"
        )
    return image


def read_mask(folder: Path, photo: Path, size_wh: tuple[int, int]) -> NDArray[np.int8]:
    """Read a photo's mask, NAME.png for NAME.jpg: 0 background, 255 object, else ignored.

    Returns:
        (H, W) int8: 0 background, 1 object, -1 ignored.

    Raises:
        SourceError: The mask cannot be read, or has another size than the photo.
    """
    path = folder / f"{photo.stem}.png"
    grey = media.read_photo(path, is_grey=True)
    if grey.shape != (size_wh[1], size_wh[0]):
        raise SourceError(f"{path} is not of the size of its photo, {size_wh[0]}x{size_wh[1]}")
    return np.select([grey == 0, grey == 255], [0, 1], -1).astype(np.int8)


def centre_box(size_wh: tuple[int, int], area: float) -> Box:
    """Return a box in the middle of the photo, of its shape and with that part of its area."""
    width, height = size_wh
    margin = (1 - area**0.5) / 2
    return Box((width * margin, height * margin, width * (1 - margin), height * (1 - margin)))


def _try_box(box: Box, rank: int, truth: F64) -> Localization:
    value = metrics.best_iou([box], truth)
    x0, y0, x1, y1 = box.xyxy
    curves = np.full((2, len(metrics.THRESHOLDS)), value)
    is_guessed = len(five_ratios(rank)) > 0
    centre = (x0 + x1) / 2, (y0 + y1) / 2
    return Localization(box, value, value * is_guessed, curves, metrics.is_hit(centre, truth))


def _try_gaussian(
    size_wh: tuple[int, int], truth: F64, mask: NDArray[np.int8] | None
) -> Localization:
    score, found = _gaussian(size_wh)
    hit = metrics.is_hit((size_wh[0] / 2, size_wh[1] / 2), truth)
    pixels = None if mask is None else _count(score, mask)
    return Localization(None, np.nan, np.nan, metrics.curves_of(found, truth), hit, pixels)


@functools.lru_cache(maxsize=16)
def _gaussian(size_wh: tuple[int, int]) -> tuple[MapF32, tuple[tuple[Box, ...], ...]]:
    """Return a Gaussian in the middle of the photo, (H', W') 0 to 1, and its boxes by threshold."""
    width, height = size_wh
    scale = _ROUND_CELLS / max(size_wh)
    columns, rows = max(1, round(width * scale)), max(1, round(height * scale))
    x = ((np.arange(columns) + 0.5) / columns - 0.5) * width
    y = ((np.arange(rows) + 0.5) / rows - 0.5) * height
    sigma = _GAUSSIAN_SIGMA * min(size_wh)
    gaussian = np.exp(-(x**2 + y[:, np.newaxis] ** 2) / (2 * sigma**2)).astype(np.float32)
    score = metrics.normalise(gaussian)
    return score, tuple(tuple(regions(score >= t, size_wh)) for t in metrics.THRESHOLDS)


def _count(score: MapF32, mask: NDArray[np.int8]) -> NDArray[np.int64]:
    """Count pixels of the photo: the score map is brought to the mask's size."""
    size_wh = mask.shape[1], mask.shape[0]
    whole = cv2.resize(score, size_wh, interpolation=cv2.INTER_LINEAR).astype(np.float32)
    return metrics.pixel_counts(np.clip(whole, 0, 1), mask)
