"""The real window on a virtual screen, driven with real keys and a real window manager."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

TOOLS = ("Xvfb", "openbox", "xdotool", "wmctrl")
MISSING = [tool for tool in TOOLS if shutil.which(tool) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")

SAMPLE = Path(__file__).parents[2] / "videos" / "sample.mp4"
LIMIT_S = 40
TITLE = " cat.mp4 - camstream"
SCREEN_WH = (1280, 800)


@dataclass
class Screen:
    name: str
    server: subprocess.Popen[bytes]


@contextmanager
def screen() -> Iterator[Screen]:
    """A screen of its own, with a window manager."""
    reading, writing = os.pipe()
    size = f"{SCREEN_WH[0]}x{SCREEN_WH[1]}x24"
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", size, "-nolisten", "tcp"],
        pass_fds=[writing],
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    with os.fdopen(reading) as answer:
        name = f":{answer.readline().strip()}"
    manager = subprocess.Popen(
        ["openbox"], env={**os.environ, "DISPLAY": name}, stderr=subprocess.DEVNULL
    )
    yield Screen(name, server)
    for process in (manager, server):
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    with screen() as made:
        yield made.name


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minute of a cat that moves slowly, 5 pictures a second: it must not end under a test."""
    capture = cv2.VideoCapture(str(SAMPLE))
    _, image = capture.read()
    capture.release()
    small = cv2.resize(np.asarray(image), (640, 360))
    path = tmp_path_factory.mktemp("window") / "cat.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=5, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        for index in range(300):
            moved = np.roll(small, index, axis=1).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(moved, format="bgr24")))
        container.mux(stream.encode(None))
    return path


class Running:
    """A running ``camstream live``, and its keyboard."""

    def __init__(self, process: subprocess.Popen[str], display: str, folder: Path) -> None:
        self.process = process
        self.folder = folder
        self._env = {**os.environ, "DISPLAY": display}
        self.window = ""

        def is_there() -> bool:
            assert process.poll() is None, process.communicate()
            lines = self.tool("wmctrl", "-l").splitlines()
            self.window = next((one.split()[0] for one in lines if one.endswith(TITLE)), "")
            return bool(self.window)

        until(is_there)

    def tool(self, *command: str) -> str:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=LIMIT_S, check=False, env=self._env
        )
        return done.stdout.strip()

    def press(self, key: str) -> None:
        self.tool("wmctrl", "-i", "-a", self.window)
        self.tool("xdotool", "key", key)

    def size_wh(self) -> tuple[int, int]:
        """Of what is in the window's frame."""
        lines = self.tool("xdotool", "getwindowgeometry", "--shell", self.number).splitlines()
        found = dict(line.split("=") for line in lines if "=" in line)
        return int(found["WIDTH"]), int(found["HEIGHT"])

    @property
    def number(self) -> str:
        return str(int(self.window, 16))

    def screen(self) -> np.ndarray:
        """What is on the screen, (H, W, 3) BGR."""
        path = self.folder / "screen.png"
        self.tool("import", "-window", "root", str(path))
        return np.asarray(cv2.imread(str(path)))

    def snapshot(self) -> np.ndarray:
        """Press s; returns the picture in the file."""
        before = set(self.folder.glob("camstream-*[0-9].png"))
        self.press("s")
        new: set[Path] = set()

        def is_saved() -> bool:
            new.update(set(self.folder.glob("camstream-*[0-9].png")) - before)
            return bool({path for path in new if ".partial" not in path.name})

        until(is_saved)
        (path,) = (path for path in new if ".partial" not in path.name)
        return np.asarray(cv2.imread(str(path)))

    def end(self) -> int:
        self.process.communicate(timeout=LIMIT_S)
        return self.process.returncode


def until(condition: Callable[[], bool]) -> None:
    """Wait for another process."""
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


@contextmanager
def running(clip: Path, model: Path, display: str, folder: Path, *more: str) -> Iterator[Running]:
    """Run ``camstream live`` in a window."""
    command = [sys.executable, "-P", "-m", "camstream", "live", str(clip), "--model", str(model)]
    command += more
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "DISPLAY": display},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield Running(process, display, folder)
    finally:
        process.kill()
        process.communicate()


def test_keys(clip: Path, lite0: Path, display: str, tmp_path: Path) -> None:
    with running(clip, lite0, display, tmp_path) as session:
        session.press("r")
        until(lambda: any(tmp_path.glob("camstream-*.mp4")))
        session.snapshot()  # some pictures are recorded meanwhile
        session.press("r")
        until(lambda: any(p for p in tmp_path.glob("*.mp4") if ".partial" not in p.name))

        session.press("space")  # from here on every snapshot is of one and the same picture
        session.snapshot()
        held = session.snapshot()
        assert (session.snapshot() == held).all()
        seen = [held]
        for key in ("minus", "plus", "c", "h", "l"):
            session.press(key)
            seen.append(session.snapshot())
        _, fainter, again, recoloured, bare, plain = seen
        assert held.shape == (360, 640, 3)
        assert (fainter != held).any()
        assert (again == held).all()
        assert (recoloured != held).any()
        assert (bare != recoloured).mean() > 0.05  # the heat is gone
        label = np.s_[:60, :320]
        assert (plain[label] != bare[label]).any()
        assert (plain[60:] == bare[60:]).all()
        session.press("question")
        session.press("question")
        session.press("q")
        assert session.end() == 0
    (video,) = tmp_path.glob("camstream-*.mp4")
    with av.open(str(video)) as container:
        times = [frame.time for frame in container.decode(video=0)]
    assert len(times) >= 1
    assert not list(tmp_path.glob("*.partial*"))


def test_help_appears_on_the_screen(clip: Path, lite0: Path, display: str, tmp_path: Path) -> None:
    if shutil.which("import") is None:
        pytest.skip("no imagemagick to take a picture of the screen")
    with running(clip, lite0, display, tmp_path) as session:
        session.press("space")
        session.press("h")

        def white() -> float:
            return float((session.screen()[120:400, 100:900] > 240).all(axis=-1).mean())

        before = white()
        session.press("question")
        until(lambda: white() > before + 0.01)
        session.press("Escape")
        assert session.end() == 0


needs_import = pytest.mark.skipif(
    shutil.which("import") is None, reason="no imagemagick to take a picture of the screen"
)


def test_the_window_fits_the_screen_and_only_the_user_changes_its_size(
    clip: Path, lite0: Path, display: str, tmp_path: Path
) -> None:
    with running(clip, lite0, display, tmp_path) as session:
        width, height = session.size_wh()
        assert 0.9 * SCREEN_WH[0] < width < SCREEN_WH[0]
        assert height < SCREEN_WH[1]
        assert width / (height * 21 / 22) == pytest.approx(640 / 360, rel=0.04)
        for key in ("k", "k", "space", "period", "k", "v", "k"):
            session.press(key)
        session.snapshot()  # all of them were done
        assert session.size_wh() == (width, height)
        session.press("F11")
        until(lambda: session.size_wh() == SCREEN_WH)
        session.press("F11")
        until(lambda: session.size_wh() == (width, height))
        session.press("q")
        assert session.end() == 0


def test_it_may_begin_in_full_screen(clip: Path, lite0: Path, display: str, tmp_path: Path) -> None:
    with running(clip, lite0, display, tmp_path, "--fullscreen") as session:
        until(lambda: session.size_wh() == SCREEN_WH)
        session.press("q")
        assert session.end() == 0


@needs_import
def test_what_is_drawn_follows_the_window_between_black_bars(
    clip: Path, lite0: Path, display: str, tmp_path: Path
) -> None:
    with running(clip, lite0, display, tmp_path) as session:
        session.press("space")
        session.tool("wmctrl", "-i", "-r", session.window, "-e", "0,0,0,900,700")

        def is_redrawn() -> bool:
            image = session.screen()[:, 40:860]  # a title of some 20 pixels, then 700 of the window
            bars = (image[50:90] == 0).all() and (image[630:670] == 0).all()
            return bool(bars and image[350].std() > 5 and image[691:700].min(axis=1).max() > 20)

        until(is_redrawn)
        session.press("q")
        assert session.end() == 0


KEYS = """
import time
import numpy as np
from camstream.sinks.window import Window

window = Window("cat.mp4 - camstream")
keys, clicks = [], []
while window.is_open and "escape" not in keys:
    width, height = window.size_wh((640, 360))
    window.show(np.full((height, width, 3), 90, np.uint8))
    while (key := window.key()) is not None:
        keys.append(key)
    while (click := window.click()) is not None:
        clicks.append(click)
    time.sleep(0.05)
window.close()
print(*keys)
print(clicks)
"""


def test_every_key_arrives_as_it_was_typed_and_clicks_as_parts_of_the_image(
    display: str, tmp_path: Path
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", KEYS],
        env={**os.environ, "DISPLAY": display},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        session = Running(process, display, tmp_path)
        session.tool("xdotool", "windowsize", "--sync", session.number, "600", "400")
        time.sleep(0.5)
        session.press("p")
        session.tool("xdotool", "type", "--delay", "1", "Pony?")  # between two looks
        for key in ("KP_Enter", "F11", "F11"):
            session.press(key)
        session.tool("xdotool", "key", "Left", "Insert", "Delete", "Home", "End", "BackSpace")
        session.tool("xdotool", "key", "space")
        session.tool("xdotool", "mousemove", "--window", session.number, "150", "100", "click", "1")
        time.sleep(0.3)
        session.press("Escape")
        out, err = process.communicate(timeout=LIMIT_S)
    finally:
        process.kill()
        process.communicate()
    keys, clicks = out.splitlines()
    expected = "p P o n y ? enter f11 f11 left insert delete home end backspace space escape"
    assert keys == expected, err
    assert clicks.startswith("[(0.25")
    assert clicks.count("(") == 1


def test_closing_the_window_ends_it(clip: Path, lite0: Path, display: str, tmp_path: Path) -> None:
    with running(clip, lite0, display, tmp_path) as session:
        session.snapshot()  # it runs
        begun = time.monotonic()
        session.tool("wmctrl", "-i", "-c", session.window)
        assert session.end() == 0
        assert time.monotonic() - begun < 10  # 2 on a machine left alone


def test_a_display_that_goes_ends_it_and_the_recording_is_whole(
    clip: Path, lite0: Path, tmp_path: Path
) -> None:
    output = tmp_path / "o.mp4"
    with (
        screen() as display,
        running(clip, lite0, display.name, tmp_path, "-o", str(output)) as session,
    ):
        until(lambda: any(tmp_path.glob("o.*")))
        time.sleep(1)
        display.server.kill()
        begun = time.monotonic()
        assert session.end() == 0
        assert time.monotonic() - begun < 10  # 2 on a machine left alone
    with av.open(str(output)) as container:
        assert next(container.decode(video=0)).width == 640


def test_a_display_that_is_not_there_is_a_clear_error(clip: Path, lite0: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "camstream", "live", str(clip), "--model", str(lite0)],
        env={**os.environ, "DISPLAY": ":4321"},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "cannot open a window on display :4321; use --no-window" in done.stderr
