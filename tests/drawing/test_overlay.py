"""What is drawn: honest, exact where nothing is drawn, the same in BGR and in YUV."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
import pytest
from av import VideoFrame
from av.video.reformatter import ColorRange
from numpy.typing import NDArray

from camstream.drawing.overlay import COLORMAPS, Colormap, Style, annotate
from camstream.frame import ClassMaps, Frame, Prediction, TopClass
from camstream.picture import ImageU8, MapF32, Picture
from camstream.testing import make_prediction

RANGE = (10.0, 110.0)
HEAT_ONLY = Style(show_label=False)


def prediction_of(picture: Picture, cam: MapF32, label: str = "tabby cat") -> Prediction:
    maps = ClassMaps(
        maps=cam[np.newaxis],
        class_indices=np.array([0]),
        bias=np.zeros(1, np.float32),
        cam_range=RANGE,
    )
    frame = Frame(0, 0.0, 0.0, picture)
    return make_prediction(frame, top=(TopClass(label, 0, 0.5, 1.0),), cam=maps)


def photo(width: int = 320, height: int = 180) -> ImageU8:
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:height, :width]
    image = np.stack([x * 255 / width, y * 255 / height, 128 + 0 * x], axis=-1)
    return cast("ImageU8", np.clip(image + rng.normal(0, 2, image.shape), 0, 255).astype(np.uint8))


def bgr_picture() -> Picture:
    return Picture.from_bgr(photo())


def yuv_picture(matrix: int, *, full: bool) -> Picture:
    range_ = ColorRange.JPEG if full else ColorRange.MPEG
    frame = VideoFrame.from_ndarray(photo(), "bgr24").reformat(
        format="yuv420p", dst_colorspace=matrix, dst_color_range=range_
    )
    frame.colorspace, frame.color_range = matrix, range_
    return Picture(frame)


KINDS: dict[str, Callable[[], Picture]] = {
    "bgr": bgr_picture,
    "709 limited": lambda: yuv_picture(1, full=False),
    "709 full": lambda: yuv_picture(1, full=True),
    "601 limited": lambda: yuv_picture(5, full=False),
    "601 full": lambda: yuv_picture(5, full=True),
}


@pytest.fixture(params=list(KINDS.values()), ids=list(KINDS))
def picture(request: pytest.FixtureRequest) -> Picture:
    return cast("Picture", request.param())


def pixels(picture: Picture) -> list[NDArray[np.uint8]]:
    return [plane.copy() for plane in picture.planes()]


def hot_spot(value: float, shape: tuple[int, int] = (6, 8)) -> MapF32:
    cam = np.full(shape, -20, np.float32)
    cam[3, 4] = value
    return cam


@pytest.mark.parametrize(
    "cam",
    [
        np.full((6, 8), 90, np.float32),
        -np.abs(np.random.default_rng(1).normal(50, 20, (6, 8))).astype(np.float32),
        np.full((6, 8), np.nan, np.float32),
        np.full((6, 8), np.inf, np.float32),
        hot_spot(9.0),
        np.zeros((6, 8), np.float32),
    ],
    ids=["constant", "negative", "nan", "inf", "below the range", "zero"],
)
def test_no_evidence_leaves_every_pixel(picture: Picture, cam: MapF32) -> None:
    before = pixels(picture)
    annotated = annotate(prediction_of(picture, cam), HEAT_ONLY)
    for was, now in zip(before, annotated.picture.planes(), strict=True):
        assert np.array_equal(was, now)


def test_the_given_picture_is_never_written_to(picture: Picture) -> None:
    before = pixels(picture)
    annotate(prediction_of(picture, hot_spot(100)))
    for was, now in zip(before, picture.planes(), strict=True):
        assert np.array_equal(was, now)


def test_opacity_nought_leaves_every_pixel(picture: Picture) -> None:
    style = Style(heatmap_opacity=0, show_label=False)
    annotated = annotate(prediction_of(picture, hot_spot(100)), style)
    for was, now in zip(picture.planes(), annotated.picture.planes(), strict=True):
        assert np.array_equal(was, now)


def test_places_without_heat_are_untouched(picture: Picture) -> None:
    annotated = annotate(prediction_of(picture, hot_spot(100)), HEAT_ONLY)
    for was, now in zip(picture.planes(), annotated.picture.planes(), strict=True):
        height, width = was.shape[:2]
        assert np.array_equal(was[: height // 4], now[: height // 4])
        assert np.array_equal(was[:, : width // 4], now[:, : width // 4])
        assert not np.array_equal(was, now)


@pytest.mark.parametrize("colormap", COLORMAPS)
@pytest.mark.parametrize("kind", [key for key in KINDS if key != "bgr"])
def test_bgr_and_yuv_are_drawn_in_the_same_colours(kind: str, colormap: Colormap) -> None:
    cam = np.add.outer(np.linspace(-40, 70, 6), np.linspace(-40, 70, 8)).astype(np.float32)
    style = Style(heatmap_opacity=0.7, colormap=colormap, show_label=False)
    plain = annotate(prediction_of(bgr_picture(), cam), style).picture.bgr().astype(int)
    planar = annotate(prediction_of(KINDS[kind](), cam), style).picture.bgr().astype(int)
    # What drawing changes, so that what 4:2:0 itself changes does not count.
    drawn = (plain - photo()) - (planar - KINDS[kind]().bgr())
    assert np.abs(drawn).mean() < 3
    assert np.abs(drawn.mean(axis=(0, 1))).max() < 2


@pytest.mark.parametrize("size_wh", [(321, 180), (320, 181), (321, 181)], ids=str)
def test_heat_in_odd_sizes_is_where_it_is_in_even_ones(size_wh: tuple[int, int]) -> None:
    ground = np.full((size_wh[1], size_wh[0], 3), 90, np.uint8)
    grey = VideoFrame.from_ndarray(ground, "bgr24").reformat(format="yuv420p")
    planar = annotate(prediction_of(Picture(grey), hot_spot(100)), HEAT_ONLY).picture.planes()
    centres = []
    for plane in planar:
        changed = np.argwhere(np.abs(plane.astype(int) - plane[0, 0]) > 20)
        centres.append((changed.mean(axis=0) + 0.5) / plane.shape)
    np.testing.assert_allclose(centres[1:], [centres[0]] * 2, atol=0.02)


def test_the_same_value_has_the_same_colour_in_two_frames() -> None:
    grey = Picture.from_bgr(np.full((180, 320, 3), 90, np.uint8))
    alone = hot_spot(60)
    beside = alone.copy()
    beside[1, 1] = 500
    spot = slice(100, 110), slice(175, 185)
    first, second = (
        annotate(prediction_of(grey, cam), HEAT_ONLY).picture.planes()[0][spot].astype(int)
        for cam in (alone, beside)
    )
    assert np.abs(first - 90).mean() > 20
    assert np.abs(first - second).max() <= 2


def test_weak_evidence_is_fainter_than_strong() -> None:
    black = Picture.from_bgr(np.zeros((180, 320, 3), np.uint8))
    changes = [
        int(annotate(prediction_of(black, hot_spot(v)), HEAT_ONLY).picture.planes()[0].sum())
        for v in (9, 20, 40, 110)
    ]
    assert changes[0] == 0
    assert changes == sorted(set(changes))


def test_the_peak_never_wraps() -> None:
    white = Picture.from_bgr(np.full((180, 320, 3), 255, np.uint8))
    style = Style(heatmap_opacity=1, colormap="hot", show_label=False)
    drawn = annotate(prediction_of(white, hot_spot(1e9)), style).picture.planes()[0]
    assert drawn[105, 180].min() > 250


SIZES = [(16, 16), (17, 31), (64, 16), (16, 64), (100, 20), (640, 360), (3840, 2160)]


@pytest.mark.parametrize("size_wh", SIZES, ids=str)
@pytest.mark.parametrize("even_yuv", [False, True])
def test_a_label_is_drawn_on_any_size(size_wh: tuple[int, int], even_yuv: bool) -> None:
    width, height = size_wh
    frame = VideoFrame.from_ndarray(np.full((height, width, 3), 60, np.uint8), "bgr24")
    picture = Picture.from_video_frame(frame, even=True) if even_yuv else Picture(frame)
    label = "Staffordshire bullterrier, a very long name — ünïcode"
    annotated = annotate(
        prediction_of(picture, np.zeros((3, 3), np.float32), label), notes=["a", "b"]
    )
    assert annotated.picture.size_wh == picture.size_wh
    changed = annotated.picture.planes()[0].astype(int) - picture.planes()[0]
    if min(size_wh) >= 64:
        panel = changed[: height // 8, : width // 2]
        assert panel.max() > 100  # white letters
        assert panel.min() < -20  # on a dark panel
