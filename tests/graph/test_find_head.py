"""The head that is found in a graph, and the error where there is none."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from camstream.errors import ModelError
from camstream.graph.find_head import find_head
from tests.graph import light, small


def refusal(model: onnx.ModelProto) -> str:
    with pytest.raises(ModelError) as caught:
        find_head(model)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("name", "features", "logits", "final"),
    [
        ("densenet121", "r907", "fc6_1", None),
        ("inception_v1", "r137", "r143", "Softmax"),
        ("squeezenet", "r64", "r65", "Softmax"),
        ("vgg19", "r35", "r46", "Softmax"),
    ],
)
def test_names_in_real_files(name: str, features: str, logits: str, final: str | None) -> None:
    head = find_head(light.load(name))
    assert (head.features, head.logits, head.final) == (features, logits, final)
    assert head.classes == 1000


def test_class_maps_that_are_pooled_need_no_layer() -> None:
    head = find_head(light.load("squeezenet"))
    assert (head.layers, head.pool, head.channels) == ((), "mean", 1000)


@pytest.mark.parametrize("final", [None, "Softmax", "LogSoftmax", "Sigmoid"])
def test_logits_are_taken_before_what_makes_scores_of_them(final: str | None) -> None:
    maker = small.Maker(18)
    maker.features()
    maker.pool("gap")
    maker.linear("gemm", small.CHANNELS, small.CLASSES)
    logits = maker.last
    if final is not None:
        maker.add(final)
    head = find_head(maker.model())
    assert (head.logits, head.final) == (logits, final)


def test_what_only_reshapes_is_passed() -> None:
    maker = small.Maker(18)
    maker.features()
    features = maker.last
    maker.reduce("ReduceMean", [2, 3], keepdims=1)
    maker.add("Cast", to=TensorProto.FLOAT)
    maker.add("Squeeze", maker.stored(np.array([2, 3], np.int64)))
    maker.add("Dropout")
    maker.add("Identity")
    maker.linear("gemm", small.CHANNELS, small.CLASSES)
    maker.add("Identity")
    maker.add("Softmax")
    maker.add("Reshape", maker.stored(np.array([-1, small.CLASSES], np.int64)))
    assert find_head(maker.model()).features == features


@pytest.mark.parametrize("bias", [True, False])
def test_a_convolution_that_sees_one_place_or_all_is_a_linear_layer(bias: bool) -> None:
    maker = small.Maker(18)
    maker.features()
    weights = [maker.weight(small.HIDDEN, small.CHANNELS, small.CELLS, small.CELLS)]
    maker.add("Conv", *weights, kernel_shape=[small.CELLS] * 2)
    maker.add("Relu")
    weights = [maker.weight(small.CLASSES, small.HIDDEN, 1, 1)]
    weights += [maker.weight(small.CLASSES)] if bias else []
    maker.add("Conv", *weights, kernel_shape=[1, 1])
    head = find_head(maker.model())
    assert head.method == "Grad-CAM"
    assert [layer.outputs for layer in head.layers] == [small.HIDDEN, small.CLASSES]
    assert head.layers[0].inputs == small.CHANNELS * small.CELLS**2
    assert (head.layers[1].bias is not None) == bias


def test_of_several_outputs_the_first_with_a_head_is_taken() -> None:
    model = small.classifier()
    scores = model.graph.output[0]
    model.graph.output.insert(0, helper.make_tensor_value_info("relu_1", TensorProto.FLOAT, None))
    assert find_head(model).output == scores.name


def test_recurrent_network() -> None:
    maker = small.Maker(18)
    maker.features()
    maker.add("Reshape", maker.stored(np.array([0, -1, small.CHANNELS], np.int64)))
    hidden = small.HIDDEN
    gates = maker.weight(1, 4 * hidden, small.CHANNELS), maker.weight(1, 4 * hidden, hidden)
    maker.add("LSTM", *gates, hidden_size=hidden)
    maker.add("Reshape", maker.stored(np.array([-1, hidden], np.int64)))
    maker.linear("gemm", hidden, small.CLASSES)
    message = refusal(maker.model())
    assert "a recurrent network, found output <- Gemm <- Reshape; " in message
    assert "comes from LSTM, so its cells are no positions of a picture" in message


def test_recurrent_network_that_ends_in_its_last_step() -> None:
    maker = small.Maker(18)
    maker.features()
    maker.add("Reshape", maker.stored(np.array([0, -1, small.CHANNELS], np.int64)))
    gates = maker.weight(1, 3 * small.HIDDEN, small.CHANNELS)
    maker.add(
        "GRU", gates, maker.weight(1, 3 * small.HIDDEN, small.HIDDEN), hidden_size=small.HIDDEN
    )
    maker.add("ReduceMax", maker.stored(np.array([0, 1], np.int64)), keepdims=0)
    maker.linear("gemm", small.HIDDEN, small.CLASSES)
    assert "its ReduceMax is over the axes [0, 1]" in refusal(maker.model())


def test_no_classifier() -> None:
    maker = small.Maker(18)
    maker.features()
    maker.add("Conv", maker.weight(2, small.CHANNELS, 1, 1), kernel_shape=[1, 1])
    message = refusal(maker.model())
    assert "has the shape ?x2x8x8, not one row of class scores per picture" in message


def test_tokens_instead_of_maps() -> None:
    maker = small.Maker(18)
    maker.features()
    maker.add("Reshape", maker.stored(np.array([0, small.CHANNELS, -1], np.int64)))
    maker.add("Transpose", perm=[0, 2, 1])
    maker.reduce("ReduceMean", [1])
    maker.linear("gemm", small.CHANNELS, small.CLASSES)
    assert "its ReduceMean is not over the maps of one picture" in refusal(maker.model())


def test_pooling_that_leaves_out_the_border() -> None:
    maker = small.Maker(18)
    maker.features()
    side = small.CELLS - 1
    maker.add("AveragePool", kernel_shape=[side, side], strides=[side, side])
    maker.add("Flatten")
    maker.linear("gemm", small.CHANNELS, small.CLASSES)
    assert "its AveragePool is not over exactly the whole map" in refusal(maker.model())


def test_another_nonlinearity_in_the_head() -> None:
    maker = small.Maker(18)
    maker.features()
    maker.pool("gap")
    maker.linear("gemm", small.CHANNELS, small.HIDDEN)
    maker.add("Tanh")
    maker.linear("gemm", small.HIDDEN, small.CLASSES)
    assert "before that comes Tanh" in refusal(maker.model())


@pytest.mark.parametrize("scaled", [{"alpha": 0.5}, {"beta": 2.0}])
def test_scaled_gemm(scaled: dict[str, float]) -> None:
    maker = small.Maker(18)
    maker.features()
    maker.pool("gap")
    weights = maker.weight(small.CLASSES, small.CHANNELS), maker.weight(small.CLASSES)
    maker.add("Gemm", *weights, transB=1, **scaled)
    assert "before that comes Gemm" in refusal(maker.model())


def test_no_picture_behind_it() -> None:
    maker = small.Maker(18)
    maker.pool("gap")
    maker.linear("gemm", 3, small.CLASSES)
    assert "not made by convolutions" in refusal(maker.model())
