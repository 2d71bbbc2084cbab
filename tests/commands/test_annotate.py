"""``camstream annotate``: what it says of the frames, and a batch in which one input fails."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from av import VideoFrame
from typer.testing import CliRunner, Result

from camstream.batch.seen import Seen
from camstream.commands import app
from camstream.frame import TopClass
from camstream.testing import make_frame, make_prediction
from tests import clips


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_path: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "tiny.onnx").write_bytes(tiny_path.read_bytes())
    return tmp_path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)])


def flat(levels: list[int]) -> list[VideoFrame]:
    """Make frames of one grey level each."""
    return [
        VideoFrame.from_ndarray(np.full((96, 160, 3), level, np.uint8), "bgr24").reformat(
            format="yuv420p"
        )
        for level in levels
    ]


def seen(*frames: tuple[str, float]) -> str:
    counted = Seen()
    for label, score in frames:
        counted.add(make_prediction(make_frame(), top=(TopClass(label, 0, score, 1.0),)))
    return str(counted)


def test_a_label_in_all_frames_is_not_a_sure_one() -> None:
    siamese = [("Siamese cat", 0.02)] * 3
    assert seen(*siamese) == "Siamese cat in 100 % of frames, 2 % sure on average"
    assert seen(*siamese, ("lynx", 0.5)) == (
        "Siamese cat in 75 % of frames, 2 % sure on average; lynx in 25 %, 50 % sure"
    )


def test_nearly_all_is_not_all_and_a_little_is_not_nothing() -> None:
    words = seen(*[("cat", 0.999)] * 999, ("dog", 0.001))
    assert words == (
        "cat in over 99 % of frames, over 99 % sure on average; dog in under 1 %, under 1 % sure"
    )


def test_one_frame_is_no_statistics() -> None:
    assert seen(("cat", 0.871)) == "cat, 87% sure"


def test_only_the_most_frequent_labels_are_named() -> None:
    words = seen(*[(name, 0.5) for name in "aabbccdde"])
    assert [part.split(" in ")[0] for part in words.split("; ")] == ["a", "b", "c"]


def test_the_summary_of_a_clip(here: Path) -> None:
    clips.make(here / "clip.mp4", clips.Video(frames=4), pictures=flat([250, 250, 250, 10]))
    done = run("annotate", "clip.mp4", "-m", "tiny.onnx", "--smooth", "off")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("clip.mp4 -> clip.cam.mp4: 4 frames, ")
    assert " fps; light in 75 % of frames, " in done.stdout
    assert "; dark in 25 %, " in done.stdout


def test_one_input_fails_and_the_others_go_on(here: Path) -> None:
    for name in ("a.mp4", "c.mp4"):
        clips.make(here / name, clips.Video(frames=3))
    (here / "b.mp4").write_bytes(b"no video")
    done = run("annotate", "a.mp4", "b.mp4", "missing.mp4", "c.mp4", "-m", "tiny.onnx")
    assert done.exit_code == 1
    assert (here / "a.cam.mp4").exists()
    assert (here / "c.cam.mp4").exists()
    lines = done.stderr.splitlines()
    end = lines.index("camstream: 2 of 4 inputs failed:")
    assert [line.split(": ")[1] for line in lines[end + 1 :]] == ["b.mp4", "missing.mp4"]
    assert len([line for line in lines[:end] if "b.mp4" in line]) == 1  # told when it happened, too


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("annotate clip.mp4 -m tiny.onnx --overwrite", 0),
        ("annotate clip.mp4 -m tiny.onnx", 1),  # the output exists
        ("annotate bad.mp4 -m tiny.onnx", 1),
        ("annotate missing.mp4 -m tiny.onnx", 2),
        ("annotate *.avi -m tiny.onnx", 2),
        ("annotate clip.mp4 -m nothing", 2),
        ("annotate clip.mp4 --top-k 99", 2),
        ("live missing.mp4 --no-window -m tiny.onnx", 2),
        ("report missing.jsonl", 2),
        ("evaluate missing --labels-from-folders", 2),
        ("teach missing -o x.onnx", 2),
        ("info nothing", 2),
        ("nothing", 2),
    ],
)
def test_exit_codes(here: Path, words: str, code: int) -> None:
    clips.make(here / "clip.mp4", clips.Video(frames=2))
    (here / "clip.cam.mp4").touch()
    (here / "bad.mp4").write_bytes(b"no video")
    done = run(*words.split())
    assert done.exit_code == code, done.output
    assert "Traceback" not in done.output


@pytest.mark.parametrize("name", ["sample", "people", "digits"])
def test_a_demo_replaces_nothing(here: Path, name: str) -> None:
    path = here / ("demo.mp4" if name == "sample" else f"{name}.mp4")
    path.write_text("mine")
    done = run("demo", name, "--no-open")
    assert done.exit_code == 1
    assert "exists already" in done.stderr
    assert path.read_text() == "mine"
    assert list(here.iterdir()) == [here / "tiny.onnx", path] or len(list(here.iterdir())) == 2
