"""Teaching as a guest of a live session: names, the thread, and a model that takes over."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from camstream.commands import app
from camstream.contract import ModelInfo
from camstream.errors import ModelError, SourceError, UsageError
from camstream.frame import Frame
from camstream.live import actions
from camstream.live.keys import Keyboard
from camstream.live.outputs import OutputPaths, RunLimits
from camstream.live.session import LiveSession
from camstream.live.state import TaughtClass
from camstream.live.teaching import Teaching
from camstream.models.session import Model
from camstream.picture import ImageU8, Picture
from camstream.teach.teacher import Teacher
from camstream.testing import FAKE_INFO, FakeDisplay, FakeSource, endless, fake_infer
from tests.live.states import state_of


def grey(level: int = 90) -> Picture:
    return Picture.from_bgr(np.full((64, 64, 3), level, np.uint8))


class Notebook(Teacher):
    """A teacher that writes down what it gets, and fits a given model."""

    def __init__(self, model: Model) -> None:
        self.frames: dict[str, int] = {}
        self.saved: list[tuple[str, bool]] = []
        self.gate = threading.Event()
        self.gate.set()
        self._model = model

    @property
    def counts(self) -> dict[str, int]:
        return dict(self.frames)

    def add(self, picture: Picture | ImageU8, label: str) -> None:
        assert isinstance(picture, Picture)
        self.gate.wait()
        self.frames[label] = self.frames.get(label, 0) + 1

    def rename(self, label: str, name: str) -> None:
        self.frames = {name if one == label else one: n for one, n in self.frames.items()}

    def forget(self, label: str) -> None:
        self.frames.pop(label, None)

    def fit(
        self,
        *,
        name: str = "taught",
        device: str = "cpu",
        refine: bool = False,
        zoom: bool = False,
    ) -> Model:
        assert (name, device, refine, zoom) == ("taught", "cpu", False, False)
        if len(self.frames) < 2:
            raise SourceError("cannot fit: two classes are needed")
        return self._model

    def save(self, output: Path, *, overwrite: bool = False) -> ModelInfo:
        self.saved.append((output.name, overwrite))
        return FAKE_INFO


@pytest.fixture
def book(tiny_model: Model) -> Notebook:
    return Notebook(tiny_model)


@pytest.fixture
def clock() -> list[float]:
    """The time that teaching sees; tests move it."""
    return [100.0]


@pytest.fixture
def teaching(tiny_model: Model, book: Notebook, clock: list[float]) -> Iterator[Teaching]:
    made = Teaching(
        tiny_model,
        ["cup"],
        output=Path("cup.onnx"),
        open_teacher=lambda _model, _size: book,
        clock=lambda: clock[0],
    )
    yield made
    book.gate.set()
    made.close()


class Desk:
    """A keyboard in front of a guest, without a session."""

    def __init__(self, teaching: Teaching) -> None:
        self.keyboard = Keyboard()
        self.message = ""
        self._teaching = teaching

    def press(self, *keys: str) -> str:
        """Press keys; returns the message of the last action. Each sees a picture of its own."""
        for key in keys:
            for action in self.keyboard.press(key, state_of(teaching=self._teaching.state)):
                assert isinstance(action, actions.TeachAction)
                self.message = self._teaching.do(action, grey())
        return self.message


def wait(until: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not until():
        assert time.monotonic() < deadline, "nothing came"
        time.sleep(0.005)


def results(teaching: Teaching, count: int) -> list[object]:
    found: list[object] = []

    def have_come() -> bool:
        found.extend(teaching.poll())
        return len(found) >= count

    wait(have_come)
    return found


def test_frames_are_given_to_classes(
    teaching: Teaching, book: Notebook, clock: list[float]
) -> None:
    desk = Desk(teaching)
    for _ in range(3):
        desk.press("1")
        clock[0] += 0.7  # three presses, and no key that is held down
    desk.press("2")
    wait(lambda: book.counts == {"cup": 3, "class 2": 1})
    wait(lambda: teaching.state.classes[1].frames == 1)
    assert teaching.state.latest == 2
    assert teaching.state.classes == (
        TaughtClass(number=1, name="cup", frames=3, is_named=True),
        TaughtClass(number=2, name="class 2", frames=1, is_named=False),
    )


def test_while_a_key_is_down_frames_come_by_time(
    teaching: Teaching, book: Notebook, clock: list[float]
) -> None:
    """Pictures come at 50 Hz; the key repeats after half a second, then 25 times a second."""
    desk = Desk(teaching)
    presses = [0.0, *(0.5 + n / 25 for n in range(25))]  # down for 1.5 s
    for n in range(150):  # 3 s
        clock[0] = 100 + n / 50
        teaching.see(grey(n))
        while presses and presses[0] <= n / 50 + 1e-9:
            presses.pop(0)
            desk.press("1")
    teaching.do(actions.Fit(), None)
    results(teaching, 1)  # everything before it is done
    assert 12 <= book.counts["cup"] <= 15  # ten a second, and none after the key went up
    assert teaching.state.classes[0].frames == book.counts["cup"]


def test_frames_that_are_all_alike_are_told(teaching: Teaching, clock: list[float]) -> None:
    desk = Desk(teaching)

    def teach(key: str, levels: list[int]) -> TaughtClass:
        for level in levels:
            clock[0] += 1  # pressed anew
            teaching.do(actions.Teach(int(key)), grey(level))
        number = int(key) - 1
        wait(lambda: teaching.state.classes[number].frames == len(levels))
        return teaching.state.classes[number]

    assert not teach("1", [90] * 9).is_alike  # too few to say so
    assert teach("2", [90, 91, 89, 90, 92, 90, 90, 91, 90, 90]).is_alike
    assert not teach("3", [90, 91, 89, 90, 92, 90, 90, 91, 90, 120]).is_alike
    desk.press("z")
    wait(lambda: teaching.state.classes[2].frames == 0)


def test_nothing_is_opened_before_the_first_frame(tiny_model: Model) -> None:
    def refuse(model: Model, input_size: int | None) -> Teacher:
        assert (model, input_size) == (tiny_model, 128)
        raise ModelError("maps of Grad-CAM cannot be taught")

    teaching = Teaching(tiny_model, input_size=128, open_teacher=refuse)
    assert "hold a key" in Desk(teaching).press("n")
    assert "hold a key" in Desk(teaching).press("z")
    assert teaching.do(actions.Teach(1), None) == ""  # before the first picture
    assert (teaching.state.classes, teaching.poll()) == ((), [])
    Desk(teaching).press("1")
    assert results(teaching, 1) == ["maps of Grad-CAM cannot be taught"]
    teaching.close()


def test_scikit_learn_is_imported_with_the_first_frame() -> None:
    code = "import camstream.commands.live, sys; print('sklearn' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_a_key_that_is_held_down_does_not_pile_up(
    teaching: Teaching, book: Notebook, clock: list[float]
) -> None:
    book.gate.clear()
    desk = Desk(teaching)
    for _ in range(200):
        clock[0] += 0.1
        desk.press("1")
    book.gate.set()
    desk.press("f")
    assert results(teaching, 1) == ["cannot fit: two classes are needed"]
    assert 0 < book.counts["cup"] <= 31


def test_names_are_asked_for_before_saving(
    teaching: Teaching, book: Notebook, tiny_model: Model
) -> None:
    desk = Desk(teaching)
    desk.press(*"123")
    wait(lambda: len(book.counts) == 3)
    desk.press("x")
    assert desk.keyboard.prompt is not None
    assert desk.keyboard.prompt.question == "name of class 2"
    desk.press(*"no", "space", *"cup", "enter")
    assert desk.keyboard.prompt is not None
    assert desk.keyboard.prompt.question == "name of class 3"
    desk.press("enter")  # keeps its name
    assert desk.keyboard.prompt is None
    assert results(teaching, 2) == [tiny_model, "saved: camstream live --model cup.onnx"]
    assert list(book.counts) == ["cup", "no cup", "class 3"]
    desk.press("x", "enter")
    results(teaching, 2)
    assert book.saved == [("cup.onnx", False), ("cup.onnx", True)]


def test_escape_saves_nothing(teaching: Teaching, book: Notebook) -> None:
    desk = Desk(teaching)
    desk.press(*"12")
    wait(lambda: len(book.counts) == 2)
    desk.press("x", "a", "escape")
    assert desk.keyboard.prompt is None
    assert book.saved == []
    assert "class 2" in book.counts


def test_name_and_forget_mean_the_class_taught_last(teaching: Teaching, book: Notebook) -> None:
    desk = Desk(teaching)
    assert desk.press(*"12n", *"mug", "enter") == "class 2 is mug"
    wait(lambda: list(book.counts) == ["cup", "mug"])
    assert desk.press(*"n", *"cup", "enter") == "another class is called cup already"
    assert desk.press("z") == "forgot the frames of mug"
    wait(lambda: list(book.counts) == ["cup"])
    assert [one.frames for one in teaching.state.classes] == [1, 0]


def test_a_class_is_named_and_forgotten_by_its_number(teaching: Teaching, book: Notebook) -> None:
    Desk(teaching).press(*"12")
    assert teaching.do(actions.NameClass("mug", 1), grey()) == "class 1 is mug"
    wait(lambda: list(book.counts) == ["mug", "class 2"])
    assert teaching.do(actions.Forget(1), grey()) == "forgot the frames of mug"
    wait(lambda: list(book.counts) == ["class 2"])
    for action in (
        actions.Teach(0),
        actions.Teach(10),
        actions.NameClass("hat", 12),
        actions.Forget(-1),
    ):
        with pytest.raises(UsageError, match="classes 1 to 9"):
            teaching.do(action, grey())


def test_frames_that_were_not_saved_are_saved_at_the_end(
    teaching: Teaching, book: Notebook
) -> None:
    Desk(teaching).press(*"12")
    assert teaching.close() == "taught: camstream live --model cup.onnx"
    assert book.saved == [("cup.onnx", False)]
    assert book.counts == {"cup": 1, "class 2": 1}  # also what waited still


def test_what_was_saved_is_not_saved_again(teaching: Teaching, book: Notebook) -> None:
    Desk(teaching).press(*"12x", "enter", "enter")
    results(teaching, 2)
    assert teaching.close() == "taught: camstream live --model cup.onnx"
    assert len(book.saved) == 1


def test_a_name_that_came_after_saving_is_saved(teaching: Teaching, book: Notebook) -> None:
    Desk(teaching).press(*"12x", "enter", "enter")
    results(teaching, 2)
    Desk(teaching).press("n", *"Pony", "enter")
    teaching.close()
    assert book.saved == [("cup.onnx", False), ("cup.onnx", True)]
    assert "Pony" in book.counts


def test_what_cannot_be_saved_at_the_end_is_told(teaching: Teaching, book: Notebook) -> None:
    Desk(teaching).press("1")
    told = "what was taught is not saved: cannot fit: two classes are needed"
    assert teaching.close() == told
    assert book.saved == []


def test_where_nothing_was_taught_nothing_is_saved_or_said(
    teaching: Teaching, book: Notebook
) -> None:
    assert teaching.close() == ""
    assert book.saved == []


def test_what_was_forgotten_is_not_saved(teaching: Teaching, book: Notebook) -> None:
    Desk(teaching).press("1", "z")
    assert teaching.close() == ""
    assert book.saved == []


def test_a_new_name_is_shown_at_once(teaching: Teaching, book: Notebook, tiny_model: Model) -> None:
    desk = Desk(teaching)
    desk.press(*"12n", *"Pony", "enter")
    assert [one.name for one in teaching.state.classes] == ["cup", "Pony"]
    desk.press("f")
    assert results(teaching, 1) == [tiny_model]
    desk.press("n", *"Horse", "enter")
    assert results(teaching, 1) == [tiny_model]  # a model with the new name, without asking for it
    assert list(book.counts) == ["cup", "Horse"]


def test_a_name_that_is_another_class_number_is_refused(teaching: Teaching) -> None:
    told = teaching.do(actions.NameClass("class 3", 2), grey())
    assert told == "another class is called class 3 already"
    assert teaching.do(actions.NameClass("red\x1b[31m cup", 2), grey()) == "class 2 is red cup"


@pytest.mark.parametrize("names", [["a", "a"], [str(n) for n in range(10)]])
def test_names_that_cannot_be(tiny_model: Model, names: list[str]) -> None:
    with pytest.raises(ModelError, match="up to 9 classes"):
        Teaching(tiny_model, names)


@pytest.mark.parametrize("other", [["--no-window"], ["--maps", "m.npz"]])
def test_teaching_needs_the_window_and_no_file_of_maps(other: list[str]) -> None:
    result = CliRunner().invoke(app, ["live", "clip.mp4", "--teach", "cup", *other])
    assert result.exit_code == 2
    assert "window" in result.stderr


def test_a_taught_model_takes_over_and_is_saved(tiny_model: Model, tmp_path: Path) -> None:
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
    teaching = Teaching(tiny_model, ["bright", "no light"], output=output)

    def turn(value: int) -> Callable[[], bool]:
        def ready() -> bool:
            with lock:
                level[0] = value
            frame = session.state.frame
            return frame is not None and abs(float(frame.picture.bgr().mean()) - value) < 5

        return ready

    def hold(key: str, value: int) -> Callable[[], bool]:
        """Hold a key down, at ten frames a second, until its class has some."""

        def ready() -> bool:
            if turn(value)():
                display.keys.append(key)
            state = session.state.teaching
            assert state is not None
            return state.classes[int(key) - 1].frames >= 8

        return ready

    def taught() -> bool:
        state = session.state.teaching
        return state is not None and min(one.frames for one in state.classes) >= 5

    def finds(label: str) -> Callable[[], bool]:
        def ready() -> bool:
            prediction = session.state.prediction
            return prediction is not None and prediction.displayed[0].label == label

        return ready

    steps: list[tuple[Callable[[], bool], str]] = [(turn(200), "h")]
    steps += [(hold("1", 200), ""), (hold("2", 40), "")]
    steps += [(taught, "f")]
    steps += [(finds("no light"), "d"), (turn(200), "d"), (finds("bright"), "x")]
    steps += [(output.exists, "q")]

    def act(_: ImageU8) -> None:
        if steps and steps[0][0]():
            display.keys.append(steps.pop(0)[1])

    display = FakeDisplay()
    display.on_show = act
    session = LiveSession(
        FakeSource(frames, is_live=True),
        tiny_model.infer,
        tiny_model.info,
        device="cpu",
        display=display,
        guest=teaching,
        folder=tmp_path,
        limits=RunLimits(seconds=60),
    )
    session.run()
    assert steps == []
    assert session.state.info.labels == ("bright", "no light")
    assert Model(output, device="cpu").info.labels == ("bright", "no light")
    assert Model(output, device="cpu").info.background == "no light"


def test_records_of_frames_before_a_model_was_taught_keep_their_labels(
    teaching: Teaching, book: Notebook, tmp_path: Path
) -> None:
    """The session begins with the classes thing and other; the model that is fitted has others."""
    display, records = FakeDisplay(), tmp_path / "r.jsonl"
    steps = ["1", "2", "f"]

    def act(_: ImageU8) -> None:
        if session.state.frame is not None and steps:
            display.keys.append(steps.pop(0))
        elif session.state.info.labels == ("light", "dark") and session.state.shown > 20:
            display.keys.append("q")

    display.on_show = act
    session = LiveSession(
        FakeSource(endless, is_live=True),
        fake_infer,
        FAKE_INFO,
        device="cpu",
        display=display,
        guest=teaching,
        outputs=OutputPaths(records=records),
    )
    session.run()
    assert book.counts == {"cup": 1, "class 2": 1}
    tops = [json.loads(line)["top"][0]["label"] for line in records.read_text().splitlines()]
    assert tops[0] == "thing"
    change = next(n for n, label in enumerate(tops) if label != "thing")
    assert set(tops[change:]) <= {"light", "dark"}
