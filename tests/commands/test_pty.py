"""Every command on a terminal: bars, labels with brackets, narrow screens, Ctrl-C."""

from __future__ import annotations

import os
import re
import select
import shlex
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import onnx
import pytest

from camstream.testing import write_tiny_model
from tests import clips

if sys.platform == "win32":
    pytest.skip("a pseudo-terminal of Unix", allow_module_level=True)

import fcntl
import pty
import termios

PROGRAM = [sys.executable, "-P", "-m", "camstream"]
_ESCAPE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
LABEL = "[red]a[/b] [bold"  # what Rich would take for markup, and for a closing tag too many


class Terminal:
    """A command on a pseudo-terminal."""

    def __init__(self, *arguments: str, cwd: Path, columns: int = 80) -> None:
        self._leader, follower = pty.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        environment = {**os.environ, "TERM": "xterm-256color"}
        for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"):
            environment.pop(name, None)
        self.process = subprocess.Popen(
            [*PROGRAM, *arguments],
            cwd=cwd,
            stdin=follower,
            stdout=follower,
            stderr=follower,
            env=environment,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(follower)
        self.raw = ""

    def read(self, until: str = "", timeout_s: float = 60) -> str:
        """Read up to a text, or to the end; returns what was printed so far, without colors."""
        deadline = time.monotonic() + timeout_s
        while not until or until not in self.shown:
            assert time.monotonic() < deadline, f"no {until!r} in {self.shown!r}"
            if select.select([self._leader], [], [], 0.1)[0]:
                try:
                    data = os.read(self._leader, 65_536)
                except OSError:  # Linux's way to say that the other side is closed
                    break
                if not data:
                    break
                self.raw += data.decode(errors="replace")
            elif self.process.poll() is not None:
                break
        return self.shown

    @property
    def shown(self) -> str:
        return _ESCAPE.sub("", self.raw)

    def press_ctrl_c(self) -> None:
        os.write(self._leader, b"\x03")

    def end(self) -> tuple[int, str]:
        """Wait for the end; returns the exit code and what was shown."""
        self.read()
        code = self.process.wait(timeout=60)
        os.close(self._leader)
        assert "Traceback" not in self.shown, self.shown
        return code, self.shown


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small things for every command; a model whose labels look like markup."""
    folder = tmp_path_factory.mktemp("terminal")
    clips.make(folder / "[draft] clip.mp4", clips.Video(frames=10))
    slow = clips.Video(frames=1200, size_wh=(640, 360), options={"preset": "ultrafast"})
    clips.make(folder / "long.mp4", slow)
    model = onnx.load(write_tiny_model(folder / "tiny.onnx"))
    for entry in model.metadata_props:
        entry.value = entry.value.replace('"light"', f'"{LABEL}"')
        entry.value = entry.value.replace('"dark"', f'"dark {LABEL}"')
    onnx.save(model, folder / "tiny.onnx")
    for name in ("[cup]", "no cup"):
        for number in range(5):
            clips.make_photo(folder / "photos" / name / f"{number}.png", number + 10 * len(name))
    for number in range(300):
        clips.make_photo(folder / "many" / str(number % 2) / f"{number}.png", number)
    (folder / "records.jsonl").write_bytes(b"")
    command = [*PROGRAM, "annotate", "[draft] clip.mp4", "-o", "seen.mp4", "-m", "tiny.onnx"]
    command += ["--records", "records.jsonl", "--overwrite"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder


COMMANDS = {
    "annotate": '"[draft] clip.mp4" -o out.mp4 -m tiny.onnx --overwrite',
    "live": '"[draft] clip.mp4" --no-window --frames 3 -m tiny.onnx',
    "report": "records.jsonl -o page.html --overwrite",
    "evaluate": "many --labels-from-folders -m tiny.onnx",
    "teach": "photos -m tiny.onnx -o cups.onnx --overwrite",
    "info": "tiny.onnx",
    "export": "tiny.onnx -o own.onnx --overwrite",
    "demo": "--help",
    "doctor": "--help",
    "train": "--help",
}


@pytest.mark.parametrize("columns", [20, 40])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_narrow_terminal(folder: Path, command: str, columns: int) -> None:
    terminal = Terminal(command, *shlex.split(COMMANDS[command]), cwd=folder, columns=columns)
    code, shown = terminal.end()
    assert code == 0, shown
    assert shown.strip()


@pytest.mark.parametrize("columns", [20, 40, 80])
def test_a_bar_shows_names_as_they_are(folder: Path, columns: int) -> None:
    arguments = ["long.mp4", "-o", f"long{columns}.mp4", "-m", "tiny.onnx"]
    terminal = Terminal("annotate", *arguments, cwd=folder, columns=columns)
    terminal.read("(CPU")
    if columns == 80:
        assert LABEL[:6] in terminal.read(LABEL[:6])
    time.sleep(0.5)
    terminal.press_ctrl_c()
    code, shown = terminal.end()
    assert code == 130
    assert "stopped at" in " ".join(shown.split())


def test_a_file_with_brackets_keeps_its_name(folder: Path) -> None:
    arguments = ["[draft] clip.mp4", "-o", "brackets.mp4", "-m", "tiny.onnx"]
    code, shown = Terminal("annotate", *arguments, cwd=folder, columns=160).end()
    assert code == 0
    assert "[draft] clip.mp4 -> brackets.mp4: 10 frames" in shown
    assert LABEL in shown


@pytest.mark.parametrize(
    ("arguments", "ready"),
    [
        (["live", "long.mp4", "--no-window", "-m", "tiny.onnx"], "tiny on"),
        (["annotate", "long.mp4", "-o", "stopped.mp4", "-m", "tiny.onnx"], "tiny on"),
        (["evaluate", "many", "--labels-from-folders", "-m", "tiny.onnx"], "tiny on"),
        (["demo", "--no-open", "-o", "demo.mp4"], " on cpu"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_ctrl_c_on_a_terminal(folder: Path, arguments: list[str], ready: str) -> None:
    terminal = Terminal(*arguments, cwd=folder)
    terminal.read(ready)
    terminal.press_ctrl_c()
    code, shown = terminal.end()
    assert code == 130, shown


def test_a_terminal_that_goes_away_keeps_what_was_made(folder: Path) -> None:
    terminal = Terminal("annotate", "long.mp4", "-o", "gone.mp4", "-m", "tiny.onnx", cwd=folder)
    terminal.read("tiny on")
    time.sleep(0.5)
    terminal.process.send_signal(signal.SIGHUP)
    code, _ = terminal.end()
    assert code == 128 + signal.SIGHUP
    assert (folder / "gone.mp4").stat().st_size > 0
