"""Crop, then classify: does a second look at what the maps point to name more flowers?

    python -m tests.benchmarks.zoom [DATA] [--each 60] [--cache FOLDER]

DATA is the folder of photos beside the project, ../shared/data. ``flowers17`` in five parts: a last layer
is fitted to four, as ``camstream teach`` does it (mirror images included), and names the fifth. Hard
set, made in memory: each flower, 130 pixels on its longer side, at a random place of a photo of
``person/no/houses*``, 480 pixels on its longer side, so that the true box is known.

Layers: "full" learns whole photos, "full + crop" also what the maps of the default network point to
(``teach --crop``), "full, background" also a class "no flower" of ``person/no/imagenet1k*``. Looks: the
whole picture; the crop that the layer's own maps of all flowers point to at twice the size
(``camstream.maps.zoom``); crops of the same area in the middle and at random; the true box (hard set
only); and "--zoom", the crop only where the whole is unsure or no flower, and its name only where it is
surer, as ``camstream.models.second_look`` does. IoU is that of the crop with the true box.

Features are kept in the folder of --cache, half a megabyte a picture, so that a run that was ended goes
on.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.special import softmax

from camstream.evaluate import metrics
from camstream.frame import NAMED_FROM, Box
from camstream.graph.backbone import Backbone
from camstream.maps import zoom
from camstream.media import read_photo
from camstream.models import zoo
from camstream.models.session import Model
from camstream.picture import ImageU8, Picture
from camstream.teach.fit import Candidate, Layer, TrainingData, fit

DATA = Path(__file__).parents[3] / "shared" / "data"
PARTS = 5
BACKGROUND_PX, FLOWER_PX = 480, 130
CANDIDATE = Candidate("logistic regression", 1e-3)
NO_FLOWER = "no flower"
XyXy = tuple[int, int, int, int]
Pooled = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flower:
    """A photo of the set.

    Attributes:
        path: The file.
        class_index: Its class.
        number: Its place in the whole set; seeds what is drawn for it.
    """

    path: Path
    class_index: int
    number: int


class Looker:
    """Looks at parts of pictures; what it saw is kept in a folder."""

    def __init__(self, cache: Path) -> None:
        self._backbone = Backbone(zoo.find_model())
        self._model = Model(zoo.find_model(), device="cpu")
        self._cache = cache

    def pooled(self, picture: Picture) -> Pooled:
        """Return the averages of a picture of any size."""
        return self._backbone.pooled(picture.bgr(self._backbone.size_wh(picture)))

    def large_maps(self, picture: Picture) -> NDArray[np.float16]:
        """Return the feature maps of a picture at twice the width and height."""
        width, height = self._backbone.size_wh(picture)
        maps = self._backbone.maps(picture.bgr((2 * width, 2 * height))[np.newaxis])[0]
        smaller: NDArray[np.float16] = maps.astype(np.float16)
        return smaller

    def pointed_to(self, picture: Picture) -> XyXy:
        """Return what the maps of the default network point to, as ``teach --crop`` does."""
        maps = self._model.predict(picture.bgr()).cam.maps
        return whole_or(zoom.crop_around(zoom.joined(maps), picture.size_wh), picture)

    def kept(self, name: str, make: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """Compute an array, or read that of an earlier run."""
        path = self._cache / f"{name}.npy"
        if not path.is_file():
            np.save(path, make())
        found: NDArray[Any] = np.load(path)
        return found


def whole_or(box: Box | None, picture: Picture) -> XyXy:
    """Return a box in whole pixels; the whole picture where there is none."""
    if box is None:
        return (0, 0, *picture.size_wh)
    left, top, right, bottom = (int(value) for value in box.xyxy)
    return left, top, right, bottom


def like(xyxy: XyXy, size_wh: tuple[int, int], at: tuple[float, float]) -> XyXy:
    """Return a box of the same size elsewhere; at 0 to 1 of the free way to the right and below."""
    width, height = xyxy[2] - xyxy[0], xyxy[3] - xyxy[1]
    left, top = round((size_wh[0] - width) * at[0]), round((size_wh[1] - height) * at[1])
    return left, top, left + width, top + height


def on_a_house(flower: Flower, houses: list[Path]) -> tuple[Picture, XyXy]:
    """Put a small flower onto a photo of a house; returns where it is as well."""
    random = np.random.default_rng(flower.number)
    scene = _scaled(read_photo(houses[random.integers(len(houses))]), BACKGROUND_PX)
    small = _scaled(read_photo(flower.path), FLOWER_PX)
    height, width = small.shape[:2]
    left = int(random.integers(scene.shape[1] - width + 1))
    top = int(random.integers(scene.shape[0] - height + 1))
    scene[top : top + height, left : left + width] = small
    return Picture.from_bgr(scene), (left, top, left + width, top + height)


def _scaled(image: ImageU8, longest: int) -> ImageU8:
    factor = longest / max(image.shape[:2])
    size_wh = round(image.shape[1] * factor), round(image.shape[0] * factor)
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, size_wh, interpolation=way), np.uint8)


def training_views(flower: Flower, looker: Looker) -> Pooled:
    """Return the (4, D) features of a photo, its mirror image, what is pointed to, and its mirror image."""

    def make() -> Pooled:
        picture = Picture.from_bgr(read_photo(flower.path))
        parts = [picture, picture.cropped(looker.pointed_to(picture))]
        images = [part.bgr() for part in parts]
        views = [view for image in images for view in (image, image[:, ::-1])]
        return np.stack([looker.pooled(Picture.from_bgr(view)) for view in views])

    return looker.kept(f"train-{flower.number}", make)


def other_views(path: Path, looker: Looker) -> Pooled:
    """Return the (2, D) features of a photo without a flower, and of its mirror image."""

    def make() -> Pooled:
        image = read_photo(path)
        views = (image, image[:, ::-1])
        return np.stack([looker.pooled(Picture.from_bgr(view)) for view in views])

    return looker.kept(f"other-{path.stem}", make)


def fitted(targets: list[int], views: NDArray[np.float32], labels: tuple[str, ...]) -> Layer:
    """Fit a layer to (N, V, D) features."""
    count, of_each, channels = views.shape
    data = TrainingData(
        features=views.reshape(count * of_each, channels),
        targets=np.repeat(targets, of_each),
        groups=np.repeat(np.arange(count), of_each),
        labels=labels,
    )
    background = labels.index(NO_FLOWER) if NO_FLOWER in labels else None
    return fit(data, candidates=(CANDIDATE,), folds=3).layer.relative_to(background)


def looks_at(
    flower: Flower,
    picture: Picture,
    true: XyXy | None,
    layer: Layer,
    looker: Looker,
    key: str,
    flowers: int,
) -> dict[str, tuple[int, float]]:
    """Look at a picture in each way; returns the name and the score of each, and the IoU of the crop.

    Classes from the number of ``flowers`` on are none.
    """
    pooled = looker.kept(f"{key}-whole", lambda: looker.pooled(picture))
    maps = looker.kept(f"{key}-large", lambda: looker.large_maps(picture)).astype(np.float32)
    own = np.tensordot(layer.weight.astype(np.float32), maps, 1)
    box = whole_or(zoom.crop_around(zoom.joined(own), picture.size_wh), picture)
    at = np.random.default_rng(flower.number + 1).random(2)
    crops = {
        "crop": box,
        "centre": like(box, picture.size_wh, (0.5, 0.5)),
        "random": like(box, picture.size_wh, (float(at[0]), float(at[1]))),
    }
    if true is not None:
        crops["true box"] = true
    found = {"whole": _name(layer, pooled)}
    for name, xyxy in crops.items():
        part = picture.cropped(xyxy)
        where = "-".join(map(str, xyxy))
        found[name] = _name(layer, looker.kept(f"{key}-{where}", partial(looker.pooled, part)))
    sees_nothing = found["whole"][0] >= flowers
    is_unsure = sees_nothing or found["whole"][1] < NAMED_FROM
    needed = NAMED_FROM if sees_nothing else found["whole"][1]
    is_surer = found["crop"][0] < flowers and found["crop"][1] > needed
    found["--zoom"] = found["crop"] if is_unsure and is_surer else found["whole"]
    found["second looks"] = (int(is_unsure), 0.0)
    if true is not None:
        iou = float(metrics.iou(np.array(box, np.float64), np.array(true, np.float64)))
        found["IoU"] = (0, iou)
    return found


def _name(layer: Layer, pooled: Pooled) -> tuple[int, float]:
    scores = softmax(layer.logits(pooled[np.newaxis])[0])
    return int(scores.argmax()), float(scores.max())


def measure(
    flowers: list[Flower],
    houses: list[Path],
    generic: list[Path],
    looker: Looker,
    labels: tuple[str, ...],
) -> Table:
    """Fit and name every part."""
    others = np.stack([other_views(path, looker) for path in generic])
    views = np.stack([training_views(flower, looker) for flower in flowers])
    right: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for part in range(PARTS):
        held = np.array([flower.number % PARTS == part for flower in flowers])
        learnt = [flower for flower, out in zip(flowers, held, strict=True) if not out]
        targets = [flower.class_index for flower in learnt]
        own = views[~held]
        both = np.concatenate([own[:, :2], others]), [*targets, *[len(labels)] * len(others)]
        layers = {
            "full": fitted(targets, own[:, :2], labels),
            "full + crop": fitted(targets, own, labels),
            "full, background": fitted(both[1], both[0], (*labels, NO_FLOWER)),
        }
        for name, layer in layers.items():
            for flower in (one for one, out in zip(flowers, held, strict=True) if out):
                plain = Picture.from_bgr(read_photo(flower.path))
                for kind, picture, true in (
                    ("plain", plain, None),
                    ("hard", *on_a_house(flower, houses)),
                ):
                    key = f"{kind}-{flower.number}"
                    found = looks_at(flower, picture, true, layer, looker, key, len(labels))
                    for look, (class_index, value) in found.items():
                        is_right = float(class_index == flower.class_index)
                        is_share = {"second looks": float(class_index), "IoU": value}
                        right[name, look, kind].append(is_share.get(look, is_right))
    table = Table(title=f"{len(flowers)} flowers, {PARTS} parts; % right")
    for head in ("layer", "look", "plain", "hard"):
        table.add_column(head, justify="right" if head in ("plain", "hard") else "left")
    for name, look, kind in list(right):
        if kind == "hard":
            cells = (right.get((name, look, one)) for one in ("plain", "hard"))
            table.add_row(
                name,
                look,
                *("-" if cell is None else f"{100 * np.mean(cell):.1f}" for cell in cells),
            )
    return table


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="?", type=Path, default=DATA)
    parser.add_argument("--each", type=int, default=60, help="photos of a class that are used")
    parser.add_argument("--cache", type=Path, help="a folder that features are kept in")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    classes = sorted(path for path in (arguments.data / "flowers17").glob("*") if path.is_dir())
    houses = sorted((arguments.data / "person" / "no").glob("houses*"))
    generic = sorted((arguments.data / "person" / "no").glob("imagenet1k*"))[::6]
    if not classes or not houses:
        sys.exit(f"{arguments.data} lacks flowers17 or person/no/houses*")
    photos = [
        (index, path)
        for index, folder in enumerate(classes)
        for path in sorted(folder.glob("*.jpg"))[: arguments.each]
    ]
    flowers = [
        Flower(path=path, class_index=index, number=number)
        for number, (index, path) in enumerate(photos)
    ]
    with tempfile.TemporaryDirectory() as folder:
        cache = arguments.cache or Path(folder)
        cache.mkdir(parents=True, exist_ok=True)
        labels = tuple(folder.name for folder in classes)
        Console(width=100).print(measure(flowers, houses, generic, Looker(cache), labels))


if __name__ == "__main__":
    main()
