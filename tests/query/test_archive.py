"""Questions to what ``camstream archive`` really wrote."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av import VideoFrame
from typer.testing import CliRunner

from camstream.commands import app, archiving
from camstream.testing import write_tiny_model
from tests.archive.test_archive import Here
from tests.clips import Video, make
from tests.report.test_report import Parsed


def run(*arguments: str | Path) -> str:
    done = CliRunner().invoke(app, [*map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture
def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two clips that are light from 1 s to 2.5 s, and a light photo; the model knows "dark" as nothing."""
    monkeypatch.setattr(archiving, "_open_engine", Here)
    folder = tmp_path / "clips"
    folder.mkdir()
    for name in ("2026-11-28_23-59-59.mp4", "2026-11-28_12-00-00.mkv"):
        values = [240 if 1 <= index / 30 < 2.5 else 10 for index in range(120)]
        pictures = [
            VideoFrame.from_ndarray(np.full((96, 160, 3), value, np.uint8), "bgr24").reformat(
                format="yuv420p"
            )
            for value in values
        ]
        make(folder / name, Video(frames=120, options={"g": "15"}), pictures=pictures)
    cv2.imwrite(str(folder / "2026-11-28_13-00-00.png"), np.full((96, 160, 3), 240, np.uint8))
    model = write_tiny_model(tmp_path / "dark.onnx", background="dark", dark_bias=200)
    run("archive", folder, "-o", tmp_path / "seen", "--model", model, "--rate-hz", "4")
    return tmp_path / "seen"


def test_an_archive_answers(seen: Path, tmp_path: Path) -> None:
    def intervals(*options: str | Path) -> list[tuple[str, float, float, str]]:
        """Times to a tenth: a sample is the first frame at or after its time."""
        text = run("query", seen, *options, "--format", "csv")
        return [
            (
                Path(row["video"]).name,
                round(float(row["from_s"]), 1),
                round(float(row["to_s"]), 1),
                row["from_time"],
            )
            for row in csv.DictReader(text.splitlines())
        ]

    noon, photo, night = intervals("light")
    assert noon == ("2026-11-28_12-00-00.mkv", 1.0, 2.5, "2026-11-28T12:00:01.000")
    assert photo[0] == "2026-11-28_13-00-00.png"
    assert night == ("2026-11-28_23-59-59.mp4", 1.0, 2.5, "2026-11-29T00:00:00.000")
    assert intervals("light", "--between", "22:00", "06:00") == [night]
    assert intervals("light", "--for", "1s", "--min", "0.9") == [noon, night]
    assert intervals("light", "--for", "1.7s") == []
    assert [one[1:3] for one in intervals("dark", "--video", "*.mkv")] == [(0, 1), (2.5, 4)]
    # The index, the answer, and what SQL says of the records are one.
    sql = "SELECT count(*) AS n FROM frames WHERE present AND video NOT LIKE '%.png'"
    assert run("query", seen, "--sql", sql, "--format", "csv") == "n\n12\n"
    sql = "SELECT count(*) AS n FROM videos WHERE duration_s > 3"
    assert run("query", seen, "--sql", sql, "--format", "csv") == "n\n2\n"
    out, sheet = tmp_path / "out", tmp_path / "sheet.png"
    run("query", seen, "light", "--for", "1s", "--clips", out, "--contact-sheet", sheet)
    assert sorted(path.name for path in out.iterdir()) == [
        *("2026-11-28_12-00-00.0-00-01.00.mkv", "2026-11-28_23-59-59.0-00-01.00.mp4")
    ]
    for path in out.iterdir():
        with av.open(str(path)) as container:
            frames = [frame.to_ndarray(format="gray").mean() for frame in container.decode(video=0)]
        assert sum(mean > 128 for mean in frames) == 45
    image = cv2.imread(str(sheet))
    assert image is not None
    assert image[60, 100].min() > 200
    assert image[60, 370].min() > 200


def test_a_photo_is_drawn_and_not_cut(seen: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    words = ("query", seen, "light", "--video", "*.png")
    run(*words, "--contact-sheet", sheet)
    assert cv2.imread(str(sheet)) is not None
    done = CliRunner().invoke(app, [*map(str, words), "--clips", str(tmp_path / "out")])
    assert done.exit_code == 1
    assert "is a photo: there is nothing to cut out of it" in done.stderr
    assert os.listdir(tmp_path / "out") == []  # noqa: PTH208


def test_an_archive_is_reported(seen: Path, tmp_path: Path) -> None:
    assert "3 videos" in run("report", seen, "-o", tmp_path / "page.html")
    page = Parsed(tmp_path / "page.html")
    assert len(page.links) == 3
    assert all(Parsed(tmp_path / link).opened == [] for link in page.links)
