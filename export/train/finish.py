"""Makes a camstream file of a trained network: its zero, its export, its colour scale."""

from __future__ import annotations

import dataclasses
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import torch
from torch import nn

from camstream.errors import SinkError
from camstream.graph.assemble import with_info
from camstream.models.session import Model
from camstream.teach.heat import HeatRule, choose_range
from export.source import Source
from export.to_onnx import export
from export.train.examples import CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from camstream.contract import ModelInfo
    from export.train.examples import Examples
    from export.train.start import Start

_MEASURED = 500  # pictures
# Among many classes that are alike, each has some evidence in pictures of the others.
_HEAT = HeatRule(quiet=95, graded=75, latest=0.4)


@dataclass(frozen=True, slots=True)
class Measured:
    """What a file says of pictures whose class is known.

    Attributes:
        confusion: (C, C) int64: pictures of class row that it took for class column.
        targets: (N,) the class of each picture.
        peaks: (N, C) float64: largest value of every class's map in each, logit units.
    """

    confusion: NDArray[np.int64]
    targets: NDArray[np.int64]
    peaks: NDArray[np.float64]

    @property
    def accuracy(self) -> float:
        """Part of the pictures that it classified right, 0 to 1."""
        return float(np.trace(self.confusion) / self.confusion.sum())


def zeroed(network: nn.Module, last: str, background: int | None) -> None:
    """Give the maps a zero that means something, in place; the softmax does not change.

    Logits, and so maps, may be moved by the same amount for all classes. A background class's
    are made zero: the others' maps are the evidence against it. Without one, the mean over all
    classes is made zero.

    Args:
        network: Its last layer is changed, if it is linear (a ReLU behind a last convolution
            would not allow it).
        last: Name of that layer.
        background: The class that is nothing to be shown; None: there is none.
    """
    layer = network.get_submodule(last)
    if not isinstance(layer, nn.Linear):
        return
    with torch.no_grad():
        for values in (layer.weight, layer.bias):
            values -= values.mean(dim=0) if background is None else values[background].clone()


def write_model(
    start: Start,
    labels: tuple[str, ...],
    weights: str,
    output: Path,
    check: Examples,
    *,
    background: int | None,
    seed: int,
    progress: Callable[[str], None],
) -> tuple[ModelInfo, Measured]:
    """Export a trained network, with proof, and choose its colour scale on the file itself.

    Args:
        start: Its network is trained now.
        labels: One name a class.
        weights: Where the weights came from, in words.
        output: The file to write; one that is there is replaced.
        check: Pictures of the size it was trained at, not learnt from.
        background: As in ``zeroed``.
        seed: Of the pictures.
        progress: Is told each step.

    Returns:
        The record that is in the file, and what was measured with it.

    Raises:
        ModelError: The file is not equal to the network.
        SinkError: It cannot be written.
    """
    network = start.network.cpu().eval()
    zeroed(network, start.spec.last, background)
    size_hw = _image(check, 0, seed).shape[:2]
    source = Source(
        name=start.name,
        network=network,
        weights=weights,
        weights_sha256="",
        labels=labels,
        size_hw=(size_hw[0], size_hw[1]),
        size_multiple=start.spec.size_multiple,
        mean=start.spec.mean,
        std=start.spec.std,
        cam_range=None,
    )
    try:
        with tempfile.TemporaryDirectory(dir=output.parent, prefix=".camstream-") as folder:
            atomic_file = Path(folder) / output.name
            info = export(source, atomic_file, progress=progress)
            progress("choosing the colour scale")
            measured = measure(
                Model(atomic_file, device="cpu", size_wh=size_hw[::-1]), check, seed=seed
            )
            own = measured.peaks[np.arange(len(measured.targets)), measured.targets]
            if (own > 0).any():  # otherwise nothing was learnt, and the usual range stays
                chosen = choose_range(measured.peaks, measured.targets, background, _HEAT)
                info = dataclasses.replace(info, cam_range=chosen)
            if background is not None:
                info = dataclasses.replace(info, background=labels[background])
            onnx.save(with_info(onnx.load(atomic_file), info), atomic_file)
            atomic_file.replace(output)
    except OSError as error:
        if isinstance(error, SinkError):
            raise
        raise SinkError(f"cannot write {output}: {error.strerror or error}") from error
    return info, measured


def measure(model: Model, pictures: Examples, *, seed: int) -> Measured:
    """Classify pictures and read the maps of all classes."""
    count = len(model.info.labels)
    everything = range(count)
    confusion = np.zeros((count, count), np.int64)
    targets, peaks = [], []
    total = len(pictures.classes)
    for index in np.unique(np.linspace(0, total - 1, min(total, _MEASURED)).astype(int)).tolist():
        prediction = model.predict(_image(pictures, index, seed), classes=everything)
        true = pictures.classes[index]
        confusion[true, prediction.top[0].class_index] += 1
        targets.append(true)
        peaks.append(prediction.cam.maps.max(axis=(1, 2)))
    return Measured(confusion, np.array(targets, np.int64), np.array(peaks, np.float64))


def _image(pictures: Examples, index: int, seed: int) -> NDArray[np.uint8]:
    """Draw the very picture that was checked with while training."""
    return pictures.image(index, np.random.default_rng((seed, CHECKING, index)))
