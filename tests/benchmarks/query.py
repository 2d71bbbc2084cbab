"""How fast an archive answers: a made one of 1,000 videos over 30 days, 10 million records.

    python -m tests.benchmarks.query FOLDER [--videos 1000] [--rows 10000] [--repeat 5]

makes the archive in FOLDER (unless it is there; 0.5 GB), and measures

    the first question, which makes the index          then each question, in process: the median
    the same as a command, and camstream --version     what a command takes to start
    the same question in SQL over the records          what DuckDB takes without the index
    the report over the archive (--report)             its time and size

Times are wall-clock seconds, and in brackets the processor's.
"""

from __future__ import annotations

import argparse
import functools
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import time as clock_time
from pathlib import Path
from typing import Any

from camstream.query.index import update
from camstream.query.intervals import Question, answer
from camstream.query.sql import ask
from tests.query.made_set import made_video, write_video

QUESTIONS: dict[str, dict[str, Any]] = {
    "one class": {"name": "person"},
    "one class, at least 0.8 for 2 s": {"name": "person", "min_score": 0.8, "for_s": 2.0},
    "one class, at night": {"name": "person", "between": (clock_time(22), clock_time(6))},
    "one class, in some videos": {"name": "person", "video": "cam07/*"},
    "one class, at least 0.05 (all of the index)": {"name": "person", "min_score": 0.05},
}
# The same as the second question, by window functions over the lists of the records.
SQL = """
WITH hits AS (
  SELECT video, pts_s, max(t.score) AS score
  FROM (SELECT video, pts_s, unnest(top) AS t FROM frames) WHERE t.label = 'person' AND t.score >= 0.8
  GROUP BY video, pts_s),
steps AS (SELECT *, lag(pts_s) OVER (PARTITION BY video ORDER BY pts_s) AS before FROM hits),
marks AS (
  SELECT *, sum(CASE WHEN before IS NULL OR pts_s - before > 0.75 THEN 1 ELSE 0 END)
    OVER (PARTITION BY video ORDER BY pts_s) AS island FROM steps)
SELECT video, min(pts_s) AS a, max(pts_s) + 0.5 AS b, max(score), count(*) FROM marks
GROUP BY video, island HAVING b - a >= 2 ORDER BY video, a
"""


def timed(what: Callable[[], Any]) -> tuple[Any, float, float]:
    """Call a function: what it returns, seconds, seconds of the processor (children too)."""
    wall, own = time.perf_counter(), time.process_time()
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = what()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = time.process_time() - own + after.ru_utime + after.ru_stime
    used -= children.ru_utime + children.ru_stime
    return result, time.perf_counter() - wall, used


def tell(what: str, times: list[tuple[float, float]], note: str = "") -> None:
    wall, used = (statistics.median(column) for column in zip(*times, strict=True))
    print(f"{what:58} {wall:7.2f} s ({used:.2f})  {note}", flush=True)


def command(*words: str | Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "camstream", *map(str, words)],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--videos", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=10_000, help="of each video")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--report", action="store_true", help="measure the report too (minutes)")
    arguments = parser.parse_args()
    archive = arguments.folder / f"made-{arguments.videos}x{arguments.rows}"
    if not archive.is_dir():
        draft = archive.with_suffix(".draft")
        shutil.rmtree(draft, ignore_errors=True)

        def make() -> None:
            for number in range(arguments.videos):
                write_video(draft, made_video(number, rows=arguments.rows))

        _, wall, used = timed(make)
        draft.rename(archive)
        tell("making the archive", [(wall, used)])
    records = sum(path.stat().st_size for path in archive.glob("records/*/*.parquet"))
    print(f"{arguments.videos * arguments.rows:,} records, {records / 1e6:.0f} MB")

    shutil.rmtree(archive / "index", ignore_errors=True)
    _, wall, used = timed(lambda: update(archive))
    size = sum(path.stat().st_size for path in (archive / "index").iterdir())
    tell("the index, made once", [(wall, used)], f"{size / 1e6:.0f} MB")
    for name, values in QUESTIONS.items():
        question = Question(**values)
        ask_it = functools.partial(answer, archive, question)
        results = [timed(ask_it) for _ in range(arguments.repeat)]
        found = len(results[0][0].found)
        tell(name, [one[1:] for one in results], f"{found:,} intervals")
    words = ("query", archive, "person", "--min", "0.8", "--for", "2s", "--format", "csv")
    results = [timed(lambda: command(*words)) for _ in range(arguments.repeat)]
    lines = results[0][0].count("\n") - 1
    tell("the second question as a command", [one[1:] for one in results], f"{lines:,} intervals")
    results = [timed(lambda: command("--version")) for _ in range(arguments.repeat)]
    tell("camstream --version", [one[1:] for one in results])

    def in_sql() -> int:
        with ask(archive, SQL) as table:
            return len(list(table.rows))

    rows, wall, used = timed(in_sql)
    tell("the second question in SQL, without the index", [(wall, used)], f"{rows:,} intervals")
    if rows != lines:
        sys.exit(f"the two ways differ: {lines:,} and {rows:,} intervals")
    if arguments.report:
        page = arguments.folder / f"{archive.name}.report.html"
        shutil.rmtree(page.with_suffix(""), ignore_errors=True)
        write = ("report", archive, "-o", page, "--overwrite")
        _, wall, used = timed(lambda: command(*write))
        own = sum(path.stat().st_size for path in page.with_suffix("").iterdir())
        note = f"{page.stat().st_size / 1e6:.1f} MB, the videos' own {own / 1e6:.0f} MB"
        tell("the report over the archive", [(wall, used)], note)
        _, wall, used = timed(lambda: command(*write))
        tell("the same again, nothing new", [(wall, used)])


if __name__ == "__main__":
    main()
