"""Taught models: an unchanged backbone, the CAM identity, and one-line errors."""

from __future__ import annotations

import threading
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from camstream import contract
from camstream.contract import ModelFile
from camstream.errors import ModelError, SinkError, SourceError
from camstream.graph.add_cam import Overrides, add_cam_to_file
from camstream.graph.backbone import Backbone
from camstream.graph.new_head import LinearHead, save, to_model
from camstream.graph.quantize import Precision
from camstream.graph.verify import identity_error, open_quietly, sample_frames
from camstream.models.session import Model
from camstream.picture import Picture
from camstream.teach.teacher import Teacher
from tests.graph import light, small

RAW = Overrides(mean=(0.0, 0.0, 0.0), std=(255.0, 255.0, 255.0))


def linear_head(channels: int, classes: int = 3, seed: int = 0, **changes: object) -> LinearHead:
    random = np.random.default_rng(seed)
    values: dict[str, object] = {
        "labels": tuple(f"new {n}" for n in range(classes)),
        "weight": random.normal(0, 1, (classes, channels)).astype(np.float32),
        "bias": random.normal(0, 1, classes).astype(np.float32),
        "background": None,
        "cam_range": (1.0, 2.0),
        "size_hw": None,
        "taught_on": "chance",
    }
    return LinearHead(**(values | changes))  # type: ignore[arg-type]


def add_cam(model: onnx.ModelProto, folder: Path, precision: Precision | None = None) -> Path:
    source, output = small.save(model, folder), folder / "with_cam.onnx"
    add_cam_to_file(source, output, RAW, precision=precision, progress=lambda _: None)
    return output


def backbone_of(model: onnx.ModelProto) -> tuple[dict[str, bytes], list[bytes]]:
    """The weights and nodes that are neither of a head nor of camstream."""
    backbone = {
        tensor.name: tensor.SerializeToString()
        for tensor in model.graph.initializer
        if not tensor.name.startswith(("camstream.", "taught.", "classes"))
    }
    nodes = [
        node.SerializeToString()
        for node in model.graph.node
        if not node.name.startswith(("camstream.", "taught."))
    ]
    return backbone, nodes


@pytest.mark.parametrize("pool", ["gap", "average", "reduce_mean", "nhwc_mean"])
def test_pooled_features_are_those_of_the_model(tmp_path: Path, pool: str) -> None:
    path = add_cam(small.classifier(pool=pool, linear="gemm"), tmp_path)
    backbone = Backbone(path)
    image = sample_frames((1, small.SIDE, small.SIDE), np.random.default_rng(1))[0]
    features, maps = backbone.pooled_and_maps(image)
    np.testing.assert_allclose(features, maps.mean((1, 2)), atol=1e-6)
    np.testing.assert_array_equal(features, backbone.pooled(image))
    model = onnx.load(path)
    tensors = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    weights = [w for w in tensors.values() if w.shape == (small.CLASSES, small.CHANNELS)]
    biases = [b for b in tensors.values() if b.shape == (small.CLASSES,)]
    got = Model(path, device="cpu").predict(image)
    want = weights[0] @ features + biases[0]
    for top in got.top:
        assert top.logit == pytest.approx(float(want[top.class_index]), abs=1e-4)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32 - 1), classes=st.integers(2, 7))
def test_cam_identity_for_any_weights(tiny_path: Path, seed: int, classes: int) -> None:
    backbone = Backbone(tiny_path)
    head = linear_head(backbone.channels, classes, seed)
    session = open_quietly(to_model(backbone, head, name="new").SerializeToString())
    frames = sample_frames((2, 64, 96), np.random.default_rng(seed))
    outputs = session.run(list(contract.OUTPUTS), {contract.FRAMES: frames})
    assert identity_error(*outputs) < 1e-3 * max(1.0, float(np.abs(outputs[0]).max()))
    want = np.stack([head.weight @ backbone.pooled_and_maps(one)[0] + head.bias for one in frames])
    np.testing.assert_allclose(outputs[0], want, rtol=1e-4, atol=1e-2)


def test_file_has_the_new_classes_a_parity_report_and_the_old_backbone(
    tiny_path: Path, tmp_path: Path
) -> None:
    before = tiny_path.read_bytes()
    output = tmp_path / "cup.onnx"
    info = save(Backbone(tiny_path), linear_head(3, 2, background="new 1"), output)
    model = Model(output, device="cpu")
    assert model.info == info
    assert (info.name, info.labels, info.background) == ("cup", ("new 0", "new 1"), "new 1")
    assert info.cam_range == (1.0, 2.0)
    assert "last layer taught on chance" in info.weights
    assert info.parity is not None
    assert info.parity.identity_error is not None
    assert tiny_path.read_bytes() == before
    old, new = backbone_of(onnx.load(tiny_path)), backbone_of(onnx.load(output))
    assert set(new[0].items()) <= set(old[0].items())
    assert "blocks" in new[0]
    assert set(new[1]) <= set(old[1])


def test_taught_model_can_be_taught_again(tiny_path: Path, tmp_path: Path) -> None:
    once, twice = tmp_path / "once.onnx", tmp_path / "twice.onnx"
    save(Backbone(tiny_path), linear_head(3, 2), once)
    save(Backbone(once), linear_head(3, 4, seed=1), twice)
    assert Model(twice, device="cpu").info.labels == ("new 0", "new 1", "new 2", "new 3")
    assert sum(node.op_type == "Gemm" for node in onnx.load(twice).graph.node) == 1


def test_wrong_weights_leave_no_file(tiny_path: Path, tmp_path: Path) -> None:
    output = tmp_path / "new.onnx"
    backbone = Backbone(tiny_path)
    broken = linear_head(3, bias=np.full(3, np.nan, np.float32))
    with pytest.raises(ModelError, match="the network gives scores that are no numbers"):
        save(backbone, broken, output)
    with pytest.raises(ModelError, match="for 5 features, and tiny has 3"):
        save(backbone, linear_head(5), output)
    with pytest.raises(ModelError, match=r"does not take 100x64: .* multiples of 32"):
        save(backbone, linear_head(3, size_hw=(64, 100)), output)
    assert not list(tmp_path.iterdir())


def test_other_size(tiny_path: Path, tmp_path: Path) -> None:
    output = tmp_path / "new.onnx"
    save(Backbone(tiny_path), linear_head(3, size_hw=(96, 96)), output)
    model = Model(output, device="cpu")
    assert model.input_size_wh(Picture.from_bgr(np.zeros((50, 50, 3), np.uint8))) == (96, 96)


@pytest.mark.parametrize(
    ("pool", "hidden", "method"),
    [
        ("gmp", 0, "CAM .max pooling."),
        ("flatten", 0, "HiResCAM"),
        ("gap", 1, "Grad-CAM"),
    ],
)
def test_other_maps_are_refused(tmp_path: Path, pool: str, hidden: int, method: str) -> None:
    path = add_cam(small.classifier(pool=pool, hidden=hidden), tmp_path)
    with pytest.raises(ModelError, match=f"has {method} maps.*teach a model with global average"):
        Backbone(path)


def test_plain_onnx_is_refused(tmp_path: Path) -> None:
    path = small.save(small.classifier(), tmp_path)
    with pytest.raises(ModelError, match=r"no class activation maps.*camstream export"):
        Backbone(path)


@pytest.mark.parametrize("name", ["squeezenet", "shufflenet"])
def test_real_architectures(tmp_path: Path, name: str) -> None:
    backbone = Backbone(add_cam(light.load(name), tmp_path))
    info = save(backbone, linear_head(backbone.channels), tmp_path / "new.onnx")
    assert info.parity is not None
    assert (info.parity.identity_error or 0) < 1e-2


def test_float16_backbone(tmp_path: Path) -> None:
    backbone = Backbone(add_cam(small.classifier(dtype=np.float16), tmp_path))
    save(backbone, linear_head(backbone.channels), tmp_path / "new.onnx")


def test_int8_backbone(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    random = np.random.default_rng(0)
    for number in range(20):
        picture = sample_frames((1, small.SIDE, small.SIDE), random)[0]
        assert cv2.imwrite(str(pictures / f"{number}.png"), picture)
    precision = Precision("int8", pictures)
    backbone = Backbone(add_cam(small.classifier(), tmp_path, precision))
    info = save(backbone, linear_head(backbone.channels), tmp_path / "new.onnx")
    assert "in int8" in info.weights
    assert any(
        node.op_type == "DequantizeLinear" for node in onnx.load(tmp_path / "new.onnx").graph.node
    )


def test_old_files_without_a_background_are_read() -> None:
    text = (
        '{"name": "n", "labels": ["a"], "size_hw": [32, 32], "size_multiple": 32, "color": "RGB", '
    )
    text += '"mean": [0, 0, 0], "std": [1, 1, 1], "method": "CAM", "layer": "l", '
    text += '"cam_range": [0, 1], "weights": "w", "weights_sha256": "", "versions": {}, '
    text += '"proof": null, "quantization": null, "contract": 1}'
    assert contract.ModelInfo.from_json(text, path="old.onnx").background is None


def _image(light_part: int, rng: np.random.Generator) -> np.ndarray:
    """Grey with a light square, or without."""
    image = rng.integers(60, 80, (64, 64, 3), dtype=np.uint8)
    if light_part:
        image[:32, :32] = rng.integers(180, 250)
    return image


def test_teacher_learns_from_frames(tiny_path: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    teacher = Teacher(tiny_path)
    with pytest.raises(SourceError, match="there are none"):
        teacher.fit()
    with pytest.raises(ModelError, match="nothing was fitted"):
        teacher.save(tmp_path / "cup.onnx")
    for _ in range(8):
        teacher.add(_image(1, rng), "cup")
    with pytest.raises(SourceError, match="8 of 'cup'"):
        teacher.fit()
    for _ in range(8):
        teacher.add(Picture.from_bgr(_image(0, rng)), "no cup")
    teacher.add(_image(0, rng), "mistake")
    teacher.forget("mistake")
    assert teacher.counts == {"cup": 8, "no cup": 8}
    model = teacher.fit(name="cup")
    assert (model.info.labels, model.info.background) == (("cup", "no cup"), "no cup")
    prediction = model.predict(_image(1, rng), classes=[0, 1])
    assert prediction.top[0].label == "cup"
    assert prediction.top[0].score > 0.8
    assert prediction.cam.maps[0].argmax() in (0, 1, 7, 8)  # its corner, of 7 x 7 cells
    assert not prediction.cam.maps[1].any()
    low, high = model.info.cam_range
    assert prediction.cam.maps[0].max() > low
    nothing = model.predict(_image(0, rng), classes=[0])
    assert nothing.top[0].label == "no cup"
    assert nothing.cam.maps[0].max() <= low + 0.1 * (high - low)

    output = tmp_path / "cup.onnx"
    teacher.save(output)
    np.testing.assert_allclose(
        Model(output, device="cpu").predict(_image(1, rng), classes=[0]).cam.bias,
        prediction.cam.bias[:1],
    )
    with pytest.raises(SinkError, match="exists already"):
        teacher.save(output)
    with pytest.raises(SinkError, match="it is the input"):
        teacher.save(tiny_path, overwrite=True)


def test_teacher_keeps_to_an_input_size(tiny_path: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    teacher = Teacher(tiny_path, input_size=448)
    for n in range(16):
        teacher.add(_image(n % 2, rng), "ab"[n % 2])
    assert teacher.fit().predict(_image(1, rng)).cam.maps.shape[1:] == (14, 14)
    teacher.save(tmp_path / "ab.onnx")
    assert Model(tmp_path / "ab.onnx", device="cpu").info.size_hw == (448, 448)


def test_teacher_takes_frames_while_it_fits(tiny_path: Path) -> None:
    rng = np.random.default_rng(0)
    teacher = Teacher(tiny_path)
    images = [_image(n % 2, rng) for n in range(60)]
    for n in range(12):
        teacher.add(images[n], "ab"[n % 2])
    errors: list[BaseException] = []

    def add() -> None:
        try:
            for n, image in enumerate(images):
                teacher.add(image, "ab"[n % 2])
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=add) for _ in range(2)]
    for thread in threads:
        thread.start()
    models = [teacher.fit() for _ in range(2)]
    for thread in threads:
        thread.join()
    assert not errors
    assert sum(teacher.counts.values()) == 12 + 2 * len(images)
    assert [model.info.labels for model in models] == [("a", "b")] * 2


def test_broken_content_is_an_error_without_a_file() -> None:
    with pytest.raises(ModelError, match="it is no ONNX file"):
        Model(ModelFile(Path("taught"), b"nothing"), device="cpu")
