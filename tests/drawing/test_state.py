"""A model with a class for nothing: what it decides, what is drawn, boxed and written of it."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import av
import numpy as np
import pytest

from camstream.annotation import AnnotationJob, run
from camstream.drawing.overlay import Style, annotate
from camstream.errors import SinkError
from camstream.frame import Frame, Prediction, State, View
from camstream.maps.boxes import boxes_of
from camstream.maps.presence import PresenceRule
from camstream.maps.select import MapSelector, Selection
from camstream.models.session import Model
from camstream.picture import Picture
from camstream.sinks.presence import PresenceFile
from camstream.testing import write_tiny_model
from tests.annotated import make_annotated

PLAIN = Style(show_label=False, show_boxes=True)


@pytest.fixture(scope="module")
def watcher_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model for which dark means that nothing is there."""
    path = tmp_path_factory.mktemp("models") / "watcher.onnx"
    return write_tiny_model(path, background="dark")


@pytest.fixture(scope="module")
def callback(watcher_path: Path) -> Model:
    return Model(watcher_path, device="cpu")


def _image(*blocks: tuple[int, int], value: int = 255) -> np.ndarray:
    """A dark picture with bright blocks of 64 x 64 pixels, named by column and row."""
    image = np.full((192, 320, 3), 10, np.uint8)
    for column, row in blocks:
        image[row * 64 : row * 64 + 64, column * 64 : column * 64 + 64] = value
    return image


def _look(
    model: Model, image: np.ndarray, selection: Selection = Selection(smoothing="off")
) -> Prediction:
    return MapSelector(model.infer, model.info, selection)(
        Frame(0, 0.0, 0.0, Picture.from_bgr(image))
    )


def test_the_state_is_the_best_class_and_its_probability(callback: Model) -> None:
    for image in (_image(), _image(value=0), np.full((192, 320, 3), 255, np.uint8)):
        for seen in (_look(callback, image), callback.predict(image)):
            view = seen.displayed[0]
            assert view.state is not None
            assert view.is_background == (seen.top[0].label == "dark")
            light = next(top.score for top in seen.top if top.label == "light")
            assert view.state.presence == pytest.approx(light, abs=1e-6)
    assert not view.is_background  # the white one


def test_other_models_decide_nothing(tiny_model: Model) -> None:
    assert _look(tiny_model, _image()).displayed[0].state is None
    assert tiny_model.predict(_image()).displayed[0].state is None


def test_neither_heat_nor_box_where_nothing_is_there(callback: Model) -> None:
    """Also where the winning class's own map has something: it speaks for nothing."""
    seen = _look(callback, _image((1, 1)))
    drawn = annotate(seen, PLAIN)
    assert seen.displayed[0].label == "dark"
    assert seen.boxes == ()
    assert np.array_equal(drawn.picture.bgr(), seen.frame.picture.bgr())
    forced = View("dark", 0.9, np.full((3, 5), 90.0, np.float32), 1, state=State(True, 0.1))
    still = annotate(dataclasses.replace(seen, views=(forced,)), PLAIN)
    assert np.array_equal(still.picture.bgr(), seen.frame.picture.bgr())


def test_a_box_for_each_thing_unless_asked_otherwise(callback: Model) -> None:
    image = _image(*((column, row) for column in (0, 1, 3, 4) for row in range(3)))
    seen = _look(callback, image)
    assert seen.displayed[0].label == "light"
    left, right = sorted(found.box.xyxy[0] for found in boxes_of(seen, floor=20.0))
    assert left == pytest.approx(0, abs=8)
    assert right == pytest.approx(192, abs=24)
    assert len(boxes_of(seen, "largest", floor=20.0)) == 1
    assert {found.label for found in boxes_of(seen, "five", floor=20.0)} <= {"light", "dark"}


def test_state_is_written_dark_on_bright_or_bright_on_dark(callback: Model) -> None:
    """Told apart by brightness alone, on any ground."""
    levels = {}
    for image in (_image(), np.full((192, 320, 3), 255, np.uint8)):
        seen = _look(callback, image)
        style = Style(show_heatmap=False)
        corner = annotate(seen, style).picture.bgr()[6:20, 40:90]
        levels[seen.displayed[0].is_background] = float(np.median(corner.mean(axis=2)))
    assert levels[False] > 120 > levels[True]


def test_score_of_presence() -> None:
    prediction = make_annotated(0).prediction
    cam = np.zeros((2, 2), np.float32)
    watched = (View("a", 0.2, cam), View("b", 0.6, cam))
    assert dataclasses.replace(prediction, views=watched).presence == 0.6
    sure = View("none", 0.9, cam, state=State(is_background=True, presence=0.1))
    assert dataclasses.replace(prediction, views=(sure,)).presence == 0.1


def test_the_file_is_whole_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "cat.csv"
    file = PresenceFile(path, PresenceRule(min_duration_s=0))
    for tenth, score in enumerate((0.0, 0.9, 0.9, *[0.0] * 10)):
        made = make_annotated(tenth, pts_s=tenth / 10, scores=(score, 0.0))
        file.write(made)
        file.write(made)  # the same time once more counts once
    assert not path.exists()
    file.finish()
    assert path.read_text() == "start_s,end_s,peak_score,label\n0.1,0.3,0.9,cat\n"
    with pytest.raises(SinkError, match="exists already"):
        PresenceFile(path)
    with pytest.raises(SinkError, match=r"presence is written as \.csv"):
        PresenceFile(tmp_path / "cat.txt")
    empty = PresenceFile(path, overwrite=True)
    empty.finish()
    assert path.read_text() == "start_s,end_s,peak_score,label\n"
    assert list(tmp_path.iterdir()) == [path]


def test_presence_of_a_clip(callback: Model, tmp_path: Path) -> None:
    """Ten dark frames, ten bright ones, ten dark ones, at 10 frames a second."""
    clip = tmp_path / "clip.mp4"
    with av.open(clip, "w") as out:
        video = out.add_stream("libx264", rate=10)
        video.width, video.height, video.pix_fmt = 320, 192, "yuv420p"
        for index in range(30):
            image = np.full((192, 320, 3), 230 if 10 <= index < 20 else 10, np.uint8)
            out.mux(video.encode(av.VideoFrame.from_ndarray(image, "bgr24")))
        out.mux(video.encode())
    job = AnnotationJob(
        source=clip,
        output=tmp_path / "out.mp4",
        selection=Selection(smoothing="off"),
        presence=tmp_path / "p.csv",
    )
    run(job, callback)
    [found] = csv.DictReader((tmp_path / "p.csv").read_text().splitlines())
    assert float(found["start_s"]) == pytest.approx(1.0)
    assert float(found["end_s"]) == pytest.approx(2.0)
    assert float(found["peak_score"]) > 0.99
