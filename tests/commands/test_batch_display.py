"""The bar of many files: parts of a file that are under way, or done, are no whole files."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.progress import Progress

from camstream.batch import pool
from camstream.commands.batch_display import BatchDisplay


def told(name: str, done: int) -> pool.Progress:
    return pool.Progress(name=name, done=done, total=100, label="cat")


def test_parts_count_as_parts() -> None:
    display = BatchDisplay(Progress(console=Console(file=io.StringIO())), files=3, skipped=1)
    for number in range(4):
        display.begin(f"a/{number}", "a.mp4", file="a", share=1 / 4)
    display.update(told("a/0", 100))
    display.update(told("a/1", 50))
    assert display.worth == pytest.approx(3 / 8)
    display.end_part("a/0")
    assert display.worth == pytest.approx(3 / 8)
    display.begin("b", "b.mp4")
    display.update(told("b", 50))
    assert display.worth == pytest.approx(7 / 8)
    for number in range(1, 4):
        display.update(told(f"a/{number}", 100))
        display.end_part(f"a/{number}")
    display.begin("a/join", "a.mp4", file="a")
    display.update(told("a/join", 50))
    assert display.worth == pytest.approx(3 / 2)
    display.end_part("a/join")
    display.end("a", 400)
    display.again("b")
    assert display.worth == 1
