"""The default network: right on real photos, and true to its contract."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from camstream import contract
from camstream.contract import fit_size
from camstream.errors import ModelError, UsageError
from camstream.models.session import Model
from camstream.picture import ImageU8
from camstream.testing import write_tiny_model


def _photos(data: Path) -> list[tuple[Path, int]]:
    folder = data / "boxes" / "imagenette_val"
    with (folder / "boxes.csv").open(newline="") as file:
        rows = {row["file"]: int(row["class_index_imagenet"]) for row in csv.DictReader(file)}
    return [(folder / "images" / name, index) for name, index in sorted(rows.items())]


def test_accuracy_on_real_photos(model: Model, data: Path) -> None:
    """A wrong normalisation costs 7 points here, swapped channels 8: no test of shapes notices it."""
    photos = _photos(data)
    tops = [model.predict(_read(path)).top for path, _ in photos]
    first = np.mean(
        [top[0].class_index == want for top, (_, want) in zip(tops, photos, strict=True)]
    )
    five = np.mean(
        [want in {t.class_index for t in top} for top, (_, want) in zip(tops, photos, strict=True)]
    )
    assert first >= 0.68
    assert five >= 0.88


def test_bgr_is_not_rgb(model: Model, data: Path) -> None:
    photos = _photos(data)[::3]
    right = [model.predict(_read(p)).top[0].class_index == want for p, want in photos]
    swapped = [model.predict(_read(p)[..., ::-1].copy()).top[0].class_index == w for p, w in photos]
    assert np.mean(right) > np.mean(swapped) + 0.02


@pytest.mark.parametrize("size_wh", [(640, 480), (1920, 1080), (108, 192), (33, 500)])
def test_cam_identity_holds(model: Model, size_wh: tuple[int, int]) -> None:
    random = np.random.default_rng(1)
    image = random.integers(0, 256, (size_wh[1], size_wh[0], 3), np.uint8)
    prediction = model.predict(image)
    cam = prediction.cam
    assert [top.class_index for top in prediction.top] == cam.class_indices.tolist()
    logits = cam.maps.mean(axis=(1, 2)) + cam.bias
    assert np.allclose(logits, [top.logit for top in prediction.top], atol=1e-4)


def test_classes_are_chosen_at_run_time(model: Model) -> None:
    image = np.random.default_rng(2).integers(0, 256, (224, 224, 3), np.uint8)
    best = model.predict(image)
    chosen = model.predict(image, classes=[7, -2, -1, 7])
    want = [7, best.top[1].class_index, best.top[0].class_index, 7]
    assert chosen.cam.class_indices.tolist() == want
    assert np.allclose(chosen.cam.maps[2], best.cam.maps[0], atol=1e-4)
    assert np.array_equal(chosen.cam.maps[0], chosen.cam.maps[3])
    assert chosen.top == best.top


def test_a_larger_input_gives_finer_maps_of_the_same_law(lite0: Path, model: Model) -> None:
    larger = Model(lite0, device="cpu", input_size=448)
    image = np.random.default_rng(3).integers(0, 256, (720, 1280, 3), np.uint8)
    usual, fine = model.predict(image), larger.predict(image)
    assert usual.cam.maps.shape[1:] == (5, 9)
    assert fine.cam.maps.shape[1:] == (11, 18)
    logits = fine.cam.maps.mean(axis=(1, 2)) + fine.cam.bias
    assert np.allclose(logits, [top.logit for top in fine.top], atol=1e-4)
    assert larger.predict(image[:640, :640]).cam.maps.shape[1:] == (14, 14)


def test_a_larger_input_is_taken_as_asked_for_with_sharp(lite0: Path) -> None:
    refine = Model(lite0, device="cpu", input_size=320, refine=True)
    assert "input" not in refine.refinement
    cam = refine.predict(np.zeros((64, 64, 3), np.uint8)).cam
    assert cam.maps.shape[1:] == (10, 10)
    assert cam.refined is not None
    assert cam.refined.shape[1:] == (20, 20)


def test_input_sizes_that_do_not_fit_are_refused(tmp_path: Path, tiny_path: Path) -> None:
    with pytest.raises(ModelError, match="multiples of 32, such as 416, not 430"):
        Model(tiny_path, device="cpu", input_size=430)
    fixed = write_tiny_model(tmp_path / "fixed.onnx", size_multiple=None)
    assert Model(fixed, device="cpu").info.size_multiple is None
    with pytest.raises(ModelError, match=r"fixed\.onnx takes 224x224 pixels and no other"):
        Model(fixed, device="cpu", input_size=448)


@pytest.mark.parametrize("classes", [[1000], [-1001], []])
def test_unknown_class_is_refused(model: Model, classes: list[int]) -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    with pytest.raises(ModelError):
        model.predict(image, classes=classes)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((64, 64, 2), np.uint8),
        np.zeros((4, 64, 64, 3), np.uint8),
        np.zeros((64, 64, 3), np.float32),
        np.zeros((0, 64, 3), np.uint8),
    ],
)
def test_other_images_are_refused(model: Model, image: ImageU8) -> None:
    with pytest.raises(ValueError, match="uint8 BGR"):
        model.predict(image)


def test_metadata_describes_the_file(model: Model) -> None:
    info = model.info
    assert info.contract == contract.CONTRACT_VERSION
    assert len(info.labels) == 1000
    assert info.labels[283] == "Persian cat"
    assert info.method == "CAM"
    assert len(info.weights_sha256) == 64
    assert info.parity is not None
    assert len(info.parity.shapes_nhw) >= 4


@pytest.mark.parametrize("content", [b"", b"not onnx at all"])
def test_other_files_are_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"x\.onnx") as caught:
        Model(path, device="cpu")
    assert "\n" not in str(caught.value)


def test_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="camstream export"):
        Model(tmp_path / "none.onnx")


@given(st.integers(1, 8000), st.integers(1, 8000))
def test_input_keeps_shape_and_cost(width: int, height: int) -> None:
    w, h = fit_size((width, height), preferred_hw=(224, 224), multiple=32)
    assert w % 32 == 0
    assert h % 32 == 0
    assert w * h <= 1.5 * 224 * 224
    if 0.5 <= width / height <= 2:
        assert 0.75 < (w / h) / (width / height) < 1.34


def test_input_of_common_shapes() -> None:
    def fit(*size_wh: int) -> tuple[int, int]:
        return fit_size((size_wh[0], size_wh[1]), preferred_hw=(224, 224), multiple=32)

    assert fit(1920, 1080) == (288, 160)
    assert fit(1080, 1920) == (160, 288)
    assert fit(640, 480) == (256, 192)
    assert fit(224, 224) == (224, 224)
    assert fit_size((1920, 1080), preferred_hw=(227, 227), multiple=None) == (227, 227)


def _read(path: Path) -> ImageU8:
    image = cv2.imread(str(path))
    assert image is not None
    return image.astype(np.uint8, copy=False)
