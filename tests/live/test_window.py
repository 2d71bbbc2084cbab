"""The real window on a virtual screen, driven with real keys and a real window manager."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    """A screen of its own, with a window manager."""
    reading, writing = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1280x800x24", "-nolisten", "tcp"],
        pass_fds=[writing],
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    with os.fdopen(reading) as answer:
        name = f":{answer.readline().strip()}"
    manager = subprocess.Popen(
        ["openbox"], env={**os.environ, "DISPLAY": name}, stderr=subprocess.DEVNULL
    )
    yield name
    for process in (manager, server):
        process.terminate()
        process.wait(10)


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
            self.window = self.tool("xdotool", "search", "--onlyvisible", "--name", "^camstream$")
            return bool(self.window)

        until(is_there)

    def tool(self, *command: str) -> str:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=LIMIT_S, check=False, env=self._env
        )
        return done.stdout.strip()

    def press(self, key: str) -> None:
        self.tool("xdotool", "windowfocus", "--sync", self.window)
        self.tool("xdotool", "key", key)
        time.sleep(0.25)  # OpenCV forgets a key when the next comes before it was asked for

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
def running(clip: Path, model: Path, display: str, folder: Path) -> Iterator[Running]:
    command = [sys.executable, "-P", "-m", "camstream", "live", str(clip), "--model", str(model)]
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

        def screen() -> np.ndarray:
            path = tmp_path / "screen.png"
            session.tool("import", "-window", session.window, str(path))
            return np.asarray(cv2.imread(str(path)))

        session.press("space")
        session.press("h")

        def white_in_middle() -> float:
            return float((screen()[120:300, 10:260] > 240).all(axis=-1).mean())

        before = white_in_middle()
        session.press("question")
        until(lambda: white_in_middle() > before + 0.01)
        session.press("Escape")
        assert session.end() == 0


def test_closing_the_window_ends_it(clip: Path, lite0: Path, display: str, tmp_path: Path) -> None:
    with running(clip, lite0, display, tmp_path) as session:
        session.tool("wmctrl", "-c", "camstream")
        assert session.end() == 0


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
