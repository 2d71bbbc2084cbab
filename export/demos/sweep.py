"""A machine that runs up and down, and what its vibration tells of faults.

The video is the sliding spectrogram of ``vibration``, the newest at the right. A window is OK or
NG; where in it the fault lies, in time and frequency, the network is never told.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING

import cv2
import numpy as np

from camstream.picture import ImageU8, Picture
from export.demos.demo import RATE_HZ, SIZE_WH, BoxXyxy, Demo, Sets, Truth
from export.demos.vibration import BLUR_S, TOP_HZ, Fault, Run, record
from export.train.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from export.demos.score import Score

OK, NG = "OK", "NG"
LABELS = (OK, NG)
INPUT_WH = (128, 96)  # of the network

WINDOW_S = 4.0  # what a picture shows
_CLIP_S = 34.0


class WindowExamples:
    """Windows of recordings, each at a fixed time; between OK and NG there are none."""

    def __init__(self, runs: Sequence[Run], *, every_s: float) -> None:
        self._windows: list[tuple[Run, float]] = []
        self._classes: list[int] = []
        for run in runs:
            last_s = run.seconds - WINDOW_S
            for begin_s in np.arange(0, last_s, every_s).tolist():
                label = truth_of(run.faults, begin_s).label
                if label is not None:
                    self._windows.append((run, begin_s))
                    self._classes.append(LABELS.index(label))

    @property
    def classes(self) -> list[int]:
        return self._classes

    def image(self, index: int, random: np.random.Generator) -> ImageU8:
        run, begin_s = self._windows[index]
        shift = random.uniform(-0.03, 0.03)
        levels = run.part(max(0.0, begin_s + shift), WINDOW_S)
        return Picture.from_bgr(picture_of(levels)).bgr(INPUT_WH)


def picture_of(levels: ImageU8) -> ImageU8:
    """Draw a window, (480, 640, 3) uint8 BGR."""
    large = cv2.resize(levels, SIZE_WH, interpolation=cv2.INTER_LINEAR)
    image = cv2.applyColorMap(large, _tints())
    ink, is_drawn = _scale()
    return np.asarray(cv2.copyTo(ink, is_drawn, image), np.uint8)


@functools.cache
def _tints() -> ImageU8:
    """Quiet colours for 256 levels, so that heat stands out: (256, 1, 3) uint8 BGR."""
    part = np.linspace(0, 1, 256)[:, np.newaxis, np.newaxis]
    return np.rint(part ** [0.9, 1.1, 1.3] * [210, 190, 170]).astype(np.uint8)


@functools.cache
def _scale() -> tuple[ImageU8, ImageU8]:
    """Ticks and words at the right edge: (480, 640, 3) uint8 BGR, and where it is drawn."""
    width, height = SIZE_WH
    ink = np.zeros((height, width, 3), np.uint8)
    for hertz in range(1000, round(TOP_HZ), 1000):
        y = round(height * (1 - hertz / TOP_HZ))
        cv2.line(ink, (width - 8, y), (width, y), (150,) * 3, 2)
        cv2.putText(ink, f"{hertz // 1000} kHz", (width - 62, y + 5), 0, 0.45, (150,) * 3, 1)
    return ink, ink.max(axis=2)


def truth_of(faults: Sequence[Fault], begin_s: float) -> Truth:
    """Tell what a window shows: NG from when most of a fault is in it until little is left."""
    boxes, parts = [], [0.0]
    for fault in faults:
        begin = max(fault.begin_s, begin_s)
        end = min(fault.end_s, begin_s + WINDOW_S)
        seen = (end - begin) / (fault.end_s - fault.begin_s)
        if seen <= 0:
            # Its blur may already be in sight.
            near = -(end - begin) < 2 * BLUR_S
            parts.append(0.1 if near else 0.0)
            continue
        parts.append(seen)
        boxes.append(_box(fault, begin_s))
    label = None
    if max(parts) > 0.75:
        label = NG
    elif max(parts) == 0:
        label = OK
    return Truth(label, tuple(boxes))


def _box(fault: Fault, begin_s: float) -> BoxXyxy:
    """Where a fault is seen in a window, pixels of the frame; the transform blurs its times."""
    width, height = SIZE_WH
    per_s = width / WINDOW_S
    left = (fault.begin_s - BLUR_S - begin_s) * per_s
    right = (fault.end_s + BLUR_S - begin_s) * per_s
    top, bottom = (height * (1 - hertz / TOP_HZ) for hertz in (fault.high_hz, fault.low_hz))
    return max(0.0, left), max(0.0, top), min(float(width), right), min(float(height), bottom)


@functools.cache
def clip_run() -> Run:
    """The recording that the clip shows; no other is made with its seed."""
    return record(_CLIP_S, np.random.default_rng(99), faults_every_s=5.5)


def scenes() -> Iterator[tuple[ImageU8, Truth]]:
    """Draw the clip: the window slides over a recording that was not learnt from."""
    run = clip_run()
    for index in range(round((_CLIP_S - WINDOW_S) * RATE_HZ)):
        begin_s = index / RATE_HZ
        yield picture_of(run.part(begin_s, WINDOW_S)), truth_of(run.faults, begin_s)


def _sets() -> Sets:
    def examples(seed: int, count: int, every_s: float) -> WindowExamples:
        random = np.random.default_rng(seed)
        runs = [record(60, random, faults_every_s=7.0) for _ in range(count)]
        return WindowExamples(runs, every_s=every_s)

    return Sets(examples(0, 16, 0.35), examples(1, 2, 0.5), examples(2, 5, 0.5))


def _distances(score: Score) -> list[str]:
    """Tell how far the peaks are off, in milliseconds and hertz."""
    ms = score.off_px[:, 0] / SIZE_WH[0] * WINDOW_S * 1e3
    hertz = score.off_px[:, 1] / SIZE_WH[1] * TOP_HZ
    return [
        f"it is off by {ms.mean():.0f} ms and {hertz.mean():.0f} Hz on average; nineteen of "
        f"twenty are within {np.quantile(ms, 0.95):.0f} ms and {np.quantile(hertz, 0.95):.0f} Hz"
    ]


SWEEP = Demo(
    name="sweep",
    labels=LABELS,
    background=OK,
    network="small_gap_near",
    recipe=Recipe(epochs=6, batch=32, head_lr=6e-3, weight_decay=1e-2, patience=6),
    sets=_sets,
    scenes=scenes,
    ground_truth="a fault",
    more_figures=_distances,
)
