"""Heads as those of ConvNeXt, MobileNetV3, timm's VGG and Swin, from torch, against autograd."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, nn

from export.source import load_custom
from export.to_onnx import export

if TYPE_CHECKING:
    from pathlib import Path


class Small(nn.Module):
    """Two convolutions and a head of the kind."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind, self.size = kind, (64, 64)
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 12, 3, 2, 1), nn.ReLU()
        )
        self.norm, self.wide = nn.LayerNorm(12), nn.Linear(12, 16)
        self.whole = nn.Conv2d(12, 16, 16)
        self.classes = nn.Linear(16 if kind in ("mobilenet", "vgg") else 12, 5)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.features(x)
        if self.kind == "convnext":
            row = self.norm(maps.mean((2, 3)))
        elif self.kind == "mobilenet":
            row = nn.functional.hardswish(self.wide(maps.mean((2, 3))))
        elif self.kind == "vgg":
            row = nn.functional.adaptive_avg_pool2d(self.whole(maps).relu(), 1).flatten(1)
        else:
            row = self.norm(maps.permute(0, 2, 3, 1)).mean((1, 2))
        scores: Tensor = self.classes(row)
        return scores


@pytest.mark.parametrize(
    ("kind", "method", "multiple"),
    [
        ("convnext", "Grad-CAM", 4),
        ("mobilenet", "Grad-CAM", 4),
        ("vgg", "Grad-CAM", None),
        ("swin", "CAM", 4),
    ],
)
def test_a_factorys_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, method: str, multiple: int | None
) -> None:
    torch.manual_seed(0)
    monkeypatch.setattr("tests.export.test_heads.make", lambda: Small(kind), raising=False)
    info = export(load_custom("tests.export.test_heads:make"), tmp_path / "net.onnx")
    assert (info.method, info.size_multiple) == (method, multiple)
    assert info.parity is not None
    assert info.parity.cam_max is not None
    assert info.parity.cam_max_diff <= 1e-4 * info.parity.cam_max
