"""Notes of tasks: what is done is known again, what changed is not, files of others are never claimed."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import pytest

from camstream.batch.store import Failure, Store
from camstream.batch.task import Stamp, Task
from camstream.errors import NotFoundError, SinkError


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "a.mp4"
    path.write_text("content")
    return path


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "out" / ".camstream")


def task_of(source: Path, *, verify: bool = False, **options: object) -> Task:
    out = source.parent / "out"
    out.mkdir(exist_ok=True)
    return Task(
        source=str(source),
        outputs=(out / "a.cam.mp4", out / "a.jsonl"),
        stamp=Stamp.of(source, verify=verify),
        model_sha256="12ab",
        options=options,
    )


def make(task: Task, text: str = "made") -> None:
    for path in task.outputs:
        path.write_text(text)


def do(store: Store, task: Task) -> None:
    store.begin(task)
    make(task)
    store.done(task, {"frames": 3})


def test_what_is_done_is_skipped(store: Store, source: Path) -> None:
    task = task_of(source, boxes=True)
    assert store.look(task).action == "do"
    do(store, task)
    verdict = Store(store.folder).look(task_of(source, boxes=True))
    assert verdict.action == "skip"
    assert verdict.note is not None
    assert verdict.note.result == {"frames": 3}


@pytest.mark.parametrize("change", ["input", "options", "model", "an output lost", "an output cut"])
def test_what_changed_is_done_anew_over_its_own_files(
    store: Store, source: Path, change: str
) -> None:
    task = task_of(source, boxes=True)
    do(store, task)
    if change == "input":
        source.write_text("other!!")  # of the same size
        os.utime(source, ns=(1, 1))
        changed = task_of(source, boxes=True)
    elif change == "options":
        changed = task_of(source, boxes=False)
    elif change == "model":
        changed = dataclasses.replace(task, model_sha256="34cd")
    else:
        changed = task
        task.outputs[1].unlink()
        if change == "an output cut":  # by the power that failed
            task.outputs[1].touch()
    assert changed.id == task.id
    assert (changed.key == task.key) == change.startswith("an output")
    verdict = store.look(changed)
    assert (verdict.action, verdict.tries) == ("do", 0)
    assert verdict.may_replace == (change != "an output cut")
    assert verdict.is_blocked == (change == "an output cut")


def test_files_of_others_are_never_claimed(store: Store, source: Path) -> None:
    task = task_of(source)
    make(task, "of somebody")
    assert store.look(task).is_blocked
    for path in task.outputs:
        path.unlink()
    do(store, task)
    task.outputs[0].write_text("edited by somebody")
    verdict = store.look(task)
    assert (verdict.action, verdict.is_blocked, verdict.may_replace) == ("do", True, False)


def test_what_a_killed_run_left_may_be_replaced(store: Store, source: Path) -> None:
    task = task_of(source)
    store.begin(task)
    task.outputs[0].write_text("of the run that was killed before its second output")
    verdict = store.look(task)
    assert (verdict.action, verdict.may_replace, verdict.is_blocked) == ("do", True, False)
    store.begin(task, tries=1)  # and that one was killed, too, before it made anything
    verdict = store.look(task)
    assert (verdict.may_replace, verdict.tries) == (True, 1)


def test_an_output_more_or_less_is_the_same_task(store: Store, source: Path) -> None:
    task = task_of(source)
    do(store, task)
    less = dataclasses.replace(task, outputs=task.outputs[:1])
    assert store.look(less).action == "skip"
    more = dataclasses.replace(task, outputs=(*task.outputs, source.parent / "out" / "a.npz"))
    verdict = store.look(more)
    assert (verdict.action, verdict.may_replace) == ("do", True)


def test_two_tries_then_it_is_left_alone_until_something_changes(
    store: Store, source: Path
) -> None:
    task = task_of(source)
    for tries in (1, 2):
        assert store.look(task).action == "do"
        store.begin(task, tries=tries - 1)
        store.failed(task, "it is damaged", tries=tries)
    assert store.look(task).action == "leave"
    assert store.look(task, retry_failed=True).action == "do"
    assert store.look(task_of(source, boxes=True)).tries == 0
    source.write_text("mended")
    verdict = store.look(task_of(source))
    assert (verdict.action, verdict.tries) == ("do", 0)


def test_failures_are_lines_of_which_the_standing_ones_stay(store: Store, source: Path) -> None:
    one, other = task_of(source), dataclasses.replace(task_of(source), source="/b\udcff.mp4")
    for tries in (1, 2):
        store.failed(one, "it is damaged", tries=tries)
        store.failed(other, "a line\nof two", tries=tries)
    lines = store.failures.read_text().splitlines()
    assert len(lines) == 4
    assert [line["tries"] for line in store.read_failures()] == [2, 2]
    with store.failures.open("a") as file:
        file.write('{"task": "cut o')
    assert len(store.read_failures()) == 2
    store.keep_failures([one], [])  # it was mended; the other one is of another run
    assert [json.loads(line)["input"] for line in store.failures.read_text().splitlines()] == [
        "/b\udcff.mp4"
    ]
    store.keep_failures([other], [Failure(task=other, problem="no", tries=1)])
    assert store.read_failures() == [
        {"task": other.id, "input": other.source, "error": "no", "tries": 1}
    ]


def test_verify_knows_by_content(store: Store, source: Path) -> None:
    do(store, task_of(source, verify=True))
    os.utime(source, ns=(1, 1))
    assert store.look(task_of(source)).action == "do"
    assert store.look(task_of(source, verify=True)).action == "skip"
    before = source.stat()
    source.write_text("CONTENT")
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert store.look(task_of(source, verify=True)).action == "do"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"state": "done"}', '{"state": 3}'])
def test_a_damaged_note_is_none(store: Store, source: Path, content: str) -> None:
    task = task_of(source)
    store.begin(task)
    store.path_of(task).write_text(content)
    assert store.read(task) is None
    assert store.look(task).action == "do"


def test_what_cannot_be_noted_is_one_line(store: Store, source: Path) -> None:
    task = task_of(source)
    store.folder.parent.mkdir(exist_ok=True)
    store.folder.touch()
    with pytest.raises(SinkError, match="cannot make the folder"):
        store.begin(task)


def test_the_stamp_of_no_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        Stamp.of(tmp_path / "missing.mp4")
