"""``camstream export --temperature`` and ``--calibrate-scores``: scores that are probabilities."""

from __future__ import annotations

import json
import re
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

from camstream import contract
from camstream.commands import app
from camstream.contract import ModelInfo
from camstream.errors import ModelError
from camstream.models.session import Model
from camstream.teach.teacher import Teacher
from camstream.testing import write_tiny_model

COUNT = 160  # photos


def run(*arguments: str | Path) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["export", *map(str, arguments)])
    return done.exit_code, done.output


@pytest.fixture
def dim_path(tmp_path: Path) -> Path:
    """A model that says "light" from a brightness of 100 of 255 on, and is much too sure."""
    return write_tiny_model(tmp_path / "dim.onnx", dark_bias=200.0)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Photos about as bright as that, named "light" with the probability of a temperature of 6."""
    random = np.random.default_rng(0)
    folder = tmp_path / "photos"
    for label in ("light", "dark"):
        (folder / label).mkdir(parents=True)
    for number in range(COUNT):
        level = int(random.integers(84, 117))
        is_light = random.random() < 1 / (1 + np.exp(-2 * (level - 100) / 6))
        path = folder / ("light" if is_light else "dark") / f"{number}.png"
        assert cv2.imwrite(str(path), np.full((64, 64, 3), level, np.uint8))
    return folder


def test_a_stated_temperature_changes_scores_alone(tmp_path: Path, dim_path: Path) -> None:
    output = tmp_path / "calm.onnx"
    code, said = run(dim_path, "--temperature", "4", "-o", output)
    assert code == 0, said
    before, after = Model(dim_path, device="cpu"), Model(output, device="cpu")
    assert (before.info.temperature, after.info.temperature) == (1.0, 4.0)
    image = np.full((96, 128, 3), 97, np.uint8)
    first, second = before.predict(image), after.predict(image)
    np.testing.assert_array_equal(second.logits, first.logits)
    np.testing.assert_array_equal(second.cam.maps, first.cam.maps)
    # The CAM identity is of the network's own logits.
    means = second.cam.maps.mean(axis=(1, 2)) + second.cam.bias
    np.testing.assert_allclose(means, second.logits[second.cam.class_indices], atol=1e-3)
    gap = float(first.logits[1] - first.logits[0])
    assert second.top[0].label == first.top[0].label == "dark"
    assert first.top[0].score == pytest.approx(1 / (1 + np.exp(-gap)), abs=1e-5)
    assert second.top[0].score == pytest.approx(1 / (1 + np.exp(-gap / 4)), abs=1e-5)
    assert second.scores.sum() == pytest.approx(1)
    assert second.displayed[0].score == second.top[0].score


def test_it_stays_with_the_file_and_not_with_a_new_head(tmp_path: Path, dim_path: Path) -> None:
    first, again = tmp_path / "first.onnx", tmp_path / "again.onnx"
    assert run(dim_path, "--temperature", "4", "-o", first)[0] == 0
    assert run(first, "-o", again)[0] == 0
    assert Model(again, device="cpu").info.temperature == 4
    # What is taught on it has probabilities of its own.
    teacher = Teacher(again)
    for level in (10, 240):
        for shift in range(6):
            image = np.full((64, 64, 3), level + shift, np.uint8)
            teacher.add(image, "high" if level > 100 else "low")
    assert teacher.fit().info.temperature == 1


def test_calibrated_scores_are_probabilities(tmp_path: Path, dim_path: Path, photos: Path) -> None:
    output = tmp_path / "fitted.onnx"
    code, said = run(dim_path, "--calibrate-scores", photos, "-o", output)
    assert code == 0, said
    temperature = Model(output, device="cpu").info.temperature
    assert 4 < temperature < 9
    pattern = r"temperature ([\d.]+); on 160 photos .* was ([\d.]+)%, and is ([\d.]+)%"
    words = re.search(pattern, " ".join(said.split()))
    assert words is not None, said
    assert float(words[1]) == temperature
    assert float(words[2]) > 1.5 * float(words[3])
    info = CliRunner().invoke(app, ["info", str(output)])
    assert f"softmax(logits / {temperature:g})" in info.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--calibrate-scores", "none"], "there is no folder none"),
        (["--calibrate-scores", "empty"], "no photos in sub-folders"),
        (["--calibrate-scores", "x", "--temperature", "2"], "exclude each other"),
        (["--temperature", "0"], "greater than or equal to 0.01"),
    ],
)
def test_errors_are_one_line_and_leave_no_file(
    tmp_path: Path,
    dim_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    output = tmp_path / "new.onnx"
    code, said = run(dim_path, *options, "-o", output)
    assert code != 0
    assert message in " ".join(said.split())
    assert "Traceback" not in said
    assert not output.exists()


@pytest.mark.parametrize("value", [0, -1, 1e9, "2", None, float("nan")])
def test_a_temperature_that_is_none_is_not_believed(tiny_path: Path, value: object) -> None:
    model = onnx.load(tiny_path)
    values = json.loads({one.key: one.value for one in model.metadata_props}[contract.METADATA_KEY])
    assert ModelInfo.from_json(json.dumps(values), path="x").temperature == 1
    with pytest.raises(ModelError, match=r"temperature|cannot be read"):
        ModelInfo.from_json(json.dumps({**values, "temperature": value}), path="x")
    del values["temperature"]  # as files of older versions are
    assert ModelInfo.from_json(json.dumps(values), path="x").temperature == 1
