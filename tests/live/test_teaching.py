"""Teaching in the live window: keys, names, the thread, and a model that takes over."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from camstream.commands import app
from camstream.contract import ModelInfo
from camstream.drawing.overlay import Style
from camstream.errors import ModelError, SourceError
from camstream.frame import Frame
from camstream.live.controls import Controls
from camstream.live.outputs import Outputs
from camstream.live.teach_keys import obey
from camstream.live.teaching import Teaching
from camstream.live.viewer import Viewer
from camstream.maps.select import Selection
from camstream.models.classes import ClassNames
from camstream.models.session import Model
from camstream.picture import ImageU8, Picture
from camstream.teach.teacher import Teacher
from tests.fakes import INFO, FakeSource

GREY = Picture.from_bgr(np.full((64, 64, 3), 90, np.uint8))


class Notebook:
    """A teacher that writes down what it is told."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.saved: list[tuple[str, bool]] = []
        self.gate = threading.Event()
        self.gate.set()

    def add(self, picture: Picture, label: str) -> None:
        assert picture is GREY
        self.gate.wait()
        self.counts[label] = self.counts.get(label, 0) + 1

    def rename(self, label: str, name: str) -> None:
        self.counts = {name if one == label else one: n for one, n in self.counts.items()}

    def forget(self, label: str) -> None:
        self.counts.pop(label, None)

    def fit(self, *, device: str = "cpu", refine: bool = False) -> Model:
        assert device == "cpu"
        assert not refine
        if len(self.counts) < 2:
            raise SourceError("cannot fit: two classes are needed")
        return "a model"  # type: ignore[return-value]

    def save(self, output: Path, *, overwrite: bool = False) -> ModelInfo:
        self.saved.append((output.name, overwrite))
        return INFO


@pytest.fixture
def book() -> Notebook:
    return Notebook()


@pytest.fixture
def teaching(book: Notebook) -> Iterator[Teaching]:
    made = Teaching(lambda: book, ["cup"], output=Path("cup.onnx"))
    yield made
    book.gate.set()
    made.close()


def wait(until: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not until():
        assert time.monotonic() < deadline, "nothing came"
        time.sleep(0.005)


def results(teaching: Teaching, count: int) -> list[object]:
    found: list[object] = []

    def have_come() -> bool:
        found.extend(teaching.results())
        return len(found) >= count

    wait(have_come)
    return found


def press(teaching: Teaching, controls: Controls, keys: str | list[str]) -> None:
    for key in keys:
        errand = controls.obey(key)
        if errand is not None:
            obey(errand, teaching, controls, GREY)


def desk() -> Controls:
    return Controls(Style(), Selection(), ClassNames(("a", "b")), show_display=True)


def test_keys_give_frames_to_classes(teaching: Teaching, book: Notebook) -> None:
    press(teaching, desk(), "1112")
    wait(lambda: book.counts == {"cup": 3, "class 2": 1})
    assert teaching.status == "1 cup 3   2 class 2 1   f fits   x saves"


def test_nothing_is_opened_before_the_first_frame() -> None:
    def refuse() -> Teacher:
        raise ModelError("maps of Grad-CAM cannot be taught")

    teaching, controls = Teaching(refuse), desk()
    press(teaching, controls, "nz")
    assert "hold a key" in controls.message
    assert teaching.status == ""
    press(teaching, controls, "1")
    assert results(teaching, 1) == ["maps of Grad-CAM cannot be taught"]
    teaching.close()


def test_a_key_that_is_held_down_does_not_pile_up(teaching: Teaching, book: Notebook) -> None:
    book.gate.clear()
    press(teaching, desk(), "1" * 500)
    book.gate.set()
    press(teaching, desk(), "f")
    assert results(teaching, 1) == ["cannot fit: two classes are needed"]
    assert 0 < book.counts["cup"] <= 31


def test_names_are_asked_for_before_saving(teaching: Teaching, book: Notebook) -> None:
    controls = desk()
    press(teaching, controls, "123")
    wait(lambda: len(book.counts) == 3)
    press(teaching, controls, "x")
    assert controls.message == "name of class 2: _"
    press(teaching, controls, [*"no", "space", *"cup", "enter"])
    assert controls.message == "name of class 3: _"
    press(teaching, controls, ["enter"])  # keeps its name
    assert controls.prompt is None
    assert results(teaching, 2) == ["a model", "saved cup.onnx"]
    assert list(book.counts) == ["cup", "no cup", "class 3"]
    press(teaching, controls, ["x", "enter"])
    results(teaching, 2)
    assert book.saved == [("cup.onnx", False), ("cup.onnx", True)]


def test_escape_saves_nothing(teaching: Teaching, book: Notebook) -> None:
    controls = desk()
    press(teaching, controls, "12")
    wait(lambda: len(book.counts) == 2)
    press(teaching, controls, ["x", "a", "escape"])
    assert controls.prompt is None
    assert not controls.wants_quit
    assert book.saved == []
    assert "class 2" in book.counts


def test_name_and_forget_mean_the_class_taught_last(teaching: Teaching, book: Notebook) -> None:
    controls = desk()
    press(teaching, controls, [*"12n", *"mug", "enter"])
    wait(lambda: list(book.counts) == ["cup", "mug"])
    press(teaching, controls, [*"n", *"cup", "enter"])
    assert controls.message == "another class is called cup already"
    press(teaching, controls, "z")
    wait(lambda: list(book.counts) == ["cup"])
    assert teaching.status.startswith("1 cup 1   f fits")


@pytest.mark.parametrize("names", [["a", "a"], [str(n) for n in range(10)]])
def test_names_that_cannot_be(names: list[str]) -> None:
    with pytest.raises(ModelError, match="up to 9 classes"):
        Teaching(Notebook, names)


@pytest.mark.parametrize("other", [["--no-window"], ["--maps", "m.npz"]])
def test_teaching_needs_the_window_and_no_file_of_maps(other: list[str]) -> None:
    result = CliRunner().invoke(app, ["live", "clip.mp4", "--teach", "cup", *other])
    assert result.exit_code == 2
    assert "window" in result.stderr


class Hand:
    """A screen whose user acts on what is seen: a list of steps, each done when it can be."""

    is_open = True

    def __init__(self, steps: list[tuple[Callable[[], bool], str]]) -> None:
        self._steps = steps

    def show(self, image: ImageU8) -> None:
        pass

    def key(self) -> str | None:
        if self._steps and self._steps[0][0]():
            return self._steps.pop(0)[1]
        return None

    def close(self) -> None:
        pass


def test_a_taught_model_takes_over_and_is_saved(
    tiny_path: Path, tiny_model: Model, tmp_path: Path
) -> None:
    """Bright and dark pictures are taught, then looked at; the file knows them too."""
    level, lock = [200], threading.Lock()

    def frames(source: FakeSource) -> Iterator[Frame]:
        rng = np.random.default_rng(0)
        for index in range(100_000):
            if source.stopped.wait(0.004):
                return
            with lock:
                base = level[0]
            image = np.clip(rng.normal(base, 12, (96, 160, 3)), 0, 255).astype(np.uint8)
            yield Frame(index, index / 30, time.perf_counter(), Picture.from_bgr(image))

    output = tmp_path / "light.onnx"
    teacher = Teacher(tiny_path)
    teaching = Teaching(lambda: teacher, ["bright", "no light"], output=output)

    def turn(value: int) -> Callable[[], bool]:
        def ready() -> bool:
            with lock:
                level[0] = value
            last = viewer._last
            return last is not None and abs(float(last[0].picture.bgr().mean()) - value) < 5

        return ready

    def looked(label: str) -> Callable[[], bool]:
        def ready() -> bool:
            newest = viewer._sync.newest
            return newest is not None and newest.displayed[0].label == label

        return ready

    steps: list[tuple[Callable[[], bool], str]] = [(turn(200), "h")]
    steps += [(turn(200), "1")] * 20 + [(turn(40), "2")] * 20
    steps += [(lambda: sum(teacher.counts.values()) >= 30, "f")]
    steps += [(looked("no light"), "d"), (turn(200), "d"), (looked("bright"), "x")]
    steps += [(output.exists, "q")]
    hand = Hand(steps)
    viewer = Viewer(
        FakeSource(frames, is_live=True),
        tiny_model.infer,
        tiny_model.info,
        device="cpu",
        window=hand,
        teaching=teaching,
        folder=tmp_path,
        outputs=Outputs(seconds=60),
    )
    viewer.run()
    assert hand._steps == []
    assert Model(output, device="cpu").info.labels == ("bright", "no light")
    assert Model(output, device="cpu").info.background == "no light"
