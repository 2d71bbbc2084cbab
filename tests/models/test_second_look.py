"""``--zoom``: a second look at what the maps point to, only where the first is unsure."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from typer.testing import CliRunner

from camstream.commands import app
from camstream.errors import UsageError
from camstream.frame import NAMED_FROM, ClassMaps, Frame, Prediction, TopClass, softmax
from camstream.maps.zoom import crop_around, joined
from camstream.models import second_look
from camstream.models.session import Model
from camstream.picture import MapF32, Picture
from camstream.testing import FAKE_INFO, write_tiny_model

SIZE_WH = (320, 240)
LABELS = ("a", "b", "c", "d")
INFO = dataclasses.replace(FAKE_INFO, labels=LABELS, background=None)


@given(
    hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 8), st.integers(1, 8)),
        elements=st.floats(-30, 60, width=32),
    )
)
@settings(max_examples=60, deadline=None)
def test_a_crop_lies_in_the_picture_and_holds_the_peak(cam: MapF32) -> None:
    box = crop_around(joined(cam[np.newaxis]), SIZE_WH)
    if box is None:
        return
    left, top, right, bottom = box.xyxy
    assert 0 <= left < right <= SIZE_WH[0]
    assert 0 <= top < bottom <= SIZE_WH[1]
    assert all(float(side).is_integer() for side in box.xyxy)
    assert box.area <= 0.8 * SIZE_WH[0] * SIZE_WH[1]


def test_a_crop_is_around_the_evidence_of_whichever_class_has_it() -> None:
    maps = np.zeros((2, 6, 8), np.float32)
    maps[0, 0, 0] = -40
    maps[1, 4, 6] = 30
    box = crop_around(joined(maps), SIZE_WH)
    assert box is not None
    left, top, right, bottom = box.xyxy
    assert left < 260 < right
    assert top < 180 < bottom
    assert box.area < 0.25 * SIZE_WH[0] * SIZE_WH[1]
    # Nothing to look at, or everything.
    assert crop_around(np.zeros((6, 8), np.float32), SIZE_WH) is None
    everywhere = np.full((6, 8), 30, np.float32)
    everywhere[0, 0] = 0
    assert crop_around(everywhere, SIZE_WH) is None


@pytest.mark.parametrize("xyxy", [(0, 0, 64, 48), (10, 6, 31, 33), (11, 7, 64, 48)])
def test_a_part_of_a_picture_is_the_pictures_own_pixels(
    xyxy: tuple[int, int, int, int],
) -> None:
    random = np.random.default_rng(0)
    image = random.integers(0, 255, (48, 64, 3), np.uint8)
    left, top, right, bottom = xyxy
    part = Picture.from_bgr(image).cropped(xyxy)
    np.testing.assert_array_equal(part.bgr(), image[top:bottom, left:right])
    whole = Picture.from_bgr(image).yuv420()
    part = whole.cropped(xyxy)
    left, top = left // 2 * 2, top // 2 * 2
    assert part.size_wh == (right - left, bottom - top)
    np.testing.assert_array_equal(part.planes()[0], whole.planes()[0][top:bottom, left:right])
    for plane, of in zip(part.planes()[1:], whole.planes()[1:], strict=True):
        rows, columns = plane.shape
        np.testing.assert_array_equal(
            plane, of[top // 2 : top // 2 + rows, left // 2 : left // 2 + columns]
        )


class FakeLook:
    """A network that says what it is told of whole frames and of parts; its maps keep the identity."""

    def __init__(self, whole: Sequence[float], part: Sequence[float]) -> None:
        self.whole, self.part = np.array(whole, np.float32), np.array(part, np.float32)
        self.sizes: list[tuple[int, ...]] = []

    def __call__(
        self, frame: Frame, classes: Sequence[int] | None = None, scale: int = 1
    ) -> Prediction:
        self.sizes.append((*frame.picture.size_wh, scale))
        logits = self.whole if frame.picture.size_wh == SIZE_WH else self.part
        ranked = np.argsort(-logits)
        asked = [-1] if classes is None else classes
        mapped = [int(ranked[-c - 1]) if c < 0 else c for c in asked]
        maps = np.zeros((len(mapped), 4, 4), np.float32)
        maps[:, 1, 1] = 16 * logits[mapped]
        scores = softmax(logits)
        return Prediction(
            frame=frame,
            top=tuple(
                TopClass(LABELS[i], int(i), float(scores[i]), float(logits[i])) for i in ranked
            ),
            cam=ClassMaps(
                maps=maps,
                class_indices=np.array(mapped),
                bias=np.zeros(len(mapped), np.float32),
                cam_range=(1, 10),
            ),
            infer_ms=1.0,
            image=frame.picture.bgr((32, 32)),
            logits=logits,
        )


@pytest.fixture
def frame() -> Frame:
    random = np.random.default_rng(0)
    image = random.integers(0, 255, (*SIZE_WH[::-1], 3), np.uint8)
    return Frame(3, 0.1, 0.0, Picture.from_bgr(image))


UNSURE = (1.0, 0.98, 0.97, 0.96)


def test_a_sure_look_is_the_only_one(frame: Frame) -> None:
    look = FakeLook((9, 0, 0, 0), (0, 9, 0, 0))
    first = look(frame, None)
    assert first.top[0].score >= NAMED_FROM
    assert second_look.take(first, look, INFO, None) is first
    assert look.sizes == [(*SIZE_WH, 1)]


def test_a_surer_second_look_names_and_the_maps_stay(frame: Frame) -> None:
    look = FakeLook(UNSURE, (0, 0, 5, 0))
    first = look(frame, None)
    found = second_look.take(first, look, INFO, None)
    second = found.second_look
    assert second is not None
    assert second.is_surer
    assert (found.displayed[0].label, found.displayed[0].class_index) == ("c", 2)
    assert found.displayed[0].is_sure
    assert found.scores.argmax() == 2
    assert found.displayed[0].score == pytest.approx(float(found.scores[2]))
    # What is recorded of the whole frame is the whole frame's: also the identity.
    assert found.top == first.top
    np.testing.assert_array_equal(found.logits, first.logits)
    means = found.cam.maps.mean(axis=(1, 2)) + found.cam.bias
    np.testing.assert_allclose(means, found.logits[found.cam.class_indices], rtol=1e-6)
    # The new name had no map: that took a look more, at the whole frame.
    left, top, right, bottom = second.box.xyxy
    part = right - left, bottom - top, 1
    assert look.sizes == [(*SIZE_WH, 1), (*SIZE_WH, 2), part, (*SIZE_WH, 1)]
    assert found.cam.class_indices.tolist() == [0, 2]
    assert left < 120 < right
    assert top < 90 < bottom
    assert found.infer_ms == 4


def test_a_less_sure_second_look_changes_nothing_that_is_shown(frame: Frame) -> None:
    look = FakeLook(UNSURE, (0.01, 0.01, 0.01, 0.01))
    found = second_look.take(look(frame), look, INFO, None)
    assert found.second_look is not None
    assert not found.second_look.is_surer
    assert found.displayed[0].label == "a"
    assert found.scores.argmax() == 0
    assert len(look.sizes) == 3


def test_a_small_thing_is_found_where_the_whole_is_background(frame: Frame) -> None:
    info = dataclasses.replace(INFO, background="a")
    look = FakeLook((9, 1, 0, 0), (0, 0, 5, 0))
    found = second_look.take(look(frame), look, info, None)
    assert found.second_look is not None
    assert found.second_look.is_surer
    assert found.scores.argmax() == 2
    # A part that is background too changes nothing.
    look = FakeLook((9, 1, 0, 0), (5, 0, 0, 0))
    found = second_look.take(look(frame), look, info, None)
    assert found.second_look is not None
    assert not found.second_look.is_surer
    assert found.scores.argmax() == 0


def test_maps_that_were_asked_for_stay_first(frame: Frame) -> None:
    look = FakeLook(UNSURE, (0, 0, 5, 0))
    found = second_look.take(look(frame, [-1, 1]), look, INFO, [-1, 1])
    assert found.cam.class_indices.tolist() == [0, 1, 2]
    assert found.views == ()


def test_a_photo_with_a_small_lamp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole is hardly dark; what has evidence for "light" is light, and the record says both."""
    monkeypatch.setattr(second_look, "NAMED_FROM", 0.9)  # of two classes one scores 0.5 at least
    model = write_tiny_model(tmp_path / "tiny.onnx", dark_bias=80.2)
    image = np.full((448, 448, 3), 30, np.uint8)
    image[64:192, 64:192] = 151
    photo = tmp_path / "lamp.png"
    assert cv2.imwrite(str(photo), image)
    first, second = (
        Model(model, device="cpu", zoom=again).predict(photo) for again in (False, True)
    )
    assert first.second_look is None
    assert second.top == first.top
    options = ["-m", str(model), "--zoom", "--records", str(tmp_path / "r.jsonl")]
    done = CliRunner().invoke(
        app, ["annotate", str(photo), "-o", str(tmp_path / "out.png"), *options]
    )
    assert done.exit_code == 0, done.output
    record = json.loads((tmp_path / "r.jsonl").read_text())
    assert record["second_look"]["is_surer"] is True
    assert record["second_look"]["top"][0]["label"] == "light"
    assert record["displayed"][0]["label"] == "light"
    assert record["top"][0]["score"] == pytest.approx(first.top[0].score, abs=1e-5)


def test_a_model_that_decides_presence_takes_no_second_look(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "lamp.onnx", background="dark")
    opened = Model(model, device="cpu", zoom=True)
    assert not opened.looks_again
    with pytest.raises(UsageError, match=r'--zoom is for models that name things; tiny .* "dark"'):
        second_look.check(opened.info)
    source = tmp_path / "x.png"
    assert cv2.imwrite(str(source), np.zeros((64, 64, 3), np.uint8))
    done = CliRunner().invoke(app, ["annotate", str(source), "-m", str(model), "--zoom"])
    assert done.exit_code != 0
    assert "--zoom is for models that name things" in " ".join(done.output.split())
