"""Crop, then classify: does a second look at what the maps point to name more flowers?

    python -m tests.benchmarks.zoom [DATA] [--each 60] [--learn 60] [--cache FOLDER]

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

Pictures of none: a quarter of the houses as they are, and of ``imagenet1k_photos`` but those of classes with
flowers and those learnt from; what counts there is how many are named all the same, with a score of a third or more. --learn
takes so many photos a class to learn from, and judges on as many as before.

Features are kept in the folder of --cache, half a megabyte a picture, so that a run that was ended goes
on.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import defaultdict
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.special import softmax

from camstream.evaluate import metrics
from camstream.frame import NAMED_FROM
from camstream.maps import zoom
from camstream.media import read_photo
from camstream.picture import Picture
from camstream.teach.fit import Candidate, Layer, TrainingData, fit
from tests.benchmarks.zoom_pictures import (
    Flower,
    Looker,
    Pooled,
    XyXy,
    like,
    not_among,
    on_a_house,
    other_views,
    training_views,
    whole_or,
)

DATA = Path(__file__).parents[3] / "shared" / "data"
PARTS = 5
CANDIDATE = Candidate("logistic regression", 1e-3)
NO_FLOWER = "no flower"
NONE_TO_ONE = 6  # photos of none for one of a flower
NONE_EVERY = 4  # of the photos that hold no flower
# Of ImageNet: rapeseed, yellow lady's slipper, pot, greenhouse, bee house, butterflies and bees on flowers.
WITH_FLOWERS = frozenset([308, 310, *range(320, 328), 410, 580, 738, 984, 986])


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
    picture: Picture, true: XyXy | None, layer: Layer, looker: Looker, key: str, flowers: int
) -> dict[str, tuple[int, float]]:
    """Look at a picture in each way; returns the name and the score of each, and the IoU of the crop.

    Classes from the number of ``flowers`` on are none.
    """
    pooled = looker.kept(f"{key}-whole", lambda: looker.pooled(picture))
    maps = looker.kept(f"{key}-large", lambda: looker.large_maps(picture)).astype(np.float32)
    own = np.tensordot(layer.weight.astype(np.float32), maps, 1)
    box = whole_or(zoom.crop_around(zoom.joined(own), picture.size_wh), picture)
    crops = {"crop": box}
    if looker.with_controls and not key.startswith("none-"):
        at = np.random.default_rng(int(key.rpartition("-")[2]) + 1).random(2)
        crops["centre"] = like(box, picture.size_wh, (0.5, 0.5))
        crops["random"] = like(box, picture.size_wh, (float(at[0]), float(at[1])))
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


def learnt_from(flowers: list[Flower], part: int, learn: int) -> list[Flower]:
    """Take the first photos of each class that are not of a part."""
    taken: dict[int, list[Flower]] = defaultdict(list)
    for flower in flowers:
        if flower.number % PARTS != part and len(taken[flower.class_index]) < learn:
            taken[flower.class_index].append(flower)
    return [flower for each in taken.values() for flower in each]


def layers_of(
    learnt: list[Flower], generic: list[Path], looker: Looker, labels: tuple[str, ...]
) -> dict[str, Layer]:
    """Fit the layers; the class of none has six times as many photos as a flower, if there are."""
    views = np.stack([training_views(flower, looker) for flower in learnt])
    targets = [flower.class_index for flower in learnt]
    most = NONE_TO_ONE * len(learnt) // len(labels)
    chosen = generic[:: max(1, len(generic) // most)][:most]
    others = np.stack([other_views(path, looker) for path in chosen])
    both = np.concatenate([views[:, :2], others])
    return {
        "full": fitted(targets, views[:, :2], labels),
        "full + crop": fitted(targets, views, labels),
        "full, background": fitted(
            [*targets, *[len(labels)] * len(others)], both, (*labels, NO_FLOWER)
        ),
    }


def measure(
    flowers: list[Flower],
    houses: list[Path],
    generic: list[Path],
    none: list[Path],
    looker: Looker,
    labels: tuple[str, ...],
    learn: int,
) -> Table:
    """Fit and name every part."""
    shares: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    scores: dict[tuple[str, str], list[float]] = defaultdict(list)
    for part in range(PARTS):
        learnt = learnt_from(flowers, part, learn)
        for name, layer in layers_of(learnt, generic, looker, labels).items():
            for flower in (one for one in flowers if one.number % PARTS == part):
                plain = Picture.from_bgr(read_photo(flower.path))
                for kind, picture, true in (
                    ("plain", plain, None),
                    ("hard", *on_a_house(flower, houses)),
                ):
                    key = f"{kind}-{flower.number}"
                    found = looks_at(picture, true, layer, looker, key, len(labels))
                    for look, (class_index, value) in found.items():
                        is_right = float(class_index == flower.class_index)
                        is_share = {"second looks": float(class_index), "IoU": value}
                        shares[name, look, kind].append(is_share.get(look, is_right))
                    scores[name, kind].append(found["whole"][1])
            for path in none[part::PARTS]:
                picture = Picture.from_bgr(read_photo(path))
                key = f"none-{path.stem}"
                found = looks_at(picture, None, layer, looker, key, len(labels))
                kind = "houses" if path.stem.startswith("houses") else "others"
                for look in ("whole", "crop", "--zoom"):
                    class_index, value = found[look]
                    is_named = class_index < len(labels) and value >= NAMED_FROM
                    shares[name, look, kind].append(float(is_named))
                shares[name, "second looks", kind].append(float(found["second looks"][0]))
                scores[name, kind].append(found["whole"][1])
    return _lay_out(shares, scores, f"{len(flowers)} flowers, {len(none)} pictures of none")


def _lay_out(
    shares: dict[tuple[str, str, str], list[float]],
    scores: dict[tuple[str, str], list[float]],
    title: str,
) -> Table:
    kinds = ("plain", "hard", "houses", "others")
    table = Table(title=f"{title}, {PARTS} parts; % right, of none % named all the same")
    table.add_column("layer")
    table.add_column("look")
    for kind in kinds:
        table.add_column(kind, justify="right")
    for name in dict.fromkeys(name for name, _, _ in shares):
        for look in [look for one, look, kind in shares if one == name and kind == "hard"]:
            cells = [shares.get((name, look, kind)) for kind in kinds]
            table.add_row(
                name,
                look,
                *("-" if cell is None else f"{100 * np.mean(cell):.1f}" for cell in cells),
            )
        means = [f"{100 * np.mean(scores[name, kind]):.1f}" for kind in kinds]
        table.add_row(name, "mean score of the whole", *means)
    return table


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="?", type=Path, default=DATA)
    parser.add_argument("--each", type=int, default=60, help="photos of a class that are used")
    parser.add_argument("--learn", type=int, default=60, help="photos of a class learnt from")
    parser.add_argument("--cache", type=Path, help="a folder for features, one for each --each")
    parser.add_argument("--no-controls", action="store_true", help="no middle and random crops")
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
    things = sorted((arguments.data / "imagenet1k_photos").glob("*.jpg"))
    things = [path for path in things if int(path.stem) not in WITH_FLOWERS]
    none = [*houses[::NONE_EVERY], *not_among(things[::NONE_EVERY], generic)]
    with tempfile.TemporaryDirectory() as folder:
        cache = arguments.cache or Path(folder)
        cache.mkdir(parents=True, exist_ok=True)
        labels = tuple(folder.name for folder in classes)
        looker = Looker(cache, with_controls=not arguments.no_controls)
        table = measure(flowers, houses, generic, none, looker, labels, arguments.learn)
        Console(width=110).print(table)


if __name__ == "__main__":
    main()
