"""What is known of a classifier's head: which feature maps become the logits, and how."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Linear:
    """One linear layer, y = W x + b.

    Attributes:
        weight: Tensor with W.
        shape: Its shape: (outputs, inputs), a convolution's (outputs, D, h, w), or
            (inputs, outputs).
        outputs_first: Whether the outputs come first in it.
        bias: Tensor with b; None where there is none.
        active: Tensor of the layer's values behind its ReLU; None where it has none.
        ceiling: The largest value that the ReLU lets through (6 for ReLU6); None: any.
    """

    weight: str
    shape: tuple[int, ...]
    outputs_first: bool
    bias: str | None
    active: str | None = None
    ceiling: float | None = None

    @property
    def outputs(self) -> int:
        """How many values it makes."""
        return self.shape[0 if self.outputs_first else -1]

    @property
    def inputs(self) -> int:
        """How many values it reads."""
        return math.prod(self.shape) // self.outputs

    def renamed(self, name: Callable[[str], str]) -> Linear:
        """Give the same layer with its tensors under other names."""
        return dataclasses.replace(
            self,
            weight=name(self.weight),
            bias=self.bias and name(self.bias),
            active=self.active and name(self.active),
        )


@dataclass(frozen=True, slots=True)
class Head:
    """How a classifier's feature maps become its logits.

    Attributes:
        image: The graph's input.
        output: The graph's output that was walked back from.
        final: What makes ``output`` from the logits ("Softmax", ...); None where nothing does.
        logits: Tensor of the logits, (N, C) or (N, C, 1, 1).
        classes: C.
        features: Tensor of the feature maps that the map is made of, (N, D, h, w).
        channels: D.
        channels_last: They are flattened in the order (h, w, D), not (D, h, w).
        pool: "mean" or "max" over each whole feature map; None where they are flattened.
        layers: The linear layers behind, in the order of computation; none where the feature
            maps are the class maps themselves.
        nodes: A tensor made by each node from the pooling to the logits.
    """

    image: str
    output: str
    final: str | None
    logits: str
    classes: int
    features: str
    channels: int
    channels_last: bool
    pool: str | None
    layers: tuple[Linear, ...]
    nodes: frozenset[str]

    @property
    def method(self) -> str:
        """How maps are made for such a head, as ``ModelInfo.method`` says it."""
        if len(self.layers) > 1:
            return "Grad-CAM"
        return {"mean": "CAM", "max": "CAM (max pooling)", None: "HiResCAM"}[self.pool]

    @property
    def keeps_identity(self) -> bool:
        """Whether mean(cam) + bias is the logit."""
        return self.method in ("CAM", "HiResCAM")
