"""Weights that depend on nothing but a parameter's name and shape.

Two networks that agree on names and shapes get the same weights, so their outputs show whether
they compute the same: kernels, strides, paddings, epsilons and activations included.
"""

from __future__ import annotations

import hashlib
import math
import zlib
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

PROBE_SIZES_HW = ((224, 224), (193, 257))
PROBE_LOGITS = 8


def known_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Make the weights for a network's names and shapes."""
    return {name: _tensor(name, tensor) for name, tensor in state.items()}


def _tensor(name: str, like: Tensor) -> Tensor:
    random = np.random.default_rng(zlib.crc32(name.encode()))
    if not like.is_floating_point():
        return torch.zeros_like(like)
    if like.ndim > 1:
        fan_in = like[0].numel()
        return torch.from_numpy(
            random.normal(0.0, math.sqrt(2 / fan_in), like.shape).astype(np.float32)
        )
    low, high = (0.5, 1.0) if name.endswith(("weight", "var")) else (-0.1, 0.1)
    return torch.from_numpy(random.uniform(low, high, like.shape).astype(np.float32))


def probe(size_hw: tuple[int, int]) -> Tensor:
    """Make the two images that the outputs are compared on, (2, 3, H, W)."""
    random = np.random.default_rng(0)
    return torch.from_numpy(random.normal(0, 1, (2, 3, *size_hw)).astype(np.float32))


def names_digest(state: Mapping[str, Tensor]) -> str:
    """SHA-256 of the sorted names and shapes, hexadecimal."""
    lines = sorted(f"{name} {tuple(tensor.shape)}" for name, tensor in state.items())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
