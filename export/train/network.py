"""A network before and after its training: from old weights to a camstream file.

Before: as many old weights as fit, and a new last layer. After: the logits' origin is chosen, the
network is exported, and the file itself is measured on the validation images.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import torch
from torch import nn

from camstream.errors import ModelError, SinkError, UsageError
from camstream.graph.assemble import with_info
from camstream.models.session import Model
from camstream.teach.fit import HeatRule, choose_range
from export import networks, weights
from export.source import IMAGENET, IMAGENET_BACKBONE, PACKAGED, UNTRAINED, Source
from export.to_onnx import export
from export.train.examples import VALIDATION, Examples
from export.weights import Weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from camstream.contract import ModelInfo
    from export.networks import NetworkSpec
    from export.networks.layers import Pool

_MEASURED = 500  # images
# Among many classes that are alike, each has some evidence in images of the others.
_HEAT = HeatRule(low_percentile=95, high_percentile=75, max_low=0.4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A network before it is trained.

    Attributes:
        name: Its name in ``export.networks``.
        spec: Its description there.
        network: The network, its last layer for the new classes.
        origin: The origin of its weights, in words.
        new: Its modules without old weights; empty where no module has old weights.
    """

    name: str
    spec: NetworkSpec
    network: nn.Module
    origin: str
    new: tuple[str, ...]

    def groups(self) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
        """Return the parameters of the backbone, and those of the head (of all new modules)."""
        backbone: list[nn.Parameter] = []
        head: list[nn.Parameter] = []
        for name, parameter in self.network.named_parameters():
            is_new = any(name.startswith(f"{module}.") for module in self.new)
            (head if is_new else backbone).append(parameter)
        return backbone, head


def start(
    name: str,
    classes: int,
    *,
    choice: str | None = None,
    pool: Pool = "avg",
    seed: int = 0,
    progress: Callable[[str], None] = lambda _: None,
) -> Start:
    """Build a network for a number of classes and load the old weights that fit.

    Args:
        name: One of ``export.networks.NETWORKS`` that ends in a global pooling.
        classes: The number of classes.
        choice: Old weights: "packaged", "imagenet", "random" or a file. The last layer, and
            modules that the weights lack, are new. None: packaged or published weights where the
            network has them.
        pool: Global average or maximum pooling.
        seed: Seed of the new modules.
        progress: Called with one line per step.

    Raises:
        ModelError: The weights are another network's.
        UsageError: There is no such network, it ends in fully connected layers, or it has no such
            weights.
        SetupError: The weights are not on this machine and cannot be downloaded.
    """
    spec = networks.find(name)
    if not spec.poolable:
        gap = f"{name}_gap"
        remedy = f"train {gap}" if gap in networks.NETWORKS else "choose another network"
        raise UsageError(f"{name} ends in fully connected layers and has no class map; {remedy}")
    found = _old_weights(name, spec, choice, progress)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = spec.build(classes, pool)
    if found is None:
        return Start(name=name, spec=spec, network=network, origin="nothing", new=())
    new = _load(network, spec, found, name)
    return Start(name=name, spec=spec, network=network, origin=found.source, new=new)


def _old_weights(
    name: str, spec: NetworkSpec, choice: str | None, progress: Callable[[str], None]
) -> Weights | None:
    """Load the weights to start from; None: there are none."""
    if choice is None:
        choice = UNTRAINED
        if spec.published is not None:
            choice = IMAGENET
        if spec.packaged is not None:
            choice = PACKAGED
    if choice == UNTRAINED:
        return None
    progress(f"loading the weights of {name}")
    if choice == PACKAGED and spec.packaged is not None:
        return spec.packaged()
    if choice in (IMAGENET, IMAGENET_BACKBONE) and spec.published is not None:
        return weights.published(spec.published, progress=progress)
    if not Path(choice).is_file():
        raise UsageError(
            f"{name} has no weights {choice}; give --weights FILE (a .pth or .safetensors) "
            f"or {UNTRAINED}"
        )
    return weights.load_file(Path(choice))


def _load(network: nn.Module, spec: NetworkSpec, found: Weights, name: str) -> tuple[str, ...]:
    """Load what fits and return the modules that stay new; the whole backbone must fit."""
    old = spec.adapt(found.state)
    own = network.state_dict()
    fits = {
        key: old[key]
        for key, tensor in own.items()
        if not key.startswith(f"{spec.last}.") and key in old and old[key].shape == tensor.shape
    }
    new = tuple(
        module
        for module in (*spec.new, spec.last)
        if not any(key.startswith(f"{module}.") for key in fits)
    )
    lost = [
        key
        for key in own
        if key not in fits
        and not key.endswith("num_batches_tracked")
        and not any(key.startswith(f"{module}.") for module in new)
    ]
    if lost:
        raise ModelError(
            f"the weights of {found.source} are not {name}'s: {lost[0]} is missing or has another "
            f"shape, and {len(lost) - 1} more; choose the --network that they are of"
        )
    network.load_state_dict(fits, strict=False)
    return new


@dataclass(frozen=True, slots=True)
class Measured:
    """The output of a file for images of known classes.

    Attributes:
        confusion: (C, C) int64: images of class row that were classified as class column.
        targets: (N,) int64: the class of each image.
        peaks: (N, C) float64: largest value of every class's map in each image, logit units.
    """

    confusion: NDArray[np.int64]
    targets: NDArray[np.int64]
    peaks: NDArray[np.float64]

    @property
    def accuracy(self) -> float:
        """Share of the images that were classified correctly, 0 to 1."""
        return float(np.trace(self.confusion) / self.confusion.sum())


def set_origin(network: nn.Module, last: str, background: int | None) -> None:
    """Shift all logits, and so all maps, to a meaningful zero, in place; the softmax stays.

    The same amount may be added to the logits of all classes. With a background class, its logit
    and map become zero: the others' maps are the evidence against it. Without one, the mean over
    all classes becomes zero.

    Args:
        network: Its last layer is changed, if it is linear (a ReLU after a last convolution would
            not allow it).
        last: Name of that layer.
        background: Index of the negative (background) class; None: there is none.
    """
    layer = network.get_submodule(last)
    if not isinstance(layer, nn.Linear):
        return
    with torch.no_grad():
        for values in (layer.weight, layer.bias):
            values -= values.mean(dim=0) if background is None else values[background].clone()


def write_model(
    start: Start,
    output: Path,
    *,
    labels: tuple[str, ...],
    origin: str,
    validation: Examples,
    background: int | None,
    seed: int,
    progress: Callable[[str], None],
) -> tuple[ModelInfo, Measured]:
    """Export a trained network with every check, and choose its colour scale on the file itself.

    Args:
        start: Its network is trained now.
        output: The file to write; an existing one is replaced.
        labels: One name per class.
        origin: The origin of the weights, in words.
        validation: Images of the size it was trained at.
        background: As in ``set_origin``.
        seed: Of the training.
        progress: Called with one line per step.

    Returns:
        The record in the file, and the file's output for the validation images.

    Raises:
        ModelError: The exported file differs from the network.
        SinkError: It cannot be written.
    """
    network = start.network.cpu().eval()
    set_origin(network, start.spec.last, background)
    size_hw = _image(validation, 0, seed).shape[:2]
    source = Source(
        name=start.name,
        network=network,
        weights=origin,
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
            path = Path(folder) / output.name
            info = export(source, path, progress=progress)
            progress("choosing the colour scale")
            model = Model(path, device="cpu", size_wh=size_hw[::-1])
            measured = measure(model, validation, seed=seed)
            own = measured.peaks[np.arange(len(measured.targets)), measured.targets]
            if (own > 0).any():  # otherwise nothing was learnt, and the usual range stays
                chosen = choose_range(measured.peaks, measured.targets, background, _HEAT)
                info = dataclasses.replace(info, cam_range=chosen)
            if background is not None:
                info = dataclasses.replace(info, background=labels[background])
            onnx.save(with_info(onnx.load(path), info), path)
            path.replace(output)
    except OSError as error:
        if isinstance(error, SinkError):
            raise
        raise SinkError(f"cannot write {output}: {error.strerror or error}") from error
    return info, measured


def measure(model: Model, images: Examples, *, seed: int) -> Measured:
    """Classify images, 500 at most, and find the peak of every class's map in each."""
    count = len(model.info.labels)
    every_class = range(count)
    confusion = np.zeros((count, count), np.int64)
    targets, peaks = [], []
    total = len(images.classes)
    for index in np.unique(np.linspace(0, total - 1, min(total, _MEASURED)).astype(int)).tolist():
        prediction = model.predict(_image(images, index, seed), classes=every_class)
        true = images.classes[index]
        confusion[true, prediction.top[0].class_index] += 1
        targets.append(true)
        peaks.append(prediction.cam.maps.max(axis=(1, 2)))
    return Measured(confusion, np.array(targets, np.int64), np.array(peaks, np.float64))


def _image(images: Examples, index: int, seed: int) -> NDArray[np.uint8]:
    """Return the very image that the training validated with."""
    return images.image(index, np.random.default_rng((seed, VALIDATION, index)))
