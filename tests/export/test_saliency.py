"""Gradient saliency: its formula on a network made by hand, its row in the table, its errors."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from camstream.commands import app
from camstream.errors import ModelError
from camstream.models.session import Model
from export.saliency import Saliency, gradient_size


def test_gradient_of_a_linear_network() -> None:
    linear = nn.Linear(3 * 4 * 5, 2)
    network = nn.Sequential(nn.Flatten(), linear)
    weights = linear.weight.detach().reshape(2, 3, 4, 5)
    found = gradient_size(network, torch.zeros(1, 3, 4, 5), 1)
    np.testing.assert_allclose(found.numpy(), weights[1].abs().amax(dim=0).numpy())


def test_default_network(model: Model) -> None:
    saliency = Saliency(model.info)
    image = np.random.default_rng(0).integers(0, 256, (160, 288, 3), np.uint8)
    with torch.inference_mode():  # the same colours and scale as in the file
        logits = saliency.network(saliency.normalised(image))[0].numpy()
    np.testing.assert_allclose(logits, model.predict(image).logits, atol=1e-3)
    found = saliency(image, 283)
    assert found.shape == (40, 72)
    assert found.dtype == np.float32
    assert found.min() > 0
    assert not np.allclose(found, saliency(image, 7))


def test_networks_that_are_not_there(model: Model) -> None:
    with pytest.raises(ModelError, match="camstream export builds no cups by name"):
        Saliency(dataclasses.replace(model.info, name="cups"))
    with pytest.raises(ModelError, match="needs the weights that efficientnet_lite0 was made of"):
        Saliency(dataclasses.replace(model.info, weights_sha256="0"))


def _evaluate(folder: Path, model: Path, *options: str) -> tuple[int, str]:
    (folder / "photos").mkdir()
    cv2.imwrite(str(folder / "photos" / "a.png"), np.full((48, 64, 3), 128, np.uint8))
    boxes = folder / "b.csv"
    boxes.write_text("file,class_index,x0,y0,x1,y1\na.png,1,0,0,32,48\n")
    arguments = ["evaluate", str(folder / "photos"), "--model", str(model), *options]
    done = CliRunner().invoke(app, [*arguments, "--true-boxes", str(boxes), "--device", "cpu"])
    return done.exit_code, done.output


def test_the_command(lite0: Path, tmp_path: Path) -> None:
    code, output = _evaluate(tmp_path, lite0, "--saliency", "--refine", "--box-threshold", "30%")
    assert code == 0, output
    assert "saliency" in output
    assert "30 % rule" in output


def test_without_torch(lite0: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "export.saliency")
    code, output = _evaluate(tmp_path, lite0, "--saliency")
    assert code == 1
    assert "saliency needs torch, which is not installed" in " ".join(output.split())
    assert "Traceback" not in output


def test_without_boxes(lite0: Path, tmp_path: Path) -> None:
    command = ["evaluate", str(tmp_path), "--labels-from-folders", "--saliency"]
    done = CliRunner().invoke(app, [*command, "--model", str(lite0)])
    assert done.exit_code == 2
    assert "--saliency is for photos with --true-boxes" in done.output
