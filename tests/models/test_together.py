"""Frames of several threads in one call of a model."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camstream.errors import ModelError
from camstream.frame import Frame, Prediction
from camstream.live.rack import Looking
from camstream.models import together
from camstream.models.session import Model
from camstream.models.together import Together, best_batch
from camstream.picture import Picture
from camstream.testing import fake_infer, make_frame


class FakeModel:
    """A model that notes what it was given; each call takes as long as the test wants.

    Attributes:
        calls: The numbers of the frames of each call.
        classes: What was asked for in each.
        go: Set where calls may end.
    """

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.classes: list[tuple[int, ...] | None] = []
        self.go = threading.Event()
        self.running = threading.Semaphore(0)
        self.error: Exception | None = None

    def prepare(self, frame: Frame) -> Frame:
        return dataclasses.replace(frame, prepared=frame.picture.bgr())

    def infer_many(
        self, frames: Sequence[Frame], *, classes: Sequence[int] | None = None
    ) -> list[Prediction]:
        self.running.release()
        assert self.go.wait(10)
        self.calls.append([frame.index for frame in frames])
        self.classes.append(None if classes is None else tuple(classes))
        shapes = {frame.prepared.shape for frame in frames if frame.prepared is not None}
        assert len(shapes) == 1  # one array holds them
        if self.error is not None:
            raise self.error
        return [fake_infer(frame) for frame in frames]


def shared(model: FakeModel, most: int) -> Together:
    return Together(cast("Model", model), most)


def numbered(number: int, size_wh: tuple[int, int] = (32, 16)) -> Frame:
    return dataclasses.replace(make_frame(size_wh=size_wh), index=number)


def test_what_waits_while_the_model_runs_goes_together() -> None:
    model = FakeModel()
    one = shared(model, 4)
    with ThreadPoolExecutor(8) as threads:
        first = threads.submit(one.infer, numbered(0))
        assert model.running.acquire(timeout=10)
        others = [threads.submit(one.infer, numbered(number)) for number in range(1, 7)]
        while len(one._waiting) < 6:
            time.sleep(0.001)
        model.go.set()
        assert [call.result(10).frame.index for call in [first, *others]] == [*range(7)]
    assert [len(numbers) for numbers in model.calls] == [1, 4, 2]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([16, 24]), st.sampled_from([None, (0,), (1,)])), max_size=12
    ),
    st.integers(1, 5),
)
def test_each_thread_gets_its_own_frame_back(
    calls: list[tuple[int, tuple[int, ...] | None]], most: int
) -> None:
    model = FakeModel()
    model.go.set()
    one = shared(model, most)

    def look(number: int) -> int:
        side, classes = calls[number]
        return one.infer(numbered(number, (side, side)), classes=classes).frame.index

    with ThreadPoolExecutor(6) as threads:
        assert list(threads.map(look, range(len(calls)), timeout=20)) == [*range(len(calls))]
    assert sorted(number for numbers in model.calls for number in numbers) == [*range(len(calls))]
    for numbers, classes in zip(model.calls, model.classes, strict=True):
        assert len(numbers) <= most
        assert {calls[number][1] for number in numbers} == {classes}


def test_an_error_is_that_of_each_frame_of_the_batch_and_of_no_other() -> None:
    model = FakeModel()
    model.error = ModelError("it does not run")
    model.go.set()
    one = shared(model, 4)
    with pytest.raises(ModelError, match="does not run"):
        one.infer(numbered(0))
    model.error = None
    assert one.infer(numbered(1)).frame.index == 1


def test_frames_in_one_call_are_the_same_as_alone(model: Model, data: Path) -> None:
    photos = sorted((data / "boxes" / "imagenette_val" / "images").iterdir())[:3]
    frames = []
    for number, photo in enumerate(photos):
        image = cv2.imread(str(photo))
        assert image is not None
        frames.append(Frame(number, 0.0, 0.0, Picture.from_bgr(image.astype(np.uint8))))
    for classes in (None, [281, 2, -1]):
        for found, frame in zip(model.infer_many(frames, classes=classes), frames, strict=True):
            alone = model.infer(frame, classes=classes)
            assert found.frame is frame
            assert found.cam.class_indices.tolist() == alone.cam.class_indices.tolist()
            np.testing.assert_allclose(found.logits, alone.logits, atol=2e-4)
            np.testing.assert_allclose(found.cam.maps, alone.cam.maps, atol=2e-3)


def test_a_batch_is_as_large_as_it_pays(tiny_model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    times_ms = {1: 4.0, 2: 5.0, 4: 8.0, 8: 15.5}  # the last is hardly faster a frame than 4
    monkeypatch.setattr(together, "seconds", lambda _, size: times_ms[size] / 1e3)
    assert best_batch(tiny_model) == 4
    times_ms[2] = 7.9
    assert best_batch(tiny_model) == 1
    times_ms.update({2: 5.0, 4: 60.0})  # faster a frame, but each waits for four
    assert best_batch(tiny_model) == 2


def test_a_file_of_one_picture_a_call_is_left_alone(
    tiny_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def seconds(_: Model, size: int) -> float:
        if size > 1:
            raise ModelError("it takes one")
        return 0.01

    monkeypatch.setattr(together, "seconds", seconds)
    assert best_batch(tiny_model) == 1


def test_the_measurement_runs(tiny_model: Model) -> None:
    assert best_batch(tiny_model) in (1, 2, 4, 8)


def test_several_cameras_share_calls_where_the_device_is_no_processor(
    tiny_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Model(tiny_path, device="cpu")
    assert Looking.through(model).infer == model.infer
    model.device = "cuda"  # it is not, but nothing else asks
    monkeypatch.setattr("camstream.live.rack.best_batch", lambda _: 3)
    looking = Looking.through(model)
    assert looking.workers == 3
    frames = [numbered(number, (64, 64)) for number in (3, 200)]
    with ThreadPoolExecutor(2) as threads:
        found = [*threads.map(looking.infer, frames, timeout=10)]
    for prediction, frame in zip(found, frames, strict=True):
        np.testing.assert_allclose(prediction.logits, model.infer(frame).logits, atol=1e-4)
    monkeypatch.setattr("camstream.live.rack.best_batch", lambda _: 1)
    assert Looking.through(model).infer == model.infer
