"""A neck: a small layer between a backbone and its pooling, for small objects.

    h = relu(fine * fine_features + bias + upsample(coarse * coarse_features))   (H, 2h, 2w)
    g = exp(gain tanh(attention . h + attention_bias))                           (2h, 2w)
    features = h g / mean(g)                                                     (H, 2h, 2w)

``fine_features`` are the backbone's last features on a grid twice as fine, ``coarse_features``
those that its last convolution reads. The average of ``features`` is attention pooling (Ilse et
al. 2018, ICML, with its tanh, but bounded, so that all positions that matter count alike and none
takes all): an object counts by its looks, not by its area. In a larger picture, with more
positions, one that matters counts for more in the same ratio (``gain``), so that a small object
keeps its share. A linear layer on that average is the head of a class activation map as before:
the CAM identity, mean(cam) + bias = logit, holds, and a map's value is what a position
contributes to the logit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from camstream.errors import ModelError
from camstream.graph.onnx_graph import Graph, NodeBuilder

F32 = NDArray[np.float32]
PREFIX = "neck"
FEATURES = f"{PREFIX}.features"
# With USUAL_POSITIONS, a square of 224 pixels, one position counts at most e^5 times as much as
# another.
GAIN = 2.5
USUAL_POSITIONS = 14 * 14


def gain(positions: int) -> float:
    """Return half the logarithm of the largest ratio between the weights of two positions.

    Args:
        positions: Their number. With n times as many, the largest ratio is n times larger.
    """
    return GAIN + math.log(positions / USUAL_POSITIONS) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Neck:
    """The weights of a neck.

    Attributes:
        fine: (H, E, k, k) float32, for the E channels of the fine features; k is odd.
        coarse: (H, L) float32, for the L channels of the coarse features.
        bias: (H,) float32.
        attention: (H,) float32, makes a position's weight of its H values.
        attention_bias: () float32.
    """

    fine: F32
    coarse: F32
    bias: F32
    attention: F32
    attention_bias: F32

    @property
    def channels(self) -> int:
        """Number of feature maps that the neck returns, H."""
        return len(self.bias)

    def add_to(self, model: onnx.ModelProto, fine_features: str, coarse_features: str) -> None:
        """Append the neck's nodes to a model's graph; their result is the tensor ``FEATURES``.

        Args:
            model: Changed in place.
            fine_features: Tensor (N, E, 2h, 2w), see ``inputs``.
            coarse_features: Tensor (N, L, h, w).
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
        low = nodes.add("Conv", coarse_features, coarse, name="late")
        high = nodes.add("Conv", fine_features, fine, bias, name="early", pads=[reach] * 4)
        # To the exact size: an odd grid of 7 x 7 was halved to 4 x 4. All four sizes, since
        # onnxruntime's rewriting of int8 networks ignores the axes of a Resize.
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
        nodes.add_to(model.graph)


def inputs(model: onnx.ModelProto, fine_features: str | None, features: str) -> tuple[str, str]:
    """Return the tensors that a neck reads: the fine features and the coarse ones.

    Args:
        model: The backbone.
        fine_features: ``ModelInfo.fine_features`` of the backbone.
        features: The backbone's feature maps.

    Raises:
        ModelError: The backbone has no fine features, or no convolution.
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
