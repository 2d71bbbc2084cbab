"""Class activation maps joined with an earlier layer's features: finer, and along outlines.

The last layer knows what there is, on a coarse grid; an earlier layer knows which places look
alike, on one twice as fine. So evidence is passed on among places that look alike to the earlier
layer: it fills a thing up to its outline and leaves what only lies near it.

The input is made a little larger, so that everything lies on a finer grid; scores are then those
of that input. It stays as it is where a network takes one size only, and where a class means
"nothing": what such a model decides was measured at its own size.

The result says better where a thing is, but its mean is no longer the class's logit: it is made
only where it is asked for (``--sharp``), beside the raw maps, and the records say so.

It is a handful of nodes behind the maps in the model's own graph, put there when the file is
opened: so it runs wherever the model runs, and the file that everybody else opens stays as it is.

Sources: the walk over an affinity of features is that of Ahn and Kwak, "Learning Pixel-level
Semantic Affinity", CVPR 2018, and of PCM in Wang et al., "SEAM", CVPR 2020, here with what a
classifier has anyway: nothing is trained. The settings were chosen by tests/benchmarks/refine.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx
import onnx.compose
import onnx.parser
from onnx import TensorProto, helper

from camstream import contract

if TYPE_CHECKING:
    from camstream.contract import ModelInfo

ZOOM = 8 / 7  # of the input's sides: 256 in place of 224 pixels, 1.3 times as many
STEPS = 6  # how far evidence is passed on
AFFINITY_POWER = 4.0  # power of the similarity: places that look less alike hardly count
GAMMA = 2.25  # power of the result: puts a thing's outline at 20 % of the maximum, the paper's rule

REFINED = "camstream.graph.refine.finer"


def zoomed_hw(info: ModelInfo) -> tuple[int, int]:
    """Give the preferred height and width of the input, pixels."""
    height, width = info.size_hw
    if info.size_multiple is None or info.background is not None:
        return height, width
    return round(height * ZOOM), round(width * ZOOM)


def describe(info: ModelInfo, *, zoomed: bool = True) -> str:
    """Say what is done to the maps of a model.

    Args:
        info: What the model says of itself.
        zoomed: Whether its input is made larger where it may be; not where a size is asked for.
    """
    larger = zoomed and zoomed_hw(info) != info.size_hw
    zoom = f"input {ZOOM:.2f} times as wide and high, " if larger else ""
    return (
        f"{zoom}maps joined with an earlier layer ({STEPS} steps along cosine^{AFFINITY_POWER:g}, "
        f"tone {GAMMA:g})"
    )


def graph(
    *, steps: int = STEPS, affinity_power: float = AFFINITY_POWER, gamma: float = GAMMA
) -> onnx.GraphProto:
    """Write the nodes that join maps with features.

    Args:
        steps: How many times evidence is passed on.
        affinity_power: Power that cosine similarity is raised to.
        gamma: Power that the result, 0 to 1, is raised to.

    Returns:
        A graph from ``cam`` (N, K, h, w) float32, logit units, any sign, where negative values
        count as no evidence, and ``fine_features`` (N, D, h', w') float32, features of the same frames,
        to ``refined`` (N, K, h', w') float32. It keeps the raw map's maximum, so that it means
        the same to heat and floor, and goes down to least^2 / maximum, least being the raw map's
        least evidence: so a map that is nearly constant stays so (its contrast is at most
        doubled), and one with a place without evidence goes down to 0. What is not finite makes
        its whole map so, which counts as no evidence.
    """
    # GlobalMaxPool, not ReduceMax, whose axes are an attribute up to opset 17 and an input after.
    walk = "\n".join(
        f"walked{step + 1} = MatMul (walked{step}, passed_on)" for step in range(steps)
    )
    return onnx.parser.parse_graph(f"""
        sharpen (float[n, k, h, w] cam, float[n, d, y, x] early) => (float[n, k, y, x] finer)
        <float tiny = {{1e-12}}, float sharpness = {{{affinity_power}}}, float tone = {{{gamma}}},
         int64[3] flat = {{0, 0, -1}}, int64[1] over_channels = {{1}}>
        {{
            places = Reshape (early, flat)
            squares = Mul (places, places)
            energy = ReduceSum (squares, over_channels)
            length = Sqrt (energy)
            divisor = Max (length, tiny)
            unit = Div (places, divisor)
            rows = Transpose <perm = [0, 2, 1]> (unit)
            cosine = MatMul (rows, unit)
            alike = Relu (cosine)
            weight = Pow (alike, sharpness)
            total = ReduceSum (weight, over_channels)
            some = Max (total, tiny)
            passed_on = Div (weight, some)

            top = GlobalMaxPool (cam)
            most = Relu (top)
            opposite = Neg (cam)
            bottom = GlobalMaxPool (opposite)
            negative = Neg (bottom)
            least = Relu (negative)
            divided = Max (most, tiny)
            share = Div (least, divided)
            floor = Mul (least, share)

            kind = Shape <start = 0, end = 2> (cam)
            grid = Shape <start = 2> (early)
            size = Concat <axis = 0> (kind, grid)
            smooth = Resize <mode = "cubic"> (cam, , , size)
            cut = Min (smooth, most)
            evidence = Relu (cut)
            walked0 = Reshape (evidence, flat)
            {walk}
            spread = Reshape (walked{steps}, size)

            high = GlobalMaxPool (spread)
            below = Neg (spread)
            depth = GlobalMaxPool (below)
            above = Add (spread, depth)
            height = Add (high, depth)
            room = Max (height, tiny)
            part = Div (above, room)
            toned = Pow (part, tone)
            range = Sub (most, floor)
            stretched = Mul (toned, range)
            finer = Add (stretched, floor)
        }}
    """)


def with_refinement(model: str | bytes, fine_features: str) -> bytes:
    """Put the joining into a camstream model, as one more output FINER.

    Args:
        model: The file's path, or its content.
        fine_features: The tensor of the earlier layer's features, see ``ModelInfo.fine_features``.

    Returns:
        The new file's content.
    """
    whole = onnx.load(model) if isinstance(model, str) else onnx.load_from_string(model)
    prefix = REFINED.removesuffix("finer")
    joining = onnx.compose.add_prefix_graph(graph(), prefix)
    whole.graph.node.extend(
        [
            helper.make_node("Identity", [contract.CAM], [f"{prefix}cam"]),
            helper.make_node("Cast", [fine_features], [f"{prefix}early"], to=TensorProto.FLOAT),
            *joining.node,
        ]
    )
    whole.graph.initializer.extend(joining.initializer)
    whole.graph.output.append(onnx.ValueInfoProto(name=REFINED))
    content: bytes = whole.SerializeToString()
    return content
