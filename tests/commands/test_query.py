"""``camstream query`` as it is typed: tables, files, one line where it fails."""

from __future__ import annotations

import csv
import json
import sys
from datetime import datetime, time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from camstream.commands import app
from camstream.errors import UsageError
from camstream.query.words import length, parse_duration, parse_time, time_code
from tests.query.made_set import Made, write_video


def run(*arguments: str | Path) -> Result:
    done = CliRunner().invoke(app, ["query", *map(str, arguments)], env={"COLUMNS": "200"})
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def video(name: str, scores: list[float], *, label: str = "person", hour: int = 22) -> Made:
    return Made(
        video=name,
        labels=[label],
        pts_s=np.arange(len(scores)) / 2,
        classes=np.zeros((len(scores), 1), np.int64),
        scores=np.array(scores, np.float32)[:, None],
        start=datetime(2026, 11, 1, hour),
    )


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "seen"
    write_video(folder, video("gate/a.mp4", [0, 0.9, 0.9, 0.9, 0.9, 0, 0.6]))
    write_video(folder, video("yard/b.mp4", [0.85] * 10, hour=12))
    return folder


def test_a_table_for_people(archive: Path) -> None:
    done = run(archive, "person", "--min", "0.8", "--for", "2s")
    assert done.stdout.splitlines() == [
        "video             from          to  clock                seconds  best  frames",
        "yard/b.mp4  0:00:00.00  0:00:05.00  2026-11-01 12:00:00      5.0   85%      10",
        "gate/a.mp4  0:00:00.50  0:00:02.50  2026-11-01 22:00:00      2.0   90%       4",
    ]
    assert "2 intervals in 2 of 2 videos, 7.0 s in all" in done.stderr
    night = run(archive, "person", "--between", "22:00", "06:00", "--video", "gate/*")
    assert [line.split()[0] for line in night.stdout.splitlines()[1:]] == ["gate/a.mp4"] * 2
    assert "2 intervals in 1 of 1 video, 2.5 s in all" in night.stderr


def test_csv_and_json_for_programs(archive: Path, tmp_path: Path) -> None:
    printed = run(archive, "person", "--gap", "5s", "--format", "csv").stdout
    rows = list(csv.DictReader(printed.splitlines()))
    assert [row["video"] for row in rows] == ["yard/b.mp4", "gate/a.mp4"]
    assert rows[1]["from_time"] == "2026-11-01T22:00:00.500"
    assert (rows[1]["from_s"], rows[1]["to_s"], rows[1]["frames"]) == ("0.5", "3.5", "5")
    target = tmp_path / "found.json"
    done = run(archive, "person", "--gap", "5s", "-o", target)
    assert done.stdout == ""
    found = json.loads(target.read_text())
    assert [{key: str(one[key]) for key in rows[0]} for one in found] == rows
    done = run(archive, "person", "-o", target)
    assert done.exit_code == 1
    assert "exists already" in done.stderr
    assert json.loads(target.read_text()) == found
    assert run(archive, "person", "--min", "1", "--format", "json").stdout == "[]\n"


def test_text_from_outside_is_safe(archive: Path) -> None:
    write_video(archive, video("=cmd()\x1b]0;x\x07\u202e.mp4", [0.9], label="@SUM(1)\x1b[2J"))
    table = run(archive, "@sum(1)\x1b[2j").stdout
    assert "=cmd().mp4" in table
    assert "\x1b" not in table
    (row,) = csv.DictReader(run(archive, "@sum(1)\x1b[2j", "--format", "csv").stdout.splitlines())
    assert row["video"] == "'=cmd().mp4"
    sql = "SELECT DISTINCT label FROM frames WHERE label LIKE '@%'"
    assert run(archive, "--sql", sql, "--format", "csv").stdout == "label\n'@SUM(1)\n"
    assert "\x1b" not in run(archive, "--sql", sql).stdout
    assert "\x1b" not in run(archive, "--sql", sql, "--format", "json").stdout


def test_sql(archive: Path) -> None:
    sql = (
        "SELECT video, max(score) AS best, [1, 2] AS list, DATE '2026-11-01' AS day, NULL AS none "
    )
    sql += "FROM frames GROUP BY video ORDER BY best"
    done = run(archive, "--sql", sql)
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["video", "best", "list", "day", "none"],
        ["yard/b.mp4", "0.85", "[1,", "2]", "2026-11-01", "-"],
        ["gate/a.mp4", "0.9", "[1,", "2]", "2026-11-01", "-"],
    ]
    (first, _) = json.loads(run(archive, "--sql", sql, "--format", "json").stdout)
    assert first["list"] == [1, 2]
    assert (first["day"], first["none"]) == ("2026-11-01", None)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["persn"], "is called 'persn'; did you mean person?"),
        ([], "give a class to look for"),
        (["person", "--sql", "SELECT 1"], "give a class to look for"),
        (["--sql", "SELECT 1", "--clips", "x"], "--clips and --contact-sheet are of intervals"),
        (["--sql", "COPY frames TO 'x.csv'"], "--sql only reads: give a SELECT, not COPY"),
        (["person", "--for", "two"], "give a duration as 2s"),
        (["person", "--between", "22", "6"], "give a time of the day as 22:00"),
        (["person", "--format", "xml"], "--format is table, csv, json, not 'xml'"),
        (["person", "--video", "x*"], "no video in"),
        (["person", "--min", "2"], "invalid value for '--min'"),
        (["person", "--contact-sheet", "x.pdf"], "a contact sheet is a .jpg or .png picture"),
    ],
)
def test_what_is_wrong_is_one_line(
    arguments: list[str], line: str, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(archive.parent)
    done = run(archive, *arguments)
    assert done.exit_code in (1, 2)
    assert done.stdout == ""
    assert [line in told for told in done.stderr.splitlines()] == [True], done.stderr
    assert [path.name for path in archive.parent.iterdir()] == ["seen"]


@pytest.mark.parametrize(
    ("module", "arguments"), [("duckdb", ["--sql", "SELECT 1"]), ("pyarrow", ["person"])]
)
def test_a_missing_package_is_named_with_its_extra(
    module: str, arguments: list[str], archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    done = run(archive, *arguments)
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert "pip install" in line
    assert "camstream[" in line


def test_clips_whose_videos_are_gone_are_told_and_the_code_is_1(
    archive: Path, tmp_path: Path
) -> None:
    out, sheet = tmp_path / "clips", tmp_path / "sheet.jpg"
    done = run(archive, "person", "--clips", out, "--contact-sheet", sheet)
    assert done.exit_code == 1
    assert done.stdout.count("\n") == 4  # the answer all the same
    assert done.stderr.count("is not there any more") == 5  # of each clip, of each video's pictures
    assert "sheet.jpg was not written" in done.stderr
    assert list(out.iterdir()) == []
    assert not sheet.exists()


def test_words() -> None:
    durations = {"2s": 2, "1m30s": 90, "500ms": 0.5, "1.5h": 5400, "3": 3, "2 min": 120, "0": 0}
    assert {text: parse_duration(text) for text in durations} == durations
    for text in ("", "s", "1x", "-1s", "1 2", "1s2", "1e3", "999999999h"):
        with pytest.raises(UsageError):
            parse_duration(text)
    times = {"22:00": time(22), "6:05:09": time(6, 5, 9), "24:00": time()}
    assert {text: parse_time(text) for text in times} == times
    for text in ("22", "25:00", "22:60", "a:b", "24:01", "1:2:3:4"):
        with pytest.raises(UsageError):
            parse_time(text)
    assert [time_code(at) for at in (0, 62.5, 3723.006, -0.5)] == [
        *("0:00:00.00", "0:01:02.50", "1:02:03.01", "-0:00:00.50")
    ]
    assert [length(at) for at in (2.5, 185, 3723)] == ["2.5 s", "3:05 min", "1:02:03 h"]
