"""Damaged archives: an answer, or one line; never a traceback. What once went wrong is among the seeds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from camstream.errors import CamstreamError
from camstream.query.intervals import Question, answer
from camstream.query.report import Request, write_report
from camstream.query.sql import ask
from tests.query.made_set import made_video, write_video


def damage(content: bytes, random: Random) -> bytes:
    """Change, remove or add some bytes."""
    changed = bytearray(content)
    for _ in range(random.choice([1, 3, 20])):
        kind, place = random.random(), random.randrange(len(changed))
        if kind < 0.6:
            changed[place] = random.randrange(256)
        elif kind < 0.8:
            del changed[place : place + random.randrange(1, 50)]
        else:
            changed[place:place] = random.randbytes(random.randrange(1, 20))
    return bytes(changed)


def tell(what: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
    """Call a function; returns its warnings, or its error."""
    try:
        return what()
    except CamstreamError as error:
        return (str(error),)


def report(archive: Path) -> tuple[str, ...]:
    page = archive.parent / "page.html"
    return write_report(Request(archive=archive, output=page, overwrite=True)).warnings


def count(archive: Path) -> tuple[str, ...]:
    with ask(archive, "SELECT count(label), min(len(top)) FROM frames") as table:
        list(table.rows)
    return ()


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("damaged") / "seen"
    for number in range(2):
        write_video(folder, made_video(number, rows=60, classes=8))
    answer(folder, Question(name="person"))
    return folder


@pytest.mark.parametrize("kind", ["records", "videos", "index"])
def test_a_damaged_file_is_one_line_or_an_answer(kind: str, archive: Path) -> None:
    (path, *_) = sorted((archive / kind).rglob("*.parquet"))
    whole = {one: one.read_bytes() for one in archive.rglob("*.parquet")}
    for seed in range(15):
        for one, content in whole.items():
            one.write_bytes(content)
        path.write_bytes(damage(whole[path], Random(f"{kind} {seed}")))
        told = tell(lambda: answer(archive, Question(name="person")).warnings)
        assert all("\n" not in line for line in told)
        if kind == "index":
            continue
        told = (*tell(lambda: report(archive)), *tell(lambda: count(archive)))
        assert all("\n" not in line for line in told)
    for one, content in whole.items():
        one.write_bytes(content)
    assert answer(archive, Question(name="person")).warnings == ()


def test_a_name_that_is_no_text_is_one_line(archive: Path) -> None:
    path = min((archive / "videos").iterdir())
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"start_from", b"st\xa3rt_from"))
    answered = answer(archive, Question(name="person"))
    assert ["cannot read" in line for line in answered.warnings] == [True]
    path.write_bytes(whole)
