"""The map lies exactly where the evidence is: under one pixel of the network's input."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from av import VideoFrame
from numpy.typing import NDArray

from camstream.drawing.overlay import Style, annotate
from camstream.frame import Prediction
from camstream.maps import cam as cams
from camstream.models.session import Model
from camstream.picture import Picture
from camstream.sources.file import FileSource
from camstream.testing import TINY_STRIDE, write_tiny_model
from tests.clips import Video, make

SIZES_WH = [(640, 360), (360, 640), (480, 360), (322, 242), (321, 241), (1280, 720)]
# So wide that opacity is proportional to the map.
LINEAR = (0.0, 700.0)
PLACES = [(0.5, 0.5), (0.37, 0.41), (0.61, 0.55), (0.45, 0.63)]
SIGMA_CELLS = 0.9  # wide enough that 32-pixel cells sample it without a bias of their own


def blob(size_wh: tuple[int, int], place: tuple[float, float], cell_px: float) -> NDArray[np.uint8]:
    """Light on black, a Gaussian around a place given in parts of the picture."""
    width, height = size_wh
    x, y = np.arange(width) + 0.5, np.arange(height) + 0.5
    sigma = SIGMA_CELLS * cell_px
    across = np.exp(-((x - place[0] * width) ** 2) / (2 * sigma**2))
    down = np.exp(-((y - place[1] * height) ** 2) / (2 * sigma**2))
    grey = np.rint(235 * np.outer(down, across)).astype(np.uint8)
    return np.repeat(grey[..., np.newaxis], 3, axis=2)


def centroid(weights: NDArray[np.float64]) -> tuple[float, float]:
    """Centre of mass, in parts of the whole."""
    rows, columns = weights.shape
    x = float((weights.sum(axis=0) * (np.arange(columns) + 0.5)).sum() / weights.sum()) / columns
    y = float((weights.sum(axis=1) * (np.arange(rows) + 0.5)).sum() / weights.sum()) / rows
    return x, y


@pytest.fixture(scope="module")
def eye(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return Model(
        write_tiny_model(
            tmp_path_factory.mktemp("models") / "eye.onnx", cam_range=(0.0, 250.0), dark_bias=-9.0
        ),
        device="cpu",
    )


def error_px(
    found: tuple[float, float], place: tuple[float, float], net_wh: tuple[int, int]
) -> float:
    """Distance in pixels of the network's input."""
    return math.dist(
        [f * side for f, side in zip(found, net_wh, strict=True)],
        [p * side for p, side in zip(place, net_wh, strict=True)],
    )


@pytest.mark.parametrize(("size_wh", "place"), list(itertools.product(SIZES_WH, PLACES)))
def test_the_enlarged_map_lies_on_the_evidence(
    size_wh: tuple[int, int], place: tuple[float, float], eye: Model
) -> None:
    net_wh = eye.input_size_wh(Picture.from_bgr(np.zeros((*size_wh[::-1], 3), np.uint8)))
    cell_px = TINY_STRIDE * max(size_wh[0] / net_wh[0], size_wh[1] / net_wh[1])
    image = blob(size_wh, place, cell_px)
    prediction = eye.predict(image, classes=[0])
    fine = cams.enlarge(prediction.cam.maps[0]).astype(float)
    # Near an edge the blob is cut off, and its centre with it.
    assert error_px(centroid(fine), centroid(image[..., 0].astype(float)), net_wh) < 1
    peak = cams.find_peak(fine.astype(np.float32), size_wh)
    found = (peak.xy[0] / size_wh[0], peak.xy[1] / size_wh[1])
    # A peak read from a handful of cells is coarser than a centroid; still well inside its cell.
    assert error_px(found, place, net_wh) < TINY_STRIDE / 4


@pytest.mark.parametrize("size_wh", SIZES_WH)
def test_the_drawn_heat_lies_on_the_evidence(
    size_wh: tuple[int, int], tmp_path: Path, eye: Model
) -> None:
    net_wh = eye.input_size_wh(Picture.from_bgr(np.zeros((*size_wh[::-1], 3), np.uint8)))
    cell_px = TINY_STRIDE * max(size_wh[0] / net_wh[0], size_wh[1] / net_wh[1])
    pictures = [
        VideoFrame.from_ndarray(blob(size_wh, place, cell_px), "bgr24").reformat(format="yuv444p")
        for place in PLACES
    ]
    video = Video(frames=len(PLACES), size_wh=size_wh, codec="ffv1", pix_fmt="yuv444p")
    source = make(tmp_path / "in.mkv", video, pictures=pictures)
    source_frames = FileSource(source, even=True)
    for frame, place, picture in zip(source_frames, PLACES, pictures, strict=True):
        prediction = eye.infer(frame)
        assert prediction.top[0].label == "light"
        light, dark = (drawn_on(prediction, value) for value in (235, 16))
        # Where heat is opaque both are alike, where there is none they differ by 219.
        opacity = 1 - (light - dark) / 219
        lit = np.asarray(picture.to_ndarray(format="gray"), float)
        height, width = opacity.shape
        padded = np.pad(lit, [(0, height - lit.shape[0]), (0, width - lit.shape[1])], mode="edge")
        assert error_px(centroid(opacity), centroid(padded), net_wh) < 1
        peak = cams.find_peak(
            cams.enlarge(prediction.cam.maps[0]), prediction.frame.picture.size_wh
        )
        found = (peak.xy[0] / size_wh[0], peak.xy[1] / size_wh[1])
        assert error_px(found, place, net_wh) < TINY_STRIDE / 4
    source_frames.close()


def drawn_on(prediction: Prediction, luma: int) -> NDArray[np.float64]:
    """The brightness after drawing on an even picture."""
    frame = VideoFrame(*prediction.frame.picture.size_wh, "yuv420p")
    for plane, value in zip(frame.planes, (luma, 128, 128), strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    style = Style(heatmap_opacity=1.0, show_label=False)
    return annotate(prediction, style, picture=Picture(frame)).picture.planes()[0].astype(float)
