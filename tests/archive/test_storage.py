"""Archives and videos at addresses, here in fsspec's memory."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from camstream.archive import storage
from camstream.archive.notes import open_store
from camstream.archive.tasks import find_videos
from camstream.batch.store import Failure
from camstream.batch.task import Stamp, Task
from camstream.errors import NotFoundError, SetupError, SourceError

fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def memory() -> Iterator[Any]:
    system = fsspec.filesystem("memory")
    yield system
    system.rm("/", recursive=True)
    system.store.clear()


def test_a_file_gets_its_name_when_it_is_whole(memory: Any) -> None:
    folder = storage.open_folder("memory://seen")
    with folder.scratch() as scratch:
        made = scratch / "a"
        made.write_bytes(b"rows")
        assert not folder.exists("records/a")
        folder.publish(made, "records/a")
    assert not scratch.exists()
    assert memory.cat("/seen/records/a") == b"rows"
    with folder.scratch() as scratch:
        assert folder.fetch("records/a", scratch).read_bytes() == b"rows"
        with pytest.raises(SourceError, match=r"memory://seen/records/b: there is no such file"):
            folder.fetch("records/b", scratch)
    folder.remove("records")
    folder.remove("records")
    assert not folder.exists("records/a")


def test_videos_at_an_address(memory: Any, tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mkv", "notes.txt", "deep/c.mp4"):
        memory.pipe(f"/clips/{name}", name.encode())
    found = find_videos(["memory://clips"])
    assert [video.given for video in found] == ["memory:///clips/a.mp4", "memory:///clips/b.mkv"]
    assert [video.size for video in found] == [5, 5]
    assert [one.given for one in find_videos(["memory://clips/**/*.mp4"])] == [
        "memory:///clips/a.mp4",
        "memory:///clips/deep/c.mp4",
    ]
    assert find_videos(["memory://clips/a.mp4"] * 2)[0].source == "memory://clips/a.mp4"
    with pytest.raises(NotFoundError, match="no video"):
        find_videos(["memory://clips/*.avi"])
    with storage.local_copy("memory://clips/a.mp4", tmp_path) as path:
        assert (path.name, path.read_bytes()) == ("a.mp4", b"a.mp4")
    assert not list(tmp_path.iterdir())


def test_notes_at_an_address(memory: Any) -> None:
    stamp = Stamp(size=1, mtime_ns=2)
    first, second = (
        Task(source=name, outputs=(), stamp=stamp, model_sha256="") for name in ("a", "b")
    )
    with open_store("memory://seen") as store:
        store.begin(first)
        store.done(first, {"records": "r"})
        store.failed(second, "it is bad", tries=2)
        store.keep_failures([first, second], [Failure(task=second, problem="it is bad", tries=2)])
    with open_store("memory://seen") as store:
        assert store.look(first).action == "skip"
        assert store.look(second).action == "leave"
        assert [line["input"] for line in store.read_failures()] == ["b"]
    assert {name.rpartition("/")[2] for name in memory.find("/seen")} == {
        f"{first.id}.json",
        f"{second.id}.json",
        "failed.jsonl",
    }


def test_many_failures_are_not_uploaded_whole_each_time(
    memory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploads: list[str] = []
    real = storage.RemoteFolder.publish

    def publish(self: storage.RemoteFolder, path: Path, name: str) -> None:
        uploads.append(name)
        real(self, path, name)

    monkeypatch.setattr(storage.RemoteFolder, "publish", publish)
    tasks = [
        Task(source=f"{number}", outputs=(), stamp=Stamp(size=1, mtime_ns=2), model_sha256="")
        for number in range(205)
    ]
    with open_store("memory://seen") as store:
        for task in tasks:
            store.failed(task, "it is bad", tries=1)
        assert uploads.count("failed.jsonl") == 2
        failures = [Failure(task=task, problem="it is bad", tries=1) for task in tasks]
        store.keep_failures(tasks, failures)
    assert memory.cat("/seen/failed.jsonl").count(b"\n") == len(tasks)


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(SetupError, match=r"gs://bucket.*camstream\[gs\]"):
        storage.expand_address("gs://bucket/x", frozenset([".mp4"]))
    with pytest.raises(SourceError, match="nosuch"):
        storage.expand_address("nosuch://bucket/x", frozenset([".mp4"]))


def test_secrets_are_not_shown() -> None:
    with pytest.raises((SetupError, SourceError)) as caught:
        storage.expand_address("nosuch://user:secret@bucket/x", frozenset([".mp4"]))
    assert "secret" not in str(caught.value)
