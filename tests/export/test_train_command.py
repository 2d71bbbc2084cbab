"""``camstream train``: the files it writes, the files after Ctrl-C, and its errors."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from typer.testing import CliRunner, Result

from camstream.commands import app
from camstream.models.session import Model
from tests.export.photos import write_photos

# Small enough to take seconds.
USUAL = ("--network", "small_gap", "--model-size", "64x48", "--batch", "4", "--epochs", "1")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_photos(tmp_path / "photos", 8)


def train(folder: Path, output: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["train", str(folder), "-o", str(output), *USUAL, *options])


def one_line(result: Result, exit_code: int = 1) -> str:
    """Return the error: one line, no traceback."""
    assert result.exit_code == exit_code
    assert not isinstance(result.exception, BaseException) or isinstance(
        result.exception, SystemExit
    )
    lines = [line for line in result.stderr.splitlines() if line.startswith("camstream: ")]
    assert len(lines) == 1
    return lines[0]


def weights(path: Path) -> dict[str, NDArray[np.generic]]:
    return {t.name: numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer}


def test_a_folder_becomes_a_model_with_the_cam_identity(photos: Path, tmp_path: Path) -> None:
    output = tmp_path / "net.onnx"
    result = train(photos, output)
    assert result.exit_code == 0, result.stderr
    assert "12 photos to learn from, 4 for validation" in result.stderr
    assert re.search(r"right on \d+\.\d% of 4 validation photos", result.stdout)
    assert {path.name for path in tmp_path.iterdir()} == {"photos", "net.onnx", "net.history.csv"}
    assert len((tmp_path / "net.history.csv").read_text().splitlines()) == 2
    model = Model(output, device="cpu")
    assert model.info.labels == ("blob", "noise")
    assert model.info.size_hw == (48, 64)
    image = np.random.default_rng(0).integers(0, 255, (96, 128, 3), np.uint8)
    found = model.predict(image, classes=[0, 1])
    sums = found.cam.maps.mean(axis=(1, 2)) + found.cam.bias
    np.testing.assert_allclose(sums, found.logits, atol=1e-4)


def test_the_background_class_is_in_the_file_and_has_no_evidence(
    photos: Path, tmp_path: Path
) -> None:
    output = tmp_path / "net.onnx"
    assert train(photos, output, "--background", "noise").exit_code == 0
    model = Model(output, device="cpu")
    assert model.info.background == "noise"
    found = model.predict(np.full((96, 128, 3), 90, np.uint8), classes=[1])
    assert np.abs(found.cam.maps).max() < 1e-5
    assert abs(float(found.logits[1])) < 1e-5


def test_photos_that_cannot_be_read_are_named(photos: Path, tmp_path: Path) -> None:
    (photos / "blob" / "broken.jpg").write_bytes(b"no picture")
    (photos / "noise" / "empty.png").touch()
    result = train(photos, tmp_path / "net.onnx")
    assert result.exit_code == 0
    assert "blob/broken.jpg" in result.stderr
    assert "noise/empty.png" in result.stderr


def test_interrupted_and_resumed_ends_with_the_same_weights(photos: Path, tmp_path: Path) -> None:
    output, whole = tmp_path / "net.onnx", tmp_path / "whole.onnx"
    long = ("--epochs", "12", "--patience", "12")
    command = [
        sys.executable,
        "-m",
        "camstream",
        "train",
        str(photos),
        "-o",
        str(output),
        *USUAL,
        *long,
    ]
    alike = os.environ | {"OMP_NUM_THREADS": "1"}  # sums of several threads round differently
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=alike) as process:
        assert process.stderr is not None
        reported = []
        for line in process.stderr:
            reported.append(line)
            if line.startswith("epoch 1 of 12"):
                process.send_signal(signal.SIGINT)
    assert process.returncode == 130, reported
    assert "go on with --resume" in "".join(reported)
    assert "epoch 12 of 12" not in "".join(reported)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"photos", "net.checkpoint.pt", "net.history.csv"}

    assert "go on with --resume, or begin again with --overwrite" in one_line(
        train(photos, output, *long)
    )
    other = train(photos, output, *long, "--seed", "7", "--resume")
    assert "its seed was 0, now it is 7" in one_line(other)
    checkpoint = tmp_path / "net.checkpoint.pt"
    kept = checkpoint.read_bytes()
    stored = torch.load(checkpoint, weights_only=True)
    first = next(iter(stored["training"]["network"]))
    stored["training"]["network"][first] = torch.zeros(1)
    torch.save(stored, checkpoint)
    assert f"({first} was (1,), now it is (" in one_line(train(photos, output, *long, "--resume"))
    assert {path.name for path in tmp_path.iterdir()} == left

    checkpoint.write_bytes(kept)
    assert train(photos, output, *long, "--resume").exit_code == 0
    assert train(photos, whole, *long).exit_code == 0
    assert not (tmp_path / "net.checkpoint.pt").exists()
    finished = output.read_bytes()
    again = train(photos, output, *long, "--resume")
    assert "a finished training has nothing to resume" in one_line(again)
    assert output.read_bytes() == finished
    resumed, straight = weights(output), weights(whole)
    assert resumed.keys() == straight.keys()
    for name, values in straight.items():
        np.testing.assert_array_equal(values, resumed[name], err_msg=name)


def test_a_terminated_training_keeps_its_progress(photos: Path, tmp_path: Path) -> None:
    command = ["train", str(photos), "-o", str(tmp_path / "net.onnx"), *USUAL, "--epochs", "500"]
    with subprocess.Popen(
        [sys.executable, "-m", "camstream", *command], stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("epoch 1 of 500"):
                process.send_signal(signal.SIGTERM)
    assert process.returncode == 143
    assert (tmp_path / "net.checkpoint.pt").is_file()
    assert not (tmp_path / "net.onnx").exists()


@pytest.mark.parametrize(
    ("exit_code", "options", "message"),
    [
        (2, ("--network", "small_gab"), "unknown network 'small_gab'; known: .*small_gap"),
        (2, ("--network", "vgg16"), "vgg16 ends in fully connected layers .*; train vgg16_gap"),
        (2, ("--model-size", "65x48"), "--model-size 65x48: small_gap takes multiples of 8"),
        (2, ("--background", "nothing"), "--background nothing: the classes are blob, noise"),
    ],
)
def test_each_error_is_one_line(
    photos: Path, tmp_path: Path, exit_code: int, options: tuple[str, ...], message: str
) -> None:
    result = train(photos, tmp_path / "net.onnx", *options)
    assert re.search(message, one_line(result, exit_code))
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_an_output_that_is_there_is_kept(photos: Path, tmp_path: Path) -> None:
    output = tmp_path / "net.onnx"
    output.write_bytes(b"mine")
    assert "net.onnx" in one_line(train(photos, output))
    assert output.read_bytes() == b"mine"


def test_a_class_with_too_few_photos_is_an_error(photos: Path, tmp_path: Path) -> None:
    for photo in sorted((photos / "blob").iterdir())[4:]:
        photo.unlink()
    message = one_line(train(photos, tmp_path / "net.onnx"))
    assert "4 pictures of 'blob' can be read, and at least 5 are needed" in message
