"""A stream shows itself in the kernel of a notebook, and ends when that is interrupted."""

from __future__ import annotations

import base64
import queue
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import camstream
from camstream.errors import SetupError
from camstream.models.session import Model
from camstream.testing import FakeSource, counted, make_frame, make_prediction

_PATIENCE_S = 60.0

START = """
import threading, time
import camstream
from camstream.testing import FakeSource, counted, endless, make_frame
model = camstream.load_model({model!r}, device="cpu")
before = set(threading.enumerate())

def left():
    return [one.name for one in threading.enumerate() if one.name.startswith("camstream")]
"""


class Notebook:
    """Runs cells in a kernel."""

    def __init__(self, client: Any, interrupt: Callable[[], None]) -> None:
        self._client = client
        self.interrupt = interrupt

    def run(
        self, code: str, on_picture: Callable[[int], None] = lambda _: None
    ) -> tuple[list[NDArray[np.uint8]], str, list[str]]:
        """Run a cell; returns its pictures, its text, and the kinds of messages for pictures."""
        asked = self._client.execute(code)
        pictures, text, kinds = [], "", []
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            try:
                message = self._client.get_iopub_msg(timeout=1)
            except queue.Empty:
                continue
            if message["parent_header"].get("msg_id") != asked:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "stream":
                text += content["text"]
            elif kind == "error":
                text += "\n".join(content["traceback"])
            elif kind.endswith("display_data") or kind == "execute_result":
                kinds.append(kind)
                jpeg = base64.b64decode(content["data"].get("image/jpeg", ""))
                if jpeg:
                    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
                    assert image is not None
                    pictures.append(image.astype(np.uint8))
                    on_picture(len(pictures))
            elif kind == "status" and content["execution_state"] == "idle":
                return pictures, text, kinds
        raise AssertionError(f"the cell does not end: {text}")


@pytest.fixture(scope="module")
def notebook(tiny_path: Path) -> Iterator[Notebook]:
    pytest.importorskip("ipykernel", reason="ipykernel (extra test) is not installed")
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import KernelManager

    manager = KernelManager()
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    manager._kernel_spec = KernelSpec(argv=command, display_name="camstream")
    manager.start_kernel()
    client = manager.blocking_client()
    client.start_channels()
    client.wait_for_ready(timeout=_PATIENCE_S)
    opened = Notebook(client, manager.interrupt_kernel)
    assert opened.run(START.format(model=str(tiny_path)))[1] == ""
    yield opened
    client.stop_channels()
    manager.shutdown_kernel(now=True)
    manager.cleanup_resources()
    manager.context.destroy(linger=0)


def test_a_stream_at_the_end_of_a_cell_shows_itself_until_it_is_interrupted(
    notebook: Notebook,
) -> None:
    def interrupt(count: int) -> None:
        if count == 5:
            notebook.interrupt()

    code = "source = FakeSource(endless, is_live=True)\ncamstream.stream(source, model)"
    pictures, text, kinds = notebook.run(code, interrupt)
    assert len(pictures) >= 5
    assert set(kinds[1:]) == {"update_display_data"}  # one picture that changes
    assert kinds[0] == "display_data"
    assert text == ""  # no traceback: that is how it ends
    assert pictures[0].shape == (96, 352, 3)
    greys = [picture[-20:, -20:].mean() for picture in pictures]
    assert len({round(grey) for grey in greys}) > 3
    state = "print(source.closed, source.stopped.is_set(), left())"
    assert notebook.run(state)[1] == "1 True []\n"


def test_a_file_is_shown_at_its_own_speed_and_its_last_picture_stays(notebook: Notebook) -> None:
    code = (
        "source = FakeSource(counted(31))\n"
        "stream = camstream.stream(source, model)\n"
        "began = time.monotonic()\n"
        "stream.show(width=176, rate_hz=5)\n"
        "print(0.9 < time.monotonic() - began, source.closed, left())\n"
        "stream"  # a second time it is only named
    )
    pictures, text, _ = notebook.run(code)
    assert text == "True 1 []\n<camstream.Stream of 'fake'>\n"
    assert 3 <= len(pictures) <= 7
    assert pictures[-1].shape == (48, 176, 3)
    assert abs(pictures[-1][-10:, -10:].mean() - 30) < 3  # a frame's grey is its number


def test_a_source_that_is_lost_is_dimmed_and_says_so(notebook: Notebook) -> None:
    code = (
        "def frames(source):\n"
        "    yield make_frame(200)\n"
        "    source.state = 'no picture: reconnecting, attempt 1'\n"
        "    source.stopped.wait(2.5)\n"
        "camstream.stream(FakeSource(frames, is_live=True), model)"
    )
    pictures, text, _ = notebook.run(code)
    assert text == ""
    assert len(pictures) >= 2
    assert pictures[0][-20:, -20:].mean() > 190
    assert pictures[-1][-20:, -20:].mean() < 70
    words = pictures[-1][-40:, :200]
    assert words.max() > 200  # written on the dimmed picture


def test_an_error_of_the_source_is_the_error_of_the_cell(notebook: Notebook) -> None:
    code = (
        "def frames(source):\n"
        "    yield make_frame(0)\n"
        "    raise camstream.SourceError('the clip breaks off')\n"
        "camstream.stream(FakeSource(frames), model).show()"
    )
    _, text, _ = notebook.run(code)
    assert "the clip breaks off" in text
    assert notebook.run("print(left())")[1] == "[]\n"


def test_a_prediction_is_its_picture_and_a_loop_can_show_them(notebook: Notebook) -> None:
    code = (
        "from IPython.display import display\n"
        "shown = display(display_id=True)\n"
        "with camstream.stream(FakeSource(counted(3)), model) as predictions:\n"
        "    for prediction in predictions:\n"
        "        shown.update(prediction)\n"
        "prediction"
    )
    pictures, text, kinds = notebook.run(code)
    assert text == ""
    assert kinds[-4:] == ["update_display_data"] * 3 + ["execute_result"]
    assert [picture.shape for picture in pictures] == [(96, 352, 3)] * 4


def test_outside_a_notebook_it_says_what_to_do(
    tiny_model: Model, capsys: pytest.CaptureFixture[str]
) -> None:
    source = FakeSource(counted(1))
    stream = camstream.stream(source, tiny_model)
    with pytest.raises(SetupError, match=r"needs a notebook .* camstream live$"):
        stream.show()
    stream._ipython_display_()
    assert capsys.readouterr().out == "<camstream.Stream of 'fake'>\n"
    with stream as predictions:
        assert [prediction.frame.index for prediction in predictions] == [0]
    assert source.closed == 1


def test_a_prediction_gives_a_jpeg() -> None:
    jpeg = make_prediction(make_frame(7))._repr_jpeg_()
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    assert image.shape == (96, 352, 3)
