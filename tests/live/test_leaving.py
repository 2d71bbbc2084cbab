"""A camera that is removed: its files are completed, and nobody waits for that."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from camstream.errors import SinkError
from camstream.live import actions
from camstream.live.outputs import OutputPaths, Outputs
from camstream.live.state import LiveState
from camstream.live.wall import WallSession
from camstream.sinks.receivers import UndeliveredError
from tests.live.street import Street, all_live, once, paced, steered, when


class Silent:
    """A receiver that says nothing until it is hung up.

    Attributes:
        asked: Set when an event came.
    """

    def __init__(self) -> None:
        self.asked, self._hung_up = threading.Event(), threading.Event()

    def fresh(self) -> Silent:
        """Return the same: it has no state of its own."""
        return self

    def deliver(self, event: Mapping[str, object]) -> None:  # noqa: ARG002
        """Wait."""
        self.asked.set()
        self._hung_up.wait(20)
        raise UndeliveredError("no answer in time")

    def abort(self) -> None:
        """Hang up."""
        self._hung_up.set()


def test_a_camera_that_is_removed_keeps_nobody_waiting() -> None:
    silent = Silent()
    street = Street(one=paced(60), two=paced(60), three=paced(60))
    asked_s: list[float] = []
    longest_s: list[float] = []
    passed_s: list[float] = []

    def remove(session: WallSession, _: LiveState) -> bool:
        asked_s.append(time.perf_counter())
        session.do(actions.RemoveCamera(1))
        return True

    def goes_on(_: WallSession, state: LiveState) -> bool:
        """Look at the gaps between two states, for half a second."""
        now_s = time.perf_counter()
        longest_s.append(now_s - (passed_s[-1] if passed_s else asked_s[0]))
        passed_s.append(now_s)
        return len(state.cameras) == 2 and now_s > asked_s[0] + 0.5

    steps = [*when(lambda state: all_live(state) and silent.asked.is_set()), remove, goes_on]
    with pytest.raises(SinkError, match="did not reach"):
        steered(street, steps, outputs=OutputPaths(on_presence=silent))
    assert max(longest_s) < 1.5  # 2 s and more, for the receiver


def test_what_goes_wrong_then_is_told_and_raised_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = Outputs.finish

    def fails(self: Outputs) -> None:
        is_one = "one" in self.recording
        finish(self)
        if is_one:
            raise SinkError("cannot write one.mp4: no space left on the disk")

    monkeypatch.setattr(Outputs, "finish", fails)
    street = Street(one=paced(60, (96, 64)), two=paced(60, (96, 64)))
    told = threading.Event()

    def is_told(_: WallSession, state: LiveState) -> bool:
        if "rtsp://one/: cannot write one.mp4" in state.message:
            told.set()
        return told.is_set()

    steps = [
        *when(all_live),
        *once(actions.RemoveCamera(1), lambda state: len(state.cameras) == 1),
        is_told,
    ]
    with pytest.raises(SinkError, match="no space left"):
        steered(street, steps, outputs=OutputPaths(record=tmp_path), seconds=5)
    assert told.is_set()


def test_the_end_waits_for_the_file_of_a_camera_that_was_just_removed(tmp_path: Path) -> None:
    street = Street(one=paced(60, (96, 64)), two=paced(60, (96, 64)))

    def leave(session: WallSession, _: LiveState) -> bool:
        session.do(actions.RemoveCamera(1))
        return True

    steered(street, [*when(all_live), leave], outputs=OutputPaths(record=tmp_path))
    assert (tmp_path / "one.mp4").stat().st_size
    assert not list(tmp_path.glob(".*"))
