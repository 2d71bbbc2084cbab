"""Does the box follow the thing in a clip, and is the heat calm? python -m tests.benchmarks.clips [DATA]

Seven real clips of ../shared/data/videos; clip_boxes.csv, beside this file, has the true boxes of every tenth
frame: found by a detector (YOLOX-nano), looked at as pictures, corrected and completed by eye. People are
looked for by the model person, all else by the default network.

CorLoc: share of boxes with an IoU of at least 0.5, for the true class, at 20 % of the map's maximum; pointing:
share of things in whose box the map's peak lies; flicker of the heat a second, and changes of the label a
minute. Each for maps and smoothing as they are combined: --smooth off, the default, and --refine. In the clips
of the cat, the dog and the walker the camera moves; in the others it stands.

--alternate: frames at 224 and 320 pixels in turns, whose maps the smoothing averages, beside every frame at
224 and at 288, which costs a little more than the two in turns.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import cast

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from camstream.evaluate.annotations import FrameGroundTruth
from camstream.evaluate.clip import ClipReport, measure_clip
from camstream.frame import Frame, Prediction
from camstream.maps import cam as cams
from camstream.maps.smoothing import SmoothingLevel
from camstream.models import zoo
from camstream.models.classes import ClassNames
from camstream.models.session import Model
from camstream.picture import ImageU8
from camstream.sources.file import FileSource

VIDEOS = Path(__file__).parents[3] / "shared" / "data" / "videos"
BOXES = Path(__file__).with_name("clip_boxes.csv")


class Alternating:
    """Two input sizes in turns, frame by frame; maps on the grid of the larger one.

    Stands in for a ``Model`` in ``measure_clip``.
    """

    def __init__(self, name: str, sides: tuple[int, int]) -> None:
        self._models = [zoo.load_model(name, device="cpu", input_size=side) for side in sides]
        self.info, self.refinement = self._models[0].info, ""

    def infer(self, frame: Frame, *, classes: Sequence[int] | None = None) -> Prediction:
        """Look at a frame at the size whose turn it is."""
        picture, larger = frame.picture, self._models[1]
        prediction = self._models[frame.index % 2].infer(frame, classes=classes)
        width, height = larger.input_size_wh(picture)
        stride = prediction.image.shape[1] // prediction.cam.maps.shape[2]
        grid_wh = width // stride, height // stride
        maps = np.stack([cams.enlarge(one, grid_wh) for one in prediction.cam.maps])
        return dataclasses.replace(
            prediction,
            image=cast("ImageU8", cv2.resize(prediction.image, (width, height))),
            cam=dataclasses.replace(prediction.cam, maps=maps),
        )


def _open(name: str, *, refine: bool = False, input_size: int | None = None) -> Model:
    return zoo.load_model(name, device="cpu", refine=refine, input_size=input_size)


def _in_turns(name: str) -> Model:
    return cast("Model", Alternating(name, (224, 320)))


_Way = tuple[str, Callable[[str], Model], SmoothingLevel]
_WAYS: tuple[_Way, ...] = (
    ("off", _open, "off"),
    ("default", _open, "default"),
    ("refined, off", partial(_open, refine=True), "off"),
    ("refined, default", partial(_open, refine=True), "default"),
)
_SIZES: tuple[_Way, ...] = (
    ("224", partial(_open, input_size=224), "default"),
    ("288", partial(_open, input_size=288), "default"),
    ("224 and 320 in turns", _in_turns, "default"),
)


def read_boxes() -> dict[str, list[tuple[int, str, list[float]]]]:
    """Read frame, label and corners of each box, by clip."""
    found: dict[str, list[tuple[int, str, list[float]]]] = {}
    with BOXES.open(newline="") as file:
        for row in csv.DictReader(file):
            corners = [float(row[key]) for key in ("x0", "y0", "x1", "y1")]
            found.setdefault(row["clip"], []).append((int(row["frame"]), row["label"], corners))
    return found


def truths_of(
    rows: Sequence[tuple[int, str, list[float]]], model: Model
) -> dict[int, list[FrameGroundTruth]]:
    """Put the boxes of a frame and class together."""
    names = ClassNames(model.info.labels)
    boxes: dict[tuple[int, str], list[list[float]]] = {}
    for frame, label, corners in rows:
        boxes.setdefault((frame, label), []).append(corners)
    truths: dict[int, list[FrameGroundTruth]] = {}
    for (frame, label), corners_of in sorted(boxes.items()):
        (index,) = names.find(label).indices
        truth = FrameGroundTruth(index, frozenset({index}), np.array(corners_of, np.float64))
        truths.setdefault(frame, []).append(truth)
    return truths


def measure(videos: Path, only: Sequence[str], ways: Sequence[_Way] = _WAYS) -> Table:
    """Measure every clip in every way."""
    table = Table(title="CorLoc, pointing, flicker a second, label changes a minute")
    table.add_column("clip")
    table.add_column("things", justify="right")
    for name, _, _ in ways:
        table.add_column(name, justify="right")
    means: list[list[float]] = [[] for _ in ways]
    for clip, rows in read_boxes().items():
        if only and Path(clip).stem not in only:
            continue
        is_person = {label for _, label, _ in rows} == {zoo.PERSON}
        reports = []
        for _, opened, smoothing in ways:
            model = opened(zoo.PERSON if is_person else zoo.DEFAULT_MODEL)
            frames = FileSource(videos / clip)
            truths = truths_of(rows, model)
            reports.append(measure_clip(frames, truths, model, clip=clip, smoothing=smoothing))
            frames.close()
        table.add_row(Path(clip).stem, str(reports[0].ground_truths), *map(_cell, reports))
        for column, report in zip(means, reports, strict=True):
            column.append(report.figures.corloc)
    table.add_row("mean CorLoc", "", *(f"{np.mean(column):.1%}" for column in means))
    return table


def _cell(report: ClipReport) -> str:
    found = report.figures
    return (
        f"{found.corloc:.0%} {found.pointing:.0%} {found.heat_per_s:.2f} {found.labels_per_min:.0f}"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("videos", nargs="?", type=Path, default=VIDEOS)
    parser.add_argument("--only", nargs="+", default=(), metavar="CLIP", help="without its suffix")
    parser.add_argument("--alternate", action="store_true", help="two input sizes in turns")
    arguments = parser.parse_args()
    if not (arguments.videos / "cat_white_persian.mp4").is_file():
        sys.exit(f"no clips are in {arguments.videos}")
    ways = _SIZES if arguments.alternate else _WAYS
    Console(width=140).print(measure(arguments.videos, arguments.only, ways))


if __name__ == "__main__":
    main()
