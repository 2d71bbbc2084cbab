from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from camstream.errors import UsageError
from export.networks import NETWORKS, find
from export.networks.densenet import new_names
from export.networks.googlenet import without_training_heads
from export.networks.layers import GlobalPool, Pool, SamePadConv2d, dilate
from export.weights import randomize
from tests.export.known_weights import PROBE_LOGITS, known_state, names_digest, probe

TABLE = json.loads(Path(__file__).with_name("torchvision_table.json").read_text("utf-8"))
TORCHVISION: dict[str, dict[str, Any]] = TABLE["networks"]

# Side of the maps at 224x224; for the paper's networks, the paper's sizes.
MAP_SIDES = {
    "efficientnet_lite0": 7,
    "efficientnet_lite1": 7,
    "efficientnet_lite2": 7,
    "alexnet_gap": 13,
    "alexnet_star_gap": 13,
    "vgg16_gap": 14,
    "googlenet": 7,
    "googlenet_gap": 14,
    "nin": 6,
    "squeezenet1_1": 13,
    "resnet18": 7,
    "resnet34": 7,
    "resnet50": 7,
    "densenet121": 7,
    "mobilenet_v2": 7,
    "small_gap": 28,
    "small_gap_near": 28,
}


def build(name: str, pool: Pool = "avg", classes: int = 1000) -> nn.Module:
    """Build a network without spending time on weights: all of them zero."""
    with torch.device("meta"):
        network = find(name).build(classes, pool)
    return network.to_empty(device="cpu").eval()


def known(name: str, pool: Pool = "avg") -> nn.Module:
    network = build(name, pool)
    network.load_state_dict(known_state(network.state_dict()))
    return network


def pooled_maps(network: nn.Module, image: Tensor) -> tuple[Tensor, Tensor]:
    """Run a network; return the input of its global pooling, and the logits."""
    pooled: list[Tensor] = []
    (pool,) = (module for module in network.modules() if isinstance(module, GlobalPool))
    hook = pool.register_forward_pre_hook(lambda _, inputs: pooled.append(inputs[0]))
    with torch.inference_mode():
        logits = network(image)
    hook.remove()
    return pooled[0], logits


def test_every_network_has_a_map_size_or_full_layers() -> None:
    with_pool = {name for name, spec in NETWORKS.items() if spec.poolable}
    assert with_pool == MAP_SIDES.keys()
    assert NETWORKS.keys() - with_pool == {"alexnet", "vgg16"}


@pytest.mark.parametrize("name", TORCHVISION)
def test_names_and_shapes_are_torchvisions(name: str) -> None:
    network, facts = build(name), TORCHVISION[name]
    assert len(network.state_dict()) == facts["tensors"]
    assert names_digest(network.state_dict()) == facts["names_sha256"]
    assert sum(parameter.numel() for parameter in network.parameters()) == facts["parameters"]


@pytest.mark.parametrize("name", TORCHVISION)
def test_computes_what_torchvisions_does(name: str) -> None:
    network = known(name)
    for size, facts in TORCHVISION[name]["outputs"].items():
        height, width = map(int, size.split("x"))
        with torch.inference_mode():
            logits = network(probe((height, width)))
        want = torch.tensor([float(value) for value in facts["first"].split()])
        got = logits[:, :PROBE_LOGITS].flatten()
        torch.testing.assert_close(got, want, rtol=0, atol=1e-5 * facts["largest"])


@pytest.mark.parametrize("name", TORCHVISION)
def test_published_file_is_torchvisions(name: str) -> None:
    assert TORCHVISION[name]["published"].endswith(f"/{find(name).published}")


@pytest.mark.parametrize(
    ("name", "blocks", "parameters"),
    [
        ("efficientnet_lite0", 16, 4_652_008),
        ("efficientnet_lite1", 21, 5_416_680),
        ("efficientnet_lite2", 21, 6_092_072),
    ],
)
def test_efficientnet_lite_is_scaled(name: str, blocks: int, parameters: int) -> None:
    network = build(name)
    assert len(list(network.get_submodule("_blocks").children())) == blocks
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


@pytest.mark.parametrize(("name", "side"), MAP_SIDES.items())
def test_map_size_and_pooling(name: str, side: int) -> None:
    image = probe((224, 224))[:1]
    network = known(name)
    maps, by_mean = pooled_maps(network, image)
    assert maps.shape[2:] == (side, side)
    assert by_mean.shape == (1, 1000)
    (pool,) = (module for module in network.modules() if isinstance(module, GlobalPool))
    torch.testing.assert_close(pool(maps), maps.flatten(2).mean(2), rtol=1e-4, atol=1e-5)
    pool.pool = "max"
    assert torch.equal(pool(maps), maps.flatten(2).amax(2))


@pytest.mark.parametrize("name", MAP_SIDES)
def test_max_pooling_has_the_same_parameters(name: str) -> None:
    network = build(name, "max")
    (pool,) = (module for module in network.modules() if isinstance(module, GlobalPool))
    assert pool.pool == "max"
    assert names_digest(network.state_dict()) == names_digest(build(name).state_dict())


@pytest.mark.parametrize("name", ["alexnet_gap", "alexnet_star_gap"])
def test_alexnet_has_the_papers_map_at_caffes_size_too(name: str) -> None:
    maps, _ = pooled_maps(known(name), probe((227, 227))[:1])
    assert maps.shape[2:] == (13, 13)


@pytest.mark.parametrize(
    ("name", "backbone", "filters"),
    [
        ("alexnet_gap", "alexnet", [1024]),
        ("alexnet_star_gap", "alexnet", [512, 512]),
        ("vgg16_gap", "vgg16", [1024]),
        ("googlenet_gap", "googlenet", [1024]),
    ],
)
def test_surgery(name: str, backbone: str, filters: list[int]) -> None:
    """The backbone's names and shapes are the whole network's; new are 3x3 convolutions and fc."""
    network, whole = build(name), build(backbone).state_dict()
    own = network.state_dict()
    shared = {key for key in own if key.split(".")[0] not in find(name).new}
    assert all(own[key].shape == whole[key].shape for key in shared)
    added = [m for m in network.get_submodule("surgery").modules() if isinstance(m, nn.Conv2d)]
    assert [conv.out_channels for conv in added] == filters
    assert {(conv.kernel_size, conv.stride, conv.padding) for conv in added} == {
        ((3, 3), (1, 1), (1, 1))
    }
    assert network.get_parameter("fc.weight").shape == (1000, filters[-1])


@pytest.mark.parametrize("name", NETWORKS)
def test_last_layer_follows_the_number_of_classes(name: str) -> None:
    network = build(name, classes=7)
    assert network.get_parameter(f"{find(name).last}.bias").shape == (7,)


def test_randomize_is_repeatable_and_alive() -> None:
    networks = [build("squeezenet1_1"), build("squeezenet1_1")]
    for network in networks:
        randomize(network)
    first, second = (network(probe((64, 64))) for network in networks)
    assert torch.equal(first, second)
    assert first.std() > 1e-3
    assert not torch.equal(first[0], first[1])


def test_an_unknown_network_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"unknown network 'resnet19'; known: .*resnet18"):
        find("resnet19")


@pytest.mark.parametrize("stride", [16, 8])
@pytest.mark.parametrize(
    "name", ["efficientnet_lite0", "efficientnet_lite2", "resnet18", "resnet50", "mobilenet_v2"]
)
def test_dilation_keeps_every_value_where_it_was(name: str, stride: int) -> None:
    network, image = known(name), probe((96, 128))[:1]
    coarse, _ = pooled_maps(network, image)
    dilate(network, stride, size_hw=(224, 224))
    fine, _ = pooled_maps(network, image)
    step = 32 // stride
    assert fine.shape[2:] == (3 * step, 4 * step)
    # TensorFlow's padding puts the old positions last in each group of cells, torch's first.
    is_tensorflow = any(isinstance(module, SamePadConv2d) for module in network.modules())
    at = step - 1 if is_tensorflow else 0
    torch.testing.assert_close(
        fine[:, :, at::step, at::step], coarse, rtol=0, atol=1e-5 * float(coarse.abs().max())
    )
    assert not torch.allclose(fine[:, :, 1 - bool(at) :: step, ::step], coarse)


def test_dilation_of_what_is_fine_already_is_refused() -> None:
    with pytest.raises(UsageError, match="stride of 16 already"):
        dilate(known("vgg16_gap"), 32, size_hw=(64, 64))


def test_dilation_cannot_replace_a_pooling() -> None:
    with pytest.raises(UsageError, match=r"features\.transition\d\.pool \(AvgPool2d\) strides"):
        dilate(known("densenet121"), 16, size_hw=(64, 64))


@pytest.mark.parametrize("stride", [0, 12])
def test_dilation_wants_a_power_of_two(stride: int) -> None:
    with pytest.raises(UsageError, match="powers of two"):
        dilate(known("resnet18"), stride, size_hw=(64, 64))


def test_densenets_published_names_are_renamed() -> None:
    state = find("densenet121").build(2, "avg").state_dict()
    old = {
        name.replace(".norm1.", ".norm.1.")
        .replace(".norm2.", ".norm.2.")
        .replace(".conv1.", ".conv.1.")
        .replace(".conv2.", ".conv.2."): tensor
        for name, tensor in state.items()
    }
    assert old.keys() != state.keys()
    assert new_names(old).keys() == state.keys()


def test_googlenets_training_heads_are_left_out() -> None:
    state = find("googlenet").build(2, "avg").state_dict()
    published = state | {"aux1.conv.conv.weight": torch.ones(1), "aux2.fc2.bias": torch.ones(1)}
    assert without_training_heads(published).keys() == state.keys()
