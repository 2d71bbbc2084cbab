"""Units: their parts add up to the logit, and the places are where they are active."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from camstream.commands import app
from camstream.evaluate.units import PLACES, find_photos, find_units
from camstream.graph.backbone import Backbone
from camstream.models.session import Model
from camstream.models.zoo import find_model
from camstream.testing import write_tiny_model

LIGHT = 1


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Eight photos, dark on the left, lighter and lighter on the right."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(8):
        image = np.full((64, 96, 3), 10, np.uint8)
        image[:, 48:] = 30 * number
        assert cv2.imwrite(str(folder / f"{number}.png"), image)
    (folder / "notes.txt").write_text("no photo")
    return folder


def test_the_parts_of_all_units_are_the_logit(photos: Path) -> None:
    model = find_model()
    backbone = Backbone(model)
    files = find_photos([photos])
    assert len(files) == 8
    class_index = 281
    found = find_units(backbone, class_index, files, count=backbone.channels)
    opened = Model(model, device="cpu")
    first = opened.predict(files[0], classes=[class_index])
    bias = float(first.cam.bias[0])
    logits = [float(opened.predict(file).logits[class_index]) for file in files]
    assert sum(unit.part for unit in found.units) == pytest.approx(found.logit, abs=1e-3)
    assert found.logit + bias == pytest.approx(np.mean(logits), abs=0.02)
    parts = [unit.part for unit in found.units]
    assert parts == sorted(parts, reverse=True)


def test_places_are_the_photos_with_the_largest_average(photos: Path, tmp_path: Path) -> None:
    backbone = Backbone(write_tiny_model(tmp_path / "tiny.onnx"))
    found = find_units(backbone, LIGHT, find_photos([photos]), count=1)
    places = found.units[0].places
    assert len(places) <= PLACES
    averages = [place.average for place in places]
    assert averages == sorted(averages, reverse=True)
    assert averages[0] > 0
    for place in places:
        assert place.activity.mean() == pytest.approx(place.average, rel=1e-4)


def test_the_command_writes_a_picture_and_says_what_is_wrong(photos: Path, tmp_path: Path) -> None:
    model, sheet = write_tiny_model(tmp_path / "tiny.onnx"), tmp_path / "units.png"
    words = ["units", str(model), str(LIGHT), str(photos), "-o", str(sheet), "--count", "2"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "adds to the logit" in done.output
    drawn = cv2.imread(str(sheet))
    assert drawn is not None
    assert drawn.max() > 200
    assert CliRunner().invoke(app, words).exit_code != 0  # it is there already
    for wrong in (
        ["units", str(model), "no such class", str(photos)],
        ["units", str(model), str(LIGHT), str(tmp_path / "nowhere")],
        ["units", str(model), str(LIGHT), str(photos / "notes.txt")],
        ["units", str(model), str(LIGHT), str(photos), "-o", str(photos / "0.jpeg.txt")],
        ["units", "efficientnet_lite0", "dog", str(photos)],
    ):
        refused = CliRunner().invoke(app, wrong)
        assert isinstance(refused.exception, SystemExit)
        assert refused.exit_code != 0
        assert "Traceback" not in refused.output
    assert not (tmp_path / "units.jpg").exists()
