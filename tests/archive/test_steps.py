"""The steps of long videos become one result each, whatever goes wrong in between."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator

from camstream.archive.steps import Steps
from camstream.batch.pool import Done, Failed
from camstream.batch.task import Json

Answer = Callable[[Json], Json | str]


class Scripted:
    """An engine that answers by a function; a text is how a process died."""

    def __init__(self, answer: Answer) -> None:
        self.asked: list[tuple[str, Json]] = []
        self._waiting: list[tuple[str, Json]] = []
        self._answer = answer

    def submit(self, name: str, message: Json, *, first: bool = False) -> None:
        self._waiting.insert(0 if first else len(self._waiting), (name, message))

    def results(self) -> Iterator[Done | Failed]:
        while self._waiting:
            name, message = self._waiting.pop(0)
            self.asked.append((name, message))
            answer = self._answer(message)
            if isinstance(answer, str):
                yield Failed(name=name, error=answer, kind="died")
            else:
                yield Done(name=name, result=answer)


def long_video(message: Json) -> Json | str:
    if message["step"] == "video":
        if "uncut" in message:
            return {"frames": 99}
        return {"cuts": [{"at": 0}, {"at": 1}, {"at": 2}], "start": "s", "start_from": "f"}
    if message["step"] == "part":
        return {"facts": {"number": message["number"], "span": message["span"]}}
    return {"joined": [one["number"] for one in message["facts"]]}


def steps_of(engine: Scripted) -> list[str]:
    return [name for name, _ in engine.asked]


def test_parts_are_joined_in_order() -> None:
    engine = Scripted(long_video)
    ended: list[str] = []
    steps = Steps(engine, on_end=ended.append)
    steps.submit("a", {"video": "v", "key": "k"})
    assert list(steps.results()) == [Done(name="a", result={"joined": [0, 1, 2]})]
    assert steps_of(engine) == ["a/0/video", *(f"a/0/part {n} of 3" for n in (1, 2, 3)), "a/0/join"]
    assert ended == steps_of(engine)
    assert all(message["video"] == "v" and message["key"] == "k" for _, message in engine.asked)
    assert engine.asked[2][1]["span"] == {"at": 1}


def test_a_long_video_is_finished_before_the_next_one_is_begun() -> None:
    engine = Scripted(long_video)
    steps = Steps(engine)
    for name in "abc":
        steps.submit(name, {})
    results = steps.results()
    for number, name in enumerate("abc", 1):
        assert next(results).name == name
        assert len(engine.asked) == 5 * number


def test_a_part_that_is_not_what_it_should_be_has_the_video_read_in_one_piece() -> None:
    def answer(message: Json) -> Json | str:
        wrong = message["step"] == "part" and message["number"] in (0, 2)
        return {"uncut": "why"} if wrong else long_video(message)

    engine = Scripted(answer)
    steps = Steps(engine)
    steps.submit("a", {})
    assert list(steps.results()) == [Done(name="a", result={"frames": 99})]
    assert steps_of(engine).count("a/1/whole") == 1
    assert dict(engine.asked)["a/1/whole"]["uncut"] == "why"


def test_a_part_whose_process_died_fails_its_video_once() -> None:
    deaths = iter([True, False, True])

    def answer(message: Json) -> Json | str:
        if message["step"] == "part" and next(deaths, False):
            return "SIGSEGV"
        return long_video(message)

    engine = Scripted(answer)
    steps = Steps(engine)
    steps.submit("a", {})
    results = steps.results()
    first = next(results)
    assert isinstance(first, Failed)
    assert (first.name, first.error, first.kind) == ("a", "SIGSEGV", "died")
    steps.submit("a", {})  # what is left of the first attempt, one more death, is not its own
    assert list(results) == [Done(name="a", result={"joined": [0, 1, 2]})]


def test_a_stop_is_no_result() -> None:
    steps = Steps(Scripted(lambda _: {"stopped": True}))
    steps.submit("a", {})
    assert list(steps.results()) == [Done(name="a", result={"stopped": True})]


def test_a_video_that_is_over_leaves_nothing_in_memory() -> None:
    kept: list[weakref.ref[Large]] = []

    class Large(str):
        """Stands for what a message holds."""

    steps = Steps(Scripted(long_video))
    for name in "ab":
        video = Large(name)
        kept.append(weakref.ref(video))
        steps.submit(name, {"video": video})
        del video
    steps_engine = steps._inner
    assert isinstance(steps_engine, Scripted)
    assert len(list(steps.results())) == 2
    steps_engine.asked.clear()
    gc.collect()
    assert [one() for one in kept] == [None, None]
