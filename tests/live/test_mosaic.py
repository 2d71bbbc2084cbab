"""Several cameras side by side, and what is said of each."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camstream.live.cameras import CameraState, health
from camstream.live.mosaic import Tiles, camera_at, draw_mosaic, places_in
from camstream.live.paint import draw
from camstream.live.state import LiveState
from camstream.picture import Picture
from camstream.testing import make_frame, make_prediction
from tests.live.states import state_of

FRAME = dataclasses.replace(
    make_frame(0),
    picture=Picture.from_bgr(np.full((90, 160, 3), (40, 90, 220), np.uint8)),
)


def camera(number: int, **changes: object) -> CameraState:
    made = CameraState(
        id=number,
        name=f"camera {number}",
        state="live",
        rate_in_hz=30.0,
        rate_hz=30.0,
        lag_ms=12.0,
        frame=FRAME,
        prediction=make_prediction(FRAME),
    )
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


def state(*cameras: CameraState) -> LiveState:
    return state_of(cameras=cameras)


@settings(deadline=None)
@given(st.integers(1, 64), st.integers(40, 2000), st.integers(40, 1200))
def test_places_lie_in_the_room_and_apart(count: int, width: int, height: int) -> None:
    places = places_in(count, (width, height))
    assert len(places) == count
    taken = np.zeros((height, width), np.uint8)
    for left, top, wide, high in places:
        assert left >= 0
        assert top >= 0
        assert left + wide <= width
        assert top + high <= height
        taken[top : top + high, left : left + wide] += 1
    assert taken.max(initial=0) <= 1


def test_places_are_as_large_as_they_can_be() -> None:
    assert places_in(1, (1280, 720)) == [(0, 0, 1280, 720)]
    first, second = places_in(2, (1280, 720))
    assert first[2:] == second[2:] == (638, 358)
    assert first[1] == second[1]  # side by side
    assert len({place[0] for place in places_in(9, (1280, 720))}) == 3
    assert places_in(0, (100, 100)) == []


def test_a_click_on_a_tile_is_a_click_on_its_camera() -> None:
    cameras = [camera(number) for number in (2, 5, 7, 8, 11)]
    shown, size_wh = state(*cameras), (900, 500)
    for one, (left, top, wide, high) in zip(cameras, places_in(5, size_wh), strict=True):
        x, y = (left + wide / 2) / size_wh[0], (top + high / 2) / size_wh[1]
        assert camera_at(shown, size_wh, x, y) == one.id
    assert camera_at(shown, size_wh, 0.001, 0.999) is None


@pytest.mark.parametrize("condition", ["lost", "failed", "opening"])
def test_a_picture_that_is_not_of_now_is_grey_and_dim(condition: str) -> None:
    live = draw_mosaic(state(camera(1), camera(2)), (640, 360)).bgr()
    lost = draw_mosaic(
        state(camera(1), camera(2, state=condition, problem="it is gone", lost_s=12.0)), (640, 360)
    ).bgr()
    assert np.array_equal(live[:, :318], lost[:, :318])  # the other one does not notice
    left, top, wide, high = places_in(2, (640, 360))[1]
    before, after = (one[top + high // 2, left : left + wide].astype(int) for one in (live, lost))
    assert np.ptp(before, axis=1).max() > 100
    assert np.ptp(after, axis=1).max() == 0  # no colour
    assert after.mean() < before.mean() * 0.7


@pytest.mark.parametrize("condition", ["live", "paused", "ended"])
def test_one_that_is_held_or_at_its_end_keeps_its_colours(condition: str) -> None:
    image = draw_mosaic(state(camera(1, state=condition)), (320, 180)).bgr()
    assert np.ptp(image[60].astype(int), axis=1).max() > 100


def test_tiles_that_stay_the_same_are_drawn_once() -> None:
    tiles = Tiles()
    first, second = camera(1), camera(2)
    drawn = tiles.draw(first, state().style, (160, 90))
    assert tiles.draw(dataclasses.replace(first, lag_ms=12.1), state().style, (160, 90)) is drawn
    changed = dataclasses.replace(first, state="lost", lost_s=1.0)
    assert tiles.draw(changed, state().style, (160, 90)) is not drawn
    tiles.draw(second, state().style, (160, 90))
    draw_mosaic(state(second), (160, 90), tiles)
    assert tiles.draw(first, state().style, (160, 90)) is not drawn  # a removed one is forgotten


def test_paint_draws_the_mosaic_too() -> None:
    shown = state(camera(1), camera(2))
    assert shown.is_mosaic
    assert np.array_equal(draw(shown, None, (640, 360)).bgr(), draw_mosaic(shown, (640, 360)).bgr())


def test_a_lost_camera_that_is_shown_alone_is_grey_too() -> None:
    lost = camera(1, state="lost", lost_s=3.0)
    for one, spread in ((camera(1), 100), (lost, 0)):
        shown = state_of(
            cameras=(one, camera(2)), focus=1, frame=one.frame, prediction=one.prediction
        )
        image = draw(shown, None, (640, 360)).bgr().astype(int)
        assert (np.ptp(image, axis=2).max() > 100) == (spread > 0)


@pytest.mark.parametrize("size_wh", [(1, 1), (17, 9), (60, 400), (3000, 40)])
def test_no_room_is_too_small(size_wh: tuple[int, int]) -> None:
    shown = state(*(camera(number) for number in range(1, 10)))
    assert draw_mosaic(shown, size_wh).size_wh == size_wh


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "30 a second, 12 ms"),
        (
            {"rate_hz": 12.2, "why": "the model is busy"},
            "12 of 30 a second seen: the model is busy, 12 ms",
        ),
        ({"state": "lost", "lost_s": 12.3, "next_try_s": 3.2}, "lost 12 s, next try in 3 s"),
        ({"state": "lost", "lost_s": 300.0}, "lost 5 min, trying now"),
        ({"state": "lost", "lost_s": 9000.0}, "lost 2 h, trying now"),
        ({"state": "lost", "frame": None, "next_try_s": 0.0}, "no picture yet, next try in 0 s"),
        ({"state": "failed", "problem": "clip.mp4 breaks off"}, "clip.mp4 breaks off"),
        ({"state": "opening"}, "opening ..."),
        ({"state": "ended"}, "ended"),
        ({"state": "paused"}, "paused"),
    ],
)
def test_the_line_of_a_camera_is_understood(changes: dict[str, object], said: str) -> None:
    one = camera(1, **changes)
    assert health(one) == said
    told = one.to_dict()
    assert told["health"] == said
    assert told["state"] == one.state
    assert "frame" not in told
