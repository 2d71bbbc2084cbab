"""The pictures of ``tests.benchmarks.zoom``, and what is computed of them once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from camstream.frame import Box
from camstream.graph.backbone import Backbone
from camstream.maps import zoom
from camstream.media import read_photo
from camstream.models import zoo
from camstream.models.session import Model
from camstream.picture import ImageU8, Picture

BACKGROUND_PX, FLOWER_PX = 480, 130
_SAME = 6  # of 255: two sizes of one photo differ by 1, two photos by 30
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
    """Looks at parts of pictures; what it saw is kept in a folder.

    Attributes:
        with_controls: Whether crops in the middle and at random are looked at as well.
    """

    def __init__(self, cache: Path, *, with_controls: bool = True) -> None:
        self.with_controls = with_controls
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


def not_among(photos: list[Path], others: list[Path]) -> list[Path]:
    """Leave out the photos that are among others too, at another size or name."""
    small = np.stack([_thumbnail(path) for path in others])
    return [
        path
        for path in photos
        if np.sqrt(((small - _thumbnail(path)) ** 2).mean(axis=1)).min() > _SAME
    ]


def _thumbnail(path: Path) -> NDArray[np.float32]:
    image = cv2.resize(read_photo(path), (16, 16), interpolation=cv2.INTER_AREA)
    return image.astype(np.float32).ravel()
