"""A session whose camera is a phone; and a phone that is no browser."""

from __future__ import annotations

import contextlib
import json
import struct
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from websockets.sync.client import ClientConnection, connect

from camstream.live.session import LiveSession
from camstream.models.session import Model
from camstream.web.gate import Role
from camstream.web.phone import PhoneSource
from camstream.web.phone_socket import LARGEST_MESSAGE, PhoneDoor
from camstream.web.place import Place
from camstream.web.server import Certificate, WebServer
from tests.web.serving import LOOPBACK, running


def jpeg(grey: int = 128, size_wh: tuple[int, int] = (320, 240)) -> bytes:
    """Make a grey picture."""
    image = np.full((size_wh[1], size_wh[0], 3), grey, np.uint8)
    return bytes(cv2.imencode(".jpg", image)[1].tobytes())


class ServedPhone:
    """What is served.

    Attributes:
        server: The server.
        session: The session, which runs in a thread.
        source: The phone's pictures.
        door: The phone's addresses.
        port: Of the server.
    """

    def __init__(
        self, server: WebServer, session: LiveSession, source: PhoneSource, door: PhoneDoor
    ) -> None:
        self.server = server
        self.session = session
        self.source = source
        self.door = door
        self.port = server.place.port

    @contextlib.contextmanager
    def phone(self, **how: Any) -> Iterator[FakePhone]:
        """Be a phone."""
        address = f"ws://127.0.0.1:{self.port}/phone"
        with connect(address, compression=None, **how) as connection:
            yield FakePhone(connection)

    def until(self, is_so: str, within_s: float = 15.0) -> None:
        """Wait until the state of the source is so."""
        self.until_shown(0, within_s=within_s, state=is_so)

    def until_shown(self, count: int, *, within_s: float = 15.0, state: str | None = None) -> None:
        """Wait until so many pictures were shown, or the source's state begins so."""
        deadline = time.monotonic() + within_s
        while self.session.state.shown < count or not (
            state is None
            or (self.source.state.startswith(state) if state else not self.source.state)
        ):
            assert time.monotonic() < deadline, (self.session.state.shown, self.source.state)
            time.sleep(0.01)


class FakePhone:
    """A phone whose clock is some hours ahead.

    Attributes:
        asked: How often the server asked for a picture.
        answers: Whether it answers pings.
    """

    AHEAD_S = 12345.0

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self.asked = 0
        self.pinged = 0
        self.answers = True

    def step(self, timeout_s: float = 10.0) -> str:
        """Take the next message, answer a ping; returns its type."""
        message = json.loads(self._connection.recv(timeout_s))
        if message["type"] == "ping":
            self.pinged += 1
            if self.answers:
                self.say(type="pong", id=message["id"], ms=self.clock_s() * 1e3)
        else:
            self.asked += 1
        return str(message["type"])

    def until_asked(self) -> None:
        """Take messages up to the next wish for a picture."""
        deadline = time.monotonic() + 10
        while self.step() != "next":
            assert time.monotonic() < deadline, "no picture is asked for"

    def until_closed(self, *messages: bytes | str) -> None:
        """Send these, and take messages until the server closes; raises ConnectionClosed."""
        for message in messages:
            self._connection.send(message)
        deadline = time.monotonic() + 10
        while True:
            self.step()
            assert time.monotonic() < deadline, "it is not closed"

    def clock_s(self) -> float:
        """What its clock shows."""
        return time.perf_counter() + self.AHEAD_S

    def send(self, jpeg: bytes, *, age_s: float = 0.0) -> None:
        """Send a picture."""
        self._connection.send(struct.pack(">d", (self.clock_s() - age_s) * 1e3) + jpeg)

    def send_raw(self, message: bytes | str) -> None:
        """Send anything."""
        self._connection.send(message)

    def say(self, **message: Any) -> None:
        """Send a message."""
        self._connection.send(json.dumps(message))


@contextlib.contextmanager
def serving_phone(
    model: Model,
    *,
    place: Place = LOOPBACK,
    certificate: Path | None = None,
    tokens: Mapping[str, Role] | None = None,
) -> Iterator[ServedPhone]:
    """Serve a session while the body runs; an error of the session is raised at the end."""
    source = PhoneSource()
    door = PhoneDoor(source)
    server = WebServer(
        place,
        certificate=None if certificate is None else Certificate(certificate, certificate),
        tokens=tokens or {},
        routes=door.routes,
        largest_message=LARGEST_MESSAGE,
    )
    ended = threading.Event()
    session = LiveSession(
        source,
        model.infer,
        model.info,
        device=model.device,
        watch=server.hub.see,
        stop=ended.is_set,
    )
    with running(server, session, ended):
        while "camstream-infer" not in {one.name for one in threading.enumerate()}:
            time.sleep(0.01)  # a test that begins now is not blamed for its threads
        yield ServedPhone(server, session, source, door)
