"""Measures whether a smoothed map should be moved with the picture, on the sample clip, which pans.

    python -m tests.benchmarks.panning

Three ways, for plain maps and those of ``--refine``: the smoothing as it is; the old map shifted by the
picture's motion (phase correlation of small grey pictures) before it is averaged; the old map
shifted, turned and scaled (corners tracked, a similarity by RANSAC). Printed are CorLoc by the 20 %
rule, the mean IoU of the boxes, the flicker of the heat a second, and the milliseconds of a motion.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from camstream.evaluate import metrics
from camstream.evaluate.annotations import FrameGroundTruth, read_track
from camstream.maps import cam as cams
from camstream.maps.boxes import find_boxes, ratio_threshold
from camstream.maps.smoothing import SMOOTHING_LEVELS, Smoothed, Smoother, SmoothingLevel
from camstream.models import zoo
from camstream.models.classes import ClassNames
from camstream.models.session import Model
from camstream.picture import ImageU8, MapF32
from camstream.sources.file import FileSource

CLIP = Path(__file__).parents[2] / "videos/sample.mp4"
_WIDTH = 128  # of the small grey picture

# Two grey pictures, the earlier one first, to a (2, 3) matrix in pixels; None: not measured.
Motion = Callable[[NDArray[np.uint8], NDArray[np.uint8]], "NDArray[np.float64] | None"]


def shift(before: NDArray[np.uint8], now: NDArray[np.uint8]) -> NDArray[np.float64] | None:
    """Measure one shift of the whole picture."""
    window = cv2.createHanningWindow((now.shape[1], now.shape[0]), cv2.CV_32F)
    (x, y), response = cv2.phaseCorrelate(before.astype(np.float32), now.astype(np.float32), window)
    is_sure = response > 0.1 and max(abs(x), abs(y)) < now.shape[1] / 4
    return np.array([[1, 0, x], [0, 1, y]], np.float64) if is_sure else None


def similarity(before: NDArray[np.uint8], now: NDArray[np.uint8]) -> NDArray[np.float64] | None:
    """Measure a shift, a turn and a scale from corners that most others agree with."""
    corners = cv2.goodFeaturesToTrack(before, 60, 0.01, 5)
    if corners is None or len(corners) < 8:
        return None
    tracked, status, _ = cv2.calcOpticalFlowPyrLK(before, now, corners, np.empty(0, np.float32))
    kept = status.ravel() == 1
    if kept.sum() < 8:
        return None
    matrix, agreeing = cv2.estimateAffinePartial2D(corners[kept], tracked[kept])
    return None if matrix is None or agreeing.mean() < 0.5 else np.asarray(matrix, np.float64)


class Moving(Smoother):
    """Moves the remembered maps with the picture."""

    def __init__(self, level: SmoothingLevel, motion: Motion) -> None:
        super().__init__(level)
        self._motion, self._before = motion, np.zeros((0, 0), np.uint8)
        self.times_s: list[float] = []

    def update(
        self,
        pts_s: float,
        picture_small: ImageU8,
        scores: NDArray[np.float32],
        maps: dict[int, MapF32],
    ) -> Smoothed:
        begun = time.perf_counter()
        height = round(_WIDTH * picture_small.shape[0] / picture_small.shape[1])
        small = cv2.resize(picture_small, (_WIDTH, height), interpolation=cv2.INTER_AREA)
        grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8)
        memory, before, self._before = self._memory, self._before, grey
        if memory is not None and before.shape == grey.shape:
            matrix = self._motion(before, grey)
            for mean in memory.maps.values() if matrix is not None else ():
                mean.values = _moved(mean.values, matrix, grey.shape)
        self.times_s.append(time.perf_counter() - begun)
        return super().update(pts_s, picture_small, scores, maps)


def _moved(cam: MapF32, matrix: Any, grey_hw: tuple[int, ...]) -> MapF32:
    """Move a map by a motion in pixels of the grey picture; cells are known at their centres."""
    rows, columns = cam.shape
    x, y = columns / grey_hw[1], rows / grey_hw[0]
    to_cells = np.array([[x, 0, x / 2 - 0.5], [0, y, y / 2 - 0.5], [0, 0, 1]])
    moved = to_cells @ np.vstack([matrix, [0, 0, 1]]) @ np.linalg.inv(to_cells)
    return np.asarray(
        cv2.warpAffine(
            cam, moved[:2], (columns, rows), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
        ),
        np.float32,
    )


@dataclass(frozen=True, slots=True)
class Seen:
    """What the model says of one frame."""

    pts_s: float
    image: ImageU8
    scores: NDArray[np.float32]
    maps: dict[int, MapF32]
    truths: list[FrameGroundTruth]
    size_wh: tuple[int, int]


def look(model: Model) -> list[Seen]:
    """Infer every frame of the clip."""
    truths, _ = read_track(CLIP.with_suffix(".csv"), ClassNames(model.info.labels))
    true = sorted({truth.class_index for group in truths.values() for truth in group})
    seen, source = [], FileSource(CLIP)
    try:
        for frame in source:
            found = model.infer(frame, classes=[-1, -2, -3, -4, -5, *true])
            indices = found.cam.class_indices.tolist()
            maps = dict(zip(indices, found.cam.displayed, strict=True))
            here, size_wh = truths.get(frame.index, []), frame.picture.size_wh
            seen.append(Seen(frame.pts_s, found.image, found.scores, maps, here, size_wh))
    finally:
        source.close()
    return seen


def measure(frames: list[Seen], smoother: Smoother, cam_range: tuple[float, float]) -> str:
    """Smooth all frames; return the figures in words."""
    ious: list[float] = []
    smoothed = [smoother.update(f.pts_s, f.image, f.scores, f.maps) for f in frames]
    for frame, shown in zip(frames, smoothed, strict=True):
        for truth in frame.truths:
            fine = cams.enlarge(shown.maps[truth.class_index])
            found = find_boxes(fine, frame.size_wh, ratio_threshold(fine))[:1]
            ious.append(metrics.best_iou(found, truth.truth))
    flicker = metrics.measure_flicker(
        [frame.pts_s for frame in frames],
        [shown.maps[shown.class_index] for shown in smoothed],
        [shown.class_index for shown in smoothed],
        [shown.is_cut for shown in smoothed],
        cam_range,
    )
    share = 100 * metrics.share_right(np.array(ious))
    return f"{share:5.1f} % {np.mean(ious):.3f} {flicker.heat_per_s:.3f}"


def main() -> None:
    """Infer the clip once for each kind of maps, smooth it in every way, print."""
    parser = argparse.ArgumentParser(description="Measure smoothing that moves with the picture")
    parser.parse_args()
    cv2.setNumThreads(1)
    print(f"{'':34s} CorLoc, mean IoU, flicker, ms")
    for is_refined in (False, True):
        model = Model(zoo.find_model().path, device="cpu", threads=1, refine=is_refined)
        frames = look(model)
        kind = "--refine" if is_refined else "plain"
        for level in SMOOTHING_LEVELS:
            figures = measure(frames, Smoother(level), model.info.cam_range)
            print(f"{kind:9s} {level:8s} {'':15s} {figures}", flush=True)
            if level == "off":
                continue
            for motion in (shift, similarity):
                moving = Moving(level, motion)
                figures = measure(frames, moving, model.info.cam_range)
                ms = 1000 * float(np.median(moving.times_s))
                print(f"{kind:9s} {level:8s} {motion.__name__:15s} {figures} {ms:.1f}", flush=True)


if __name__ == "__main__":
    main()
