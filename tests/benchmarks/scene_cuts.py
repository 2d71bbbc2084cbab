"""Compares ways to find scene cuts: ``python -m tests.benchmarks.scene_cuts ../shared/data/videos``.

It needs PySceneDetect: ``pip install scenedetect``.

The clips of the folder and the project's sample, as they are (no cut but the sample's three), at
a third of their rate, with lightning (every 20th frame 1.6 times as bright), and 12 minutes of
parts of them strung together. A cut is found where it is reported for the right frame or, for the ways
that look ahead, afterwards.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scenedetect import AdaptiveDetector, ContentDetector, FrameTimecode, HistogramDetector
from scenedetect.detector import FlashFilter, SceneDetector

from camstream.commands.demo import sample_clip
from camstream.maps.scene_cuts import SceneCutDetector
from camstream.sources.file import FileSource

Clip = NDArray[np.uint8]  # (T, H, W, 3) BGR
Finder = Callable[[Clip], set[int]]

_SIZE_WH = (288, 160)  # what the default network gets; PySceneDetect chooses 256 pixels itself
_SAMPLE_CUTS = (111, 219, 276)
_PARTS, _PART_FRAMES = 300, (15, 120)
_SUFFIXES = (".mp4", ".mkv", ".gif")


def read(path: Path) -> Clip:
    """Decode a whole clip, small."""
    source = FileSource(path)
    try:
        return np.stack([frame.picture.bgr(_SIZE_WH) for frame in source])
    finally:
        source.close()


def ours(clip: Clip) -> set[int]:
    """Find cuts with camstream.maps.scene_cuts."""
    finder = SceneCutDetector()
    return {index for index, image in enumerate(clip) if finder.is_cut(image)}


def scenedetect(make: Callable[[], SceneDetector]) -> Finder:
    """Find cuts with a detector of PySceneDetect, frame by frame."""

    def find(clip: Clip) -> set[int]:
        detector, found = make(), []
        for index, image in enumerate(clip):
            found += detector.process_frame(FrameTimecode(index, Fraction(30)), image)
        found += detector.post_process(FrameTimecode(len(clip), Fraction(30)))
        return {cut.frame_num for cut in found}

    return find


FINDERS: dict[str, Finder] = {
    "camstream.maps.scene_cuts": ours,
    "ContentDetector": scenedetect(ContentDetector),
    "ContentDetector, at once": scenedetect(
        lambda: ContentDetector(min_scene_len=1, filter_mode=FlashFilter.Mode.SUPPRESS)
    ),
    "AdaptiveDetector (2 frames late)": scenedetect(AdaptiveDetector),
    "HistogramDetector": scenedetect(HistogramDetector),
}


def string_together(clips: Sequence[Clip], seed: int = 0) -> tuple[Clip, set[int]]:
    """Take parts of clips at random, neighbours from different ones; return the cuts as well."""
    rng = np.random.default_rng(seed)
    parts: list[Clip] = []
    last = -1
    for _ in range(_PARTS):
        others = [index for index in range(len(clips)) if index != last]
        which = others[int(rng.integers(len(others)))]
        length = min(int(rng.integers(*_PART_FRAMES)), len(clips[which]))
        start = int(rng.integers(len(clips[which]) - length + 1))
        parts.append(clips[which][start : start + length])
        last = which
    ends = np.cumsum([len(part) for part in parts])
    return np.concatenate(parts), set(ends[:-1].tolist())


def flashed(clip: Clip) -> Clip:
    """Every 20th frame in the light of a flash."""
    bright = clip.copy()
    bright[10::20] = np.clip(bright[10::20] * 1.6, 0, 255).astype(np.uint8)
    return bright


def count(finder: Finder, cases: Iterable[tuple[Clip, set[int]]]) -> tuple[int, int, int, float]:
    """Give cuts that were found, missed and invented, and milliseconds a frame."""
    right = missed = invented = frames = 0
    spent_s = 0.0
    for clip, truth in cases:
        started = time.perf_counter()
        found = finder(clip)
        spent_s += time.perf_counter() - started
        right, missed = right + len(found & truth), missed + len(truth - found)
        invented, frames = invented + len(found - truth), frames + len(clip)
    return right, missed, invented, spent_s / frames * 1e3


def main() -> None:
    """Print the table."""
    folder = Path(sys.argv[1])
    paths = sorted(path for path in folder.iterdir() if path.suffix in _SUFFIXES)
    clips = [read(path) for path in paths]
    sample = read(sample_clip())
    whole = [*((clip, set[int]()) for clip in clips), (sample, set(_SAMPLE_CUTS))]
    third = [(clip[::3], {-(-cut // 3) for cut in cuts}) for clip, cuts in whole]
    cases = {
        "as they are": whole,
        "a third of the rate": third,
        "with lightning": [(flashed(clip), cuts) for clip, cuts in whole],
        "strung together": [string_together(clips)],
        "strung together, a fifth of the rate": [string_together([clip[::5] for clip in clips])],
    }
    table = Table("clips", "way", "recall", "precision", "found, missed, invented", "ms a frame")
    for title, group in cases.items():
        for name, finder in FINDERS.items():
            right, missed, invented, ms = count(finder, group)
            recall = right / (right + missed)
            precision = right / (right + invented) if right + invented else 0.0
            numbers = f"{right}, {missed}, {invented}"
            table.add_row(title, name, f"{recall:.3f}", f"{precision:.3f}", numbers, f"{ms:.2f}")
        table.add_section()
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
