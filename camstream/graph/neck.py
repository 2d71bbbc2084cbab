"""A small layer between a trunk and its pooling, which sees small things: two grids and attention.

    h = relu(fine * early + bias + upsample(coarse * late))   (H, 2h, 2w)
    g = exp(gain tanh(attention . h + attention_bias))        (2h, 2w)
    features = h g / mean(g)                                  (H, 2h, 2w)

``fine_features`` are the last features on the trunk's twice finer grid, ``late`` those that its last
convolution reads. The average of such features is attention pooling (Ilse et al. 2018, ICML, with
its tanh, but bounded, so that all places that matter count alike and none takes all): a thing
counts by what it looks like, not by its area. Of a larger picture, with more places, one that
matters counts for as much more (``gain``), so that a small thing keeps its share. A linear layer
on that average is a class activation map's head as before, so mean(cam) + bias = logit holds, and
a map's value is what a place contributes to the logit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from camstream.errors import ModelError
from camstream.graph.graph_index import Graph
from camstream.graph.nodes import NodeBuilder

F32 = NDArray[np.float32]
PREFIX = "neck"
FEATURES = f"{PREFIX}.features"
GAIN = 2.5  # a place counts at most e^5 times as much as another ...
USUAL_PLACES = 14 * 14  # ... where there are so many, which is a square of 224 pixels


def gain(places: int) -> float:
    """Give half the logarithm of how much more one place may count than another.

    Args:
        places: How many there are. With n times as many, a place counts up to n times more.
    """
    return GAIN + math.log(places / USUAL_PLACES) / 2


@dataclass(frozen=True, slots=True)
class Neck:
    """Its weights.

    Attributes:
        fine: (H, E, k, k) float32, on the E channels of the early features; k is odd.
        coarse: (H, L) float32, on the L channels of the late ones.
        bias: (H,) float32.
        attention: (H,) float32, what a place's weight depends on.
        attention_bias: () float32.
    """

    fine: F32
    coarse: F32
    bias: F32
    attention: F32
    attention_bias: F32

    @property
    def channels(self) -> int:
        """How many feature maps it makes: H."""
        return len(self.bias)

    def put_on(self, model: onnx.ModelProto, fine_features: str, late: str) -> None:
        """Append the nodes to a model's graph; they make the tensor ``FEATURES``.

        Args:
            model: Changed in place.
            fine_features: Tensor (N, E, 2h, 2w), see ``inputs``.
            late: Tensor (N, L, h, w).
        """
        nodes = NodeBuilder(PREFIX)
        coarse = nodes.constant("coarse", self.coarse[:, :, np.newaxis, np.newaxis])
        fine, bias = nodes.constant("fine", self.fine), nodes.constant("bias", self.bias)
        attention = nodes.constant(
            "attention", self.attention[np.newaxis, :, np.newaxis, np.newaxis]
        )
        attention_bias = nodes.constant("attention_bias", self.attention_bias[np.newaxis])
        half = nodes.constant("half", np.array(0.5, np.float32))
        gain_of_one = nodes.constant("gain_of_one", np.array(gain(1), np.float32))
        places = nodes.integers("places", 2, 3)
        reach = self.fine.shape[-1] // 2
        low = nodes.add("Conv", late, coarse, name="late")
        high = nodes.add("Conv", fine_features, fine, bias, name="early", pads=[reach] * 4)
        # To the very size: an odd grid of 7 x 7 was halved to 4 x 4. All four sides of it, since
        # onnxruntime's rearranging of int8 networks overlooks the axes of a Resize.
        shape = nodes.add("Shape", high, name="shape")
        low = nodes.add(
            "Resize",
            *(low, "", "", shape),
            name="upsampled",
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )
        both = nodes.add("Add", high, low, name="both")
        hidden = nodes.add("Relu", both, name="hidden")
        score = nodes.add("Conv", hidden, attention, attention_bias, name="score")
        ends = (nodes.integers("first", 2), nodes.integers("end", 4))
        grid = nodes.add("Slice", shape, *ends, name="grid")
        sides = nodes.add("Cast", grid, name="sides", to=onnx.TensorProto.FLOAT)
        count = nodes.add("ReduceProd", sides, name="count", keepdims=0)
        root = nodes.add("Mul", nodes.add("Log", count, name="log"), half, name="log_root")
        factor = nodes.add("Add", root, gain_of_one, name="gain")
        bounded = nodes.add("Mul", nodes.add("Tanh", score, name="tanh"), factor, name="bounded")
        gate = nodes.add("Exp", bounded, name="gate")
        mean = nodes.add("ReduceMean", gate, places, name="mean_gate", keepdims=1)
        share = nodes.add("Div", gate, mean, name="share")
        nodes.add("Mul", hidden, share, name="features", output=FEATURES)
        model.graph.node.extend(nodes.nodes)
        model.graph.initializer.extend(nodes.initializers)


def inputs(model: onnx.ModelProto, fine_features: str | None, features: str) -> tuple[str, str]:
    """Name the tensors that a neck reads on a trunk: the early features and the late ones.

    Args:
        model: The trunk.
        fine_features: What its record names as its earlier features.
        features: Its feature maps.

    Raises:
        ModelError: It has no earlier features, or no convolution.
    """
    graph = Graph(model)
    node = graph.producer(features)
    while node is not None and node.op_type != "Conv":
        node = graph.producer(node.input[0])
    if fine_features is None or node is None:
        raise ModelError(
            f"no neck fits here: nothing finer, or no convolution, before {features!r}"
        )
    return fine_features, node.input[0]
