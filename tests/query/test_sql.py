"""SQL over an archive reads the archive, and nothing else on this machine; it writes nothing."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from camstream.errors import UsageError
from camstream.query.output import write_rows
from camstream.query.sql import ask
from tests.query.made_set import Made, made_video, write_video


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("it's [an] *archive?")
    for number in range(2):
        write_video(folder, made_video(number, rows=300, classes=5))
    return folder


def rows(archive: Path, sql: str) -> list[tuple[object, ...]]:
    with ask(archive, sql) as table:
        return [tuple(row) for row in table.rows]


def test_the_views_are_the_frames_and_the_videos(archive: Path) -> None:
    with ask(archive, "SELECT video, frames, rate_hz FROM videos ORDER BY video") as table:
        assert table.names == ["video", "frames", "rate_hz"]
        assert list(table.rows) == [("cam00/00000.mp4", 300, 2.0), ("cam01/00001.mp4", 300, 2.0)]
    assert rows(archive, "SELECT count(*), count(DISTINCT video) FROM frames") == [(600, 2)]
    assert rows(archive, "SELECT DISTINCT CAST(day AS VARCHAR) FROM frames") == [("2026-11-01",)]
    count = "FROM (SELECT unnest(top) AS t FROM frames) SELECT count(*) WHERE t.score >= 0"
    assert rows(archive, count) == [(3000,)]
    assert rows(archive, "WITH a AS (SELECT 1 AS b) SELECT b FROM a; -- end") == [(1,)]


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret.csv"
    path.write_text("a,b\n1,2\n")
    return path


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('{secret}')",
        "SELECT * FROM '{secret}'",
        "FROM read_text('{secret}')",
        "FROM read_blob('{secret}')",
        "FROM sniff_csv('{secret}')",
        "FROM read_json('{secret}')",
        "FROM read_text('{archive}/../{secret}')",
        "FROM glob('{folder}/*')",
        "FROM read_csv('/etc/passwd')",
        "FROM read_csv('https://localhost/x.csv')",
        "SELECT * FROM query('SELECT * FROM read_text(''{secret}'')')",
        "COPY frames TO '{folder}/out.csv'",
        "COPY frames TO '{archive}/records/out.parquet'",
        "COPY (SELECT 1) TO '{folder}/out.csv'",
        "EXPORT DATABASE '{folder}/out'",
        "ATTACH '{folder}/out.db'",
        "CREATE TABLE mine AS SELECT 1",
        "DROP VIEW frames",
        "INSERT INTO videos SELECT * FROM videos",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "PRAGMA enable_profiling",
        "EXPLAIN ANALYZE COPY frames TO '{folder}/out.csv'",
        "EXECUTE something",
        "SELECT 1; COPY (SELECT 1) TO '{folder}/out.csv'",
        "",
        "SELECT nothing FROM frames",
        "SELEC 1",
        "SELECT error('boom')",
    ],
)
def test_what_is_no_question_to_the_archive_is_one_line(
    sql: str, archive: Path, secret: Path
) -> None:
    archived = {path: path.read_bytes() for path in archive.rglob("*") if path.is_file()}
    asked = sql.format(secret=secret, archive=archive, folder=secret.parent)
    asked = asked if "'" not in str(archive) else asked.replace("it's", "it''s")
    with pytest.raises(UsageError) as caught:
        rows(archive, asked)
    assert "\n" not in str(caught.value)
    assert {path: path.read_bytes() for path in archive.rglob("*") if path.is_file()} == archived
    assert list(secret.parent.iterdir()) == [secret]


def test_control_c_ends_a_question_that_would_take_hours(archive: Path) -> None:
    sql = "SELECT count(*) FROM range(100000000000) AS r WHERE hash(r.range) % 7 = 3"
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        rows(archive, sql)
    timer.join()
    assert time.monotonic() - begin < 10


def test_variables_of_the_program_are_no_tables(archive: Path) -> None:
    mine = np.arange(3)  # DuckDB would find it by its name
    assert len(mine) == 3
    with pytest.raises(UsageError, match="mine"):
        rows(archive, "SELECT * FROM mine")


def test_an_archive_without_a_video_has_nothing_to_ask(tmp_path: Path) -> None:
    (tmp_path / "records").mkdir()
    (tmp_path / "videos").mkdir()
    with pytest.raises(UsageError, match="there is no video in the archive"):
        rows(tmp_path, "SELECT 1")


def test_a_table_of_any_length_is_printed_as_it_is_read() -> None:
    given: list[int] = []

    def rows() -> Iterator[list[object]]:
        for number in range(100_000):
            given.append(number)
            yield [number, "x" * (3 + number // 50_000)]

    lines = write_rows(["n", "text"], rows(), "table")
    assert [next(lines) for _ in range(3)] == ["  n  text\n", "  0  xxx\n", "  1  xxx\n"]
    assert len(given) < 5000
    assert sum(1 for _ in lines) == 99_998


def test_a_damaged_video_is_one_line(tmp_path: Path) -> None:
    write_video(tmp_path, made_video(0, rows=5)).write_bytes(b"no parquet")
    with pytest.raises(UsageError, match=r"cannot answer the SQL: .*\.parquet"):
        rows(tmp_path, "SELECT count(*) FROM frames")


def test_old_videos_without_new_columns_are_read_as_well(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    path = write_video(tmp_path, made_video(0, rows=5))
    pq.write_table(pq.ParquetFile(path).read().drop_columns(["asked"]), path)
    write_video(tmp_path, made_video(1, rows=5))
    assert rows(tmp_path, "SELECT count(*), count(asked) FROM frames") == [(10, 5)]


def test_text_is_as_it_was_read(tmp_path: Path) -> None:
    made = Made(
        video="=1+1\x1b[31m.mp4",
        labels=["@x"],
        pts_s=np.zeros(1),
        classes=np.zeros((1, 1), np.int64),
        scores=np.ones((1, 1), np.float32),
    )
    write_video(tmp_path, made)
    assert rows(tmp_path, "SELECT video, label FROM frames") == [("=1+1\x1b[31m.mp4", "@x")]
