"""Fits a head on to kept features: every source counts, whatever the number of its frames.

Seen often, the frames of a source are learnt by heart: people of other sources are then found less. So every
picture is seen once, with two variations, and what several such fits from the same start give is
averaged, weight by weight, with the start itself (Wortsman et al. 2022: Model soups, ICML; Robust
fine-tuning of zero-shot models, CVPR).
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from export.person.fit_neck import F32, Net, cell_loss
from export.person.grids import I64, Grids
from export.person.shots import Shot

_MOST = {"video": 24, "photo": 100, "more": 40}  # shots of a source and label in a pass
_BATCH = 24
_LR = 1e-3  # rises to it in a tenth of the steps, then falls to 0 along a cosine
_WEIGHT_DECAY = 0.01
_DROPOUT = 0.15  # of the backbone's channels
_SMOOTH = 0.02  # of the labels
_EMA = 0.01  # share of a step's weights in their moving average, which is the result
_PHOTO_SHARE = 0.4  # of the weight of all pictures
_EMPTY_WEIGHT = 1.2  # of a picture without people
_CELLS = 0.67  # weight of the cells
_START_SHARE = 0.5  # of the weights before the fit, in the average


def fit_on(
    start: Net,
    passes: Sequence[Grids],
    shots: Sequence[Shot],
    left_out: int | None,
    *,
    seed: int = 0,
) -> Net:
    """Fit on, once to all pictures of every pass except those of a fold.

    Args:
        start: Not changed.
        passes: Features of the shots and of their variations.
        shots: All.
        left_out: The fold; None: none.
        seed: Of the order and the dropout.
    """
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    net = copy.deepcopy(start).train()
    average = torch.optim.swa_utils.AveragedModel(
        net,
        multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(1 - _EMA),  # type: ignore[no-untyped-call]
    )
    optimizer = torch.optim.AdamW(net.parameters(), lr=_LR, weight_decay=_WEIGHT_DECAY)
    plan = _plan(passes, shots, left_out, random)
    steps = max(20, len(plan))  # with fewer, the rise would have no step
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _LR, steps, pct_start=0.1)
    for one, rows, weights in plan:
        optimizer.zero_grad()
        _loss(net, one, rows, weights).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        average.update_parameters(net)
    fitted = average.module
    assert isinstance(fitted, Net)
    return fitted.eval()


def soup(start: Net, nets: Sequence[Net]) -> Net:
    """Average the weights of networks that were fitted on from the same start, and of that start.

    Args:
        start: It counts as much as all others together: what the frames do not show stays.
        nets: Fitted on from it.
    """
    mixed = copy.deepcopy(start)
    states = [net.state_dict() for net in nets]
    mixed.load_state_dict(
        {
            name: _START_SHARE * value
            + (1 - _START_SHARE) * torch.stack([state[name] for state in states]).mean(dim=0)
            for name, value in start.state_dict().items()
        }
    )
    return mixed.eval()


def judge(net: Net, grids: Grids, rows: I64) -> tuple[F32, F32]:
    """Compute, for each row, the logit of the class person and the highest value of its map."""
    logits, highest = (np.full(len(grids.shots), np.nan, np.float32) for _ in range(2))
    with torch.no_grad():
        for batch in grids.batches(rows, _BATCH, np.random.default_rng(0)):
            fine, late, _ = grids.read(batch)
            evidence, share = net(fine, late)
            logits[batch] = net.logits(evidence, share).numpy()
            highest[batch] = (evidence * share).amax(dim=(1, 2)).numpy()
    return logits[rows], highest[rows]


def counts_among(shot: Shot) -> tuple[str, str, bool, bool]:
    """Name the group that a shot belongs to: its kind, source, label, whether made from frames."""
    return shot.kind, shot.source, shot.person, shot.background


def limited(numbers: I64, shots: Sequence[Shot]) -> NDArray[np.bool_]:
    """Tell which of the shots, in this order, are no more than a group may have."""
    seen: dict[tuple[str, str, bool, bool], int] = {}
    kept = []
    for number in numbers:
        key = counts_among(shots[number])
        seen[key] = seen.get(key, 0) + 1
        kept.append(seen[key] <= _MOST[shots[number].kind])
    return np.array(kept)


def _plan(
    passes: Sequence[Grids],
    shots: Sequence[Shot],
    left_out: int | None,
    random: np.random.Generator,
) -> list[tuple[Grids, I64, F32]]:
    """Draw batches, with the weights of their pictures, from every pass."""
    steps = []
    for one in passes:
        free = np.array([shots[number].fold != left_out for number in one.shots])
        rows = random.permutation(np.flatnonzero(free))
        rows = rows[limited(one.shots[rows], shots)]
        weights = np.zeros(len(one.shots), np.float32)
        weights[rows] = _weights([shots[number] for number in one.shots[rows]], one.person[rows])
        steps += [(one, batch, weights[batch]) for batch in one.batches(rows, _BATCH, random)]
    return [steps[number] for number in random.permutation(len(steps))]


def _weights(shots: Sequence[Shot], person: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Weigh pictures: a source by the root of its number, both kinds and labels as is set above."""
    keys = [(shot.kind, shot.source, bool(one)) for shot, one in zip(shots, person, strict=True)]
    counts = Counter(keys)
    weights = np.array([counts[key] ** -0.5 for key in keys])
    photo = np.array([shot.kind != "video" and not shot.background for shot in shots])
    for kind, share in ((photo, _PHOTO_SHARE), (~photo, 1 - _PHOTO_SHARE)):
        for one, factor in ((True, 1.0), (False, _EMPTY_WEIGHT)):
            chosen = kind & (person == one)
            weights[chosen] *= share * factor / max(weights[chosen].sum(), 1e-9)
    return np.asarray(weights * len(weights) / weights.sum())


def _loss(net: Net, grids: Grids, rows: I64, weights: F32) -> torch.Tensor:
    fine, late, cover = grids.read(rows)
    fine, late = functional.dropout2d(fine, _DROPOUT), functional.dropout2d(late, _DROPOUT)
    evidence, share = net(fine, late)
    weight = torch.from_numpy(weights)
    target = torch.from_numpy(grids.person[rows]).float() * (1 - _SMOOTH) + _SMOOTH / 2
    pooled = functional.binary_cross_entropy_with_logits(
        net.logits(evidence, share), target, weight=weight
    )
    return pooled + _CELLS * cell_loss(net, evidence, cover, weight)
