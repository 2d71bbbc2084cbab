"""A network of two layers in torch, for ``camstream export tests.fuzz.tiny_network:make``."""

from __future__ import annotations

import torch
from torch import nn


def make() -> nn.Module:
    """Make the network, always with the same weights."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 8, 8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
