"""Whose turn it is: fair whatever comes, and however quickly."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from camstream.live.turns import Turns


class TurnsMachine(RuleBasedStateMachine):
    """Cameras come, go, and offer frames; the model takes one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.turns: Turns[int] = Turns()
        self.waiting: dict[int, int] = {}  # the newest of each camera
        self.passed: dict[
            int, dict[int, int]
        ] = {}  # how often each other went first, since it waits
        self.cameras: set[int] = set()
        self.frames = 0
        self.busy: set[int] = set()

    @rule(camera=st.integers(1, 5))
    def add(self, camera: int) -> None:
        self.turns.add(camera)
        self.cameras.add(camera)

    @rule(camera=st.integers(1, 5))
    def remove(self, camera: int) -> None:
        self.turns.remove(camera)
        self.cameras.discard(camera)
        self.waiting.pop(camera, None)
        self.passed.pop(camera, None)
        self.busy.discard(camera)
        for others in self.passed.values():  # one that comes back is another camera
            others.pop(camera, None)

    @rule(camera=st.integers(1, 5))
    def offer(self, camera: int) -> None:
        self.frames += 1
        is_replaced = self.turns.offer(camera, self.frames)
        assert is_replaced == (camera in self.waiting)
        if camera in self.cameras:
            self.waiting[camera] = self.frames
            if camera not in self.busy:
                self.passed.setdefault(camera, {})

    @rule(camera=st.integers(1, 5))
    def done(self, camera: int) -> None:
        self.turns.done(camera)
        self.busy.discard(camera)
        if camera in self.waiting:
            self.passed.setdefault(camera, {})

    @rule()
    def take(self) -> None:
        taken = self.turns.take()
        if taken is None:
            assert not self.waiting.keys() - self.busy
            return
        camera, frame = taken
        assert camera not in self.busy  # its frames stay in order
        self.busy.add(camera)
        assert self.waiting.pop(camera) == frame  # always the newest
        del self.passed[camera]
        for others in self.passed.values():
            others[camera] = others.get(camera, 0) + 1

    @invariant()
    def nobody_waits_longer_than_a_turn_of_each_other_camera(self) -> None:
        assert all(count <= 1 for others in self.passed.values() for count in others.values())


TestTurns = TurnsMachine.TestCase
TestTurns.settings = settings(deadline=None, max_examples=60)


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(1, 60))
def test_cameras_that_always_have_a_picture_take_turns(cameras: int, turns: int) -> None:
    desk: Turns[int] = Turns()
    for camera in range(cameras):
        desk.add(camera)
    served = []
    for turn in range(turns):
        for camera in range(cameras):
            desk.offer(camera, turn)
        taken = desk.take()
        assert taken is not None
        served.append(taken[0])
        desk.done(taken[0])
    assert served == [turn % cameras for turn in range(turns)]


def test_a_camera_that_seldom_has_a_picture_is_looked_at_at_once() -> None:
    desk: Turns[str] = Turns()
    for camera in (1, 2, 3):
        desk.add(camera)
    for _ in range(4):
        desk.offer(1, "quick")
        desk.offer(2, "quick")
        taken = desk.take()
        assert taken is not None
        desk.done(taken[0])
    desk.offer(1, "quick")
    desk.offer(3, "slow")
    assert desk.take() == (3, "slow")


def test_what_a_removed_camera_still_gives_is_forgotten() -> None:
    desk: Turns[str] = Turns()
    desk.add(1)
    desk.remove(1)
    assert desk.offer(1, "late") is False
    assert desk.take() is None
