"""Which map goes with which picture, where nobody may wait."""

from __future__ import annotations

import dataclasses

from hypothesis import given, settings
from hypothesis import strategies as st

from camstream.frame import Frame, Prediction
from camstream.live.pairing import Pairing
from camstream.testing import make_frame, make_prediction


def frame_at(index: int, captured_s: float) -> Frame:
    return dataclasses.replace(make_frame(index, (32, 32)), captured_s=captured_s)


def of(frame: Frame) -> Prediction:
    return make_prediction(frame)


def test_a_picture_goes_with_its_own_map() -> None:
    pairing, frame = Pairing(), frame_at(0, 10.0)
    pairing.add_frame(frame)
    assert pairing.next(10.005) is None
    prediction = of(frame)
    pairing.add_prediction(prediction)
    pair = pairing.next(10.01)
    assert pair is not None
    assert (pair.frame, pair.prediction, pair.is_new) == (frame, prediction, True)
    assert pairing.next(11.0) is None


def test_a_slow_model_slows_no_picture() -> None:
    pairing, frames = Pairing(), [frame_at(n, n / 10) for n in range(3)]
    pairing.add_frame(frames[0])
    assert pairing.due_s is None  # without any map there is nothing to show
    first = of(frames[0])
    pairing.add_prediction(first)
    pairing.next(0.01)
    pairing.add_frame(frames[1])
    assert pairing.next(0.12) is None  # its own map may still come
    assert pairing.due_s is not None
    pair = pairing.next(pairing.due_s)
    assert pair is not None
    assert (pair.frame, pair.prediction) == (frames[1], first)
    late = of(frames[1])
    pairing.add_prediction(late)
    pair = pairing.next(0.2)
    assert pair is not None
    assert (pair.frame, pair.prediction, pair.is_new) == (frames[1], late, False)


@settings(deadline=None)
@given(st.lists(st.sampled_from(["frame", "map", "show"]), max_size=60))
def test_pictures_are_shown_in_order_and_once(steps: list[str]) -> None:
    pairing, now_s, frames, shown, mapped = Pairing(), 0.0, list[Frame](), list[int](), -1
    for step in steps:
        now_s += 0.02
        if step == "frame":
            frames.append(frame_at(len(frames), now_s))
            pairing.add_frame(frames[-1])
        elif step == "map" and frames and mapped < len(frames) - 1:
            mapped = len(frames) - 1
            pairing.add_prediction(of(frames[-1]))
        elif (pair := pairing.next(now_s)) is not None:
            assert pair.prediction.frame.index <= pair.frame.index
            if pair.is_new:
                shown.append(pair.frame.index)
            else:
                assert pair.frame.index == shown[-1]
    assert shown == sorted(set(shown))


def test_a_map_that_another_model_had_begun_is_not_shown() -> None:
    pairing, frame = Pairing(), frame_at(0, 10.0)
    pairing.add_frame(frame)
    turn = pairing.turn
    pairing.forget()  # while the model before looks at it
    pairing.add_prediction(of(frame), turn)
    assert pairing.next(10.01) is None
    prediction = of(frame)
    pairing.add_prediction(prediction, pairing.turn)
    pair = pairing.next(10.02)
    assert pair is not None
    assert pair.prediction is prediction
