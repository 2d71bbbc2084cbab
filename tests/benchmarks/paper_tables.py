"""Two tables of Zhou et al. 2016 on photos that are here: python -m tests.benchmarks.paper_tables [DATA]

DATA is the folder of photos beside the project, ../shared/data.

pooling    the paper's table 2, GAP against GMP: the last layer of the default network learnt anew on photos
           of ten classes, behind average and behind maximum pooling; what it names right, and where its
           maps say things are (boxes at 20 % of the maximum, true class known). Five parts, each photo by
           layers that did not see it.
features   the paper's table 5: pooled features and a linear SVM (C = 0.001, features standardised) on other tasks:
           flowers (five parts), people or none (whole sources left out), ten classes (five parts).

The trunk stays as it was trained on ImageNet; the paper retrained a layer of convolution in front, too.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from camstream.evaluate import metrics
from camstream.graph.backbone import Backbone
from camstream.maps import cam as cams
from camstream.maps.boxes import largest_box
from camstream.media import read_photo
from camstream.models import zoo
from camstream.picture import MapF32, Picture

DATA = Path(__file__).parents[3] / "shared" / "data"
FOLDS = 5
_AVERAGE, _MAXIMUM, _BOTH = "average", "maximum", "both"
_COST = 1e-3

F32 = NDArray[np.float32]
Folds = list[tuple[NDArray[np.intp], NDArray[np.intp]]]


@dataclass(frozen=True, slots=True)
class Photos:
    """A set of photos.

    Attributes:
        name: Of the set.
        paths: The files.
        targets: (N,) the class of each.
        groups: (N,) the source of each; None where any photo may be left out.
    """

    name: str
    paths: list[Path]
    targets: NDArray[np.int64]
    groups: NDArray[np.int64] | None = None

    def folds(self) -> Folds:
        """Part the photos; a source is on one side."""
        if self.groups is not None:
            return list(GroupKFold(FOLDS).split(self.paths, groups=self.groups))
        splitter = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
        return list(splitter.split(self.paths, self.targets))


def flowers(data: Path) -> Photos:
    folders = sorted(path for path in (data / "flowers17").iterdir() if path.is_dir())
    found = [(path, n) for n, folder in enumerate(folders) for path in sorted(folder.glob("*.jpg"))]
    return Photos("flowers17", [path for path, _ in found], np.array([n for _, n in found]))


def people(data: Path) -> Photos:
    with (data / "person" / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    sources = sorted({row["set"] for row in rows})
    return Photos(
        "person",
        [data / "person" / row["file"] for row in rows],
        np.array([int(row["label"] == "yes") for row in rows]),
        np.array([sources.index(row["set"]) for row in rows]),
    )


def ten_classes(data: Path) -> tuple[Photos, list[NDArray[np.float64]]]:
    """The photos of ImageNet's validation set, and the true boxes of each."""
    folder = data / "boxes" / "imagenette_val"
    boxes: dict[str, list[list[float]]] = {}
    classes: dict[str, int] = {}
    with (folder / "boxes.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            boxes.setdefault(row["file"], []).append(
                [float(row[k]) for k in ("x0", "y0", "x1", "y1")]
            )
            classes[row["file"]] = int(row["class_index_imagenet"])
    numbers = sorted(set(classes.values()))
    photos = Photos(
        "imagenette_val",
        [folder / "images" / name for name in classes],
        np.array([numbers.index(number) for number in classes.values()]),
    )
    return photos, [np.array(boxes[name]) for name in classes]


def maps_of(backbone: Backbone, paths: Sequence[Path]) -> Iterator[F32]:
    """Give the (D, h, w) feature maps of each photo."""
    for path in paths:
        picture = Picture.from_bgr(read_photo(path))
        yield backbone.maps(picture.bgr(backbone.size_wh(picture))[np.newaxis])[0]


def pooled(maps: MapF32, way: str) -> F32:
    """Pool (D, h, w) maps to (D,) features, or (2 D,) for both ways."""
    average, maximum = maps.mean(axis=(1, 2)), maps.max(axis=(1, 2))
    chosen = {_AVERAGE: [average], _MAXIMUM: [maximum], _BOTH: [average, maximum]}[way]
    return np.concatenate(chosen)


def pooling(backbone: Backbone, data: Path) -> Table:
    """Learn the last layer behind both ways of pooling; lay out what each names and finds."""
    photos, boxes = ten_classes(data)
    maps = list(maps_of(backbone, photos.paths))
    table = Table(title=f"last layer learnt anew, {len(maps)} photos, {FOLDS} parts")
    for head in ("pooling", "named right", "box IoU >= 0.5", "MaxBoxAccV2", "peak in a box"):
        table.add_column(head, justify="right")
    for way in (_AVERAGE, _MAXIMUM):
        features = np.stack([pooled(one, way) for one in maps])
        right, ious, curves, hits = 0, [], [], []
        for seen, held in photos.folds():
            scaler = StandardScaler().fit(features[seen])
            layer = LogisticRegression(C=1e-3, max_iter=2000)
            layer.fit(scaler.transform(features[seen]), photos.targets[seen])
            right += int(
                (layer.predict(scaler.transform(features[held])) == photos.targets[held]).sum()
            )
            rows = layer.coef_ / scaler.scale_  # the scaler folded in, as teach does it
            for n in held:
                cam = np.tensordot(rows[photos.targets[n]], maps[n], 1).astype(np.float32)
                height, width = read_photo(photos.paths[n]).shape[:2]
                size_wh, fine = (width, height), cams.enlarge(cam)
                box = largest_box(cam, size_wh)
                ious.append(metrics.best_iou([box] if box else [], boxes[n]))
                curves.append(metrics.box_curves(metrics.normalise(fine), size_wh, boxes[n]))
                hits.append(metrics.is_hit(cams.find_peak(fine, size_wh).xy, boxes[n]))
        table.add_row(
            way,
            f"{right / len(maps):.1%}",
            f"{metrics.share_right(np.array(ious)):.1%}",
            f"{metrics.max_box_acc_v2(np.stack(curves)[:, 1]):.3f}",
            f"{np.mean(hits):.1%}",
        )
    return table


def features(backbone: Backbone, data: Path) -> Table:
    """Lay out what a linear SVM makes of pooled features."""
    table = Table(title="linear SVM on pooled features; mean of the classes' shares right")
    table.add_column("photos")
    for head in ("number", "classes", _AVERAGE, _MAXIMUM, _BOTH):
        table.add_column(head, justify="right")
    for photos in (flowers(data), people(data), ten_classes(data)[0]):
        taken = [
            [pooled(maps, way) for way in (_AVERAGE, _MAXIMUM)]
            for maps in maps_of(backbone, photos.paths)
        ]
        average, maximum = (np.stack([one[k] for one in taken]) for k in (0, 1))
        ways = (average, maximum, np.concatenate([average, maximum], axis=1))
        shares = [f"{_share_right(photos, way):.1%}" for way in ways]
        table.add_row(
            photos.name, str(len(photos.paths)), str(len(set(photos.targets.tolist()))), *shares
        )
    return table


def _share_right(photos: Photos, given: F32) -> float:
    found = np.zeros_like(photos.targets)
    for seen, held in photos.folds():
        svm = make_pipeline(StandardScaler(), LinearSVC(C=_COST, dual="auto", max_iter=5000))
        found[held] = svm.fit(given[seen], photos.targets[seen]).predict(given[held])
    return float(balanced_accuracy_score(photos.targets, found))


_PARTS: dict[str, Callable[[Backbone, Path], Table]] = {"pooling": pooling, "features": features}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="?", type=Path, default=DATA)
    parser.add_argument("--only", nargs="+", choices=_PARTS, default=list(_PARTS))
    arguments = parser.parse_args()
    if not (arguments.data / "flowers17").is_dir():
        sys.exit(f"no photos are in {arguments.data}")
    backbone = Backbone(zoo.find_model())
    for part in arguments.only:
        Console(width=110).print(_PARTS[part](backbone, arguments.data))


if __name__ == "__main__":
    main()
