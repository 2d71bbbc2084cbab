"""What is drawn of a session: instruments over the picture, and the picture without them."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import numpy as np
import pytest

from camstream.drawing.text import text_size, wrapped
from camstream.live import layout
from camstream.live.ask import Answer, Evidence
from camstream.live.paint import add_hud, draw
from camstream.live.prompt import Prompt
from camstream.live.state import LiveState, TaughtClass, TeachingState
from camstream.picture import Picture
from camstream.sources.player import PlayerState
from camstream.testing import fake_infer, make_frame
from tests.live.states import state_of

SIZES = [(480, 270), (1280, 720), (360, 640), (321, 181)]
TEACHING = TeachingState(
    (TaughtClass(number=1, name="Cat", frames=0, is_named=True),), latest=None, work=""
)


def displaying(size_wh: tuple[int, int] = (480, 270), **attributes: Any) -> LiveState:
    frame = dataclasses.replace(make_frame(90, size_wh), captured_s=100.0)
    return state_of(frame=frame, prediction=fake_infer(frame), **attributes)


def drawn(state: LiveState, now_s: float = 100.1) -> tuple[np.ndarray, np.ndarray]:
    """The picture without and with instruments."""
    clean = draw(state)
    target = clean.copy()
    add_hud(target, state, now_s)
    return clean.bgr().astype(int), target.bgr().astype(int)


def reds(image: np.ndarray) -> np.ndarray:
    is_red: np.ndarray = (image[..., 2] > 200) & (image[..., :2].max(axis=2) < 60)
    return is_red


@pytest.mark.parametrize("size_wh", SIZES)
@pytest.mark.parametrize("display", ["off", "short", "full"])
def test_a_red_dot_is_in_the_window_while_recording(size_wh: tuple[int, int], display: str) -> None:
    state = displaying(size_wh, display=display)
    clean, plain = drawn(state)
    _, recorded = drawn(dataclasses.replace(state, recording="a.mp4", recorded_s=83.4))
    assert not reds(plain).any()
    assert not reds(clean).any()
    rows, columns = np.nonzero(reds(recorded))
    assert len(rows) > 20
    assert rows.max() < 0.2 * size_wh[1]
    assert columns.min() > size_wh[0] / 2


def test_what_is_recorded_has_no_instruments() -> None:
    plain = displaying()
    busy = displaying(
        display="full",
        recording="a.mp4",
        show_help=True,
        prompt=Prompt("show a class", "ca"),
        answer=Answer(0.5, 0.5),
        teaching=TEACHING,
        source_state="reconnecting",
    )
    assert (draw(plain).bgr() == draw(busy).bgr()).all()
    clean, shown = drawn(busy)
    assert (clean != shown).any()


def test_the_picture_is_dimmed_while_nothing_comes() -> None:
    state = displaying(display="off")
    clean, now = drawn(state)
    assert (clean == now).all()
    _, lost = drawn(dataclasses.replace(state, source_state="reconnecting"))
    _, stale = drawn(state, now_s=103.0)
    for dimmed in (lost, stale):
        middle = np.s_[100:150, 200:400]
        assert dimmed[middle].mean() == pytest.approx(clean[middle].mean() * 0.49, rel=0.05)


@pytest.mark.parametrize("size_wh", SIZES)
@pytest.mark.parametrize("is_full", [False, True])
def test_the_help_fits(size_wh: tuple[int, int], is_full: bool) -> None:
    """It is there, away from the edges, and the picture under it is dark."""
    full: dict[str, Any] = {"teaching": TEACHING, "player": PlayerState()} if is_full else {}
    state = displaying(size_wh, show_help=True, **full)
    clean, image = drawn(state)
    ink = image.min(axis=2) > 180
    rows, columns = np.nonzero(ink)
    assert ink.sum() > 500  # it was drawn, and not left out
    assert rows.min() >= 1
    assert columns.min() >= 1
    assert columns.max() < size_wh[0] - 1
    assert image.mean() < clean.mean() / 2


def test_the_instruments_stay_above_a_part_that_is_left_free() -> None:
    state = displaying(display="full", recording="a.mp4")
    clean = draw(state)
    target = clean.copy()
    add_hud(target, state, 100.1, bottom_px=60)
    changed = (clean.bgr() != target.bgr()).any(axis=(1, 2))
    assert not changed[-60:].any()
    assert changed[:-60].any()


def test_nothing_is_drawn_on_what_is_too_small_for_words() -> None:
    state = displaying((16, 16), recording="a.mp4", show_help=True, answer=Answer(1, 1))
    drawn(state)
    target = Picture.from_bgr(np.zeros((1, 1, 3), np.uint8))
    add_hud(target, state, 100.1)
    assert target.size_wh == (1, 1)


def test_an_answer_is_drawn_at_its_place() -> None:
    answer = Answer(0.25, 0.5, (Evidence("thing", 0, 6.0),))
    clean, image = drawn(displaying(display="off", answer=answer))
    rows, columns = np.nonzero((clean != image).any(axis=2))
    assert abs(columns.min() - 120) < 12
    assert abs(rows.min() - 135) < 12
    assert columns.max() < 330


@pytest.mark.parametrize("size_wh", SIZES)
def test_long_notes_are_broken_and_not_cut_off(size_wh: tuple[int, int]) -> None:
    text = "the model has no class 'thong'; did you mean thing, another thing, or a third one?"
    line_px = layout.text_px(size_wh)
    lines = wrapped(text, line_px, size_wh[0])
    assert re.sub(r"\s", " ", lines) == text
    widths = [text_size(line, line_px, 100_000)[0] for line in lines.splitlines()]
    assert max(widths) <= size_wh[0] - line_px // 4 * 2


def test_the_letters_grow_with_the_window() -> None:
    assert [layout.text_px(size) for size in (*SIZES, (3840, 2160))] == [12, 22, 14, 12, 64]


def test_a_window_too_small_for_the_help_says_so() -> None:
    """It was dark, and nothing else."""
    _, image = drawn(displaying((300, 120), display="off", show_help=True))
    assert (image > 200).sum() > 100
