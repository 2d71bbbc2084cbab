"""The source of a user's own module with networks of three layers."""

from __future__ import annotations

SOURCE = """
import torch
from torch import nn
from torch.nn import functional

class Tiny(nn.Module):
    def __init__(self, head, places=1):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 4, 1)
        self.body = nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(8, 12, 3, 2, 1))
        self.head = head

    def forward(self, x):
        return self.head(functional.relu(self.body(self.stem(x))))

def seeded(head):
    torch.manual_seed(0)
    network = Tiny(head)
    network.size = (64, 32)
    return network

def mean():
    network = seeded(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 3)))
    network.labels, network.mean, network.std = ["ok", "ng", "none"], (1, 2, 3), (4.0, 5.0, 6.0)
    return network

def largest():
    return seeded(nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(12, 3)))

def flat():
    return seeded(nn.Sequential(nn.Flatten(), nn.Linear(12 * 4 * 8, 3)))

def layers():
    return seeded(nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(),
                                nn.Linear(12 * 2 * 4, 16), nn.ReLU(), nn.Linear(16, 3)))

def features():
    return seeded(nn.Identity())

def needs_more():
    import no_such_package

def fails():
    raise OSError("disk on fire")

def text():
    return "resnet"
"""
