"""Refined maps: class activation maps joined with the fine features of an earlier layer.

The last layer knows what there is, on a coarse grid. The layers before the last halving have a
grid twice as fine, and their features show which positions look alike. Refining passes evidence
on among positions that look alike there: it fills an object up to its outline, and leaves what
only lies near it. ``find_fine_features`` names the tensor, which is computed anyway.

The input is made a little larger, so that every grid is finer; scores are then those of that
input. The input keeps its size where a network takes one size only, and where the model has a
background class: the decisions of such a model were measured at its own size.

A refined map shows better where an object is, but its mean is no longer the class's logit.
Refined maps are therefore computed only on request (``--refine``), beside the raw maps, and the
records say so. They are a few nodes behind the maps in the model's own graph, added when the file
is opened: refining runs wherever the model runs, and the file stays as it is.

Sources: the random walk over an affinity of features is that of Ahn and Kwak, "Learning
Pixel-level Semantic Affinity", CVPR 2018, and of PCM in Wang et al., "SEAM", CVPR 2020, here with
the features that a classifier has anyway: nothing is trained. The settings were chosen by
tests/benchmarks/refine.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx
import onnx.compose
import onnx.parser
from onnx import TensorProto, helper

from camstream import contract
from camstream.graph.onnx_file import read_model
from camstream.graph.onnx_graph import Graph

if TYPE_CHECKING:
    from camstream.contract import ModelFile, ModelInfo

ZOOM = 8 / 7  # factor of the input's sides: 256 pixels instead of 224, 1.3 times the area
STEPS = 6  # how often evidence is passed on
AFFINITY_POWER = 4.0  # of the similarity: positions that look less alike hardly count
GAMMA = 2.25  # of the result: an object's outline lies at 20 % of the maximum, the paper's rule
_EARLY_PX = 8  # cells of a layer with colours and edges, not things

_PREFIX = "camstream.refine."
REFINED = f"{_PREFIX}refined"  # the output's name

# Operators that end the stages of a network: they join the results of several blocks.
_JOINS = ("Add", "Sum", "Concat")
_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16)


def zoomed_hw(info: ModelInfo) -> tuple[int, int]:
    """Return the preferred height and width of the input for refining, pixels."""
    height, width = info.size_hw
    if info.size_multiple is None or info.background is not None:
        return height, width
    return round(height * ZOOM), round(width * ZOOM)


def describe(info: ModelInfo, *, zoomed: bool = True, early: bool = False) -> str:
    """Return how the maps of a model are refined, in words.

    Args:
        info: The model's metadata.
        zoomed: Whether the input may be made larger; False where the user chose a size.
        early: See ``is_early``.
    """
    larger = zoomed and zoomed_hw(info) != info.size_hw
    zoom = f"input {ZOOM:.2f} times as wide and high, " if larger else ""
    if early:
        return f"{zoom}maps enlarged only, as they are fine already"
    return (
        f"{zoom}maps joined with an earlier layer ({STEPS} steps along cosine^{AFFINITY_POWER:g}, "
        f"gamma {GAMMA:g})"
    )


def refine_graph(
    *, steps: int = STEPS, affinity_power: float = AFFINITY_POWER, gamma: float = GAMMA
) -> onnx.GraphProto:
    """Build the graph that joins maps with features.

    Args:
        steps: How many times evidence is passed on.
        affinity_power: Power that the cosine similarity is raised to.
        gamma: Power that the result, 0 to 1, is raised to.

    Returns:
        A graph from ``cam`` (N, K, h, w) float32, logit units, any sign, where negative values
        count as no evidence, and ``fine_features`` (N, D, h', w') float32 of the same frames, to
        ``refined`` (N, K, h', w') float32. A refined map has the raw map's maximum, so that
        ``cam_range`` holds for both. Its minimum is m^2 / maximum, where m is the raw map's
        minimum, at least 0: a nearly constant map stays nearly constant (its contrast at most
        doubles), and a map with a position without evidence goes down to 0. A value that is not
        finite makes its whole map not finite, which counts as no evidence.
    """
    # GlobalMaxPool, not ReduceMax, whose axes are an attribute up to opset 17 and an input after.
    walk = "\n".join(
        f"walked{step + 1} = MatMul (walked{step}, passed_on)" for step in range(steps)
    )
    return onnx.parser.parse_graph(f"""
        refine (float[n, k, h, w] cam, float[n, d, y, x] fine_features)
        => (float[n, k, y, x] refined)
        <float tiny = {{1e-12}}, float affinity_power = {{{affinity_power}}},
         float gamma = {{{gamma}}},
         int64[3] flat = {{0, 0, -1}}, int64[1] over_channels = {{1}}>
        {{
            places = Reshape (fine_features, flat)
            squares = Mul (places, places)
            energy = ReduceSum (squares, over_channels)
            length = Sqrt (energy)
            divisor = Max (length, tiny)
            unit = Div (places, divisor)
            rows = Transpose <perm = [0, 2, 1]> (unit)
            cosine = MatMul (rows, unit)
            alike = Relu (cosine)
            weight = Pow (alike, affinity_power)
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
            grid = Shape <start = 2> (fine_features)
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
            toned = Pow (part, gamma)
            range = Sub (most, floor)
            stretched = Mul (toned, range)
            refined = Add (stretched, floor)
        }}
    """)


def is_early(model: onnx.ModelProto, fine_features: str, size_hw: tuple[int, int]) -> bool:
    """Whether a layer is too early to pass evidence on; False where its grid is not known.

    Args:
        model: A camstream model.
        fine_features: The tensor with the layer's features.
        size_hw: Input height and width to read its grid at, pixels.
    """
    shape = Graph(_at_size(model, size_hw)).shape(fine_features)
    if shape is None or len(shape) != 4 or shape[2] is None:
        return False
    return size_hw[0] / shape[2] <= _EARLY_PX


def with_refinement(model: ModelFile, info: ModelInfo, fine_features: str) -> tuple[bytes, bool]:
    """Add refined maps to a camstream model, as one more output ``REFINED``.

    Args:
        model: The model's file.
        info: Its metadata.
        fine_features: The tensor with the fine features, see ``ModelInfo.fine_features``.

    Returns:
        The new file's content, and whether the features were too early, see ``is_early``.
    """
    whole = read_model(model)
    early = is_early(whole, fine_features, info.size_hw)
    walk = refine_graph(steps=0, gamma=1.0) if early else refine_graph()
    joining = onnx.compose.add_prefix_graph(walk, _PREFIX)
    whole.graph.node.extend(
        [
            helper.make_node("Identity", [contract.CAM], [f"{_PREFIX}cam"]),
            helper.make_node(
                "Cast", [fine_features], [f"{_PREFIX}fine_features"], to=TensorProto.FLOAT
            ),
            *joining.node,
        ]
    )
    whole.graph.initializer.extend(joining.initializer)
    whole.graph.output.append(onnx.ValueInfoProto(name=REFINED))
    content: bytes = whole.SerializeToString()
    return content, early


def find_fine_features(
    model: onnx.ModelProto, features: str, size_hw: tuple[int, int]
) -> str | None:
    """Find the last tensor whose grid is about twice as fine as that of the feature maps.

    Args:
        model: A camstream model.
        features: The tensor that maps are computed from.
        size_hw: Input height and width to compare the grids at, pixels.

    Returns:
        Of all such tensors the last end of a stage (a sum or a concatenation), or else the last
        one; None where no tensor is twice as fine.
    """
    graph = Graph(_at_size(model, size_hw))
    coarse, needed = graph.shape(features), graph.needed(features)
    if coarse is None or len(coarse) != 4 or None in coarse[2:]:
        return None

    def is_fine(name: str) -> bool:
        """Whether a grid is twice as fine, within one cell: 13 x 13 is pooled to 6 x 6 or 7 x 7."""
        shape = graph.shape(name)
        if shape is None or len(shape) != 4 or graph.element_type(name) not in _FLOATS:
            return False
        return all(
            one is not None and other is not None and abs(one - 2 * other) <= 1
            for one, other in zip(shape[2:], coarse[2:], strict=True)
        )

    nodes = [
        node
        for node in model.graph.node
        if not node.name.startswith("camstream.")  # preprocessing is no layer
        and node.output[0] in needed
        and is_fine(node.output[0])
    ]
    ends = [node for node in nodes if node.op_type in _JOINS and sum(map(is_fine, node.input)) > 1]
    return (ends or nodes)[-1].output[0] if nodes else None


def _at_size(model: onnx.ModelProto, size_hw: tuple[int, int]) -> onnx.ModelProto:
    """Copy a model for one picture of a fixed size, so that every grid is known."""
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    frames = next(value for value in fixed.graph.input if value.name == contract.FRAMES)
    shape = (1, *size_hw, 3)
    frames.CopyFrom(helper.make_tensor_value_info(contract.FRAMES, TensorProto.UINT8, shape))
    return fixed
