"""What a demo is, its clip, and its truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from camstream.picture import ImageU8, Picture
from camstream.sinks.encoding import Encoding
from camstream.sinks.video import VideoFile
from export.train.recipe import Recipe

if TYPE_CHECKING:
    from pathlib import Path

    from export.demos.score import Score
    from export.train.examples import Examples

RATE_HZ = 30
SIZE_WH = (640, 480)  # of a clip

BoxXyxy = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Truth:
    """What a frame shows.

    Attributes:
        label: Its class; None where it lies between two and is not scored.
        boxes: Where the thing is: left, top, right, bottom in pixels of the frame; the peak of
            the map belongs into one of them. Empty where there is nothing to find.
    """

    label: str | None
    boxes: tuple[BoxXyxy, ...] = ()


@dataclass(frozen=True, slots=True)
class Sets:
    """Pictures of a demo that have nothing in common: to learn from, to choose by, to score on."""

    train: Examples
    check: Examples
    test: Examples


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """One demonstration.

    Attributes:
        name: What it is called.
        labels: Its classes.
        background: The class that is nothing to be shown.
        network: One of ``export.networks``.
        recipe: How that is trained.
        sets: Draws its pictures.
        scenes: Draws its clip, frame by frame.
        ground_truth: What there is to be found, with its article.
        more_figures: Says in lines what else the clip's score means.
    """

    name: str
    labels: tuple[str, ...]
    background: str
    network: str
    recipe: Recipe
    sets: Callable[[], Sets]
    scenes: Callable[[], Iterator[tuple[ImageU8, Truth]]]
    ground_truth: str
    more_figures: Callable[[Score], list[str]] = lambda _: []

    def figures(self, score: Score) -> list[str]:
        """Say in lines what the clip's score means."""
        return [
            f"the clip: {score.accuracy:.1%} of {score.frames} frames told right",
            f"the peak of the map is on {self.ground_truth} in {score.on_thing:.1%} of {score.ground_truths} "
            f"frames, and within one cell of it in {score.near_thing:.1%}",
            *self.more_figures(score),
            f"{score.hot_background} frames without {self.ground_truth} have heat",
        ]


def write_clip(scenes: Iterator[tuple[ImageU8, Truth]], path: Path) -> list[Truth]:
    """Encode a demo's clip.

    Args:
        scenes: Frames and what each shows.
        path: The file to write; one that is there is replaced.

    Returns:
        The truth, frame by frame.

    Raises:
        SinkError: It cannot be written.
    """
    encoding = Encoding(quality=14)
    file = VideoFile(path, encoding=encoding, overwrite=True, rate_hz=RATE_HZ)
    truths = []
    try:
        for index, (image, truth) in enumerate(scenes):
            picture = Picture.from_bgr(image)
            frame = picture.video_frame
            frame.pts, frame.time_base = index, Fraction(1, RATE_HZ)
            file.write_picture(picture)
            truths.append(truth)
        file.finish()
    except BaseException:
        file.discard()
        raise
    return truths
