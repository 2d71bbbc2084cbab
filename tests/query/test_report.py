"""The report over an archive: each video in its day, its ribbon, its own report; text is only text."""

from __future__ import annotations

import json
import os
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from camstream.commands import app
from camstream.query.folder import find_videos
from camstream.query.records import read_seen
from camstream.query.ribbon import PARTS, make_ribbon
from camstream.report.timeline import build_timeline
from tests.clips import Video, make
from tests.query.made_set import Made, made_video, write_video
from tests.report.test_report import Parsed


def run(*arguments: str | Path) -> Result:
    done = CliRunner().invoke(app, ["report", *map(str, arguments)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def video(name: str, best: list[int], labels: list[str], **more: Any) -> Made:
    """A video in which one of some classes is best in each sample, at 80 %, the others at 2 %."""
    order = [[one, *(other for other in range(len(labels)) if other != one)] for one in best]
    scores = np.full((len(best), len(labels)), 0.02, np.float32)
    scores[:, 0] = 0.8
    return Made(
        video=name,
        labels=labels,
        pts_s=np.arange(len(best)) / 2,
        classes=np.array(order),
        scores=scores,
        **more,
    )


def data_of(page: Path) -> dict[str, Any]:
    text = page.read_text(encoding="utf-8")
    (found,) = re.findall(r'<script type="application/json" id="archive">(.*?)</script>', text)
    data: dict[str, Any] = json.loads(found)
    return data


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "seen"
    labels = ["cat", "dog"]
    late, early = datetime(2026, 11, 2, 6), datetime(2026, 11, 1, 22)
    write_video(folder, video("a/late.mp4", [1] * 8, labels, start=late))
    write_video(folder, video("a/early.mp4", [0, 0, 0, 0, 1, 1, 0, 0], labels, start=early))
    present = np.array([False, True, True, False])
    write_video(
        folder,
        video(
            "b/door.mp4",
            [1, 0, 0, 1],
            ["person", "no person"],
            start=early,
            present=present,
            presence=np.array([0.1, 0.9, 0.9, 0.2]),
        ),
    )
    return folder


def test_a_page_shows_what_was_seen_when_in_which_video(archive: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = run(archive, "-o", page)
    assert done.exit_code == 0, done.stderr
    assert "3 videos" in done.stdout
    parsed, text, data = Parsed(page), page.read_text(encoding="utf-8"), data_of(page)
    assert parsed.opened == []
    assert re.findall(r"<h2>(.*?)</h2>", text) == ["2026-11-01, Sunday", "2026-11-02, Monday"]
    assert re.findall(r"<b>(\w+\.mp4)</b>", text) == ["early.mp4", "door.mp4", "late.mp4"]
    named = [
        [(begin, end, data["labels"][label]) for begin, end, label in one["pieces"]]
        for one in data["videos"]
    ]
    half, quarter = PARTS // 2, PARTS // 4
    assert named == [
        [(0, half, "cat"), (half, half + quarter, "dog"), (half + quarter, PARTS, "cat")],
        [(quarter, 3 * quarter, "person")],
        [(0, PARTS, "dog")],
    ]
    assert "cat 75%, dog 25%" in text
    # Each row opens the video's own report.
    own = [tmp_path / link for link in parsed.links]
    assert len(own) == 3
    titles = [Parsed(path).opened == [] and path.read_text(encoding="utf-8") for path in own]
    assert all(title and f"<h1>{name} over time" in title for title, name in zip(titles, ("early", "door", "late"), strict=True))  # fmt: skip
    first = Parsed(own[0]).data
    assert [first["labels"][best[0][0]] for best in first["best"]] == [*["cat"] * 4, *["dog"] * 2, *["cat"] * 2]  # fmt: skip


def test_a_second_run_writes_what_is_new(archive: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert "reports of videos: 3 new" in run(archive, "-o", page).stdout
    own = sorted((tmp_path / "page").iterdir())
    before = [path.stat().st_mtime_ns for path in own]
    again = run(archive, "-o", page)
    assert again.exit_code == 1
    assert "exists already" in again.stderr
    assert "reports of videos: 0 new" in run(archive, "-o", page, "--overwrite").stdout
    assert [path.stat().st_mtime_ns for path in own] == before
    records = write_video(archive, video("a/late.mp4", [0] * 8, ["cat"]))
    os.utime(records, ns=(before[0] + 10**10,) * 2)
    assert "reports of videos: 1 new" in run(archive, "-o", page, "--overwrite").stdout


def test_the_own_report_plays_the_video_while_it_is_what_it_was(tmp_path: Path) -> None:
    clip = make(tmp_path / "clip #1.mp4", Video(frames=60))
    status = clip.stat()
    made = video(
        "clip #1.mp4", [0] * 4, ["cat"], path=str(clip), size=status.st_size, mtime_ns=status.st_mtime_ns
    )  # fmt: skip
    write_video(tmp_path / "seen", made)
    assert run(tmp_path / "seen", "-o", tmp_path / "page.html").exit_code == 0
    (own,) = (tmp_path / "page").iterdir()
    assert Parsed(own).links == ["../clip%20%231.mp4"]
    clip.write_bytes(b"another")
    assert run(tmp_path / "seen", "-o", tmp_path / "page.html", "--overwrite").exit_code == 0
    (other,) = set((tmp_path / "page").iterdir()) - {own}
    assert Parsed(other).links == []
    assert other.name in (tmp_path / "page.html").read_text()


def test_another_rule_makes_other_reports(archive: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    strict = ("--presence-thresholds", "0.8", "0.5", "--overwrite")
    assert "reports of videos: 3 new" in run(archive, "-o", page).stdout
    assert "reports of videos: 3 new" in run(archive, "-o", page, *strict).stdout
    assert "reports of videos: 0 new" in run(archive, "-o", page, *strict).stdout


def test_text_from_outside_is_only_text(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>\u202e\x1b[31m"
    write_video(tmp_path / "seen", video(f'{evil}"><img src=x>.mp4', [0] * 4, [evil]))
    page = tmp_path / "page.html"
    assert run(tmp_path / "seen", "-o", page).exit_code == 0
    (own,) = (tmp_path / "page").iterdir()
    for path in (page, own):
        parsed = Parsed(path)
        assert parsed.opened == []
        assert parsed.tags["script"] == 2
        assert "img" not in parsed.tags
        text = path.read_text(encoding="utf-8")
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert not re.search(r"https?:|//\w+\.|@import|url\(", text)
    assert data_of(page)["labels"] == ["<script>alert(1)</script>"]


def test_a_damaged_video_is_a_line_and_the_others_are_there(archive: Path, tmp_path: Path) -> None:
    write_video(archive, video("c.mp4", [0], ["cat"])).write_bytes(b"no parquet")
    done = run(archive, "-o", tmp_path / "page.html")
    assert done.exit_code == 0
    assert done.stderr.count("cannot read") == 1
    assert len(data_of(tmp_path / "page.html")["videos"]) == 3
    assert "cannot read" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_what_cannot_be_reported_is_one_line(archive: Path, tmp_path: Path) -> None:
    wrong: list[list[str | Path]] = [
        [tmp_path, "-o", tmp_path / "x.html"],
        [archive, "--video", archive / "x.mp4"],
        [archive, "-o", tmp_path / "page"],
        [archive, "-o", tmp_path / "no" / "page.html"],
    ]
    for arguments in wrong:
        done = run(*arguments)
        assert done.exit_code in (1, 2)
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["seen"]


def test_records_of_an_archive_are_those_of_a_run(tmp_path: Path) -> None:
    write_video(tmp_path, made_video(0, rows=400, classes=40))
    (stored,) = find_videos(tmp_path)
    seen = read_seen(stored, "name")
    made = made_video(0, rows=400, classes=40)
    names = [[seen.records.labels[key] for key in row] for row in seen.records.classes.tolist()]
    assert names == [[made.labels[place] for place in row] for row in made.classes.tolist()]
    assert seen.records.scores == pytest.approx(made.scores, abs=1e-6)
    assert build_timeline(seen.records).end_s == pytest.approx(200)
    # The whole ribbon is covered, by what was best most of each part.
    ribbon = make_ribbon(seen, 200)
    assert sum(end - begin for begin, end, _ in ribbon.pieces) == PARTS
    assert sum(share for _, share in ribbon.shares) == pytest.approx(1)


def test_what_is_rare_is_seen_in_a_ribbon(tmp_path: Path) -> None:
    best = [1] * 5000
    best[3000] = 0
    present = np.arange(5000) == 3000
    made = video("a.mp4", best, ["person", "no person"], present=present, presence=present * 0.9)
    write_video(tmp_path, made)
    (stored,) = find_videos(tmp_path)
    ribbon = make_ribbon(read_seen(stored, "a"), 2500)
    (piece,) = ribbon.pieces
    assert piece == (3000 * PARTS // 5000, 3000 * PARTS // 5000 + 1, "person")
