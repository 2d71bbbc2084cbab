"""Damaged files of every kind: refused in words or read as far as they go, within time and memory."""

from __future__ import annotations

import importlib.util
import os

import pytest

from tests.fuzz import misbehaving, seeds, verdict
from tests.fuzz.cases import GROUPS, Case
from tests.fuzz.runner import Limits, Totals, run

# How many of each in every run of the tests; one takes about 50 ms.
SMALL = {
    "clip": 60,
    "truncation": 20,
    "model": 20,
    "network": 20,
    "record": 40,
    "stats": 10,
    "annotation": 20,
    "settings": 10,
}
LARGE = {
    "clip": 5000,
    "truncation": 500,
    "model": 2500,
    "network": 2500,
    "record": 2000,
    "stats": 500,
    "annotation": 1000,
    "settings": 500,
}
OF_ANOTHER_RUN = 7_000_000  # the first seed, apart from those of the command line's runs


def cases_of(counts: dict[str, int]) -> list[Case]:
    return [
        Case(group, OF_ANOTHER_RUN + n) for group, count in counts.items() for n in range(count)
    ]


BUSY = Limits(seconds=90)  # other tests run beside these; the large runs ask for 20


def told(totals: Totals) -> str:
    found = "\n".join(
        f"{one.case} {one.verdict.kind}: {one.verdict.detail}" for one in totals.findings
    )
    return f"{found}\n{totals}"


def test_what_once_went_wrong_does_not_again() -> None:
    kept = [Case.parse(name) for name in seeds.KEPT if not name.startswith("weights:")]
    totals = run(kept, limits=BUSY)
    assert not totals.findings, told(totals)


def test_a_few_damaged_files_of_every_kind() -> None:
    totals = run(cases_of(SMALL), jobs=min(2, os.cpu_count() or 1), limits=BUSY)
    assert not totals.findings, told(totals)
    # Neither are all of them whole, nor does nothing of them get through.
    kinds = sum(totals.kinds.values(), start=type(totals.kinds["clip"])())
    assert min(kinds["worked"], kinds["refused"]) > kinds.total() / 10, totals


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
@pytest.mark.slow
def test_damaged_weights() -> None:
    kept = [Case.parse(name) for name in seeds.KEPT if name.startswith("weights:")]
    totals = run([*kept, *(Case("weights", seed) for seed in range(100, 200))])
    assert not totals.findings, told(totals)


@pytest.mark.fuzz
@pytest.mark.timeout(4 * 3600)
def test_very_many_damaged_files() -> None:
    totals = run(cases_of(LARGE), jobs=os.cpu_count() or 1)
    print(totals)
    assert not totals.findings, told(totals)


def test_a_case_is_the_same_wherever_it_is_made(tmp_path_factory: pytest.TempPathFactory) -> None:
    from tests.fuzz import corpus

    whole = tmp_path_factory.mktemp("corpus")
    corpus.build(whole)
    for group in GROUPS.keys() - {"weights"}:
        made = []
        for _ in range(2):
            work = tmp_path_factory.mktemp("work")
            arguments = Case(group, 3).prepare(whole, work)
            files = {p.relative_to(work): p.read_bytes() for p in work.rglob("*") if p.is_file()}
            made.append((arguments, files))
        assert made[0] == made[1], group


def test_a_crash_that_is_told_in_one_line_is_told_from_others() -> None:
    line = "camstream: a library crashed at a.mp4 (Segmentation fault), most likely\n"
    assert verdict.judge_crash("tiny on cpu\n" + line) == verdict.TOLD
    stack = "Fatal Python error: Segmentation fault\nCurrent thread 0x1:\n"
    for other in ("", stack, stack + line, line + line):
        assert verdict.judge_crash(other) == "crash"


def test_the_runner_tells_every_way_of_going_wrong() -> None:
    cases = [Case(way, 1) for way in misbehaving.WAYS]
    totals = run(
        cases,
        limits=Limits(seconds=4, size_bytes=1e9),
        module="tests.fuzz.misbehaving",
        build=lambda folder, **_: None,  # noqa: ARG005
    )
    ended = {case.group: next(iter(totals.kinds[case.group])) for case in cases}
    assert ended == {way: way for way in misbehaving.WAYS}
    details = {one.case.group: one.verdict.detail for one in totals.findings}
    assert "ValueError: not caught" in details["traceback"]
    assert "SIGSEGV" in details["crash"]
    assert "misbehave" in details["crash"]  # where
