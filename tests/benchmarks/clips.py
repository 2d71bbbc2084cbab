"""Does the box follow the thing in a clip, and is the heat calm? python -m tests.benchmarks.clips [DATA]

Seven real clips of ../shared/data/videos; clip_boxes.csv, beside this file, has the true boxes of every tenth
frame: found by a detector (YOLOX-nano), looked at as pictures, corrected and completed by eye. People are
looked for by the model person, all else by the default network.

CorLoc: share of boxes with an IoU of at least 0.5, for the true class, at 20 % of the map's maximum; pointing:
share of things in whose box the map's peak lies; flicker of the heat a second, and changes of the label a
minute. Each for maps and smoothing as they are combined: --smooth off, the default, and --refine. In the clips
of the cat, the dog and the walker the camera moves; in the others it stands.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from camstream.evaluate.annotations import FrameGroundTruth
from camstream.evaluate.clip import ClipReport, measure_clip
from camstream.maps.smoothing import SmoothingLevel
from camstream.models import zoo
from camstream.models.classes import ClassNames
from camstream.models.session import Model
from camstream.sources.file import FileSource

VIDEOS = Path(__file__).parents[3] / "shared" / "data" / "videos"
BOXES = Path(__file__).with_name("clip_boxes.csv")
_WAYS: tuple[tuple[str, bool, SmoothingLevel], ...] = (
    ("off", False, "off"),
    ("default", False, "default"),
    ("refined, off", True, "off"),
    ("refined, default", True, "default"),
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


def measure(videos: Path, only: Sequence[str]) -> Table:
    """Measure every clip in every way."""
    table = Table(title="CorLoc, pointing, flicker a second, label changes a minute")
    table.add_column("clip")
    table.add_column("things", justify="right")
    for name, _, _ in _WAYS:
        table.add_column(name, justify="right")
    means: list[list[float]] = [[] for _ in _WAYS]
    for clip, rows in read_boxes().items():
        if only and Path(clip).stem not in only:
            continue
        is_person = {label for _, label, _ in rows} == {zoo.PERSON}
        reports = []
        for _, refine, smoothing in _WAYS:
            name = zoo.PERSON if is_person else zoo.DEFAULT_MODEL
            model = zoo.load_model(name, device="cpu", refine=refine)
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
    arguments = parser.parse_args()
    if not (arguments.videos / "cat_white_persian.mp4").is_file():
        sys.exit(f"no clips are in {arguments.videos}")
    Console(width=140).print(measure(arguments.videos, arguments.only))


if __name__ == "__main__":
    main()
