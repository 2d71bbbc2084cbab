"""Fits a neck, and the linear layer behind it, to features that the backbone has computed.

First the features of every training image are computed once (``infer``); then the neck is fitted to
them with torch (``fit``).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from camstream import contract
from camstream.errors import ModelError
from camstream.graph.assemble import remove_cam
from camstream.graph.backbone import open_up_to
from camstream.graph.find_head import find_head
from camstream.graph.neck import Neck, gain, inputs
from camstream.graph.onnx_file import read_onnx
from camstream.picture import ImageU8
from export.person.copy_paste import Scene, grid_cover

F16 = NDArray[np.float16]
F32 = NDArray[np.float32]

_HIDDEN = 128
_BATCH = 128
_EPOCHS = 10
_LR = 2e-3  # falls to 0 along a cosine
_DROPOUT = 0.15  # of the backbone's channels
_EMPTY_WEIGHT = 1.5  # of a scene without people, relative to one with people
_EMA = 0.005  # share of a step's weights in their moving average, which is the result
_PERSON, _EMPTY = 0.25, 0.02  # a cell with more cover shows a person, one with less does not
_HARDEST = 40  # hard negative mining: one in so many cells without a person is learnt


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneFeatures:
    """The features of scenes of one size, in half precision to save memory.

    Attributes:
        fine_features: (N, E, 2h, 2w) float16.
        late: (N, L, h, w) float16.
        cover: (N, 2h, 2w) float16, see ``grid_cover``.
        person: (N,) whether there is a person.
        photos: The photos of each scene, as indices in the dataset's items.
    """

    fine_features: F16
    late: F16
    cover: F16
    person: NDArray[np.bool_]
    photos: tuple[tuple[int, ...], ...]

    def without(self, left_out: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the indices of scenes that contain no photo of a set.

        Args:
            left_out: (photos of the dataset,) true for that set.
        """
        free = [not any(left_out[photo] for photo in photos) for photos in self.photos]
        return np.flatnonzero(free)


class TwoGrids:
    """Computes the two feature grids that a neck reads; several threads may call it."""

    def __init__(self, path: Path) -> None:
        """Open a backbone.

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
        """Compute the fine features, (E, 2h, 2w), and the late ones, (L, h, w), of an image.

        Args:
            image: (H, W, 3) uint8 BGR, of the network's size.
        """
        frames = np.ascontiguousarray(image)[np.newaxis]
        (fine_features,), (late,) = self._session.run(None, {contract.FRAMES: frames})
        return fine_features.astype(np.float16), late.astype(np.float16)


def infer(
    scenes: Sequence[Callable[[], Scene]], two_grids: TwoGrids, on_scene: Callable[[], None]
) -> SceneFeatures:
    """Make scenes of one size and compute their features, in parallel on every core."""

    def compute(make: Callable[[], Scene]) -> tuple[F16, F16, F16, bool, tuple[int, ...]]:
        scene = make()
        fine_features, late = two_grids(scene.image)
        cover = grid_cover(scene, fine_features.shape[1:]).astype(np.float16)
        return fine_features, late, cover, scene.person, scene.photos

    rows = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for row in pool.map(compute, scenes):
            rows.append(row)
            on_scene()
    fine_features, late, cover, person, photos = zip(*rows, strict=True)
    return SceneFeatures(
        fine_features=np.stack(fine_features),
        late=np.stack(late),
        cover=np.stack(cover),
        person=np.array(person),
        photos=tuple(photos),
    )


class Net(nn.Module):
    """The arithmetic of ``Neck`` in torch, with the weights and the bias of the class person."""

    def __init__(self, fine_features: int, late: int) -> None:
        """Initialise the weights at random.

        Args:
            fine_features: Channels of the fine features.
            late: Channels of the late features.
        """
        super().__init__()
        self.fine = nn.Conv2d(fine_features, _HIDDEN, 1)
        self.coarse = nn.Conv2d(late, _HIDDEN, 1, bias=False)
        self.attention = nn.Parameter(torch.zeros(_HIDDEN))
        self.attention_bias = nn.Parameter(torch.zeros(()))
        self.row = nn.Parameter(torch.randn(_HIDDEN) * 0.05)
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, fine_features: Tensor, late: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the evidence for a person at each position, and each position's weight.

        Returns:
            (N, 2h, 2w) in logit units, and (N, 2h, 2w), whose mean is 1. Their product is the
            class activation map.
        """
        low = functional.interpolate(self.coarse(late), scale_factor=2, mode="nearest")
        hidden = functional.relu(self.fine(fine_features) + low)
        evidence = torch.einsum("nchw,c->nhw", hidden, self.row)
        score = torch.einsum("nchw,c->nhw", hidden, self.attention) + self.attention_bias
        gate = torch.exp(gain(score[0].numel()) * torch.tanh(score))
        return evidence, gate / gate.mean(dim=(1, 2), keepdim=True)

    def load(self, numbers: Mapping[str, NDArray[np.floating]]) -> None:
        """Take the weights of a head, by their names in the file of a shipped one."""
        assert self.fine.bias is not None
        with torch.no_grad():
            self.fine.weight.copy_(torch.from_numpy(numbers["fine"]))
            self.fine.bias.copy_(torch.from_numpy(numbers["bias"]))
            self.coarse.weight[:, :, 0, 0].copy_(torch.from_numpy(numbers["coarse"]))
            self.attention.copy_(torch.from_numpy(numbers["attention"]))
            self.attention_bias.copy_(torch.from_numpy(numbers["attention_bias"]))
            weight, bias = numbers["weight"], numbers["class_bias"]
            self.row.copy_(torch.from_numpy(weight[1] - weight[0]))
            self.bias.copy_(torch.as_tensor(bias[1] - bias[0]))

    def logits(self, evidence: Tensor, share: Tensor) -> Tensor:
        """Pool: (N,) logits of the class person."""
        return (evidence * share).mean(dim=(1, 2)) + self.bias


def fit(features: Sequence[SceneFeatures], left_out: NDArray[np.bool_], *, seed: int = 0) -> Net:
    """Fit to all scenes that contain no photo of a set.

    The loss is the sum of three cross-entropies: of the pooled logit; of the cells that are known to
    show a person; and of the cells without a person that have the highest logits.

    Args:
        features: One for each size.
        left_out: (photos of the dataset,) true for that set.
        seed: Of the initial weights, the order and the dropout.
    """
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    net = Net(features[0].fine_features.shape[1], features[0].late.shape[1])
    average = torch.optim.swa_utils.AveragedModel(
        net,
        multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(1 - _EMA),  # type: ignore[no-untyped-call]
    )
    optimizer = torch.optim.AdamW(net.parameters(), lr=_LR)
    kept = [one.without(left_out) for one in features]
    steps = _EPOCHS * sum(-(-len(rows) // _BATCH) for rows in kept)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(_EPOCHS):
        for one, rows in _batches(features, kept, random):
            optimizer.zero_grad()
            _loss(net, one, rows).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            average.update_parameters(net)
    fitted = average.module
    assert isinstance(fitted, Net)
    return fitted.eval()


def logits(net: Net, fine_features: F16, late: F16) -> F32:
    """Compute (N,) logits of the class person."""
    parts = []
    with torch.no_grad():
        for start in range(0, len(fine_features), _BATCH):
            part = np.s_[start : start + _BATCH]
            parts.append(
                net.logits(*net(_tensor(fine_features[part]), _tensor(late[part]))).numpy()
            )
    return np.concatenate(parts)


def peaks(net: Net, fine_features: F16, late: F16) -> F32:
    """Compute (N,) the largest value of each map of the class person, logit units."""
    parts = []
    with torch.no_grad():
        for start in range(0, len(fine_features), _BATCH):
            part = np.s_[start : start + _BATCH]
            evidence, share = net(_tensor(fine_features[part]), _tensor(late[part]))
            parts.append((evidence * share).amax(dim=(1, 2)).numpy())
    return np.concatenate(parts)


def to_shipped(net: Net, scale: float, offset: float) -> tuple[Neck, F32, F32]:
    """Return the weights, rounded to the half precision that they are shipped in.

    Args:
        net: Fitted.
        scale: Calibration: the logits are multiplied by it; it goes into the linear layer.
        offset: Calibration: added to the logits.

    Returns:
        The neck; (H,) float32 the linear layer's weights of the class person; () its bias.
    """

    def rounded(tensor: Tensor) -> F32:
        return np.asarray(tensor.detach().numpy().astype(np.float16).astype(np.float32))

    assert net.fine.bias is not None
    neck = Neck(
        fine=rounded(net.fine.weight),
        coarse=rounded(net.coarse.weight)[:, :, 0, 0],
        bias=rounded(net.fine.bias),
        attention=rounded(net.attention),
        attention_bias=rounded(net.attention_bias),
    )
    return neck, rounded(net.row * scale), rounded(net.bias * scale + offset)


def _batches(
    features: Sequence[SceneFeatures],
    kept: Sequence[NDArray[np.int64]],
    random: np.random.Generator,
) -> Iterator[tuple[SceneFeatures, NDArray[np.int64]]]:
    """Yield every row once, in batches of one size, shuffled."""
    batches = []
    for one, rows in zip(features, kept, strict=True):
        shuffled = random.permutation(rows)
        batches += [(one, shuffled[i : i + _BATCH]) for i in range(0, len(rows), _BATCH)]
    for number in random.permutation(len(batches)):
        yield batches[number]


def _loss(net: Net, features: SceneFeatures, rows: NDArray[np.int64]) -> Tensor:
    fine_features, late = (
        functional.dropout2d(_tensor(each[rows]), _DROPOUT)
        for each in (features.fine_features, features.late)
    )
    evidence, share = net(fine_features, late)
    person = torch.from_numpy(features.person[rows]).float()
    weight = person + (1 - person) * _EMPTY_WEIGHT
    pooled = functional.binary_cross_entropy_with_logits(
        net.logits(evidence, share), person, weight=weight
    )
    return pooled + cell_loss(net, evidence, _tensor(features.cover[rows]))


def cell_loss(net: Net, evidence: Tensor, cover: Tensor, weight: Tensor | None = None) -> Tensor:
    """Compute the cross-entropies of the cells that show people, and of the hardest that do not.

    Args:
        net: That made the evidence.
        evidence: (N, 2h, 2w), see ``Net.forward``.
        cover: (N, 2h, 2w), see ``grid_cover``.
        weight: (N,) of the scenes; None: all the same.
    """
    # NaN, not known, is in neither: comparisons are false.
    is_person, is_empty = (cover > _PERSON).float(), cover < _EMPTY
    cells = functional.binary_cross_entropy_with_logits(
        evidence + net.bias, is_person, reduction="none"
    )
    if weight is not None:
        cells = cells * weight[:, np.newaxis, np.newaxis]
    on_people = (cells * is_person).sum() / is_person.sum().clamp(min=1)
    negatives = cells[is_empty]
    hardest = negatives.topk(len(negatives) // _HARDEST).values
    return on_people + hardest.sum() / max(1, len(hardest))


def _tensor(array: F16) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).float()
