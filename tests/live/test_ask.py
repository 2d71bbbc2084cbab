"""A click on the picture: what has evidence there, and which action a click is."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from camstream.drawing.tiles import columns_of, grid_size, tile_size
from camstream.errors import UsageError
from camstream.frame import Box, ClassBox, ClassMaps, Frame, Prediction
from camstream.live import actions, layout
from camstream.live.ask import Answer, Evidence, ask_at
from camstream.live.mouse import click
from camstream.live.state import LiveState
from camstream.maps.select import MapSelector, Selection
from camstream.models.classes import ClassNames
from camstream.models.session import Model
from camstream.testing import FAKE_INFO, fake_infer, make_frame, make_prediction
from tests.live.states import state_of

INFO = dataclasses.replace(FAKE_INFO, labels=("cat", "dog", "empty", "dog"), background="empty")
SIZE_WH = (640, 360)


def infer(frame: Frame, *, classes: object = None) -> Prediction:
    """Cat on the left, the second dog on the right (and a little cat), emptiness everywhere."""
    maps = np.zeros((4, 2, 4), np.float32)
    maps[0] = [6, 1, 0, 3]
    maps[3, :, 3], maps[2], maps[1] = 9, 50, -1
    chosen = np.array(classes)
    cam = ClassMaps(
        maps=maps[chosen],
        class_indices=chosen,
        bias=np.zeros(len(chosen), np.float32),
        cam_range=(2.0, 9.0),
    )
    return make_prediction(frame, cam=cam)


def ask(x: float, y: float, **attributes: object) -> Answer:
    frame = make_frame(0, SIZE_WH)
    prediction = dataclasses.replace(infer(frame, classes=[0]), **attributes)  # type: ignore[arg-type]
    return ask_at(prediction, infer, INFO, x, y)


def test_the_classes_that_are_highest_at_a_place_are_named() -> None:
    assert ask(0.0, 0.0).classes == (Evidence("cat", 0, 6.0),)
    assert ask(1.0, 1.0).classes == (Evidence("dog", 3, 9.0), Evidence("cat", 0, 3.0))
    assert ask(0.6, 0.5).classes == ()  # nothing there, and emptiness is no evidence


def test_the_smallest_box_around_the_place_is_named() -> None:
    boxes = tuple(
        ClassBox(label, 0.5, 0, Box(xyxy))
        for label, xyxy in (("large", (0.0, 0.0, 400.0, 300.0)), ("small", (0.0, 0.0, 200.0, 99.0)))
    )
    found = [ask(x, 0.1, boxes=boxes).box for x in (0.1, 0.5, 0.9)]
    assert [box and box.label for box in found] == ["small", "large", None]


@pytest.mark.parametrize(("x", "y"), [(-0.1, 0), (0, 1.1)])
def test_a_place_beside_the_picture_is_refused(x: float, y: float) -> None:
    with pytest.raises(UsageError, match="from 0 to 1"):
        ask(x, y)


def test_a_real_model_is_asked_for_all_its_classes(tiny_model: Model) -> None:
    frame = make_frame(200, (640, 384))
    prediction = MapSelector(tiny_model.infer, tiny_model.info, Selection())(frame)
    found = ask_at(prediction, tiny_model.infer, tiny_model.info, 0.5, 0.5).classes
    assert [one.label for one in found] == ["light"]
    assert found[0].value == pytest.approx(200, abs=1)


def shown(top_k: int = 1, answer: Answer | None = None) -> LiveState:
    """A state that shows the plain picture and so many maps."""
    frame = make_frame(0, SIZE_WH)
    prediction = fake_infer(frame)
    views = prediction.displayed * top_k
    return state_of(
        frame=frame,
        prediction=dataclasses.replace(prediction, views=views),
        answer=answer,
    )


@pytest.mark.parametrize("at", [(0.25, 0.75), (0.01, 0.01), (0.5, 0.99)])
@pytest.mark.parametrize("top_k", [1, 2, 3, 5, 8])
def test_a_click_on_any_tile_asks_about_the_place_in_the_picture(
    top_k: int, at: tuple[float, float]
) -> None:
    """The picture alone, or the plain one and a tile for each map, 4 pixels apart."""
    count = 1 if top_k == 1 else top_k + 1
    columns, (wide, high) = columns_of(count), tile_size(SIZE_WH)
    shown_wh = SIZE_WH if count == 1 else grid_size(SIZE_WH, count)
    for tile in range(count):
        row, column = divmod(tile, columns)
        x, y = column * (wide + 4) + at[0] * wide, row * (high + 4) + at[1] * high
        (action,) = click(shown(top_k), x / shown_wh[0], y / shown_wh[1], shown_wh)
        assert isinstance(action, actions.AskAt)
        assert (action.x, action.y) == pytest.approx(at, abs=1e-6)


def test_a_click_on_an_empty_place_of_the_grid_does_nothing() -> None:
    assert click(shown(4), 0.9, 0.9, grid_size(SIZE_WH, 5)) == []  # five tiles, three in a row


def test_a_click_on_a_class_shows_it_and_one_beside_closes_the_list() -> None:
    answer = Answer(0.5, 0.5, (Evidence("thing", 0, 6.0), Evidence("other", 1, 3.0)))
    state = dataclasses.replace(shown(answer=answer), names=ClassNames(["thing", "other", "Other"]))
    box = layout.answer_box(state, SIZE_WH)
    assert box is not None
    left, top, right, bottom = box.xyxy
    assert 0 <= left < right <= SIZE_WH[0]
    assert 0 <= top < bottom <= SIZE_WH[1]

    def at_line(line: float) -> list[actions.Action]:
        y = top + (bottom - top) / len(box.lines) * line
        return click(state, (left + right) / 2 / SIZE_WH[0], y / SIZE_WH[1], SIZE_WH)

    assert at_line(0.5) == [actions.ShowClasses(["thing"]), actions.CloseAnswer()]
    assert at_line(1.5) == [actions.ShowClasses(["1"]), actions.CloseAnswer()]
    assert at_line(2.5) == [actions.CloseAnswer()]  # the line that says what to do
    assert click(state, 0.01, 0.01, SIZE_WH) == [actions.CloseAnswer()]


@pytest.mark.parametrize("at", [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.5, 0.5)])
@pytest.mark.parametrize("size_wh", [(480, 270), (360, 640), (1920, 1080)])
def test_the_list_lies_in_the_picture_wherever_was_asked(
    at: tuple[float, float], size_wh: tuple[int, int]
) -> None:
    classes = tuple(Evidence(f"a class with a long name {n}", n, 10.0 - n) for n in range(5))
    box = layout.answer_box(shown(answer=Answer(*at, classes)), size_wh)
    assert box is not None
    left, top, right, bottom = box.xyxy
    assert 0 <= left < right <= size_wh[0]
    assert 0 <= top < bottom <= size_wh[1]
