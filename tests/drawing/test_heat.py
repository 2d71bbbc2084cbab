"""Colours of heat: the subject is always seen; a contrast has two sides and a scale of its own."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import camstream
from camstream.drawing.heat import opacities, ramp
from camstream.drawing.overlay import COLORMAPS, Colormap, Style, annotate
from camstream.frame import Frame, Prediction, View
from camstream.maps import cam as cams
from camstream.models.session import Model
from camstream.picture import MapF32, Picture
from camstream.testing import FAKE_INFO, make_frame, make_prediction

VIDEOS = Path(__file__).parents[3] / "shared" / "data" / "videos"
RANGE = FAKE_INFO.cam_range  # 0 to 10
GREY = Picture.from_bgr(np.full((180, 320, 3), 110, np.uint8))
HEAT_ONLY = Style(show_label=False)


def luma(colours: np.ndarray) -> np.ndarray:
    """Brightness of BGR colours, 0 to 255."""
    return np.asarray(colours.reshape(-1, 3) @ [0.114, 0.587, 0.299])


def seen(cam: MapF32, *, is_contrast: bool = False, picture: Picture = GREY) -> Prediction:
    view = View("a against b" if is_contrast else "a", 0.9, cam, is_contrast=is_contrast)
    return dataclasses.replace(make_prediction(Frame(0, 0.0, 0.0, picture)), views=(view,))


def drawn(cam: MapF32, style: Style = HEAT_ONLY, *, is_contrast: bool = False) -> np.ndarray:
    return annotate(seen(cam, is_contrast=is_contrast), style).picture.bgr().astype(int)


@pytest.mark.parametrize("colormap", [*COLORMAPS, "contrast"])
def test_no_colour_of_visible_heat_is_dark(colormap: str) -> None:
    """The ends of turbo and jet, and the beginnings of the others, were nearly black."""
    is_visible = opacities(0.6, is_contrast=colormap == "contrast") > 255 * 0.3
    assert luma(ramp(colormap))[is_visible].min() > 60


@pytest.mark.parametrize("colormap", COLORMAPS)
def test_the_subject_shows_through_the_strongest_heat(colormap: Colormap) -> None:
    """Stripes under full heat: what is left of their contrast, and how bright they are."""
    stripes = np.full((180, 320, 3), 60, np.uint8)
    stripes[:, ::8] = stripes[:, 1::8] = stripes[:, 2::8] = stripes[:, 3::8] = 180
    cam = np.zeros((6, 8), np.float32)
    cam[2:5, 3:6] = 40  # far above the range
    style = dataclasses.replace(HEAT_ONLY, colormap=colormap)
    image = annotate(seen(cam, picture=Picture.from_bgr(stripes)), style).picture.bgr()
    spot = luma(image[90:110, 168:184])
    assert float(spot.max() - spot.min()) > 0.6 * 120
    assert float(spot.mean()) > 0.75 * 120


def test_opacity_falls_only_where_heat_is_strong_and_never_where_only_heat_is_wanted() -> None:
    usual, only_heat = opacities(0.6).astype(int), opacities(1.0).astype(int)
    assert usual[0] == 0
    assert usual.max() == round(255 * 0.6)
    assert (np.diff(usual[:90]) >= 0).all()
    assert (np.diff(usual[160:]) <= 0).all()
    assert usual[-1] == round(255 * 0.6 * 0.6)
    assert (np.diff(only_heat) >= 0).all()
    assert only_heat[-1] == 255
    assert opacities(0.0).max() == 0


def test_a_contrast_is_warm_on_one_side_cold_on_the_other_and_nothing_at_zero() -> None:
    cam = np.zeros((6, 8), np.float32)
    cam[2:4, 1], cam[2:4, 6] = 6, -6
    image = drawn(cam, is_contrast=True)
    blue, _, red = image[90, 60]  # evidence for the first
    assert red - blue > 60
    blue, _, red = image[90, 260]  # for the second
    assert blue - red > 60
    assert (image[:, 150:170] == 110).all()
    assert (image[:10] == 110).all()
    mirrored = drawn(-cam, is_contrast=True)
    assert (np.abs(image - 110).sum(axis=2) > 0).sum() == pytest.approx(
        (np.abs(mirrored - 110).sum(axis=2) > 0).sum(), rel=0.05
    )


def test_a_contrast_has_a_fixed_scale_of_its_own() -> None:
    view = View("a against b", 0.9, np.zeros((2, 2), np.float32), is_contrast=True)
    assert cams.range_of(view, (14.0, 40.0)) == pytest.approx((2.6, 19.5))
    assert cams.range_of(dataclasses.replace(view, is_contrast=False), (14.0, 40.0)) == (14.0, 40.0)


@given(
    hnp.arrays(np.float32, (3, 4), elements=st.floats(-50, 50, width=32)),
    st.floats(0.5, 5),
    st.floats(6, 40),
)
def test_heat_of_either_sign(cam: MapF32, low: float, high: float) -> None:
    """What is positive is warm alone, and a map turned around has its colours turned around."""
    heat = cams.signed_heat(cam, (low, high)).astype(int)
    assert (heat[np.abs(cam) <= low] == 128).all()
    assert (heat[cam > 0] >= 128).all()
    assert (heat[cam < 0] <= 128).all()
    assert np.abs(heat + cams.signed_heat(-cam, (low, high)) - 256).max() <= 1
    if float(np.ptp(cam)) > 0.1 * (high - low):
        assert (heat[cam >= high] == 255).all()
        assert (heat[cam <= -high] == 1).all()


@pytest.mark.skipif(not VIDEOS.is_dir(), reason="the real clips lie beside the developers' clones")
def test_the_contrast_of_a_real_clip_is_seen(model: Model) -> None:
    """A Persian cat against lynx was dark on every frame."""
    clip = VIDEOS / "cat_white_persian.mp4"
    warm = []
    with camstream.stream(clip, model, contrast=("Persian cat", "lynx")) as predictions:
        for prediction in itertools.islice(predictions, 6):
            before = prediction.frame.picture.bgr().astype(int)
            change = prediction.draw(HEAT_ONLY).astype(int) - before
            warm.append(float(((change[..., 2] - change[..., 0]) > 30).mean()))
            assert prediction.boxes
    assert min(warm) > 0.05


@pytest.mark.parametrize("is_contrast", [False, True])
def test_the_legend_says_where_heat_begins_and_is_full(is_contrast: bool) -> None:
    cam = np.full((6, 8), 0, np.float32)
    cam[1, 1] = 7
    style = dataclasses.replace(HEAT_ONLY, show_legend=True)
    without = drawn(cam, is_contrast=is_contrast)
    change = np.abs(drawn(cam, style, is_contrast=is_contrast) - without).sum(axis=2)
    rows, columns = np.nonzero(change > 20)
    assert rows.min() > 180 * 0.8  # a small bar in the lower right corner
    assert columns.min() > 320 * 0.5
    bar = drawn(cam, style, is_contrast=is_contrast)[rows.min() + 1, columns.min() : columns.max()]
    want = ramp("contrast" if is_contrast else "turbo")[:, 0].astype(int)
    assert np.abs(bar[1] - want[0]).max() < 25
    assert np.abs(bar[-2] - want[-1]).max() < 25


def test_no_legend_without_heat_and_none_that_does_not_fit() -> None:
    cam = np.zeros((6, 8), np.float32)
    plain = drawn(cam)
    hidden = dataclasses.replace(HEAT_ONLY, show_legend=True, show_heatmap=False)
    assert np.array_equal(drawn(cam, hidden), plain)
    tiny = make_frame(size_wh=(24, 16))
    style = Style(show_legend=True)
    assert annotate(make_prediction(tiny), style).picture.size_wh == (24, 16)


def test_the_same_heat_is_drawn_in_bgr_and_yuv_for_a_contrast() -> None:
    cam = np.add.outer(np.linspace(-8, 4, 6), np.linspace(-4, 8, 8)).astype(np.float32)
    plain = drawn(cam, is_contrast=True)
    planar = annotate(seen(cam, is_contrast=True, picture=GREY.yuv420()), HEAT_ONLY).picture.bgr()
    assert np.abs(cv2.blur(plain - planar.astype(float), (5, 5))).max() < 12
