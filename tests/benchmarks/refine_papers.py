"""Ways of other papers to better places, for the table of tests/benchmarks/refine.py; nothing is trained.

All are behind the input of ``--refine`` (256 pixels) and, where not said otherwise, before or behind the walk that
``--refine`` does. A setting's threshold stands in for its gamma: both choose where a thing ends.

Sources: CCAM, arXiv 1910.05518; BagCAMs, arXiv 2207.07818, written out for a linear head behind one
convolution; SPOL, arXiv 2108.00873; IVR, Kim et al., ICCV 2021; CREAM, arXiv 2205.13922, its part at
test time; normalised cuts, Shi and Malik 2000.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from camstream import contract
from camstream.graph.find_head import find_head
from camstream.graph.neck import inputs
from camstream.graph.onnx_graph import Graph
from camstream.maps import cam as cams
from camstream.models.device import create_session
from camstream.picture import ImageU8, MapF32

F32 = NDArray[np.float32]
F16 = NDArray[np.float16]
Maps = Iterator[tuple[str, MapF32]]

_CUTS = np.arange(0.3, 0.7, 0.05)  # parts of the maximum that a rule may choose from
_PRIOR = 0.1  # how far from its usual place a chosen threshold lies


@dataclass(frozen=True, slots=True)
class Tensors:
    """What the network computes of one photo at the size of ``--refine``; maps are of all classes.

    Attributes:
        class_index: The class that is looked for.
        logits: (C,) float32.
        maps: (C, h, w) float16.
        fine: (D, 2h, 2w) float16, the features that ``--refine`` uses.
        before: (E, 2h, 2w) float16, the end of the stage before.
        deep: (F, h, w) float16, the end of the last stage.
        bags: (h, w) float32, the map of BagCAMs.
    """

    class_index: int
    logits: F32
    maps: F16
    fine: F16
    before: F16
    deep: F16
    bags: MapF32

    @property
    def cam(self) -> MapF32:
        """The raw map of the class."""
        cam: MapF32 = self.maps[self.class_index].astype(np.float32)
        return cam


class PaperTapper:
    """Runs the default network with the ends of its stages tapped."""

    def __init__(self, model: onnx.ModelProto, fine_features: str) -> None:
        head = find_head(model)
        self._head, self._fine = head.features, fine_features
        self._neck = inputs(model, fine_features, head.features)[1]
        self._before, self._deep = _stage_ends(model, fine_features)
        values = {tensor.name: tensor for tensor in model.graph.initializer}
        node = Graph(model).producer(head.features)
        while node is not None and node.op_type != "Conv":
            node = Graph(model).producer(node.input[0])
        assert node is not None
        weight = numpy_helper.to_array(values[node.input[1]])
        self._last = weight.reshape(len(weight), -1)
        self._linear = numpy_helper.to_array(values["_fc.weight"])
        tapped = onnx.ModelProto()
        tapped.CopyFrom(model)
        del tapped.graph.output[:]
        self._taps = [contract.LOGITS, self._fine, self._before, self._deep, self._head, self._neck]
        tapped.graph.output.extend(onnx.ValueInfoProto(name=tap) for tap in self._taps)
        self._session, _, _ = create_session(tapped.SerializeToString(), "cpu")

    def __call__(self, image: ImageU8, class_index: int) -> Tensors:
        feed = {contract.FRAMES: np.ascontiguousarray(image)[np.newaxis]}
        logits, fine, before, deep, features, neck = (
            output[0] for output in self._session.run(self._taps, feed)
        )
        return Tensors(
            class_index,
            logits,
            np.tensordot(self._linear, features, 1).astype(np.float16),
            fine.astype(np.float16),
            before.astype(np.float16),
            deep.astype(np.float16),
            self._bags(class_index, features, neck),
        )

    def _bags(self, class_index: int, features: F32, neck: F32) -> MapF32:
        """Let the gradient of the class at each place look for the class at every place.

        The gradient of the logit at a place is the class's weights of the channels that are neither
        under 0 nor over 6 there, brought back through the last convolution.
        """
        places, reads = features.reshape(len(features), -1), neck.reshape(len(neck), -1)
        is_open = (places > 0) & (places < 6)
        localisers = self._last.T @ (self._linear[class_index][:, np.newaxis] * is_open)
        found = np.maximum(localisers.T @ reads, 0).mean(axis=0)
        bags: MapF32 = found.reshape(features.shape[1:]).astype(np.float32)
        return bags


def _stage_ends(model: onnx.ModelProto, fine_features: str) -> tuple[str, str]:
    """Find the end of the stage before the fine features, and that of the last stage."""
    graph = Graph(model)
    sums = [node.output[0] for node in model.graph.node if node.op_type == "Add"]
    sums = [name for name in sums if graph.shape(name) is not None]
    position = sums.index(fine_features)

    def width(name: str) -> int | None:
        return (graph.shape(name) or (None, None))[1]

    before = next(n for n in reversed(sums[:position]) if width(n) != width(fine_features))
    return before, sums[-1]


def _unit(features: F16, grid: tuple[int, ...]) -> F32:
    """Return features as (channels, places) of length 1 on a grid."""
    values = features.astype(np.float32)
    if values.shape[1:] != grid:
        resized = [cv2.resize(one, grid[::-1], interpolation=cv2.INTER_LINEAR) for one in values]
        values = np.stack(resized)
    flat = values.reshape(len(values), -1)
    return np.asarray(flat / np.maximum(np.linalg.norm(flat, axis=0), 1e-12), np.float32)


def _cosine(features: F16, grid: tuple[int, ...]) -> F32:
    unit = _unit(features, grid)
    cosine: F32 = np.maximum(unit.T @ unit, 0)
    return cosine


def _alike(tensors: Tensors) -> F32:
    """The likeness that ``--refine`` walks along."""
    squared: F32 = _cosine(tensors.fine, tensors.fine.shape[1:]) ** 2
    return squared * squared


def _seed(cam: MapF32, tensors: Tensors) -> F32:
    grid = tensors.fine.shape[1:]
    return np.asarray(
        np.maximum(cams.enlarge(np.ascontiguousarray(cam), (grid[1], grid[0])), 0).ravel(),
        np.float32,
    )


def _walk(evidence: F32, alike: F32, steps: int = 6) -> F32:
    passed_on = alike / np.maximum(alike.sum(axis=1, keepdims=True), 1e-12)
    for _ in range(steps):
        evidence = passed_on @ evidence
    evidence = evidence - evidence.min()
    return np.asarray(evidence / max(float(evidence.max()), 1e-12), np.float32)


def _walked(cam: MapF32, tensors: Tensors) -> MapF32:
    return _walk(_seed(cam, tensors), _alike(tensors)).reshape(tensors.fine.shape[1:])


def _walk_only(tensors: Tensors) -> Maps:
    yield "", _walked(tensors.cam, tensors)


def _all_classes(tensors: Tensors) -> Maps:
    order = np.argsort(-tensors.logits)
    others = tensors.maps[order[order != tensors.class_index]].astype(np.float32)
    rank = np.linspace(0, 1, len(others), dtype=np.float32)
    kinds = {
        "linear": 1 - 2 * rank,
        "square": np.sign(1 - 2 * rank) * (1 - 2 * rank) ** 2,
        "worse half": -np.maximum(2 * rank - 1, 0),
        "all alike": -np.ones_like(rank),
    }
    for (kind, weights), share in itertools.product(kinds.items(), (0.5, 1, 2)):
        together = np.tensordot(share * weights / np.abs(weights).sum(), others, 1)
        yield f"{kind} {share:g}", _walked(tensors.cam + together.astype(np.float32), tensors)


def _posterior(tensors: Tensors) -> Maps:
    for temperature in (12, 16, 24):
        logits = tensors.maps.astype(np.float32) / temperature
        odds = np.exp(logits - logits.max(axis=0))
        yield f"/{temperature}", _walked(odds[tensors.class_index] / odds.sum(axis=0), tensors)


def _bags(tensors: Tensors) -> Maps:
    yield "alone", tensors.bags
    yield "walked", _walked(tensors.bags, tensors)


def _products(tensors: Tensors) -> Maps:
    grid = tensors.fine.shape[1:]
    walked, raw = _walked(tensors.cam, tensors), _seed(tensors.cam, tensors).reshape(grid)
    earlier = _walk(
        raw.ravel(), np.asarray(_cosine(tensors.before, grid) ** 6, np.float32)
    ).reshape(grid)
    raw = raw / max(float(raw.max()), 1e-12)
    for power in (0.25, 0.5, 1.0):
        yield f"by the map^{power:g}", walked * raw ** np.float32(power)
        yield f"by the stage before^{power:g}", walked * earlier ** np.float32(power)


def _percentiles(tensors: Tensors) -> Maps:
    fine = cams.enlarge(_walked(tensors.cam, tensors))
    for percent in (80, 90, 95, 98):
        yield f"p{percent}", np.minimum(fine, max(float(np.percentile(fine, percent)), 1e-6))


def _em(tensors: Tensors) -> Maps:
    grid = tensors.fine.shape[1:]
    unit = np.concatenate([_unit(tensors.fine, grid), _unit(tensors.deep, grid)])
    begun = _walk(_seed(tensors.cam, tensors), _alike(tensors), 2)
    for steps, sharpness in itertools.product((1, 2, 4), (2.5, 7.5)):
        share = begun
        for _ in range(steps):
            thing, rest = unit @ share, unit @ (1 - share)
            thing, rest = (each / max(float(np.linalg.norm(each)), 1e-12) for each in (thing, rest))
            share = 1 / (1 + np.exp(-sharpness * (thing - rest) @ unit))
        part = share - share.min()
        yield f"{steps} steps, {sharpness:g}", (part / max(part.max(), 1e-12)).reshape(grid)


def _cuts(tensors: Tensors) -> Maps:
    """Choose the threshold of each photo: the best normalised cut not far from a usual one."""
    part = _walked(tensors.cam, tensors)
    alike = _alike(tensors)
    degrees = alike.sum(axis=1)
    goodness = []
    for level in _CUTS:
        inside = (part.ravel() > level).astype(np.float32)
        lost, held = inside @ alike @ (1 - inside), inside @ degrees
        rest = max(float(degrees.sum() - held), 1e-9)
        goodness.append(-lost / max(float(held), 1e-9) - lost / rest)
    good = (np.array(goodness) - np.mean(goodness)) / max(float(np.std(goodness)), 1e-9)
    for usual in (0.4, 0.45, 0.5, 0.55):
        level = _CUTS[(good - ((_CUTS - usual) / _PRIOR) ** 2).argmax()]
        yield f"near {usual:g}", part ** np.float32(np.log(0.5) / np.log(level))  # moved to 50 %


def _two_stages(tensors: Tensors) -> Maps:
    grid = tensors.fine.shape[1:]
    seed, deep = _seed(tensors.cam, tensors), _cosine(tensors.deep, grid)
    for name, features in (("last", tensors.fine), ("before", tensors.before)):
        fine = _cosine(features, grid)
        for weight, power, steps in itertools.product((0.35, 0.5, 0.7), (4, 6), (4, 6)):
            alike = np.asarray(((fine + weight * deep) / (1 + weight)) ** power, np.float32)
            text = f"{name} + {weight:g} deep, cosine^{power}, {steps} steps"
            yield text, _walk(seed, alike, steps).reshape(grid)


PAPERS: dict[str, Callable[[Tensors], Maps]] = {
    "walk, nothing else": _walk_only,
    "all classes (CCAM)": _all_classes,
    "share of all classes": _posterior,
    "BagCAMs": _bags,
    "product of layers (SPOL)": _products,
    "percentile for maximum (IVR)": _percentiles,
    "EM on features (CREAM)": _em,
    "threshold by normalised cut": _cuts,
    "affinity of two stages": _two_stages,
}
