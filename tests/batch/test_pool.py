"""A pool of children: what goes wrong in one costs its task, and no child outlives anything."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from camstream.batch.pool import Done, Failed, Pool, Progress
from camstream.batch.task import Json
from camstream.errors import SetupError, UsageError

WORK = "tests.batch.work:open_work"


def children() -> list[psutil.Process]:
    return psutil.Process().children()


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
def test_what_goes_wrong_costs_one_task_and_has_a_line() -> None:
    tasks: dict[str, Json] = {
        what: {"do": what, "name": "a.mp4"}
        for what in (
            *("well", "fail", "exist", "no space", "print", "be wrong"),
            *("crash", "be killed", "exit", "hang", "also well"),
        )
    }
    ready: list[Json] = []
    begun: list[str] = []
    progress: list[Progress] = []
    with Pool(
        WORK,
        jobs=2,
        timeout_s=3,
        on_ready=ready.append,
        on_begin=begun.append,
        on_progress=progress.append,
    ) as pool:
        for name, message in tasks.items():
            pool.submit(name, message)
        results = {result.name: result for result in pool.results()}
        assert not children()
    assert begun == list(tasks)
    assert len(ready) == 1
    assert {one.name for one in progress} == tasks.keys()
    assert Progress(name="well", done=1, total=2, label="well") in progress
    assert results.keys() == tasks.keys()
    done = {name: result for name, result in results.items() if isinstance(result, Done)}
    assert done.keys() == {"well", "also well", "print"}
    assert done["print"].result["do"] == "print"  # what a library prints is no message
    failed = {
        name: (result.kind, result.line)
        for name, result in results.items()
        if isinstance(result, Failed)
    }
    assert failed == {
        "fail": ("SourceError", "cannot read a.mp4: it is damaged"),
        "exist": ("SinkError", "out.mp4 exists already; replace it: --overwrite"),
        "no space": ("SinkError", "cannot write out.mp4: No space left on device"),
        "be wrong": (
            "mistake",
            "ZeroDivisionError: division by zero; this is a mistake in camstream: "
            "--debug shows where",
        ),
        "crash": ("died", "a library crashed (SIGSEGV), most likely because the file is damaged"),
        "be killed": (
            "died",
            "its process was killed (SIGKILL), by somebody or for want of memory",
        ),
        "exit": (
            "died",
            "its process ended by itself (exit code 3), most likely a library's doing",
        ),
        "hang": ("timeout", "it took longer than 3 s (--file-timeout)"),
    }
    no_space = results["no space"]
    assert isinstance(no_space, Failed)
    assert no_space.errno == 28


def test_a_child_stays_for_the_next_task_and_one_too_large_does_not() -> None:
    pids: list[int] = []
    failed: list[Failed] = []
    with Pool(WORK, jobs=1, memory_bytes=400_000_000) as pool:
        for name in "abc":
            pool.submit(name, {"do": "work"})
        for result in pool.results():
            if isinstance(result, Failed):
                failed.append(result)
                continue
            pids.append(result.result["pid"])
            if len(pids) == 3:  # tasks may be added while results are read
                pool.submit("d", {"do": "leave memory", "bytes": 150_000_000})
                pool.submit("e", {"do": "eat"})
                pool.submit("f", {"do": "work"})
    assert len(pids) == 5
    assert len(set(pids[:4])) == 1
    assert pids[4] != pids[3]
    why = "it took more than 0.4 GB of memory (--file-memory)"
    assert failed == [Failed(name="e", error=why, kind="memory")]


def test_a_stop_lets_tasks_finish_and_kills_what_does_not() -> None:
    stopped: list[float] = []
    begun: list[str] = []

    def stop() -> bool:
        if not stopped and len(begun) == 2:
            time.sleep(0.2)
            stopped.append(time.monotonic())
        return bool(stopped)

    with Pool(WORK, jobs=2, stop=stop, on_begin=begun.append) as pool:
        pool.submit("a", {"do": "wait for stop"})
        pool.submit("b", {"do": "hang in a library"})
        pool.submit("c", {"do": "never begun"})
        results = list(pool.results())
    assert (
        time.monotonic() - stopped[0] < 8
    )  # 1.6 s where the processors are free; it hangs for a minute
    assert results == [Done(name="a", result={"stopped": True})]
    assert begun == ["a", "b"]
    assert not children()


def test_a_child_that_is_killed_is_given_nothing_more() -> None:
    def on_progress(progress: Progress) -> None:
        if progress.name == "a":
            time.sleep(1.2)  # meanwhile it is done, and past the limit

    with Pool(WORK, jobs=1, timeout_s=1, on_progress=on_progress) as pool:
        pool.submit("a", {"do": "work"})
        pool.submit("b", {"do": "work"})
        results = list(pool.results())
    assert [(type(one), one.name) for one in results] == [(Done, "a"), (Done, "b")]


@pytest.mark.skipif(sys.platform == "win32", reason="descriptors of Unix")
def test_what_is_no_message_costs_a_task_and_not_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("camstream.batch.child._END_S", 0.1)
    with Pool(WORK, jobs=1) as pool:
        pool.submit("a", {"do": "garble"})
        pool.submit("b", {"do": "work"})
        first, second = pool.results()
    assert isinstance(first, Failed)
    assert (first.kind, first.line) == (
        "died",
        "its process wrote what is no message, and was ended",
    )
    assert (type(second), second.name) == (Done, "b")


def test_what_python_prints_at_its_start_is_no_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('loaded', flush=True)")
    search = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(search))
    with Pool(WORK, jobs=1) as pool:
        pool.submit("a", {"do": "work"})
        assert [type(one) for one in pool.results()] == [Done]


def test_a_stop_does_not_wait_for_children_that_start() -> None:
    stopped: list[float] = []

    def stop() -> bool:
        if len(children()) == 4:
            stopped.append(time.monotonic())
        return bool(stopped)

    with Pool(WORK, options={"hang": True}, jobs=4, stop=stop) as pool:
        for name in "abcd":
            pool.submit(name, {"do": "work"})
        assert list(pool.results()) == []
    assert time.monotonic() - stopped[0] < 2
    assert not children()


def test_what_cannot_be_opened_is_raised_here() -> None:
    with Pool(WORK, options={"refuse": True}, jobs=2) as pool:
        pool.submit("a", {"do": "work"})
        with pytest.raises(UsageError, match="did you mean cat"):
            list(pool.results())
    assert not children()


def test_children_that_die_at_their_start_end_the_run() -> None:
    with Pool(WORK, options={"die": True}, jobs=2) as pool:
        pool.submit("a", {"do": "work"})
        with pytest.raises(SetupError, match=r"die at their start: .*exit code 4"):
            list(pool.results())
    assert not children()


def test_nothing_to_do_starts_nothing() -> None:
    with Pool(WORK, jobs=2) as pool:
        assert list(pool.results()) == []
        assert not children()


PARENT = """
from camstream.batch.pool import Pool
with Pool("tests.batch.work:open_work", jobs=2, on_begin=lambda _: print("begun", flush=True)) as pool:
    pool.submit("a", {"do": "hang"})
    pool.submit("b", {"do": "hang in a library"})
    list(pool.results())
"""


@pytest.mark.skipif(
    sys.platform != "linux", reason="a hanging library outlives the parent elsewhere"
)
def test_children_end_with_a_parent_that_is_killed() -> None:
    command = [sys.executable, "-P", "-c", PARENT]
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": root}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout is not None
        assert [parent.stdout.readline() for _ in range(2)] == [b"begun\n"] * 2
        theirs = psutil.Process(parent.pid).children()
        assert len(theirs) == 2
        time.sleep(0.2)
        parent.kill()
    _, alive = psutil.wait_procs(theirs, timeout=2)
    assert not [one for one in alive if one.status() != psutil.STATUS_ZOMBIE]
