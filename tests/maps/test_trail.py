"""A trail is one path a thing, and none jumps from one thing to another."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from camstream.frame import Frame, TrailPoint, View
from camstream.maps.trail import Trail
from camstream.picture import MapF32, Picture

PICTURE = Picture.from_bgr(np.zeros((180, 320, 3), np.uint8))
CELL_PX = 20.0


def cam_with(*cells: tuple[int, int, float]) -> MapF32:
    """9 x 16 cells; evidence at column and row."""
    cam = np.full((9, 16), -5, np.float32)
    for column, row, value in cells:
        cam[row, column] = value
    return cam


def follow(
    cams: list[MapF32], *, seconds: float = 9.0, cuts: tuple[int, ...] = (), rate_hz: float = 10
) -> list[tuple[TrailPoint, ...]]:
    trail = Trail()
    return [
        trail.add(
            View("a", 0.9, cam, 0),
            Frame(index, index / rate_hz, 0.0, PICTURE),
            seconds=seconds,
            floor=10,
            is_cut=index in cuts,
        )
        for index, cam in enumerate(cams)
    ]


def paths_of(points: tuple[TrailPoint, ...]) -> list[list[TrailPoint]]:
    paths: list[list[TrailPoint]] = []
    for point in points:
        if point.is_start:
            paths.append([])
        paths[-1].append(point)
    return paths


def test_two_things_have_a_path_each_whichever_is_stronger() -> None:
    cams = [
        cam_with((2 + step, 2, 60 if step % 2 else 50), (13 - step, 6, 50 if step % 2 else 60))
        for step in range(5)
    ]
    first, second = sorted(paths_of(follow(cams)[-1]), key=lambda path: path[0].xy)
    assert [round(point.xy[0] / CELL_PX - 0.5) for point in first] == [2, 3, 4, 5, 6]
    assert [round(point.xy[0] / CELL_PX - 0.5) for point in second] == [13, 12, 11, 10, 9]


def test_a_peak_that_turns_up_elsewhere_begins_a_path() -> None:
    last = follow([cam_with((2, 2, 50)), cam_with((2, 2, 50)), cam_with((13, 6, 50))])[-1]
    assert [len(path) for path in paths_of(last)] == [2, 1]


def test_a_path_ends_where_nothing_is_there_and_is_forgotten() -> None:
    cams = [cam_with((2, 2, 50)), cam_with((2, 2, 50)), cam_with(), cam_with((2, 2, 50))]
    assert [len(path) for path in paths_of(follow(cams)[-1])] == [2, 1]
    assert [len(path) for path in paths_of(follow(cams, seconds=0.15)[-1])] == [1]


def test_a_cut_and_another_class_begin_anew() -> None:
    cams = [cam_with((2, 2, 50))] * 3
    assert len(follow(cams, cuts=(2,))[-1]) == 1
    trail = Trail()
    for index, view in enumerate(
        (View("crane", 0.9, cams[0], 134), View("crane", 0.9, cams[0], 517))
    ):
        frame = Frame(index, index / 10, 0.0, PICTURE)
        points = trail.add(view, frame, seconds=9, floor=10, is_cut=False)
        assert len(points) == 1  # of one label, and not one thing


def test_the_same_frame_once_more_changes_nothing() -> None:
    trail, view = Trail(), View("a", 0.9, cam_with((2, 2, 50)), 0)
    for index in range(3):
        frame = Frame(index, index / 10, 0.0, PICTURE)
        first = trail.add(view, frame, seconds=9, floor=10, is_cut=False)
        assert trail.add(view, frame, seconds=9, floor=10, is_cut=False) == first
    assert len(paths_of(first)) == 1


@settings(max_examples=20)
@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 15), st.integers(0, 8), st.floats(5, 90)), max_size=4),
        min_size=1,
        max_size=6,
    ),
    st.floats(0.05, 1),
)
def test_laws_of_any_trail(frames: list[list[tuple[int, int, float]]], seconds: float) -> None:
    for index, points in enumerate(follow([cam_with(*cells) for cells in frames], seconds=seconds)):
        now = index / 10
        for path in paths_of(points):
            assert all(one.pts_s < other.pts_s for one, other in pairwise(path))
            assert path[0].pts_s >= now - seconds
            assert path[-1].pts_s <= now
            assert all(math.dist(a.xy, b.xy) <= 2 * CELL_PX + 1e-6 for a, b in pairwise(path))
        assert all(0 <= x <= 320 and 0 <= y <= 180 for x, y in (point.xy for point in points))
        is_there = max((value for _, _, value in frames[index]), default=0) > 10
        assert any(point.pts_s == now for point in points) == is_there
