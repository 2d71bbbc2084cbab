"""Fits a neck and the linear layer behind it, with torch, to features that are computed already."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from camstream.graph.neck import Neck, gain
from export.person.views import F16, Views

F32 = NDArray[np.float32]

_HIDDEN = 128
_BATCH = 128
_EPOCHS = 10
_RATE = 2e-3  # falls to 0 along a cosine
_DROPPED = 0.15  # of the trunk's channels, anew in every step
_EMPTY_WEIGHT = 1.5  # of a scene without people, to one with
_AVERAGING = 0.005  # share of a step's weights in their running average, which is kept
_THERE, _BLANK = 0.25, 0.02  # a cell that is covered more shows somebody, one less nobody
_HARDEST = 40  # of those, one of so many is taught: those that look most like a person


class Net(nn.Module):
    """The same arithmetic as ``Neck``, and the row and the bias of the class person."""

    def __init__(self, fine_features: int, late: int) -> None:
        """Start anew.

        Args:
            fine_features: Channels of the early features.
            late: Of the late ones.
        """
        super().__init__()
        self.fine = nn.Conv2d(fine_features, _HIDDEN, 1)
        self.coarse = nn.Conv2d(late, _HIDDEN, 1, bias=False)
        self.attention = nn.Parameter(torch.zeros(_HIDDEN))
        self.attention_bias = nn.Parameter(torch.zeros(()))
        self.row = nn.Parameter(torch.randn(_HIDDEN) * 0.05)
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, fine_features: Tensor, late: Tensor) -> tuple[Tensor, Tensor]:
        """Give what speaks for a person at each place, and each place's share.

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

    def logits(self, evidence: Tensor, share: Tensor) -> Tensor:
        """Pool: (N,) logits of the class person."""
        return (evidence * share).mean(dim=(1, 2)) + self.bias


def fit(views: Sequence[Views], left_out: NDArray[np.bool_], *, seed: int = 0) -> Net:
    """Fit to all scenes that no photo of a set is in.

    The loss is the cross-entropy of the pooled logit, that of the cells that are known to show a
    person, and that of the cells that show none and are most taken for one.

    Args:
        views: One for each size.
        left_out: (photos of the album,) that set.
        seed: Of the start, the order and what is dropped.
    """
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    net = Net(views[0].fine_features.shape[1], views[0].late.shape[1])
    average = torch.optim.swa_utils.AveragedModel(
        net,
        multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(1 - _AVERAGING),  # type: ignore[no-untyped-call]
    )
    optimizer = torch.optim.AdamW(net.parameters(), lr=_RATE)
    kept = [one.without(left_out) for one in views]
    steps = _EPOCHS * sum(-(-len(rows) // _BATCH) for rows in kept)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(_EPOCHS):
        for one, rows in _batches(views, kept, random):
            optimizer.zero_grad()
            _loss(net, one, rows).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            average.update_parameters(net)
    fitted = average.module
    assert isinstance(fitted, Net)
    return fitted.eval()


def logits(net: Net, fine_features: F16, late: F16) -> F32:
    """Give (N,) logits of the class person."""
    parts = []
    with torch.no_grad():
        for start in range(0, len(fine_features), _BATCH):
            part = np.s_[start : start + _BATCH]
            parts.append(
                net.logits(*net(_tensor(fine_features[part]), _tensor(late[part]))).numpy()
            )
    return np.concatenate(parts)


def peaks(net: Net, fine_features: F16, late: F16) -> F32:
    """Give (N,) the largest value of each map of the class person, logit units."""
    parts = []
    with torch.no_grad():
        for start in range(0, len(fine_features), _BATCH):
            part = np.s_[start : start + _BATCH]
            evidence, share = net(_tensor(fine_features[part]), _tensor(late[part]))
            parts.append((evidence * share).amax(dim=(1, 2)).numpy())
    return np.concatenate(parts)


def to_shipped(net: Net, scale: float, offset: float) -> tuple[Neck, F32, F32]:
    """Take the weights out, rounded to the half precision that they are shipped in.

    Args:
        net: Fitted.
        scale: Makes, with the offset, probabilities of its logits; goes into the linear layer.
        offset: See there.

    Returns:
        The neck; (H,) float32 the linear layer's row of the class person; () its bias.
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
    views: Sequence[Views], kept: Sequence[NDArray[np.int64]], random: np.random.Generator
) -> Iterator[tuple[Views, NDArray[np.int64]]]:
    """Give every row once, in batches of one size, shuffled."""
    batches = []
    for one, rows in zip(views, kept, strict=True):
        shuffled = random.permutation(rows)
        batches += [(one, shuffled[i : i + _BATCH]) for i in range(0, len(rows), _BATCH)]
    for number in random.permutation(len(batches)):
        yield batches[number]


def _loss(net: Net, views: Views, rows: NDArray[np.int64]) -> Tensor:
    fine_features, late = (
        functional.dropout2d(_tensor(each[rows]), _DROPPED)
        for each in (views.fine_features, views.late)
    )
    evidence, share = net(fine_features, late)
    person = torch.from_numpy(views.person[rows]).float()
    weight = person + (1 - person) * _EMPTY_WEIGHT
    pooled = functional.binary_cross_entropy_with_logits(
        net.logits(evidence, share), person, weight=weight
    )
    cover = _tensor(views.cover[rows])  # a comparison with NaN is false: not known
    there, blank = (cover > _THERE).float(), cover < _BLANK
    cells = functional.binary_cross_entropy_with_logits(
        evidence + net.bias, there, reduction="none"
    )
    mean_there = (cells * there).sum() / there.sum().clamp(min=1)
    nobody = cells[blank]
    hardest = nobody.topk(len(nobody) // _HARDEST).values
    return pooled + mean_there + hardest.sum() / max(1, len(hardest))


def _tensor(array: F16) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).float()
