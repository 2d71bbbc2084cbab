"""A moment of a clip is written as a picture, a GIF or a clip of its own, or nothing is."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from camstream.commands import app
from tests import clips
from tests.clips import Video


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "in.mp4"
    return clips.make(path, Video(frames=90, options={"g": "12"}))


def run(clip: Path, *arguments: str | Path | float) -> tuple[int, str]:
    """Run ``camstream report RECORDS --video CLIP --moment ...``; the records are not read."""
    done = CliRunner().invoke(
        app, ["report", "r.jsonl", "--video", str(clip), "--moment", *map(str, arguments)]
    )
    return done.exit_code, done.stderr


def test_a_picture_is_the_frame_of_its_time(clip: Path, tmp_path: Path) -> None:
    rate_hz = 90 / Video(frames=90).seconds
    code, printed = run(clip, 50 / rate_hz, "-o", tmp_path / "moment.png")
    assert code == 0, printed
    image = cv2.imread(str(tmp_path / "moment.png"))
    assert image is not None
    assert clips.read_number(image.astype(np.uint8)) == 50


@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_a_clip_is_the_frames_around_its_time(suffix: str, clip: Path, tmp_path: Path) -> None:
    rate_hz = 90 / Video(frames=90).seconds
    output = tmp_path / f"moment{suffix}"
    code, printed = run(clip, 50 / rate_hz, "--moment-length", 10.5 / rate_hz, "-o", output)
    assert code == 0, printed
    numbers = clips.read(output).numbers
    assert numbers == list(range(45, 56))


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        (["99", "-o", "x.png"], "no moment at 99 s"),
        (["-1", "-o", "x.png"], "no moment at -1 s"),
        (["1", "-o", "x.html"], "a moment is a picture"),
        (["1", "--moment-length", "0", "-o", "x.gif"], "a moment of 0 s"),
        (["1", "--moment-length", "nan", "-o", "x.gif"], "a moment of nan s"),
    ],
)
def test_what_cannot_be_written_is_one_line_and_no_file(
    arguments: list[str], printed: str, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, said = run(clip, *arguments)
    assert code != 0
    assert printed in said.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_nothing_that_is_there_is_overwritten(clip: Path, tmp_path: Path) -> None:
    before = clip.read_bytes()
    (tmp_path / "x.png").write_text("precious")
    assert "--overwrite" in run(clip, 1, "-o", tmp_path / "x.png")[1]
    assert run(clip, 1, "-o", clip, "--overwrite")[0] != 0
    assert clip.read_bytes() == before
