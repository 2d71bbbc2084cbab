"""The features of many pictures of several sizes, on disk: they are more than memory holds.

A folder holds ``rows.npy`` and, in the rows' order, flat files of half precision: ``fine.bin``,
``late.bin`` and ``cover.bin`` (see ``fit_neck.SceneFeatures``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from camstream.picture import ImageU8
from export.person.fit_neck import F16
from export.person.vary import Varied

I64 = NDArray[np.int64]
_FILES = ("fine", "late", "cover")


def write(
    folder: Path,
    pictures: Iterable[tuple[int, Varied]],
    two_grids: Callable[[ImageU8], tuple[F16, F16]],
) -> None:
    """Compute the features of pictures, each with the number of its shot."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    files = [(folder / f"{name}.bin").open("wb") for name in _FILES]
    try:
        for number, picture in pictures:
            fine, late = two_grids(picture.image)
            cover = picture.cover(fine.shape[1:]).astype(np.float16)
            for file, array in zip(files, (fine, late, cover), strict=True):
                file.write(array.tobytes())
            rows.append((number, int(picture.person), *fine.shape, len(late)))
    finally:
        for file in files:
            file.close()
    np.save(folder / "rows.npy", np.array(rows))


class Grids:
    """Features that ``write`` wrote.

    Attributes:
        shots: (N,) the number of each row's shot.
        person: (N,) whether somebody is there.
        channels: Of the fine features, and of the late ones.
    """

    def __init__(self, folder: Path) -> None:
        """Open a folder."""
        rows = np.load(folder / "rows.npy", allow_pickle=False)
        self.shots: I64 = rows[:, 0]
        self.person: NDArray[np.bool_] = rows[:, 1].astype(bool)
        self.channels = int(rows[0, 2]), int(rows[0, 5])
        self._hw = rows[:, 3:5]
        cells = self._hw.prod(axis=1)
        self._starts = np.cumsum(cells) - cells
        self._fine, self._late, self._cover = (
            np.memmap(folder / f"{name}.bin", np.float16, "r") for name in _FILES
        )

    def batches(self, rows: I64, size: int, random: np.random.Generator) -> list[I64]:
        """Split rows into batches of pictures of one size, shuffled."""
        found = []
        for hw in np.unique(self._hw[rows], axis=0):
            own = random.permutation(rows[(self._hw[rows] == hw).all(axis=1)])
            found += [own[start : start + size] for start in range(0, len(own), size)]
        return found

    def read(self, rows: I64) -> tuple[Tensor, Tensor, Tensor]:
        """Read rows of one size: (N, E, 2h, 2w) fine, (N, L, h, w) late, (N, 2h, 2w) cover."""
        height, width = (int(side) for side in self._hw[rows[0]])
        fine, late = self.channels
        shapes = ((fine, height, width), (late, height // 2, width // 2), (height, width))
        files = (self._fine, self._late, self._cover)
        parts = (
            torch.from_numpy(np.stack([self._one(file, row, shape) for row in rows])).float()
            for file, shape in zip(files, shapes, strict=True)
        )
        first, second, third = parts
        return first, second, third

    def _one(self, file: F16, row: int, shape: tuple[int, ...]) -> F16:
        # A picture's part of a file is as long as its shape says, and so are those before it.
        height, width = (int(side) for side in self._hw[row])
        count = int(np.prod(shape))
        start = int(self._starts[row]) * count // (height * width)
        return np.asarray(file[start : start + count].reshape(shape))
