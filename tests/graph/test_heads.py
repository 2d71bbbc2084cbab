"""Heads with layer normalisation, HardSwish, 1x1 convolutions and channels last, against autograd."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from onnx import numpy_helper

from camstream.errors import ModelError, UsageError
from camstream.graph.add_cam import Overrides, add_cam_to_file
from camstream.graph.find_head import find_head
from camstream.graph.heat_range import measured_range
from camstream.graph.numpy_reference import NumpyReference
from camstream.graph.onnx_file import read_onnx
from camstream.graph.onnx_graph import Graph
from camstream.models.session import Model
from tests.graph import small
from tests.graph.small import CELLS, CHANNELS, CLASSES, HIDDEN, SIDE
from tests.graph.test_add_cam import RAW, add_cam, frames, run
from tests.graph.test_gradcam import compare

if TYPE_CHECKING:
    from pathlib import Path

    import onnx


def normalise(maker: small.Maker, depth: int) -> None:
    scale = maker.stored(np.linspace(0.5, 2, depth).astype(np.float32))
    maker.add("LayerNormalization", scale, maker.weight(depth), axis=-1, epsilon=1e-3)


def convnext_head(*, strided: bool = False) -> onnx.ModelProto:
    """Pooling, layer normalisation over channels, a linear layer; as timm's ConvNeXt ends."""
    maker = small.Maker(18)
    maker.features()
    maker.reduce("ReduceMean", [2, 3], keepdims=1)
    if strided:  # what torch makes of a tensor whose memory it lays out anew
        order = np.arange(CHANNELS, dtype=np.int64).reshape(1, CHANNELS, 1, 1)
        maker.add("Reshape", maker.stored(np.array([-1], np.int64)))
        maker.add("Gather", maker.stored(order), axis=0)
    maker.add("Transpose", perm=[0, 2, 3, 1])
    normalise(maker, CHANNELS)
    maker.add("Transpose", perm=[0, 3, 1, 2])
    maker.add("Flatten", axis=1)
    maker.linear("gemm", CHANNELS, CLASSES)
    return maker.model(batch=1 if strided else "n")


def mobilenet_head(kind: str) -> onnx.ModelProto:
    """Pooling, linear layer, HardSwish, linear layer; as torchvision's and timm's MobileNetV3 end."""
    maker = small.Maker(18)
    maker.features()
    maker.reduce("ReduceMean", [2, 3], keepdims=1)
    if kind == "conv":
        maker.add("Conv", maker.weight(HIDDEN, CHANNELS, 1, 1), maker.weight(HIDDEN))
    else:
        maker.add("Flatten", axis=1)
        maker.linear("gemm", CHANNELS, HIDDEN)
    # Values on all three parts of the curve.
    bias = maker.weights[-1]
    bias.CopyFrom(numpy_helper.from_array(np.linspace(-5, 5, HIDDEN, dtype=np.float32), bias.name))
    if kind == "sigmoid":
        before = maker.last
        gate = maker.add("HardSigmoid", alpha=1 / 6, beta=0.5)
        maker.last = before
        maker.add("Mul", gate)
    else:
        maker.add("HardSwish")
    if kind == "conv":
        maker.add("Flatten", axis=1)
    maker.linear("gemm", HIDDEN, CLASSES)
    return maker.model()


def vgg_head(size: int | str = SIDE) -> onnx.ModelProto:
    """Fully connected layers as convolutions, then pooling of one position; timm's VGG."""
    maker = small.Maker(18)
    maker.features()
    maker.add("Conv", maker.weight(HIDDEN, CHANNELS, CELLS, CELLS), kernel_shape=[CELLS] * 2)
    maker.add("Relu")
    maker.add("Conv", maker.weight(HIDDEN, HIDDEN, 1, 1), kernel_shape=[1, 1])
    maker.add("Relu")
    maker.add("GlobalAveragePool")
    maker.add("Flatten", axis=1)
    maker.linear("gemm", HIDDEN, CLASSES)
    return maker.model(size=size)


def swin_head() -> onnx.ModelProto:
    """Feature maps with the channels last, normalised at each position, then pooled."""
    maker = small.Maker(18)
    maker.features()
    maker.add("Transpose", perm=[0, 2, 3, 1])
    normalise(maker, CHANNELS)
    maker.reduce("ReduceMean", [1, 2])
    maker.linear("gemm", CHANNELS, CLASSES)
    return maker.model()


def transformer() -> onnx.ModelProto:
    """Tokens, attention, the first token, a linear layer."""
    maker = small.Maker(18)
    maker.features()
    maker.add("Reshape", maker.stored(np.array([0, CHANNELS, -1], np.int64)))
    maker.add("Transpose", perm=[0, 2, 1])
    tokens = maker.last
    keys = maker.add("Transpose", perm=[0, 2, 1])
    maker.last = tokens
    maker.add("MatMul", keys)
    maker.add("Softmax", axis=-1)
    maker.add("MatMul", tokens)
    maker.add("Gather", maker.stored(np.array(0, np.int64)), axis=1)
    maker.linear("gemm", CHANNELS, CLASSES)
    return maker.model()


@pytest.mark.parametrize("strided", [False, True])
def test_layer_normalisation_behind_the_pooling(tmp_path: Path, strided: bool) -> None:
    model = convnext_head(strided=strided)
    image = frames(1 if strided else 3)
    info = compare(model, tmp_path, image, model.graph.node[-1].output[0])
    assert (info.method, info.layer) == ("Grad-CAM", "relu_1")
    assert run(tmp_path / "with_cam.onnx", image)["cam"].shape[2:] == (CELLS, CELLS)


@pytest.mark.parametrize("kind", ["gemm", "conv", "sigmoid"])
def test_hard_swish_between_linear_layers(tmp_path: Path, kind: str) -> None:
    model = mobilenet_head(kind)
    info = compare(model, tmp_path, frames(3), model.graph.node[-1].output[0])
    assert info.method == "Grad-CAM"


@pytest.mark.parametrize("size", [SIDE, "free"])
def test_fully_connected_layers_as_convolutions(tmp_path: Path, size: int | str) -> None:
    model = vgg_head(size)
    path, info = add_cam(
        model, tmp_path, Overrides(mean=RAW.mean, std=RAW.std, size_wh=(SIDE, SIDE))
    )
    assert (info.method, info.size_multiple) == ("Grad-CAM", None)
    assert run(path, frames())["cam"].shape == (1, 5, CELLS, CELLS)
    fixed = vgg_head()
    compare(fixed, tmp_path, frames(2), fixed.graph.node[-1].output[0])


def test_pooling_with_the_channels_last(tmp_path: Path) -> None:
    path, info = add_cam(swin_head(), tmp_path)
    assert info.method == "CAM"
    got = run(path, frames(2))
    assert got["cam"].shape == (2, 5, CELLS, CELLS)
    own = np.take_along_axis(got["logits"], got["cam_classes"], 1)
    np.testing.assert_allclose(got["cam"].mean((2, 3)) + got["cam_bias"], own, atol=1e-4)
    # A bright corner is seen in that corner, not in its mirror image.
    image = np.zeros((1, SIDE, SIDE, 3), np.uint8)
    image[0, : SIDE // 4, SIDE // 2 :] = 255
    changed = np.abs(run(path, image, [0])["cam"] - run(path, 0 * image, [0])["cam"])[0, 0]
    assert changed[: CELLS // 2, CELLS // 2 :].sum() > 0.8 * changed.sum()


def test_a_map_of_one_cell_is_refused() -> None:
    maker = small.Maker(18)
    maker.features()
    maker.add("MaxPool", kernel_shape=[CELLS, 1], strides=[CELLS, 1])
    maker.pool("gap")
    maker.linear("gemm", CHANNELS, CLASSES)
    with pytest.raises(
        ModelError, match=rf"the map of 'maxpool_2' is 1x{CELLS}: it shows no place"
    ):
        find_head(maker.model())


def test_a_transformer_is_called_one() -> None:
    with pytest.raises(ModelError, match="no class map: a transformer, found output <- Gemm"):
        find_head(transformer())


def test_values_that_a_gather_mixes_are_found_out(tmp_path: Path) -> None:
    model = convnext_head(strided=True)
    (order,) = (t for t in model.graph.initializer if t.dims == [1, CHANNELS, 1, 1])
    mixed = numpy_helper.to_array(order)[:, ::-1].copy()
    order.CopyFrom(numpy_helper.from_array(mixed, order.name))
    with pytest.raises(ModelError, match="has more between its pooling and its scores"):
        add_cam(model, tmp_path)


def test_sizes_of_minus_1_are_free(tmp_path: Path) -> None:
    model = small.classifier(size="any")
    for dim in (model.graph.input[0].type.tensor_type.shape.dim[i] for i in (0, 2, 3)):
        dim.dim_value = -1
    path, info = add_cam(model, tmp_path, Overrides(mean=RAW.mean, std=RAW.std, size_wh=(32, 32)))
    assert info.size_multiple == 2
    assert run(path, frames(2, side=48))["cam"].shape == (2, 5, 24, 24)


def test_a_graph_that_runs_in_a_circle(tmp_path: Path) -> None:
    model = small.classifier()
    model.graph.node[0].input[0] = model.graph.node[2].output[0]
    with pytest.raises(ModelError, match="is damaged: its graph runs in a circle"):
        read_onnx(small.save(model, tmp_path))


def test_a_long_chain_of_constants_is_no_deep_recursion() -> None:
    maker = small.Maker(18)
    maker.features()
    maker.pool("gap")
    weight = maker.weight(CHANNELS, CLASSES)
    before = maker.last
    maker.last = weight
    for _ in range(3000):
        maker.add("Identity")
    weight, maker.last = maker.last, before
    maker.add("MatMul", weight)
    assert Graph(maker.model()).is_constant(weight)


@pytest.mark.parametrize(("value", "words"), [(np.nan, "that are no numbers"), (1e9, r"up to \d")])
def test_absurd_networks_are_refused(tmp_path: Path, value: float, words: str) -> None:
    model = small.classifier(final=None)
    tensor = model.graph.initializer[2]
    weight = np.full_like(numpy_helper.to_array(tensor), value)
    tensor.CopyFrom(numpy_helper.from_array(weight, tensor.name))
    with pytest.raises(ModelError, match=words):
        add_cam(model, tmp_path)
    assert not (tmp_path / "with_cam.onnx").exists()


def test_one_bias_for_all_classes_is_named(tmp_path: Path) -> None:
    maker = small.Maker(18)
    maker.features()
    maker.reduce("ReduceMean", [2, 3], keepdims=0)
    maker.add("Gemm", maker.weight(CHANNELS, CLASSES), maker.weight(1))
    (tmp_path / "in.onnx").write_bytes(maker.model().SerializeToString())
    with pytest.raises(ModelError, match="one bias for all classes"):
        add_cam_to_file(tmp_path / "in.onnx", tmp_path / "out.onnx", RAW, progress=lambda _: None)


def test_parity_knows_what_it_is_relative_to(tmp_path: Path) -> None:
    path, info = add_cam(small.classifier(), tmp_path)
    assert info.parity is not None
    assert info.parity.cam_max is not None
    assert info.parity.logits_max is not None
    assert info.parity.cam_max >= np.abs(run(path, frames())["cam"]).max() / 10
    assert Model(path, device="cpu").info.parity == info.parity


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (Overrides(mean=(0.485, 0.456, 0.406)), "give --mean 123.675 116.28 103.53"),
        (Overrides(std=(0.229, 0.224, 0.225)), "give --std 58.395 57.12 57.375"),
    ],
)
def test_a_mean_for_other_pixels_is_questioned(
    tmp_path: Path, overrides: Overrides, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        add_cam(small.classifier(), tmp_path, overrides)


def test_the_range_of_heat_is_measured(tmp_path: Path) -> None:
    import cv2

    folder = tmp_path / "photos"
    folder.mkdir()
    for number, image in enumerate(frames(12)):
        cv2.imwrite(str(folder / f"{number}.png"), image)
    source = small.save(small.classifier(), tmp_path)
    output = tmp_path / "out.onnx"
    info = add_cam_to_file(source, output, RAW, calibrate=[folder], progress=lambda _: None)
    reference = NumpyReference(read_onnx(source), info, name="net")
    peaks = [reference(f[np.newaxis], np.array([-1]))[1].max() for f in frames(12)]
    begin, full = info.cam_range
    assert min(peaks) * 0.95 <= full <= max(peaks) * 1.05
    assert 0 < begin < full
    stated = Overrides(mean=RAW.mean, std=RAW.std, cam_range=(1.0, 2.0))
    info = add_cam_to_file(source, output, stated, calibrate=[folder], progress=lambda _: None)
    assert info.cam_range == (1.0, 2.0)
    assert measured_range(reference, [folder, folder], size_hw=(SIDE, SIDE)) is not None
