"""Measures what smoothing brings and costs: ``python -m tests.benchmarks.smoothing [FOLDER_OF_CLIPS]``.

Flicker (see ``camstream.evaluate.metrics``) and label changes at each level: on still scenes with
the noise of a dim camera and uneven light, one of them on the border between two classes, and on
real clips. Then the price: how long map and label take to follow when one photo replaces another
and no cut is detected (with a detected cut there is no delay), and how far the peak lags behind an
object that moves. Photos: scikit-image's, public domain or CC0.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from skimage import data

from camstream import load_model
from camstream.commands.demo import sample_clip
from camstream.evaluate.metrics import measure_flicker
from camstream.frame import Frame
from camstream.maps.smoothing import SMOOTHING_LEVELS, Smoother, SmoothingLevel
from camstream.models.session import Model
from camstream.picture import ImageU8, MapF32, Picture
from camstream.sources.file import FileSource

_RATE_HZ, _SIZE_WH = 30, (640, 360)
_BEST = tuple(range(-1, -6, -1))
_SUFFIXES = (".mp4", ".mkv", ".gif")
_NOISE, _LIGHT = 15.0, 0.06  # standard deviations: levels of 255, part of the brightness
_SCENE_S, _STEP_S = 10.0, 4.0


@dataclass(frozen=True)
class Displayed:
    """What is displayed of a clip at one level of smoothing.

    Attributes:
        pts_s: (T,) media times.
        maps: T maps (h, w) of the displayed label.
        labels: (T,) displayed class indices.
        cuts: (T,) where a cut is detected.
    """

    pts_s: list[float]
    maps: list[MapF32]
    labels: list[int]
    cuts: list[bool]


def infer_all(
    model: Model, frames: Iterator[Frame], *, follow: int | None = None, with_cuts: bool = True
) -> dict[SmoothingLevel, Displayed]:
    """Infer every frame once, and smooth its maps at each level.

    Args:
        model: The model.
        frames: In order.
        follow: Keep the maps of this class instead of the label's.
        with_cuts: Whether scene cuts are detected.
    """
    smoothers: dict[SmoothingLevel, Smoother] = {
        level: Smoother(level) for level in SMOOTHING_LEVELS
    }
    by_level = {level: Displayed([], [], [], []) for level in SMOOTHING_LEVELS}
    blank = np.zeros((18, 32, 3), np.uint8)
    for frame in frames:
        wanted = {index for smoother in smoothers.values() for index in smoother.wanted}
        wanted |= set() if follow is None else {follow}
        prediction = model.infer(frame, classes=[*_BEST, *sorted(wanted)])
        maps = dict(zip(prediction.cam.class_indices.tolist(), prediction.cam.maps, strict=True))
        scores = prediction.scores
        image = prediction.image if with_cuts else blank
        displayed = {
            level: smoother.update(frame.pts_s, image, scores, maps)
            for level, smoother in smoothers.items()
        }
        is_cut = any(smoothed.is_cut for smoothed in displayed.values())
        for level, smoothed in displayed.items():
            record = by_level[level]
            record.pts_s.append(frame.pts_s)
            record.maps.append(smoothed.maps[smoothed.class_index if follow is None else follow])
            record.labels.append(smoothed.class_index)
            record.cuts.append(is_cut)
    return by_level


def photo(name: str) -> ImageU8:
    """Return a photo of scikit-image as BGR of 640 x 360, its middle."""
    image = np.asarray(getattr(data, name)(), np.uint8)
    image = np.dstack([image] * 3) if image.ndim == 2 else image[..., 2::-1]
    height = min(image.shape[0], round(image.shape[1] * 9 / 16))
    width = min(image.shape[1], round(height * 16 / 9))
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    middle = image[top : top + height, left : left + width]
    return cv2.resize(middle, _SIZE_WH, interpolation=cv2.INTER_AREA).astype(np.uint8)


def filmed(picture: Callable[[float], ImageU8], seconds: float, seed: int = 0) -> Iterator[Frame]:
    """Film a scene, given by its time, with noise and uneven light."""
    rng = np.random.default_rng(seed)
    for index in range(round(seconds * _RATE_HZ)):
        pts_s = index / _RATE_HZ
        light = 1 + _LIGHT * rng.standard_normal()
        noise = _NOISE * rng.standard_normal((_SIZE_WH[1], _SIZE_WH[0], 3), np.float32)
        image = np.clip(picture(pts_s) * light + noise, 0, 255).astype(np.uint8)
        yield Frame(index, pts_s, time.perf_counter(), Picture.from_bgr(image))


def border(model: Model, first: ImageU8, second: ImageU8) -> ImageU8:
    """Blend two photos where the network's first class changes, found by halving."""
    low, high = 0.0, 1.0

    def blend(share: float) -> ImageU8:
        return cv2.addWeighted(first, 1 - share, second, share, 0).astype(np.uint8)

    best = model.predict(first).top[0].class_index
    for _ in range(12):
        middle = (low + high) / 2
        if model.predict(blend(middle)).top[0].class_index == best:
            low = middle
        else:
            high = middle
    return blend(low)


def frames_of(path: Path) -> Iterator[Frame]:
    """Decode a clip."""
    source = FileSource(path)
    try:
        yield from source
    finally:
        source.close()


def moving(ground_truth: ImageU8) -> Callable[[float], ImageU8]:
    """A photo that swings to and fro before grey, 0.2 times a second: half the width each way."""
    small = cv2.resize(ground_truth, (256, 144), interpolation=cv2.INTER_AREA)

    def picture(pts_s: float) -> ImageU8:
        image = np.full((_SIZE_WH[1], _SIZE_WH[0], 3), 128, np.uint8)
        x = round((_SIZE_WH[0] - 256) * (0.5 - 0.5 * np.cos(2 * np.pi * 0.2 * pts_s)))
        image[108:252, x : x + 256] = small
        return image

    return picture


def centroids(maps: list[MapF32]) -> NDArray[np.float64]:
    """Where the positive evidence of each map lies, 0 to 1 across: its centre of mass."""
    weights = np.maximum(np.stack(maps).astype(np.float64), 0).sum(axis=1)
    places = (np.arange(weights.shape[1]) + 0.5) / weights.shape[1]
    result: NDArray[np.float64] = (weights * places).sum(axis=1) / weights.sum(axis=1)
    return result


def lag_ms(late: NDArray[np.float64], path: NDArray[np.float64]) -> float:
    """By how much a path must be delayed to resemble a late one most, to a tenth of a frame."""
    frames = np.arange(len(path), dtype=np.float64)
    delays = np.arange(0, 40, 0.1)
    inside = slice(45, None)

    def misfit(delay: float) -> float:
        moved = np.interp(frames - delay, frames, path)
        off = late[inside] - late[inside].mean() - moved[inside] + moved[inside].mean()
        return float((off**2).sum())

    return float(min(delays, key=misfit)) / _RATE_HZ * 1e3


def print_flicker(model: Model, console: Console, clips: list[Path]) -> None:
    """Print the flicker of scenes and clips at each level."""
    cat, cup, face = photo("chelsea"), photo("coffee"), photo("astronaut")
    edge = border(model, cat, cup)
    scenes: dict[str, Callable[[], Iterator[Frame]]] = {
        "still: chelsea, noise": lambda: filmed(lambda _: cat, _SCENE_S),
        "still: coffee, noise": lambda: filmed(lambda _: cup, _SCENE_S),
        "still: astronaut, noise": lambda: filmed(lambda _: face, _SCENE_S),
        "still: on the border, noise": lambda: filmed(lambda _: edge, _SCENE_S),
    }
    scenes |= {path.name: functools.partial(frames_of, path) for path in clips}
    table = Table(
        "scene",
        *(f"heat/s {level}" for level in SMOOTHING_LEVELS),
        *(f"labels/min {level}" for level in SMOOTHING_LEVELS),
    )
    for name, frames in scenes.items():
        figures = [
            measure_flicker(s.pts_s, s.maps, s.labels, s.cuts, model.info.cam_range)
            for s in infer_all(model, frames()).values()
        ]
        table.add_row(
            name,
            *(f"{figure.heat_per_s:.3f}" for figure in figures),
            *(f"{figure.labels_per_min:.1f}" for figure in figures),
        )
    console.print(table)


def print_delay(model: Model, console: Console) -> None:
    """Print the delay at each level."""
    cat, cup = photo("chelsea"), photo("coffee")
    new = model.predict(cup).top[0].class_index

    def step() -> Iterator[Frame]:
        return filmed(lambda pts_s: cat if pts_s < _STEP_S else cup, 2 * _STEP_S)

    undetected = infer_all(model, step(), follow=new, with_cuts=False)
    cut = infer_all(model, step(), follow=new)
    swing_of = model.predict(moving(cat)(2.5)).top[0].class_index
    swing = infer_all(model, filmed(moving(cat), 3 * _STEP_S), follow=swing_of)
    path = centroids(swing["off"].maps)
    table = Table("delay, ms", *SMOOTHING_LEVELS)
    after = range(round(_STEP_S * _RATE_HZ), round(2 * _STEP_S * _RATE_HZ))

    def ms_until(reached: Callable[[int], bool]) -> str:
        frame = next((index for index in after if reached(index)), None)
        return "never" if frame is None else f"{(frame - after[0]) / _RATE_HZ * 1e3:.0f}"

    peaks = {
        level: [float(cam.max()) for cam in displayed.maps]
        for level, displayed in undetected.items()
    }
    settled = float(np.median(peaks["off"][after[30] :]))
    before = float(np.median(peaks["off"][: after[0]]))
    for part in (0.5, 0.9):
        goal = before + part * (settled - before)
        row = [
            ms_until(functools.partial(_is_over, peaks[level], goal)) for level in SMOOTHING_LEVELS
        ]
        table.add_row(f"a step, no cut detected: map at {part:.0%}", *row)
    accepted = {967, 968}  # espresso and cup
    for title, by_level in (("no cut detected", undetected), ("the cut detected", cut)):
        row = [
            ms_until(functools.partial(_is_among, by_level[level].labels, accepted))
            for level in SMOOTHING_LEVELS
        ]
        table.add_row(f"a step, {title}: label", *row)
    row = [f"{lag_ms(centroids(swing[level].maps), path):.0f}" for level in SMOOTHING_LEVELS]
    table.add_row("an object that moves: centroid of the map", *row)
    console.print(table)


def _is_over(values: list[float], goal: float, index: int) -> bool:
    return values[index] >= goal


def _is_among(labels: list[int], accepted: set[int], index: int) -> bool:
    return labels[index] in accepted


def main() -> None:
    """Print both tables."""
    model, console = load_model(), Console(width=140)
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    clips = [sample_clip()]
    if folder is not None:
        clips += sorted(path for path in folder.iterdir() if path.suffix in _SUFFIXES)
    print_delay(model, console)
    print_flicker(model, console, clips)


if __name__ == "__main__":
    main()
