"""Small images that can be learnt, folders of them, and a network of two layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from torch import nn

from export.networks import NetworkSpec
from export.networks.layers import GlobalPool
from export.train.network import Start

if TYPE_CHECKING:
    from pathlib import Path

    from camstream.picture import ImageU8

SIZE_HW = (48, 64)


class Blobs:
    """Examples of two classes: a bright blob on noise, or only noise."""

    def __init__(self, count: int) -> None:
        self.classes = [index % 2 for index in range(count)]

    def image(self, index: int, random: np.random.Generator) -> ImageU8:
        return self.scene(index, random)[0]

    def scene(
        self, index: int, random: np.random.Generator
    ) -> tuple[ImageU8, tuple[int, int] | None]:
        image = random.integers(0, 90, (*SIZE_HW, 3)).astype(np.uint8)
        if not self.classes[index]:
            return image, None
        x, y = int(random.integers(9, 55)), int(random.integers(9, 39))
        cv2.circle(image, (x, y), 8, (40, 200, 250), -1)
        return image, (x, y)


class Drops(nn.Module):
    """A network with dropout and batch normalisation, whose random and other state must be saved."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 4, 3, 2), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.3)
        )
        self.pool = GlobalPool("avg")
        self.fc = nn.Linear(4, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.fc(self.pool(self.body(x)))
        return logits


def drops_start(new: tuple[str, ...] = ()) -> Start:
    spec = NetworkSpec(build=lambda classes, _: Drops(classes), last="fc", size_hw=SIZE_HW)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Drops(2)
    return Start(name="drops", spec=spec, network=network, origin="nothing", new=new)


def write_photos(folder: Path, count: int) -> Path:
    """Write as many photos of each class, into blob/ and noise/ (there in two sub-folders)."""
    blobs = Blobs(2 * count)
    for index, number in enumerate(blobs.classes):
        place = folder / ("blob" if number else f"noise/{'ab'[index // 2 % 2]}")
        place.mkdir(parents=True, exist_ok=True)
        image = blobs.image(index, np.random.default_rng(index))
        cv2.imwrite(str(place / f"{index}.png"), image)
    return folder
