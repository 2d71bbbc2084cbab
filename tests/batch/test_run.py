"""The rules of a batch, with an engine that does what it is told to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from camstream.batch.pool import Done, Failed
from camstream.batch.run import Batch, Outcome, plan
from camstream.batch.store import Store
from camstream.batch.task import Json, Stamp, Task
from camstream.errors import SinkError

Answer = Callable[[str, Json], Done | Failed | None]


class FakeEngine:
    """Answers each task by a function; None: the run is stopped before it."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.begin: Callable[[str], None] = lambda _: None
        self.messages: list[tuple[str, Json]] = []
        self._done = 0

    def submit(self, name: str, message: Json, *, first: bool = False) -> None:
        assert not first
        self.messages.append((name, message))

    def results(self) -> Iterator[Done | Failed]:
        while self._done < len(self.messages):
            name, message = self.messages[self._done]
            self.begin(name)
            result = self.answer(name, message)
            if result is None:
                return
            self._done += 1
            yield result


class Runs:
    """Runs over the same tasks."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder / ".camstream")
        self.tasks = [
            Task(
                source=f"/{name}.mp4",
                outputs=(folder / f"{name}.cam.mp4",),
                stamp=Stamp(size=1, mtime_ns=1),
                model_sha256="ab",
            )
            for name in "abc"
        ]
        self.ids = [task.id for task in self.tasks]
        self.told: list[tuple[str, str]] = []
        self.engine = FakeEngine(self.well)

    def well(self, name: str, message: Json) -> Done | Failed | None:
        path = self.tasks[self.ids.index(name)].outputs[0]
        if path.exists() and not message["overwrite"]:
            return Failed(
                name=name, error=f"{path.name} exists", kind="SinkError", option="overwrite"
            )
        path.write_text("made")
        return Done(name=name, result={"damaged": False, "stopped": False})

    def run(
        self, answer: Answer | None = None, *, retry_failed: bool = False, anew: bool = False
    ) -> Outcome:
        self.engine, self.told = FakeEngine(answer or self.well), []
        planned = plan(self.tasks, self.store, retry_failed=retry_failed, anew=anew)
        batch = Batch(
            planned,
            self.store,
            message_of=lambda _, own: {"overwrite": own or anew},
            problem_of=lambda result: "it is damaged" if result["damaged"] else "",
            is_whole=lambda result: not result["stopped"],
            on_done=lambda task, _: self.told.append(("done", task.source)),
            on_failed=lambda task, _: self.told.append(("failed", task.source)),
            on_again=lambda task, _: self.told.append(("again", task.source)),
        )
        self.engine.begin = batch.begin
        return batch.run(self.engine)

    @property
    def done(self) -> int:
        """How many tasks the engine was given."""
        return len(self.engine.messages)


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


def failing(runs: Runs, kind: str, *, errno: int = 0, name: int = 1) -> Answer:
    def answer(task: str, message: Json) -> Done | Failed | None:
        if task == runs.ids[name]:
            return Failed(name=task, error="no good", kind=kind, errno=errno)
        return runs.well(task, message)

    return answer


def test_a_second_run_has_nothing_to_do(runs: Runs) -> None:
    assert runs.run() == Outcome()
    assert runs.told == [("done", "/a.mp4"), ("done", "/b.mp4"), ("done", "/c.mp4")]
    assert runs.run() == Outcome()
    assert runs.done == 0
    assert not runs.store.failures.exists()


def test_anew_does_all_of_it(runs: Runs) -> None:
    runs.run()
    assert runs.run(anew=True) == Outcome()
    assert runs.done == 3


def test_an_error_is_tried_again_in_the_next_run_only(runs: Runs) -> None:
    for tries in (1, 2):
        outcome = runs.run(failing(runs, "SourceError"))
        assert [(one.task.source, one.tries) for one in outcome.failures] == [("/b.mp4", tries)]
        assert runs.done == (3 if tries == 1 else 1)
        assert [line["tries"] for line in runs.store.read_failures()] == [tries]
    outcome = runs.run()
    assert (runs.done, len(outcome.failures)) == (0, 1)
    assert runs.run(retry_failed=True) == Outcome()
    assert runs.store.failures.read_text() == ""


def test_a_death_is_tried_again_after_the_others(runs: Runs) -> None:
    outcome = runs.run(failing(runs, "died", name=0))
    assert [name for name, _ in runs.engine.messages] == [*runs.ids, runs.ids[0]]
    assert [one.tries for one in outcome.failures] == [2]
    assert runs.told[0] == ("again", "/a.mp4")
    assert runs.told[-1] == ("failed", "/a.mp4")
    assert runs.run() == outcome
    assert runs.done == 0


def test_a_death_between_two_outputs_is_no_hindrance(runs: Runs) -> None:
    deaths: list[str] = []

    def answer(task: str, message: Json) -> Done | Failed | None:
        result = runs.well(task, message)
        if not deaths:
            deaths.append(task)
            return Failed(name=task, error="killed", kind="died")
        return result

    assert runs.run(answer) == Outcome()
    assert runs.engine.messages[-1] == (runs.ids[0], {"overwrite": True})


@pytest.mark.parametrize("kind", ["SinkError", "ModelError", "mistake"])
def test_what_is_not_the_inputs_fault_counts_no_try(runs: Runs, kind: str) -> None:
    for _ in range(3):
        outcome = runs.run(failing(runs, kind))
        assert [one.tries for one in outcome.failures] == [0]
    assert runs.run() == Outcome()


def test_a_full_disk_ends_the_run_and_the_next_one_goes_on(runs: Runs) -> None:
    outcome = runs.run(failing(runs, "SinkError", errno=28))
    assert str(outcome.trouble) == "the disk is full"
    assert [task.source for task in outcome.unfinished] == ["/c.mp4"]
    assert runs.run() == Outcome()
    assert runs.done == 2


def test_a_stop_leaves_the_rest(runs: Runs) -> None:
    def answer(task: str, message: Json) -> Done | Failed | None:
        if task == runs.ids[2]:
            return None
        result = runs.well(task, message)
        if task == runs.ids[1] and isinstance(result, Done):
            return Done(name=task, result={**result.result, "stopped": True})
        return result

    outcome = runs.run(answer)
    assert [task.source for task in outcome.unfinished] == ["/b.mp4", "/c.mp4"]
    assert runs.told == [("done", "/a.mp4"), ("done", "/b.mp4")]
    assert runs.run() == Outcome()  # also over the part that is there of b
    assert runs.done == 2


def test_what_is_damaged_is_done_and_stays_a_failure(runs: Runs) -> None:
    def answer(task: str, message: Json) -> Done | Failed | None:
        result = runs.well(task, message)
        if task == runs.ids[1] and isinstance(result, Done):
            return Done(name=task, result={**result.result, "damaged": True})
        return result

    first = runs.run(answer)
    assert [one.problem for one in first.failures] == ["it is damaged"]
    assert runs.run() == first
    assert runs.done == 0


def test_a_file_of_somebody_is_left_alone_however_often(runs: Runs) -> None:
    path = runs.tasks[1].outputs[0]
    path.write_text("mine")
    for _ in range(3):
        outcome = runs.run()
        assert [one.problem for one in outcome.failures] == ["b.cam.mp4 exists: --overwrite"]
        assert path.read_text() == "mine"
    path.unlink()
    assert runs.run() == Outcome()


def test_a_file_that_another_run_made_in_the_meantime_is_not_claimed(runs: Runs) -> None:
    path = runs.tasks[1].outputs[0]

    def answer(task: str, message: Json) -> Done | Failed | None:
        if task == runs.ids[1]:
            path.write_text("theirs")
            return Failed(name=task, error="made by another run", kind="SinkError", errno=17)
        return runs.well(task, message)

    runs.run(answer)
    outcome = runs.run()
    assert [one.problem for one in outcome.failures] == ["b.cam.mp4 exists: --overwrite"]
    assert path.read_text() == "theirs"


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_file_that_came_before_its_task_began_is_not_claimed(runs: Runs, is_killed: bool) -> None:
    path = runs.tasks[1].outputs[0]

    def answer(task: str, message: Json) -> Done | Failed | None:
        if task == runs.ids[0]:
            path.write_text("mine")
        if task == runs.ids[1] and is_killed:
            return None
        return runs.well(task, message)

    runs.run(answer)
    outcome = runs.run()
    assert [one.problem for one in outcome.failures] == ["b.cam.mp4 exists: --overwrite"]
    assert path.read_text() == "mine"


def test_a_folder_that_cannot_be_written_ends_the_run_in_one_line(runs: Runs) -> None:
    runs.store.folder.touch()
    outcome = runs.run()
    assert outcome.trouble is not None
    assert "cannot make the folder" in str(outcome.trouble)
    assert len(outcome.unfinished) == 3


def test_a_note_that_cannot_be_written_leaves_its_file_not_done(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise SinkError("cannot write the note")

    with monkeypatch.context() as patch:
        patch.setattr(Store, "done", refuse)
        outcome = runs.run()
    assert str(outcome.trouble) == "cannot write the note"
    assert [task.source for task in outcome.unfinished] == ["/a.mp4", "/b.mp4", "/c.mp4"]
    assert runs.run() == Outcome()
