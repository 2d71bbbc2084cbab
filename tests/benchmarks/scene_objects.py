"""Informative objects of a scene, learnt from scene labels alone, as the paper's section 4.2.

    python -m tests.benchmarks.scene_objects [DATA]

DATA is the folder of photos beside the project, ../shared/data: 330 photos of ``person/no/houses*``, whose
rooms, named by eye, are in ``tests/benchmarks/rooms.csv``. ``camstream teach`` learns four scenes from one
half, the other half is looked at, and the reverse. The paper counts the labelled objects that overlap with
the warm region; no labels of objects are here, so the default network names what the map of the photo's
own scene points to (``camstream.maps.zoom``: the region of its peak, above half of it).

warm       mean probability of a name in the warm crops of the scene's photos
elsewhere  the same in crops of the same size at a random place of the same photos
other      the same in the warm crops of the other scenes
photos     share of the scene's photos in whose warm crop the name is among the best three
"""

from __future__ import annotations

import argparse
import csv
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from camstream.graph.backbone import Backbone
from camstream.maps import zoom
from camstream.media import read_photo
from camstream.models import zoo
from camstream.models.session import Model
from camstream.picture import Picture
from camstream.teach.fit import Layer, TrainingData, fit

DATA = Path(__file__).parents[3] / "shared" / "data"
_ROOMS = Path(__file__).with_name("rooms.csv")
_NAMES = 6  # shown of each scene
_BEST = 3

F32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A photo of a scene.

    Attributes:
        picture: The photo.
        target: The scene's number.
        pooled: (V, D) the averages of the photo and of its mirror image.
        maps: (D, h, w) its feature maps.
    """

    picture: Picture
    target: int
    pooled: F32
    maps: F32


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What the default network sees in parts of a photo.

    Attributes:
        target: The scene's number.
        is_right: Whether the layer names the scene.
        area: Of the warm crop, as a part of the photo's.
        warm: (1000,) probabilities in the crop that the map points to.
        elsewhere: (1000,) the same at a random place.
    """

    target: int
    is_right: bool
    area: float
    warm: F32
    elsewhere: F32


def read_scenes(data: Path) -> tuple[tuple[str, ...], list[Scene]]:
    """Read the photos and compute their features."""
    with _ROOMS.open(newline="") as file:
        rows = list(csv.DictReader(file))
    labels = tuple(sorted({row["room"] for row in rows}))
    backbone = Backbone(zoo.find_model())
    scenes = []
    for row in rows:
        picture = Picture.from_bgr(read_photo(data / "person" / "no" / row["file"]))
        image = picture.bgr(backbone.size_wh(picture))
        pooled, maps = backbone.pooled_and_maps(image)
        mirrored = backbone.pooled(np.ascontiguousarray(image[:, ::-1]))
        scenes.append(
            Scene(
                picture=picture,
                target=labels.index(row["room"]),
                pooled=np.stack([pooled, mirrored]),
                maps=maps,
            )
        )
    return labels, scenes


def learnt(scenes: list[Scene], labels: tuple[str, ...]) -> Layer:
    """Fit a layer as ``camstream teach`` does."""
    views = np.stack([scene.pooled for scene in scenes])
    count, of_each, channels = views.shape
    data = TrainingData(
        features=views.reshape(count * of_each, channels),
        targets=np.repeat([scene.target for scene in scenes], of_each),
        groups=np.repeat(np.arange(count), of_each),
        labels=labels,
    )
    return fit(data).layer.relative_to(None)


def look_at(scene: Scene, layer: Layer, model: Model, seed: int) -> Look:
    """Name what the map of the photo's own scene points to, and another part of the same size."""
    cam = np.tensordot(layer.weight[scene.target].astype(np.float32), scene.maps, 1)
    width, height = scene.picture.size_wh
    box = zoom.crop_around(np.maximum(cam, 0), (width, height))
    left, top, right, bottom = (int(v) for v in box.xyxy) if box else (0, 0, width, height)
    free = np.array([width - (right - left), height - (bottom - top)])
    x, y = np.random.default_rng(seed).integers(free + 1).tolist()
    warm, elsewhere = (
        model.predict(scene.picture.cropped(xyxy).bgr()).scores
        for xyxy in ((left, top, right, bottom), (x, y, x + right - left, y + bottom - top))
    )
    return Look(
        target=scene.target,
        is_right=int(layer.logits(scene.pooled[:1])[0].argmax()) == scene.target,
        area=(right - left) * (bottom - top) / (width * height),
        warm=np.asarray(warm, np.float32),
        elsewhere=np.asarray(elsewhere, np.float32),
    )


def lay_out(looks: list[Look], labels: tuple[str, ...], names: tuple[str, ...]) -> Table:
    """Count the names of each scene."""
    right = np.mean([look.is_right for look in looks])
    area = np.mean([look.area for look in looks])
    table = Table(title=f"{len(looks)} photos, scene right {right:.1%}, warm crop {area:.0%} of it")
    for head in ("scene", "photos", "name", "warm", "elsewhere", "other", "photos with it"):
        table.add_column(head, justify="left" if head in ("scene", "name") else "right")
    for target, label in enumerate(labels):
        own = [look for look in looks if look.target == target]
        warm = np.mean([look.warm for look in own], axis=0)
        elsewhere = np.mean([look.elsewhere for look in own], axis=0)
        other = np.mean([look.warm for look in looks if look.target != target], axis=0)
        best = np.stack([np.argsort(-look.warm)[:_BEST] for look in own])
        for row, index in enumerate(np.argsort(-warm)[:_NAMES].tolist()):
            table.add_row(
                "" if row else label,
                "" if row else str(len(own)),
                names[index],
                f"{warm[index]:.1%}",
                f"{elsewhere[index]:.1%}",
                f"{other[index]:.1%}",
                f"{(best == index).any(axis=1).mean():.0%}",
            )
    return table


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="?", type=Path, default=DATA)
    arguments = parser.parse_args()
    if not (arguments.data / "person" / "no").is_dir():
        sys.exit(f"{arguments.data} lacks person/no")
    labels, scenes = read_scenes(arguments.data)
    model = Model(zoo.find_model(), device="cpu", threads=1)
    looks = []
    for half in (0, 1):
        layer = learnt([scene for n, scene in enumerate(scenes) if n % 2 != half], labels)
        looks += [
            look_at(scene, layer, model, seed)
            for seed, scene in enumerate(scenes)
            if seed % 2 == half
        ]
    Console(width=110).print(lay_out(looks, labels, model.info.labels))


if __name__ == "__main__":
    main()
