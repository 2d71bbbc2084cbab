"""What a trunk sees of scenes: the two grids that a neck reads."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from camstream import contract
from camstream.errors import ModelError
from camstream.graph.assemble import remove_cam
from camstream.graph.backbone import open_up_to
from camstream.graph.find_head import find_head
from camstream.graph.neck import inputs
from camstream.graph.onnx_file import read_onnx
from camstream.picture import ImageU8
from export.person.scenes import Scene, grid_cover

F16 = NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class Views:
    """Scenes of one size as features, in half precision since there are many.

    Attributes:
        fine_features: (N, E, 2h, 2w) float16.
        late: (N, L, h, w) float16.
        cover: (N, 2h, 2w) float16, see ``grid_cover``.
        person: (N,) whether there is a person.
        photos: For each, what it is made of.
    """

    fine_features: F16
    late: F16
    cover: F16
    person: NDArray[np.bool_]
    photos: tuple[tuple[int, ...], ...]

    def without(self, left_out: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Give the indices of those that no photo of a set is in.

        Args:
            left_out: (photos of the album,) that set.
        """
        free = [not any(left_out[photo] for photo in photos) for photos in self.photos]
        return np.flatnonzero(free)


class TwoGrids:
    """Computes the two grids of an image; safe to call from several threads."""

    def __init__(self, path: Path) -> None:
        """Open a trunk.

        Args:
            path: The camstream model that the neck is for.

        Raises:
            ModelError: No neck fits it.
        """
        model = read_onnx(path)
        classifier, info = remove_cam(model, path)
        if info is None:
            raise ModelError(f"{path} is no camstream model")
        tensors = inputs(classifier, info.fine_features, find_head(classifier).features)
        self._session = open_up_to(model, *tensors, threads=1)

    def __call__(self, image: ImageU8) -> tuple[F16, F16]:
        """Give the early features, (E, 2h, 2w), and the late ones, (L, h, w).

        Args:
            image: (H, W, 3) uint8 BGR, of the network's size.
        """
        frames = np.ascontiguousarray(image)[np.newaxis]
        (fine_features,), (late,) = self._session.run(None, {contract.FRAMES: frames})
        return fine_features.astype(np.float16), late.astype(np.float16)


def look(
    scenes: Sequence[Callable[[], Scene]], two_grids: TwoGrids, on_scene: Callable[[], None]
) -> Views:
    """Compute the features of scenes of one size, side by side on every core."""

    def see(make: Callable[[], Scene]) -> tuple[F16, F16, F16, bool, tuple[int, ...]]:
        scene = make()
        fine_features, late = two_grids(scene.image)
        cover = grid_cover(scene, fine_features.shape[1:]).astype(np.float16)
        return fine_features, late, cover, scene.person, scene.photos

    rows = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for row in pool.map(see, scenes):
            rows.append(row)
            on_scene()
    fine_features, late, cover, person, photos = zip(*rows, strict=True)
    return Views(
        np.stack(fine_features), np.stack(late), np.stack(cover), np.array(person), tuple(photos)
    )
