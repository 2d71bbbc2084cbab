"""Several real streams on the loopback address: cut, back, and the command line."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import av
import numpy as np
import pytest
from typer.testing import CliRunner

from camstream.commands import app
from camstream.live import actions
from camstream.live.rack import Looking
from camstream.live.state import LiveState
from camstream.live.wall import WallSession
from camstream.models.session import Model
from camstream.testing import FAKE_INFO, fake_infer, make_frame, write_tiny_model
from tests.mjpeg import Camera, serve

LIMIT_S = 30.0
DEAD = "http://user:s3cret@127.0.0.1:9/dead.mjpg"


@pytest.fixture
def cameras() -> Iterator[list[Camera]]:
    picture = np.random.default_rng(0).integers(0, 255, (96, 400, 3), np.uint8)
    with ExitStack() as stack:
        yield [stack.enter_context(serve(picture, 30.0, prepared=8)) for _ in range(2)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("wall") / "tiny.onnx")


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def test_a_stream_that_is_cut_comes_back_and_the_other_does_not_notice(
    cameras: list[Camera],
) -> None:
    threads = threading.active_count()
    states: list[LiveState] = []
    session = WallSession(
        [camera.url for camera in cameras], Looking(fake_infer, FAKE_INFO), watch=states.append
    )
    runs = threading.Thread(target=session.run)
    runs.start()
    until(lambda: all(camera.state == "live" for camera in session.state.cameras))
    first, second = cameras
    for _ in range(2):
        states.clear()
        second.is_up = False
        until(lambda: session.state.cameras[1].state == "lost")
        second.is_up = True
        until(lambda: session.state.cameras[1].state == "live")
        assert {state.cameras[0].state for state in states} == {"live"}
    assert session.rack.cameras[1].reconnects == 2
    assert session.rack.cameras[0].reconnects == 0
    session.do(actions.RemoveCamera(2))
    until(lambda: len(session.state.cameras) == 1)
    session.do(actions.AddCamera(second.url))
    until(lambda: [one.state for one in session.state.cameras] == ["live", "live"])
    assert [one.id for one in session.state.cameras] == [1, 3]
    assert first.is_up
    session.do(actions.Quit())
    runs.join(LIMIT_S)
    # The servers' threads end when they find that nobody listens.
    until(lambda: threading.active_count() <= threads + 2)


def test_the_command_takes_several_and_writes_a_file_for_each(
    cameras: list[Camera], model: Path, tmp_path: Path
) -> None:
    urls = [camera.url for camera in cameras]
    arguments = ["live", *urls, DEAD, "--model", str(model), "--no-window", "--seconds", "2"]
    arguments += ["-o", str(tmp_path / "videos"), "--records", str(tmp_path / "r.jsonl")]
    result = CliRunner().invoke(app, [*arguments, "--stats", str(tmp_path / "s.json")])
    assert result.exit_code == 0, result.output
    shown = [line for line in result.output.splitlines() if "frames shown" in line]
    assert len(shown) == 3
    assert "0 frames shown" in shown[2]
    videos = sorted((tmp_path / "videos").iterdir())
    assert len(videos) == 2
    for path in videos:
        with av.open(str(path)) as video:
            assert next(video.decode(video=0)).width == 400
    records = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    sources = {record["source"] for record in records}
    assert len(sources) == 2
    assert all(next(iter(record)) == "source" for record in records)
    stats = json.loads((tmp_path / "s.json").read_text())
    assert {one["source"] for one in stats["cameras"][:2]} == sources
    for text in (result.output, str(records), str(stats), str(videos)):
        assert "s3cret" not in text


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        (["0", "0"], "camera 0 is looked at already: name each source once"),
        ([DEAD, "http://127.0.0.1:9/other.mjpg"], "none of 2 sources can be opened"),
        (["0", "1", "--teach", "cup"], "several cameras cannot be taught"),
        ([DEAD, "0", "-o", "seen.mp4"], "need a folder to be written to, not seen.mp4"),
    ],
)
def test_bad_input_is_one_clear_line(
    sources: list[str], said: str, model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    window = [] if "--teach" in sources else ["--no-window"]
    result = CliRunner().invoke(app, ["live", *sources, "--model", str(model), *window])
    assert result.exit_code not in (0, None)
    told = " ".join(result.output.split())
    assert said in told
    assert "Traceback" not in told
    assert "s3cret" not in told
    assert not list(tmp_path.iterdir())


def test_the_input_made_in_the_camera_s_thread_is_the_one_that_is_used(model: Path) -> None:
    opened = Model(model, device="cpu")
    frame = make_frame(7, (640, 360))
    prepared = opened.prepare(frame)
    assert prepared.prepared is not None
    assert np.array_equal(opened.infer(prepared).image, opened.infer(frame).image)
    assert opened.infer(prepared).image is prepared.prepared
    other = Model(model, device="cpu", input_size=64)  # what was made for another size is not
    assert other.infer(prepared).image.shape != prepared.prepared.shape
