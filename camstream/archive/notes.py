"""Notes of what was done where an archive lies at an address, see ``camstream.batch.store``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from camstream.address import file_of, is_address
from camstream.archive.locks import temporary_folder
from camstream.archive.storage import RemoteFolder
from camstream.batch.store import Failure, Store
from camstream.batch.task import Json, Task

_FAILURES_AT_ONCE = 100


class RemoteStore(Store):
    """A copy of the notes on this machine; each change is written to the address at once.

    Only ``failed.jsonl`` is written there after each hundred failures and at the end.
    """

    def __init__(self, address: str, copy: Path) -> None:
        """Fetch all notes.

        Args:
            address: Of the archive.
            copy: An empty folder.

        Raises:
            SourceError: They cannot be read.
            SetupError: What reads such addresses is not installed.
        """
        super().__init__(copy)
        self._failed = 0
        self._remote = RemoteFolder(address)
        self._remote.fetch_all("done", copy / "done")
        if self._remote.exists(self.failures.name):
            self._remote.fetch(self.failures.name, copy).rename(self.failures)

    def begin(self, task: Task, *, tries: int = 0) -> None:
        """See ``Store``."""
        super().begin(task, tries=tries)
        self._upload(self.path_of(task))

    def done(self, task: Task, result: Json | None = None, *, problem: str = "") -> None:
        """See ``Store``."""
        super().done(task, result, problem=problem)
        self._upload(self.path_of(task))

    def failed(self, task: Task, problem: str, *, tries: int, is_own: bool = True) -> None:
        """See ``Store``."""
        super().failed(task, problem, tries=tries, is_own=is_own)
        self._upload(self.path_of(task))
        self._failed += 1
        if self._failed % _FAILURES_AT_ONCE == 0:  # it is uploaded whole
            self._upload(self.failures)

    def keep_failures(self, tasks: Iterable[Task], standing: Iterable[Failure]) -> None:
        """See ``Store``."""
        super().keep_failures(tasks, standing)
        if self.failures.exists():
            self._upload(self.failures)

    def _upload(self, path: Path) -> None:
        self._remote.publish(path, path.relative_to(self.folder).as_posix())


@contextlib.contextmanager
def open_store(target: str) -> Iterator[Store]:
    """Open the notes of an archive.

    Args:
        target: Its folder or address.

    Raises:
        SourceError: They cannot be read.
        SinkError: There is no place for a copy of them.
        SetupError: What reads such addresses is not installed.
    """
    if not is_address(target):
        yield Store(file_of(target))
        return
    with temporary_folder() as copy:
        yield RemoteStore(target, copy)
