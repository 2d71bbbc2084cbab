"""Names in pictures: each can be read, none lies on another, and all numbers are the same ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camstream.drawing import boxes as box_drawing
from camstream.drawing.boxes import draw_outlines, write_names
from camstream.drawing.overlay import Style, annotate
from camstream.drawing.text import Rectangle, joined, panel_size, write_label
from camstream.frame import Box, ClassBox, Frame, Prediction, State, View
from camstream.picture import MapF32, Picture
from camstream.testing import make_prediction

FRAME_WH = (640, 360)
FLAT = np.zeros((3, 4), np.float32)


def grey(size_wh: tuple[int, int] = FRAME_WH) -> Picture:
    return Picture.from_bgr(np.full((size_wh[1], size_wh[0], 3), 110, np.uint8))


def seen(*views: View, boxes: Sequence[ClassBox] = ()) -> Prediction:
    made = make_prediction(Frame(0, 0.0, 0.0, grey()))
    return dataclasses.replace(made, views=views, boxes=tuple(boxes))


def spot(cam_value: float = 9.0) -> MapF32:
    cam = np.zeros((6, 8), np.float32)
    cam[2:4, 3:5] = cam_value
    return cam


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Rectangle]]:
    """Every name that is written at a box, and where."""
    found: list[tuple[str, Rectangle]] = []
    write = box_drawing.write

    def remembered(
        target: Picture, text: str, line_px: int, top: int, left: int | None = None
    ) -> Rectangle:
        where = write(target, text, line_px, top, left)
        found.append((text, where))
        return where

    monkeypatch.setattr(box_drawing, "write", remembered)
    return found


def overlap(one: Rectangle, other: Rectangle) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def test_names_of_boxes_that_end_at_one_place_lie_apart(
    places: list[tuple[str, Rectangle]],
) -> None:
    """ "Cardigan 22%" and "Blenheim spaniel 5%" were written over each other."""
    boxes = [
        ClassBox(label, 0.5, index, Box((0.0, 10.0, 400.0 - index, 300.0 - 2 * index)))
        for index, label in enumerate(("Pembroke", "Cardigan", "Blenheim spaniel", "Chihuahua"))
    ]
    view = View("Pembroke", 0.5, FLAT, 0)
    annotate(seen(view, boxes=boxes), Style(show_boxes=True))
    assert [text.split("  ")[0] for text, _ in places] == [found.label for found in boxes]
    assert not any(overlap(one, other) for (_, one), (_, other) in combinations(places, 2))


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(*[st.floats(-20, 660)] * 2, *[st.floats(-20, 380)] * 2), min_size=1, max_size=9
    ),
    st.sampled_from([(640, 360), (360, 640), (96, 64), (1280, 720)]),
)
def test_no_name_lies_on_another_or_outside(
    corners: list[tuple[float, float, float, float]], size_wh: tuple[int, int]
) -> None:
    target = grey(size_wh)
    boxes = [
        ClassBox(f"class {index}", 0.5, index, Box((min(a, b), min(c, d), max(a, b), max(c, d))))
        for index, (a, b, c, d) in enumerate(corners)
    ]
    draw_outlines(target, boxes, FRAME_WH)
    label = write_label(target, "Pembroke", "55%")
    found: list[Rectangle] = [label]
    write = box_drawing.write
    try:
        box_drawing.write = lambda *args: found.append(where := write(*args)) or where  # type: ignore[func-returns-value,assignment]
        write_names(target, boxes, FRAME_WH, without=None, taken=[label])
    finally:
        box_drawing.write = write
    for one, other in combinations(found, 2):
        assert not overlap(one, other)
    for left, top, right, bottom in found:
        assert 0 <= left <= right <= size_wh[0]
        assert 0 <= top <= bottom <= size_wh[1]


def test_outlines_do_not_cross_the_label() -> None:
    view = View("Pembroke", 0.5, FLAT, 0)
    found = ClassBox("Pembroke", 0.5, 0, Box((0.0, 20.0, 640.0, 300.0)))
    plain = annotate(seen(view), Style()).picture.bgr().astype(int)
    boxed = annotate(seen(view, boxes=[found]), Style(show_boxes=True)).picture.bgr().astype(int)
    left, top, right, bottom = write_label(grey(), "Pembroke", "50%")
    panel = slice(top, bottom), slice(left, right)
    assert top < 20 < bottom
    assert np.abs(plain[panel] - boxed[panel]).mean() < 12  # it shines through, no more


def test_a_name_that_is_longer_than_the_picture_ends_with_an_ellipsis_and_keeps_its_score() -> None:
    for size_wh in ((320, 180), (120, 90), (180, 640)):
        target = grey(size_wh)
        text = joined(target, "black-and-white Egyptian mau " * 9, "64%", 16)
        assert text.startswith("bl")
        assert text.endswith("…  64%")
        assert panel_size(target, text, 16)[0] <= size_wh[0]
    assert joined(grey((64, 48)), "black-and-white cat", "64%", 16) == "64%"
    assert joined(grey(), "tabby", "64%", 16) == "tabby  64%"
    assert joined(grey(), "two\nlines\tand  more", "", 16) == "two lines and more"


def test_text_has_one_size_for_every_source_of_a_windows_size() -> None:
    """What is scaled to the window first has text of the window's size, whatever it was."""
    places = []
    for size_wh in ((1920, 1080), (480, 270)):
        fitted = grey(size_wh).resized((1280, 720))
        prediction = make_prediction(Frame(0, 0.0, 0.0, grey(size_wh)))
        style = Style(show_heatmap=False)
        drawn = annotate(prediction, style, picture=fitted).picture.bgr().astype(int)
        rows, columns = np.nonzero(np.abs(drawn - 110).sum(axis=2) > 60)
        places.append((rows.min(), rows.max(), columns.min(), columns.max()))
    assert places[0] == places[1]


@pytest.mark.parametrize("label", ["日本", "кошка", "고양이", "Ü", "γάτα"])
def test_letters_of_other_scripts_are_drawn(label: str) -> None:
    letters = {}
    for text in (label, "?" * len(label)):
        target = grey().copy()
        left, top, right, bottom = write_label(target, text)
        letters[text] = target.bgr()[top:bottom, left:right]
    shown, unknown = letters.values()
    assert shown.shape != unknown.shape or np.abs(shown.astype(int) - unknown).max() > 100


def test_two_classes_of_one_label_keep_their_own_boxes() -> None:
    bird, machine = View("crane", 0.6, FLAT, 134), View("crane", 0.3, FLAT, 517)
    boxes = [
        ClassBox("crane", 0.6, 134, Box((64.0, 36.0, 256.0, 324.0))),
        ClassBox("crane", 0.3, 517, Box((384.0, 36.0, 576.0, 324.0))),
    ]
    style = Style(show_label=False, show_boxes=True)
    whole = annotate(seen(bird, machine, boxes=boxes), style).picture.bgr().astype(int)
    for tile, found in zip((1, 2), boxes, strict=True):
        part = whole[:360, 644 * tile : 644 * tile + 640]
        columns = np.nonzero(np.abs(part - 110).sum(axis=2) > 100)[1]
        x0, _, x1, _ = found.box.xyxy
        assert (columns.min(), columns.max()) == pytest.approx((x0, x1), abs=6)
        assert ((columns >= x0 - 6) & (columns <= x1 + 6)).all()


def test_two_classes_of_one_label_are_both_named(places: list[tuple[str, Rectangle]]) -> None:
    boxes = [
        ClassBox("crane", 0.6, 134, Box((64.0, 36.0, 256.0, 324.0))),
        ClassBox("crane", 0.3, 517, Box((384.0, 36.0, 576.0, 324.0))),
        ClassBox("crane", 0.3, 517, Box((400.0, 50.0, 500.0, 300.0))),
    ]
    annotate(seen(View("crane", 0.6, FLAT, 134), boxes=boxes), Style(show_boxes=True))
    assert [text for text, _ in places] == ["crane  60%", "crane  30%"]


def test_what_has_no_name_has_no_name_at_its_box_either(
    places: list[tuple[str, Rectangle]],
) -> None:
    found = ClassBox("dogsled", 0.12, 0, Box((64.0, 36.0, 256.0, 324.0)))
    unsure = View("dogsled", 0.12, spot(), 0, is_sure=False)
    style = Style(show_heatmap=False, show_boxes=True)
    drawn = annotate(seen(unsure, boxes=[found]), style).picture.bgr()
    assert not places
    target = annotate(seen(dataclasses.replace(unsure, label="torch"), boxes=[found]), style)
    assert np.array_equal(drawn, target.picture.bgr())  # the picture says nothing of which it is


def test_the_three_states_look_different() -> None:
    """Told apart by brightness: a bright sign, bright letters on a dark one, and a white one."""
    corners = {}
    for name, state, is_sure in (
        ("there", State(False, 0.9), True),
        ("perhaps", State(False, 0.58), False),
        ("nothing", State(True, 0.1), True),
    ):
        view = View("person", 0.9, FLAT, 1, state=state, is_sure=is_sure)
        image = annotate(seen(view), Style(show_heatmap=False)).picture.bgr()
        corners[name] = image[8:30, 8:120].astype(int)
    assert np.median(corners["there"]) > np.median(corners["perhaps"]) + 30
    assert np.abs(corners["perhaps"] - corners["nothing"]).max() > 100
    # Amber letters are yellow, white ones are not.
    blue, red = corners["perhaps"][..., 0], corners["perhaps"][..., 2]
    assert (red - blue).max() > 100
    assert np.abs(corners["nothing"][..., 2] - corners["nothing"][..., 0]).max() < 20


@pytest.mark.parametrize("label", ["", "  ", "[b]bold[/b]", "{label}", "%s", "a" * 5000])
def test_any_label_can_be_drawn(label: str) -> None:
    found = ClassBox(label, 0.5, 0, Box((64.0, 36.0, 256.0, 324.0)))
    for view in (View(label, 0.5, spot(), 0), View(label, 0.5, spot(), 0, state=State(False, 0.9))):
        drawn = annotate(seen(view, boxes=[found]), Style(show_boxes=True, show_legend=True))
        assert drawn.picture.size_wh == FRAME_WH
