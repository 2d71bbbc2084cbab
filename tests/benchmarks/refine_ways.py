"""The ways to better places that tests/benchmarks/refine.py compares: tapped tensors, and the maps."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import onnx
from numpy.typing import NDArray

from camstream import contract
from camstream.contract import fit_size
from camstream.evaluate.annotations import GroundTruth
from camstream.evaluate.measure import read_photo
from camstream.graph.onnx_graph import Graph
from camstream.graph.refine import zoomed_hw
from camstream.maps import cam as cams
from camstream.maps.boxes import ratio_threshold
from camstream.models.device import create_session
from camstream.models.session import read_info
from camstream.picture import ImageU8, MapF32, Picture
from tests.benchmarks.refine_papers import PAPERS, PaperTapper, Tensors

SIDES = (224, 256, 288, 320)
REFINE_SIDES = (224, 256, 288)  # 320 costs more than twice
STEPS, AFFINITY_POWERS, GAMMAS = (3, 4, 6), (3.0, 4.0, 5.0), (1.5, 1.75, 2.0, 2.25, 2.5)

Maps = Iterator[tuple[str, MapF32]]


@dataclass(slots=True)
class TappedPhoto:
    """One class in one photo, and the tensors of the network; maps are of that class.

    Attributes:
        ground_truth: The class and its true boxes.
        size_wh: Of the photo, pixels.
        image: As the network gets it at 224.
        cams: Input side to the raw map.
        fine_features: Input side to the features that are twice as fine as the map.
        earlier: Those that are four times as fine, at 224.
        mirrored: The raw map of the photo in a mirror, turned back, at 224.
        dilated: The raw map at 224 of the network whose last stage is dilated: twice as fine.
        tensors: For the ways of other papers.
    """

    ground_truth: GroundTruth
    size_wh: tuple[int, int]
    image: ImageU8
    tensors: Tensors
    cams: dict[int, MapF32] = field(default_factory=dict)
    fine_features: dict[int, NDArray[np.float16]] = field(default_factory=dict)
    earlier: NDArray[np.float16] = field(default_factory=lambda: np.zeros(0, np.float16))
    mirrored: MapF32 = field(default_factory=lambda: np.zeros(0, np.float32))
    dilated: MapF32 = field(default_factory=lambda: np.zeros(0, np.float32))


class Tapper:
    """Runs the default network with two of its earlier layers tapped, and its dilated twin."""

    def __init__(self, path: Path, dilated: Path) -> None:
        model = onnx.load(path)
        info = read_info(create_session(str(path), "cpu")[0], str(path))
        self._papers_hw = zoomed_hw(info)
        self._papers = PaperTapper(model, str(info.fine_features))
        self._taps = [str(info.fine_features), _last_sum(model, info.size_hw[0] // 8)]
        model.graph.output.extend(onnx.ValueInfoProto(name=tap) for tap in self._taps)
        self._tapped, _, _ = create_session(model.SerializeToString(), "cpu")
        self._dilated, _, _ = create_session(str(dilated), "cpu")

    def __call__(self, ground_truth: GroundTruth) -> TappedPhoto:
        picture = Picture.from_bgr(read_photo(ground_truth))
        sizes = {
            side: fit_size(picture.size_wh, preferred_hw=(side, side), multiple=32)
            for side in SIDES
        }
        zoomed = fit_size(picture.size_wh, preferred_hw=self._papers_hw, multiple=32)
        tensors = self._papers(picture.bgr(zoomed), ground_truth.class_index)
        photo = TappedPhoto(ground_truth, picture.size_wh, picture.bgr(sizes[224]), tensors)
        for side, size_wh in sizes.items():
            photo.cams[side], fine_features, earlier = self._tap(picture.bgr(size_wh), ground_truth)
            photo.fine_features[side] = fine_features.astype(np.float16)
            if side == 224:
                photo.earlier = earlier.astype(np.float16)
        photo.mirrored = self._tap(photo.image[:, ::-1], ground_truth)[0][:, ::-1]
        photo.dilated = _run(self._dilated, [contract.CAM], photo.image, ground_truth)[0][0]
        return photo

    def _tap(self, image: ImageU8, ground_truth: GroundTruth) -> tuple[MapF32, MapF32, MapF32]:
        cam, fine_features, earlier = _run(
            self._tapped, [contract.CAM, *self._taps], image, ground_truth
        )
        return cam[0], fine_features, earlier


def _run(
    session: Any, outputs: list[str], image: ImageU8, ground_truth: GroundTruth
) -> list[MapF32]:
    frames = np.ascontiguousarray(image)[np.newaxis]
    feed = {contract.FRAMES: frames, contract.CLASSES: np.array([ground_truth.class_index])}
    return [output[0] for output in session.run(outputs, feed)]


def _last_sum(model: onnx.ModelProto, side: int) -> str:
    """Find the last sum whose grid has a side, for an input of the preferred size."""
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    for dim, size in zip(
        fixed.graph.input[0].type.tensor_type.shape.dim, (1, 224, 224), strict=False
    ):
        dim.dim_value = size
    graph = Graph(fixed)
    sums = [node.output[0] for node in model.graph.node if node.op_type == "Add"]
    found = [name for name in sums if (graph.shape(name) or ())[2:] == (side, side)]
    return str(found[-1])


def enlarged(cam: MapF32, like: NDArray[Any]) -> MapF32:
    """Bring a map to the grid of a map or of features."""
    return cams.enlarge(np.ascontiguousarray(cam), (like.shape[-1], like.shape[-2]))


def walked(cam: MapF32, features: NDArray[np.float16], steps: int, affinity_power: float) -> MapF32:
    """Do in numpy what ``camstream.graph.refine`` does in the graph, up to the gamma; 0 to 1."""
    places = features.astype(np.float32).reshape(len(features), -1)
    places /= np.maximum(np.linalg.norm(places, axis=0), 1e-12)
    alike = np.maximum(places.T @ places, 0) ** np.float32(affinity_power)
    alike /= alike.sum(axis=1, keepdims=True)
    evidence = np.maximum(enlarged(cam, features), 0).ravel()
    for _ in range(steps):
        evidence = alike @ evidence
    evidence -= evidence.min()
    part = evidence / max(float(evidence.max()), 1e-12)
    return cast("MapF32", part.reshape(features.shape[1:]))


def guided(cam: MapF32, image: ImageU8, radius_px: int, blur: float) -> MapF32:
    """Filter a map along the edges of a picture's grey values (He et al., ECCV 2010).

    Args:
        cam: (h, w) float32, any range.
        image: (H, W, 3) uint8 BGR.
        radius_px: Half the window's side.
        blur: Variance of grey values, 0 to 1, below which there is no edge.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.float32) / 255
    fine = np.maximum(enlarged(cam, grey), 0)

    def mean(values: NDArray[Any]) -> NDArray[Any]:
        return cv2.boxFilter(values, -1, (2 * radius_px + 1,) * 2)

    grey_mean, fine_mean = mean(grey), mean(fine)
    slope = (mean(grey * fine) - grey_mean * fine_mean) / (
        mean(grey * grey) - grey_mean**2 + np.float32(blur)
    )
    return cast("MapF32", mean(slope) * grey + mean(fine_mean - slope * grey_mean))


def _resized(cam: MapF32, mode: int) -> MapF32:
    factor = -(-256 // max(cam.shape))
    size_wh = (cam.shape[1] * factor, cam.shape[0] * factor)
    return cast("MapF32", cv2.resize(cam, size_wh, interpolation=mode))


def joined(photo: TappedPhoto, sides: tuple[int, ...]) -> Maps:
    """All settings of the joining with the earlier layer."""
    for side, steps, affinity_power in itertools.product(sides, STEPS, AFFINITY_POWERS):
        part = walked(photo.cams[side], photo.fine_features[side], steps, affinity_power)
        for gamma in GAMMAS:
            yield f"{side}: {steps} steps, cosine^{affinity_power:g}, gamma {gamma:g}", part**gamma


@dataclass(frozen=True, slots=True)
class Way:
    """One way to localise objects.

    Attributes:
        maps: The maps of an object, one per setting, by the setting's name.
        thresholds: What else is chosen, in per cent of the map's maximum.
    """

    maps: Callable[[TappedPhoto], Maps]
    thresholds: tuple[int, ...] = tuple(range(5, 75, 5))

    def rules(self) -> dict[str, Callable[[MapF32], float]]:
        return {
            f"{percent}%": partial(ratio_threshold, ratio=percent / 100)
            for percent in self.thresholds
        }


def _one(make: Callable[[TappedPhoto], MapF32]) -> Callable[[TappedPhoto], Maps]:
    return lambda photo: iter([("", make(photo))])


def _of_paper(make: Callable[[Tensors], Maps]) -> Callable[[TappedPhoto], Maps]:
    return lambda photo: make(photo.tensors)


def _layer(
    make: Callable[[TappedPhoto], tuple[MapF32, NDArray[np.float16]]],
) -> Callable[[TappedPhoto], Maps]:
    return _one(lambda photo: walked(*make(photo), 3, 3.0))


def _guided(photo: TappedPhoto) -> Maps:
    for radius, blur in itertools.product((16, 32), (1e-3, 1e-2)):
        yield f"radius {radius}, {blur:g}", guided(photo.cams[224], photo.image, radius, blur)


PLAIN = Way(_one(lambda photo: photo.cams[224]), (20,))
WAYS: dict[str, Way] = {
    "ratio threshold": Way(PLAIN.maps),
    "linear instead of cubic": Way(_one(lambda s: _resized(s.cams[224], cv2.INTER_LINEAR))),
    "Lanczos instead of cubic": Way(_one(lambda s: _resized(s.cams[224], cv2.INTER_LANCZOS4))),
    "finer map by dilation": Way(_one(lambda s: s.dilated)),
    "flip": Way(_one(lambda s: s.cams[224] + s.mirrored)),
    "input of 256": Way(_one(lambda s: s.cams[256])),
    "input of 288": Way(_one(lambda s: s.cams[288])),
    "input of 320": Way(_one(lambda s: s.cams[320])),
    "two scales, 224 and 320": Way(
        _one(lambda s: enlarged(s.cams[224], s.cams[320]) + s.cams[320])
    ),
    "guided filter": Way(_guided),
    "early layer": Way(_layer(lambda s: (s.cams[224], s.fine_features[224]))),
    "earlier layer, 4 times finer": Way(_layer(lambda s: (s.cams[224], s.earlier))),
    "early layer, flip": Way(_layer(lambda s: (s.cams[224] + s.mirrored, s.fine_features[224]))),
    "early layer, dilation": Way(_layer(lambda s: (s.dilated, s.fine_features[224]))),
    "early layer, guided filter": Way(
        _one(lambda s: guided(walked(s.cams[224], s.fine_features[224], 3, 3.0), s.image, 16, 1e-2))
    ),
    **{name: Way(_of_paper(make)) for name, make in PAPERS.items()},
}
