"""Grad-CAM and HiResCAM written into the graph, against torch's autograd."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from camstream.graph.add_cam import Overrides
from tests.graph import light, small
from tests.graph.test_add_cam import RAW, add_cam, frames, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from camstream.contract import ModelInfo


class Twin:
    """An ONNX chain computed by torch, with the gradient of any of its tensors."""

    def __init__(self, model: onnx.ModelProto) -> None:
        graph = model.graph
        self._nodes = graph.node
        self._tensors = {
            tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy())
            for tensor in graph.initializer
        }
        stored = {tensor.name for tensor in graph.initializer}
        self._input = next(value.name for value in graph.input if value.name not in stored)

    def grad_cam(
        self, pixels: Tensor, features: str, logits: str, classes: np.ndarray, *, elementwise: bool
    ) -> np.ndarray:
        """Autograd's maps in logit units: (N, K, h, w)."""
        tensors = dict(self._tensors) | {self._input: pixels}
        for node in self._nodes:
            values = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            inputs = [tensors[name] for name in node.input if name]
            tensors[node.output[0]] = _OPERATORS[node.op_type](values, *inputs)
            if node.output[0] == features:
                tensors[features].requires_grad_()
        scores, maps = tensors[logits].flatten(1), tensors[features]
        rows = []
        for k in range(classes.shape[1]):
            picked = scores.gather(1, torch.from_numpy(classes[:, k : k + 1])).sum()
            (gradient,) = torch.autograd.grad(picked, maps, retain_graph=True)
            if elementwise:
                rows.append((gradient * maps).sum(1) * maps[0, 0].numel())
            else:
                rows.append((gradient.sum((2, 3), keepdim=True) * maps).sum(1))
        return torch.stack(rows, 1).detach().numpy()


def _padded(values: dict[str, Any], x: Tensor, fill: float) -> Tensor:
    top, left, bottom, right = values.get("pads", [0] * 4)
    return functional.pad(x, (left, right, top, bottom), value=fill)


def _conv(values: dict[str, Any], x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    x = _padded(values, x, 0)
    strides = tuple(values.get("strides", (1, 1)))
    return functional.conv2d(x, weight, bias, strides, groups=values.get("group", 1))


def _max_pool(values: dict[str, Any], x: Tensor) -> Tensor:
    x = _padded(values, x, -torch.inf)
    return functional.max_pool2d(x, values["kernel_shape"], tuple(values["strides"]))


def _average_pool(values: dict[str, Any], x: Tensor) -> Tensor:
    x = _padded(values, x, 0)
    return functional.avg_pool2d(x, values["kernel_shape"], tuple(values.get("strides", (1, 1))))


def _gemm(values: dict[str, Any], x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return x @ (weight.T if values.get("transB") else weight) + bias


def _local_response(values: dict[str, Any], x: Tensor) -> Tensor:
    size, alpha, beta = values["size"], values["alpha"], values["beta"]
    return functional.local_response_norm(x, size, alpha, beta, values.get("bias", 1.0))


_OPERATORS: dict[str, Callable[..., Tensor]] = {
    "AveragePool": _average_pool,
    "Clip": lambda _, x, low, high: x.clamp(low, high),
    "Conv": _conv,
    "Dropout": lambda _, x: x,
    "Flatten": lambda _, x: x.flatten(1),
    "Gemm": _gemm,
    "GlobalAveragePool": lambda _, x: x.mean((2, 3), keepdim=True),
    "GlobalMaxPool": lambda _, x: x.amax((2, 3), keepdim=True),
    "Gather": lambda _, x, places: x[places],
    "HardSigmoid": lambda values, x: (values["alpha"] * x + values["beta"]).clamp(0, 1),
    "HardSwish": lambda _, x: functional.hardswish(x),
    "LayerNormalization": lambda values, x, scale, shift: functional.layer_norm(
        x, x.shape[-1:], scale, shift, values["epsilon"]
    ),
    "LRN": _local_response,
    "MaxPool": _max_pool,
    "Mul": lambda _, x, y: x * y,
    "ReduceMean": lambda values, x, axes: x.mean(tuple(axes.tolist()), bool(values["keepdims"])),
    "Relu": lambda _, x: x.relu(),
    "Reshape": lambda _, x, shape: x.reshape(tuple(shape.tolist())),
    "Softmax": lambda _, x: x.softmax(1),
    "Transpose": lambda values, x: x.permute(values["perm"]),
}


def pixels_of(image: np.ndarray) -> Tensor:
    """What the graph of ``RAW`` makes of frames."""
    return torch.from_numpy(
        np.ascontiguousarray(image[..., ::-1].transpose(0, 3, 1, 2)) / 255
    ).float()


def compare(model: onnx.ModelProto, folder: Path, image: np.ndarray, logits: str) -> ModelInfo:
    path, info = add_cam(model, folder)
    got = run(path, image, [-1, -2, 3])
    want = Twin(model).grad_cam(
        pixels_of(image),
        info.layer,
        logits,
        got["cam_classes"],
        elementwise=info.method == "HiResCAM",
    )
    assert np.abs(want).max() > 0.01
    assert np.abs(got["cam"] - want).max() <= 1e-5 * np.abs(want).max()
    return info


@pytest.mark.parametrize("linear", ["gemm", "gemm_inputs_first"])
@pytest.mark.parametrize(
    "pool",
    [
        "gap",
        "gmp",
        "flatten",
        "nhwc_flatten",
        "max_flatten",
        "average_flatten",
        "padded_average_flatten",
    ],
)
@pytest.mark.parametrize("hidden", [1, 3])
def test_grad_cam_is_autograd(tmp_path: Path, pool: str, linear: str, hidden: int) -> None:
    model = small.classifier(pool=pool, linear=linear, hidden=hidden)
    logits = model.graph.node[-1].input[0]
    assert compare(model, tmp_path, frames(3), logits).method == "Grad-CAM"


@pytest.mark.parametrize("pool", ["flatten", "nhwc_flatten", "max_flatten"])
def test_hires_cam_is_autograd(tmp_path: Path, pool: str) -> None:
    model = small.classifier(pool=pool)
    logits = model.graph.node[-1].input[0]
    assert compare(model, tmp_path, frames(3), logits).method == "HiResCAM"


@pytest.mark.parametrize("name", light.GRAD_CAM)
def test_real_architectures_get_grad_cam(tmp_path: Path, name: str) -> None:
    model = light.load(name)
    info = compare(model, tmp_path, frames(1, 224), model.graph.node[-1].input[0])
    assert info.method == "Grad-CAM"
    assert info.parity is not None
    assert info.parity.identity_error is None


def test_grad_cam_is_cam_where_the_head_is_pooling_and_one_layer(tmp_path: Path) -> None:
    """What autograd says of a network with global average pooling is its CAM."""
    model = small.classifier(pool="gap")
    path, info = add_cam(model, tmp_path)
    got = run(path, frames(2))
    assert info.method == "CAM"
    for elementwise in (False, True):
        grad_cam = Twin(model).grad_cam(
            pixels_of(frames(2)), info.layer, "gemm_4", got["cam_classes"], elementwise=elementwise
        )
        np.testing.assert_allclose(got["cam"], grad_cam, atol=1e-5)


def test_relu6_in_the_head_has_a_ceiling(tmp_path: Path) -> None:
    maker = small.Maker(18)
    maker.features()
    maker.pool("gap")
    maker.linear("gemm", small.CHANNELS, small.HIDDEN)
    limits = maker.stored(np.array(0, np.float32)), maker.stored(np.array(0.5, np.float32))
    maker.add("Clip", *limits)
    maker.linear("gemm", small.HIDDEN, small.CLASSES)
    model = maker.model()
    assert compare(model, tmp_path, frames(2), maker.last).method == "Grad-CAM"


class AlexNetLike(nn.Module):
    """AlexNet's layers, narrowed; with the adaptive pooling that torch's AlexNet has."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(8, 16, 5, 1, 2), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(16, 16, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(3, 2),
        )  # fmt: skip
        self.avgpool = nn.AdaptiveAvgPool2d(6)
        self.classifier = nn.Sequential(
            nn.Dropout(), nn.Linear(16 * 36, 32), nn.ReLU(),
            nn.Dropout(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 10),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))
        return scores


@pytest.mark.filterwarnings("ignore")
def test_torch_network_exported_by_torch(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = AlexNetLike().eval()
    program = torch.onnx.export(
        network,
        (torch.zeros(2, 3, 224, 224),),
        dynamo=True,
        opset_version=18,
        dynamic_shapes=({0: "n"},),
        external_data=False,
        verbose=False,
    )
    assert program is not None
    path, info = add_cam(program.model_proto, tmp_path, Overrides(mean=RAW.mean, std=RAW.std))
    assert info.parity is not None
    assert info.parity.shapes_nhw == ((1, 224, 224), (3, 224, 224))
    image = frames(2, 224)
    got = run(path, image, [4, -1])
    maps = network.features[:-1](pixels_of(image)).detach().requires_grad_()
    scores = network.classifier(torch.flatten(network.avgpool(network.features[-1](maps)), 1))
    np.testing.assert_allclose(got["logits"], scores.detach().numpy(), atol=1e-5)
    for k in range(2):
        picked = scores.gather(1, torch.from_numpy(got["cam_classes"][:, k : k + 1])).sum()
        (gradient,) = torch.autograd.grad(picked, maps, retain_graph=True)
        want = (gradient.sum((2, 3), keepdim=True) * maps).sum(1).detach().numpy()
        assert want.shape == (2, 13, 13)
        assert np.abs(got["cam"][:, k] - want).max() <= 1e-5 * np.abs(want).max()
