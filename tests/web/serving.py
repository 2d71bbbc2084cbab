"""A session with a page, on a free port of the loopback address; and a viewer that is no browser."""

from __future__ import annotations

import contextlib
import http.client
import json
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from camstream.frame import Frame
from camstream.live.guest import Guest
from camstream.live.models import ModelSwitch
from camstream.live.session import LiveSession
from camstream.live.state import ModelChoice
from camstream.models.session import Model
from camstream.stages import Source
from camstream.testing import FakeSource, make_frame
from camstream.web.gate import Role
from camstream.web.place import Place
from camstream.web.server import WebServer

LOOPBACK = Place("127.0.0.1", 0)


def at_30_hz(source: FakeSource) -> Iterator[Frame]:
    """Make 30 frames a second until the source is stopped; for ``FakeSource``."""
    index = 0
    while not source.stopped.wait(1 / 30):
        yield make_frame(index, (640, 360))
        index += 1


class Viewer:
    """A viewer on the socket ``/live``.

    Attributes:
        hello: The first message.
        state: The newest state.
        pictures: Numbers of the pictures that came.
        jpeg: The newest picture.
        others: Messages that are neither.
    """

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self.state: dict[str, Any] = {}
        self.pictures: list[int] = []
        self.jpeg = b""
        self.others: list[dict[str, Any]] = []
        self.hello = json.loads(connection.recv(10))

    def step(self, timeout_s: float = 10, *, acknowledges: bool = True) -> bytes | None:
        """Take the next message; returns the JPEG where it is a picture."""
        taken = self._connection.recv(timeout_s)
        if isinstance(taken, bytes):
            number, captured_ms = struct.unpack(">Id", taken[:12])
            assert abs(time.time() * 1e3 - captured_ms) < 60_000
            self.pictures.append(number)
            self.jpeg = taken[12:]
            if acknowledges:
                self.send(type="ack", picture=number)
            return self.jpeg
        told = json.loads(taken)
        if told["type"] == "state":
            self.state = told
        else:
            self.others.append(told)
        return None

    def picture(self, **how: Any) -> bytes:
        """Take messages up to the next picture."""
        while (jpeg := self.step(**how)) is None:
            pass
        return jpeg

    def until(self, is_so: Callable[[dict[str, Any]], object], within_s: float = 10) -> None:
        """Take messages until the state is so."""
        deadline = time.monotonic() + within_s
        while not (self.state and is_so(self.state)):
            assert time.monotonic() < deadline, f"it did not become so: {self.state}"
            self.step()

    def answer(self, kind: str) -> dict[str, Any]:
        """Take messages up to one of a type."""
        deadline = time.monotonic() + 10
        while not any(one["type"] == kind for one in self.others):
            assert time.monotonic() < deadline
            self.step()
        found = next(one for one in self.others if one["type"] == kind)
        self.others.remove(found)
        return found

    def send(self, **message: Any) -> None:
        """Send a message."""
        self._connection.send(json.dumps(message))

    def do(self, action: str, **values: Any) -> None:
        """Ask for an action."""
        self.send(type="do", action=action, values=values)


def end_of(viewer: Viewer, **how: Any) -> tuple[int, str]:
    """Take messages until the server closes the socket; returns code and reason."""
    try:
        for _ in range(1000):
            viewer.step(**how)
    except ConnectionClosed as closed:
        return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "it broke off")
    raise AssertionError("it goes on")


class Served:
    """What is served.

    Attributes:
        server: The server.
        session: The session, which runs in a thread.
        port: Of the server.
    """

    def __init__(self, server: WebServer, session: LiveSession) -> None:
        self.server = server
        self.session = session
        self.port = server.place.port

    def get(
        self, path: str, *, method: str = "GET", headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """Send a request; returns status, headers and content."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(client):
            client.request(method, path, headers=headers or {})
            answer = client.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()

    @contextlib.contextmanager
    def viewer(self, query: str = "", **how: Any) -> Iterator[Viewer]:
        """Look at it."""
        address = f"ws://127.0.0.1:{self.port}/live{query}"
        with connect(address, max_size=None, compression=None, **how) as connection:
            yield Viewer(connection)


@contextlib.contextmanager
def serving(
    model: Model,
    source: Source | None = None,
    *,
    place: Place = LOOPBACK,
    sources: Sequence[str] = (),
    open_source: Callable[[str], Source] | None = None,
    folder: Path = Path(),
    other_models: Sequence[str] = (),
    tokens: dict[str, Role] | None = None,
    guest: Guest | None = None,
) -> Iterator[Served]:
    """Serve a session while the body runs; an error of the session is raised at the end."""
    server = WebServer(place, sources=sources, tokens=tokens or {})
    session = LiveSession(
        source or FakeSource(at_30_hz, is_live=True),
        model.infer,
        model.info,
        device=model.device,
        guest=guest,
        models=ModelSwitch(
            ModelChoice(name=str(model.path)),
            other_models,
            lambda wanted: Model(
                Path(wanted.name), device="cpu", input_size=wanted.input_size, refine=wanted.refine
            ),
        ),
        open_source=open_source,
        folder=folder,
        watch=server.hub.see,
        stop=lambda: ended.is_set(),
    )
    ended = threading.Event()
    errors: list[BaseException] = []

    def run() -> None:
        try:
            session.run()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="session")
    server.attach(session)
    server.start()
    thread.start()
    try:
        yield Served(server, session)
    finally:
        ended.set()
        thread.join()
        server.stop()
    if errors:
        raise errors[0]
