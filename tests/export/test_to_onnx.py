from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from torch import Tensor, nn
from typer.testing import CliRunner

from camstream import contract
from camstream.commands import app
from camstream.errors import ModelError, UsageError
from camstream.graph.add_cam import Overrides
from camstream.models.session import Model
from export.networks import NETWORKS, find
from export.source import Source, load_custom, load_named
from export.to_onnx import export


def identity_error(path: Path, size_wh: tuple[int, int]) -> float:
    """Run a file on images of any size and compute the error of the CAM identity."""
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    frames = np.random.default_rng(1).integers(0, 256, (2, *size_wh[::-1], 3), np.uint8)
    logits, cam, classes, bias = session.run(list(contract.OUTPUTS), {contract.FRAMES: frames})
    own = np.take_along_axis(logits, classes, axis=1)
    return float(np.abs(cam.mean(axis=(2, 3)) + bias - own).max() / np.abs(logits).max())


@pytest.mark.parametrize(
    ("factory", "method", "map_hw", "multiple"),
    [
        ("mean", "CAM", (4, 8), 8),
        ("largest", "CAM (max pooling)", (4, 8), 8),
        ("flat", "HiResCAM", (4, 8), None),
        ("layers", "Grad-CAM", (4, 8), None),
    ],
)
def test_exports_the_users_own(
    tiny: Path, factory: str, method: str, map_hw: tuple[int, int], multiple: int | None
) -> None:
    """``save_verified`` compares every output with torch's autograd; here the record is checked."""
    path = tiny / "own.onnx"
    info = export(load_custom(f"own_networks:{factory}"), path)
    assert (info.name, info.method, info.size_hw) == (factory, method, (32, 64))
    assert info.size_multiple == multiple
    assert info.layer.startswith("relu")
    assert info.weights == f"as own_networks:{factory} returns it"
    assert not info.is_random
    maps = Model(path, device="cpu").predict(np.zeros((90, 160, 3), np.uint8)).cam.maps
    assert maps.shape == (3, *map_hw)
    if method in ("CAM", "HiResCAM"):
        assert identity_error(path, (64, 32)) < 1e-5
    if multiple is not None:
        assert info.parity is not None
        assert len({shape[1:] for shape in info.parity.shapes_nhw}) > 1


def test_attributes_set_labels_mean_and_std(tiny: Path) -> None:
    info = export(load_custom("own_networks:mean"), tiny / "own.onnx")
    assert info.labels == ("ok", "ng", "none")
    assert (info.mean, info.std) == ((1, 2, 3), (4, 5, 6))
    (tiny / "names.txt").write_text("a\nb\nc\n")
    overrides = Overrides(labels="names.txt", mean=(9, 9, 9), size_wh=(32, 32))
    info = export(load_custom("own_networks:mean"), tiny / "own.onnx", overrides=overrides)
    assert info.labels == ("a", "b", "c")
    assert (info.mean, info.std, info.size_hw) == ((9, 9, 9), (1, 1, 1), (32, 32))


def test_labels_must_fit(tiny: Path) -> None:
    (tiny / "names.txt").write_text("a\nb\n")
    with pytest.raises(ModelError, match=r"names\.txt has 2 labels, mean has 3 classes"):
        export(
            load_custom("own_networks:mean"),
            tiny / "own.onnx",
            overrides=Overrides(labels="names.txt"),
        )
    assert not (tiny / "own.onnx").exists()


def test_what_is_no_classifier(tiny: Path) -> None:
    with pytest.raises(ModelError, match=r"features is no classifier: .* \(2, 12, 4, 8\)"):
        export(load_custom("own_networks:features"), tiny / "own.onnx")


def test_what_does_not_run_at_that_size(tiny: Path) -> None:
    with pytest.raises(ModelError, match="flat does not run on 32x32 pictures"):
        export(
            load_custom("own_networks:flat"),
            tiny / "own.onnx",
            overrides=Overrides(size_wh=(32, 32)),
        )


@pytest.fixture(scope="module")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, contract.ModelInfo]:
    path = tmp_path_factory.mktemp("resnet") / "resnet18.onnx"
    message: list[str] = []
    info = export(
        load_named("resnet18", "random"),
        path,
        layer="layer4",
        map_stride=16,
        progress=message.append,
    )
    assert message == ["writing the graph", "comparing every output with torch"]
    return path, info


def test_a_named_network_with_finer_maps(resnet: tuple[Path, contract.ModelInfo]) -> None:
    path, info = resnet
    assert info.layer == "layer4.1.relu (stride 16 by dilation)"
    assert (info.method, info.size_multiple) == ("CAM", 16)
    assert identity_error(path, (224, 224)) < 1e-5
    assert identity_error(path, (144, 80)) < 1e-5
    model = Model(path, device="cpu", size_wh=(224, 224))
    assert model.predict(np.zeros((50, 50, 3), np.uint8)).cam.maps.shape[1:] == (14, 14)


def test_the_file_contains_no_path_of_this_machine(
    resnet: tuple[Path, contract.ModelInfo],
) -> None:
    assert b".py" not in resnet[0].read_bytes()  # the exporter's notes on lines of source code


def test_random_weights_are_recorded_in_the_file(resnet: tuple[Path, contract.ModelInfo]) -> None:
    info = Model(resnet[0], device="cpu").info
    assert info.weights == "random (seed 0)"
    assert info.is_random


@pytest.mark.slow
@pytest.mark.parametrize("name", ["efficientnet_lite1", "efficientnet_lite2"])
def test_a_packaged_network_keeps_its_own_size_and_range_and_is_refined(
    tmp_path: Path, name: str
) -> None:
    path, spec = tmp_path / "lite.onnx", find(name)
    info = export(load_named(name), path)
    assert (info.size_hw, info.cam_range, info.size_multiple) == (spec.size_hw, spec.cam_range, 32)
    cam = Model(path, device="cpu", refine=True).predict(np.zeros((256, 256, 3), np.uint8)).cam
    assert cam.refined is not None
    assert cam.refined.shape[1:] == tuple(2 * side for side in cam.maps.shape[1:])


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("features", r"more than pooling and linear layers.*the one to map is classifier\.2"),
        ("layer9", r"has no such layer; the one to map is classifier\.2"),
    ],
)
def test_a_layer_that_cannot_be_mapped(tmp_path: Path, layer: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        export(few_classes("squeezenet1_1", 10), tmp_path / "r.onnx", layer=layer)


def few_classes(name: str, classes: int) -> Source:
    """A named network with few classes, which exports faster."""
    import dataclasses

    from export.weights import randomize

    network = find(name).build(classes, "avg")
    randomize(network)
    whole = load_named("squeezenet1_1", "random")
    return dataclasses.replace(whole, name=name, network=network.eval(), labels=None)


def test_a_network_whose_features_are_the_class_maps(tmp_path: Path) -> None:
    path = tmp_path / "squeezenet.onnx"
    info = export(few_classes("squeezenet1_1", 10), path)
    assert (info.method, info.layer) == ("CAM", "classifier.2")
    assert info.labels == tuple(f"class {index}" for index in range(10))
    assert identity_error(path, (192, 256)) < 1e-5


def test_a_branch_on_the_picture_is_refused(tmp_path: Path) -> None:
    class Branch(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = find("squeezenet1_1").build(10, "avg")

        def forward(self, x: Tensor) -> Tensor:
            logits: Tensor = self.network(-x if x.mean() > 0 else x)
            return logits

    import dataclasses

    source = dataclasses.replace(few_classes("squeezenet1_1", 10), network=Branch().eval())
    with pytest.raises(ModelError, match="cannot trace squeezenet1_1"):
        export(source, tmp_path / "branch.onnx")


def test_command_line(tiny: Path) -> None:
    done = CliRunner().invoke(
        app, ["export", "own_networks:mean", "-o", "own.onnx", "--layer", "body"]
    )
    assert done.exit_code == 2
    assert "the one to map is relu" in " ".join(done.stderr.split())
    done = CliRunner().invoke(app, ["export", "own_networks:mean"])
    assert done.exit_code == 0, done.stderr
    assert (tiny / "mean.onnx").is_file()
    assert "mean(cam) + bias = logit within" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["own_networks:mean", "--pool", "max"], "decides its pooling itself"),
        (["own_networks:mean", "--layout", "NHWC"], "--layout is for ONNX files"),
        (["model.onnx", "--map-stride", "16"], "are for networks in torch"),
        (["resnet18", "--pool", "median"], "is not one of"),
        (["resnet18"], "random (an untrained network)"),
    ],
)
@pytest.mark.usefixtures("tiny")
def test_command_line_refuses(arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(app, ["export", *arguments, "-o", "new.onnx"])
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.replace("│", " ").split())  # typer wraps in a box


@pytest.mark.usefixtures("tiny")
def test_a_network_without_weights_names_the_choices() -> None:
    done = CliRunner().invoke(app, ["export", "resnet18", "-o", "new.onnx"])
    assert done.exit_code == 2
    assert "random (an untrained network)" in " ".join(done.stderr.split())


@pytest.mark.slow
@pytest.mark.parametrize("pool", ["avg", "max"])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_exports_and_passes_every_check(tmp_path: Path, name: str, pool: str) -> None:
    spec = find(name)
    if pool == "max" and not spec.poolable:
        pytest.skip("it has no global pooling")
    path = tmp_path / "network.onnx"
    source = load_named(name, "random", pool="max" if pool == "max" else "avg")
    info = export(source, path)
    assert info.is_random
    expected = {"avg": "CAM", "max": "CAM (max pooling)"}[pool] if spec.poolable else "Grad-CAM"
    assert info.method == expected
    if expected == "CAM":
        assert identity_error(path, (224, 224)) < 1e-5
