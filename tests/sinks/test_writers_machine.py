"""The file writers against a model of them: write, fail, finish, keep, discard in any order."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from camstream.errors import SinkError
from camstream.sinks import atomic_file
from camstream.sinks.group import SinkGroup
from camstream.stages import Sink
from tests.sinks.test_contract import CASES, Case, annotated

NAMES = ("mp4", "mkv", "recording", "jsonl", "csv", "parquet", "maps", "presence", "group")


class WriterMachine(RuleBasedStateMachine):
    """One sink in a folder of its own; a disk that is full now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.sink: Sink | None = None
        self.written = 0
        self.is_full = self.has_failed = self.is_ended = False

    def teardown(self) -> None:
        if self.sink is not None:
            self.sink.discard()
        shutil.rmtree(self.folder)

    @initialize(name=st.sampled_from(NAMES), taken=st.booleans())
    def begin(self, name: str, taken: bool) -> None:
        self.case: Case = CASES[name]
        self.taken = taken
        if taken:
            for file in self.case.names:
                (self.folder / file).write_bytes(b"precious")
        self.sink = self.case.open(self.folder, overwrite=taken, inputs=[])

    def alive(self) -> bool:
        return self.sink is not None and not self.is_ended

    def on_disk(self, do: Callable[[], object]) -> bool:
        """Do something on the disk as it is; returns whether it went well."""
        full = (
            mock.patch.object(atomic_file.AtomicFile, "writing", _no_space)
            if self.is_full
            else contextlib.nullcontext()
        )
        with full:
            try:
                do()
            except SinkError:
                return False
        return True

    @precondition(alive)
    @rule(full=st.booleans())
    def fill_or_clear_the_disk(self, full: bool) -> None:
        self.is_full = full

    @precondition(lambda self: self.alive() and not self.has_failed)
    @rule()
    def write(self) -> None:
        assert self.sink is not None
        sink, frame = self.sink, annotated(self.case, self.written)
        if self.on_disk(lambda: sink.write(frame)):
            self.written += 1
        else:
            self.has_failed = True

    @precondition(lambda self: self.alive() and not self.has_failed)
    @rule()
    def finish(self) -> None:
        assert self.sink is not None
        if self.on_disk(self.sink.finish):
            self.is_ended = True
            self.check_files(replaced=True)
        else:
            self.has_failed = True

    @precondition(alive)
    @rule()
    def keep(self) -> None:
        assert self.sink is not None
        kept = SinkGroup([self.sink]).keep()
        self.is_ended = True
        assert all(path.exists() for path in kept)
        self.check_files(replaced=False)

    @precondition(alive)
    @rule()
    def discard(self) -> None:
        assert self.sink is not None
        self.sink.discard()
        self.is_ended = True
        if not isinstance(self.sink, SinkGroup) and not self.taken:
            assert list(self.folder.iterdir()) == []

    @precondition(lambda self: self.is_ended)
    @rule(keeps=st.booleans())
    def end_again(self, keeps: bool) -> None:
        """Whoever cleans up after an error may do it twice."""
        assert self.sink is not None
        before = {path: path.read_bytes() for path in self.folder.iterdir()}
        if keeps:
            assert SinkGroup([self.sink]).keep() == []
        self.sink.discard()
        assert {path: path.read_bytes() for path in self.folder.iterdir()} == before

    def check_files(self, *, replaced: bool) -> None:
        first = self.folder / self.case.names[0]
        if self.taken and not replaced:
            assert first.read_bytes() == b"precious" or isinstance(self.sink, SinkGroup)
            first = self.folder / self.case.names[0].replace(".", ".interrupted.")
        if self.case.count and first.exists():
            count = self.case.count(first)
            assert count == self.written if not self.has_failed else count <= self.written

    @invariant()
    def nothing_half_written_has_a_name(self) -> None:
        if not hasattr(self, "case"):
            return
        allowed = set(self.case.names)
        allowed |= {name.replace(".", ".interrupted.") for name in self.case.names}
        names = {path.name for path in self.folder.iterdir()}
        unfinished = {name for name in names if ".partial-" in name}
        assert names - unfinished <= allowed
        if self.is_ended:
            assert not unfinished
        elif not self.taken and not self.has_failed:
            assert names == unfinished


@contextlib.contextmanager
def _no_space(self: atomic_file.AtomicFile):  # type: ignore[no-untyped-def]
    raise SinkError(f"cannot write {self.target}: no space left on device")
    yield


TestWriterMachine = WriterMachine.TestCase
TestWriterMachine.settings = settings(max_examples=25, stateful_step_count=12, deadline=None)
