"""The server of the page: a thread with a loop of its own, beside the session."""

from __future__ import annotations

import asyncio
import logging
import ssl
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import uvicorn

from camstream.errors import SinkError
from camstream.web.app import make_app
from camstream.web.connection import Connection, Socket
from camstream.web.gate import Gate, Role, make_token
from camstream.web.handshake import Handshake
from camstream.web.hub import Hub
from camstream.web.place import Place, listen, reached_at
from camstream.web.viewer import Wishes, addresses_of

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

    from camstream.live.session import LiveSession
    from camstream.live.wall import WallSession

_START_S = 10.0
_GRACE_S = 1  # for clients to take what was sent, when it ends
_LARGEST_MESSAGE = 16 * 1024  # bytes that a client may send at once
_LARGEST_HEAD = 16 * 1024


@dataclass(frozen=True, slots=True)
class Certificate:
    """What https needs.

    Attributes:
        chain: The file of the certificate, PEM.
        key: The file of its key, PEM.
    """

    chain: Path
    key: Path


class WebServer:
    """Serves the page of one session.

    Attributes:
        place: Where it listens, with its real port.
        hub: Takes the session's states: ``LiveSession(..., watch=server.hub.see)``.
        wishes: Gives the session the actions of pages, see ``attach``.
        gate: Who may come in.
    """

    def __init__(
        self,
        place: Place,
        *,
        sources: Sequence[str] = (),
        certificate: Certificate | None = None,
        tokens: Mapping[str, Role] = {},
        routes: Sequence[BaseRoute] = (),
        largest_message: int = _LARGEST_MESSAGE,
    ) -> None:
        """Begin to listen; nobody is answered before ``start``.

        Args:
            place: Where. What others reach too needs a token, which is made here.
            sources: The addresses that a page may open.
            certificate: For https; None: http.
            tokens: More tokens, and what each may do.
            routes: More addresses, see ``camstream.web.app.make_app``.
            largest_message: Bytes of a message that a client sends to a socket.

        Raises:
            SinkError: Nothing can listen there.
        """
        protocol: object = Connection
        if certificate is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(certificate.chain, certificate.key)
            protocol = partial(Handshake, context)  # uvicorn's own has neither of our limits
        self._listener, self.place = listen(place)
        own: dict[str, Role] = {}
        if not place.is_loopback:
            own = {make_token(): "control", make_token(): "view"}
        self.gate = Gate(
            self.place, {**own, **tokens} if own else {}, is_encrypted=certificate is not None
        )
        addresses = addresses_of(list(sources))
        self.hub = Hub(sources=addresses)
        self.wishes = Wishes(self.hub, addresses)
        config = uvicorn.Config(
            make_app(self.hub, self.wishes, self.gate, routes=routes),
            loop="asyncio",
            http=cast("type[Connection]", protocol),
            ws=Socket,
            ws_max_size=largest_message,
            ws_per_message_deflate=False,  # JPEG does not get smaller, and it would be made per viewer
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_keep_alive=15,
            timeout_graceful_shutdown=_GRACE_S,
            h11_max_incomplete_event_size=_LARGEST_HEAD,
        )
        logging.getLogger("uvicorn.error").setLevel(
            logging.CRITICAL
        )  # of bad clients, line by line
        self._server = uvicorn.Server(config)
        self._is_up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="camstream-web", daemon=True)

    def attach(self, session: LiveSession | WallSession) -> None:
        """Show a session that has not begun yet, and pass the actions of pages on to it."""
        self.hub.see(session.state)
        self.wishes.do = session.do

    def start(self) -> None:
        """Begin to answer.

        Raises:
            SinkError: It does not start.
        """
        self._thread.start()
        if not self._is_up.wait(_START_S) or not self._thread.is_alive():
            self.stop()
            raise SinkError(f"the server of the page does not start at {self.place}")

    def stop(self) -> None:
        """Tell everybody that it is over, and end the thread."""
        if self._thread.is_alive():
            self.hub.close()  # first: uvicorn would tell everybody that it begins anew
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join()
        self._listener.close()

    def link(self, role: Role | None = None) -> str:
        """Return the link to the page: without a token, or with one that may do so much."""
        scheme = "https" if self.gate.is_encrypted else "http"
        link = f"{scheme}://{Place(reached_at(self.place), self.place.port)}/"
        tokens = [token for token, may in self.gate.tokens.items() if may == role]
        return f"{link}?token={tokens[0]}" if tokens else link

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        finally:
            self._is_up.set()

    async def _serve(self) -> None:
        self.hub.start()
        serving = asyncio.ensure_future(self._server.serve(sockets=[self._listener]))
        while not (self._server.started or serving.done()):
            await asyncio.sleep(0.005)
        self._is_up.set()
        await serving
