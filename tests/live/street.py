"""Sessions of several cameras with made sources, and steps that steer them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from camstream.frame import Frame
from camstream.live import actions
from camstream.live.outputs import OutputPaths, RunLimits
from camstream.live.rack import Looking
from camstream.live.state import LiveState
from camstream.live.wall import WallSession
from camstream.stages import Infer, Source
from camstream.testing import FAKE_INFO, FakeDisplay, FakeSource, fake_infer, make_frame

LIMIT_S = 20.0


def paced(
    rate_hz: float, size_wh: tuple[int, int] = (96, 64)
) -> Callable[[FakeSource], Iterator[Frame]]:
    """Frames at a rate, until the source is stopped."""

    def frames(source: FakeSource) -> Iterator[Frame]:
        for index in itertools.count():
            if source.stopped.wait(1 / rate_hz):
                return
            yield make_frame(index, size_wh)

    return frames


class Street:
    """Opens made sources by their addresses; an error is raised, a function makes the frames.

    Attributes:
        opened: How often each was opened, or tried.
        sources: The last one of each.
    """

    def __init__(self, **cameras: Callable[[FakeSource], Iterator[Frame]] | Exception) -> None:
        self.cameras: dict[str, Any] = {f"rtsp://{name}/": made for name, made in cameras.items()}
        self.opened: dict[str, int] = {}
        self.sources: dict[str, FakeSource] = {}

    def __call__(self, address: str, _: Callable[[float], None]) -> Source:
        self.opened[address] = self.opened.get(address, 0) + 1
        made = self.cameras[address]
        if isinstance(made, Exception):
            raise made
        self.sources[address] = FakeSource(made, is_live=True)
        self.sources[address].name = address
        return self.sources[address]


def wall(
    street: Street,
    infer: Infer = fake_infer,
    *,
    display: FakeDisplay | None = None,
    watch: Callable[[LiveState], None] | None = None,
    outputs: OutputPaths = OutputPaths(),
    folder: Path = Path(),
    seconds: float | None = LIMIT_S,
    frames: int | None = None,
    open_camera: Callable[[str, Callable[[float], None]], Source] | None = None,
) -> WallSession:
    return WallSession(
        list(street.cameras),
        Looking(infer, FAKE_INFO),
        open_camera=open_camera or street,
        display=display,
        watch=watch,
        outputs=outputs,
        folder=folder,
        limits=RunLimits(seconds=seconds, frames=frames),
    )


def steered(
    street: Street, steps: list[Callable[[WallSession, LiveState], bool]], **kwargs: Any
) -> WallSession:
    """Run a session: each step is called with every state until it returns True; then it quits."""
    left = list(steps)
    holder: list[WallSession] = []

    def watch(state: LiveState) -> None:
        if left and left[0](holder[0], state):
            left.pop(0)
            if not left:
                holder[0].do(actions.Quit())

    session = wall(street, watch=watch, **kwargs)
    holder.append(session)
    session.run()
    assert not left, f"{len(left)} steps did not happen in {LIMIT_S:g} s: {session.state.message}"
    return session


def once(
    action: actions.Action, then: Callable[[LiveState], bool]
) -> list[Callable[[WallSession, LiveState], bool]]:
    """Do an action, and wait for what comes of it."""

    def do(session: WallSession, _: LiveState) -> bool:
        session.do(action)
        return True

    return [do, lambda _, state: then(state)]


def when(condition: Callable[[LiveState], bool]) -> list[Callable[[WallSession, LiveState], bool]]:
    return [lambda _, state: condition(state)]


def all_live(state: LiveState) -> bool:
    return all(camera.state == "live" and camera.label for camera in state.cameras)
