"""Boxes from maps: the paper's rules, and geometry that is exact to a cell's edge."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from camstream.annotation import AnnotationJob, run
from camstream.commands.demo import sample_clip
from camstream.drawing.boxes import draw_box
from camstream.drawing.overlay import Style, annotate
from camstream.frame import Box, ClassMaps, Frame, Prediction, TopClass
from camstream.maps import boxes as boxing
from camstream.maps.boxes import (
    BoxRule,
    boxes_of,
    find_boxes,
    largest_box,
    ratio_threshold,
    regions,
)
from camstream.maps.select import Selection, with_boxes
from camstream.models.session import Model
from camstream.picture import MapF32, Picture
from camstream.sinks.encoding import Encoding
from camstream.sinks.records import to_record
from camstream.testing import make_prediction

_RANGE = (1.0, 10.0)


def _two_hills() -> MapF32:
    """A large weak region (3 x 2 cells of value 4) and a small strong one (1 cell of 10)."""
    fine = np.zeros((6, 8), np.float32)
    fine[1:4, 1:3] = 4
    fine[5, 7] = 10
    return fine


def _prediction(*maps: MapF32, size_wh: tuple[int, int] = (160, 90)) -> Prediction:
    width, height = size_wh
    ground = np.full((height, width, 3), 90, np.uint8)
    tops = tuple(TopClass(f"thing {i}", i + 10, 0.5 / (i + 1), 5.0 - i) for i in range(len(maps)))
    classes = np.array([top.class_index for top in tops], np.int64)
    cam = ClassMaps(
        maps=np.stack(maps),
        class_indices=classes,
        bias=np.zeros(len(maps), np.float32),
        cam_range=_RANGE,
    )
    return make_prediction(Frame(0, 0.0, 0.0, Picture.from_bgr(ground)), top=tops, cam=cam)


def _blob(row: int, column: int, *, value: float = 8.0) -> MapF32:
    cam = np.zeros((5, 9), np.float32)
    cam[row, column] = value
    return cam


def test_boxes_end_where_cells_end() -> None:
    """8 x 6 cells over 80 x 30 pixels: a cell is 10 wide and 5 high."""
    found = find_boxes(_two_hills(), (80, 30), 2.0)
    assert found == [Box((10, 5, 30, 20)), Box((70, 25, 80, 30))]


def test_threshold_is_a_part_of_the_maximum() -> None:
    fine = _two_hills()
    assert ratio_threshold(fine) == pytest.approx(2.0)
    assert ratio_threshold(fine, 0.5) == pytest.approx(5.0)
    assert find_boxes(fine, (80, 30), 5.0) == [Box((70, 25, 80, 30))]
    assert ratio_threshold(fine - 20) == 0  # negative values count as no evidence


def test_corners_connect() -> None:
    mask = np.eye(3, dtype=np.bool_)
    assert regions(mask, (3, 3)) == [Box((0, 0, 3, 3))]
    assert regions(np.zeros((3, 3), np.bool_), (3, 3)) == []


@pytest.mark.parametrize(
    ("cam", "floor"),
    [
        (np.full((4, 4), 30, np.float32), 1.0),  # everywhere alike
        (np.full((1, 1), 30, np.float32), 1.0),
        (-_blob(1, 1), 0.0),
        (_blob(1, 1, value=0.9), 1.0),
        (np.full((4, 4), np.nan, np.float32), 0.0),
    ],
)
def test_no_box_where_nothing_is_above_the_floor(cam: MapF32, floor: float) -> None:
    assert largest_box(cam, (100, 100), floor=floor) is None


def test_weak_map_has_a_box_without_a_floor() -> None:
    assert largest_box(_blob(1, 1, value=0.9), (100, 100)) is not None


@given(st.integers(0, 4), st.integers(0, 8), st.integers(20, 4000), st.integers(20, 4000))
def test_box_lies_around_its_cell(row: int, column: int, width: int, height: int) -> None:
    """On any aspect ratio, inside the frame, and symmetric around an inner cell's centre."""
    box = largest_box(_blob(row, column), (width, height))
    assert box is not None
    x0, y0, x1, y1 = box.xyxy
    assert 0 <= x0 < x1 <= width + 1e-6
    assert 0 <= y0 < y1 <= height + 1e-6
    centre_x, centre_y = (column + 0.5) * width / 9, (row + 0.5) * height / 5
    assert x0 < centre_x < x1
    assert y0 < centre_y < y1
    if 0 < column < 8:
        assert (x0 + x1) / 2 == pytest.approx(centre_x)
    if 0 < row < 4:
        assert (y0 + y1) / 2 == pytest.approx(centre_y)


def test_mirrored_map_has_the_mirrored_box() -> None:
    cam = np.random.default_rng(4).normal(size=(7, 9)).astype(np.float32)
    box, mirrored = largest_box(cam, (90, 70)), largest_box(cam[:, ::-1].copy(), (90, 70))
    assert box is not None
    assert mirrored is not None
    x0, y0, x1, y1 = box.xyxy
    assert mirrored.xyxy == pytest.approx((90 - x1, y0, 90 - x0, y1))


def test_rules() -> None:
    twice = _blob(1, 1) + _blob(3, 7, value=7.0)
    prediction = _prediction(twice, _blob(2, 4), _blob(0, 8), _blob(4, 0))
    largest, everything, five = (boxes_of(prediction, rule, floor=1.0) for rule in boxing.BOX_RULES)
    assert [found.class_index for found in largest] == [10]
    assert [found.class_index for found in everything] == [10, 10]
    assert everything[0] == largest[0]
    assert [found.class_index for found in five] == [10, 10, 11, 11, 12]
    for loose, tight in ((five[0], five[1]), (five[2], five[3])):
        assert loose.box.xyxy[0] < tight.box.xyxy[0] < tight.box.xyxy[2] < loose.box.xyxy[2]
    assert boxes_of(prediction, "largest", floor=9.0) == ()
    with pytest.raises(ValueError, match="largest, all, five"):
        boxes_of(prediction, "best")  # type: ignore[arg-type]


@pytest.mark.parametrize("is_yuv", [False, True])
@pytest.mark.parametrize("size_wh", [(160, 90), (90, 160), (161, 91)])
def test_box_is_drawn_where_it_lies(is_yuv: bool, size_wh: tuple[int, int]) -> None:
    prediction = _prediction(_blob(2, 4), size_wh=size_wh)
    picture = prediction.frame.picture
    target = picture.yuv420() if is_yuv else picture
    box = boxes_of(prediction)[0].box
    drawn = target.copy()
    draw_box(drawn, box)
    x0, y0, x1, y1 = (round(value) for value in box.xyxy)
    image = drawn.bgr()
    bright = np.argwhere(image.min(axis=2) > 200)
    assert np.abs(bright.min(axis=0) - (y0, x0)).max() <= 2
    assert np.abs(bright.max(axis=0) + 1 - (y1, x1)).max() <= 2
    outside = np.ones(image.shape[:2], np.bool_)
    outside[max(0, y0 - 5) : y1 + 5, max(0, x0 - 5) : x1 + 5] = False
    assert np.ptp(image[outside]) <= 2  # nothing else is touched


def test_boxes_are_drawn_on_request_only() -> None:
    prediction = with_boxes(_prediction(_blob(2, 4)), Selection())
    plain = Style(show_heatmap=False, show_label=False)
    assert np.ptp(annotate(prediction, plain).picture.bgr()) == 0
    asked = annotate(prediction, dataclasses.replace(plain, show_boxes=True))
    assert np.ptp(asked.picture.bgr()) == 255


@pytest.mark.parametrize("rule", boxing.BOX_RULES)
def test_records_hold_boxes_whether_or_not_they_are_drawn(rule: BoxRule) -> None:
    prediction = _prediction(_blob(2, 4), _blob(1, 2))
    found = boxes_of(prediction, rule, floor=_RANGE[0])
    assert found
    prediction = with_boxes(prediction, Selection(box_rule=rule))
    assert prediction.boxes == found
    want = [
        {
            "label": one.label,
            "class_index": one.class_index,
            "score": one.score,
            "box_xyxy": [round(value, 1) for value in one.box.xyxy],
        }
        for one in found
    ]
    for is_drawn in (False, True):
        assert to_record(annotate(prediction, Style(show_boxes=is_drawn)))["boxes"] == want
    empty = with_boxes(_prediction(_blob(2, 4, value=0.5)), Selection())
    assert to_record(annotate(empty))["boxes"] == []


def test_a_selection_refuses_an_unknown_rule() -> None:
    with pytest.raises(ValueError, match="largest, all, five"):
        Selection(box_rule="best")  # type: ignore[arg-type]


def test_boxes_of_a_file_reach_its_records(model: Model, tmp_path: Path) -> None:
    frames = iter(range(1, 9))
    job = AnnotationJob(
        source=sample_clip(),
        output=tmp_path / "out.mp4",
        records=tmp_path / "out.jsonl",
        style=Style(show_boxes=True),
        encoding=Encoding(preset="ultrafast"),
    )
    run(job, model, stop=lambda: next(frames) == 8)
    records = [json.loads(line) for line in job.records.read_text().splitlines()]  # type: ignore[union-attr]
    assert len(records) == 8
    for record in records:
        for box in record["boxes"]:
            x0, y0, x1, y1 = box["box_xyxy"]
            assert x0 <= record["peak_xy"][0] <= x1 or len(record["boxes"]) > 1
            assert y0 < y1
    assert any(record["boxes"] for record in records)
