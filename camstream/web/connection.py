"""A connection that does not wait for ever: clients that open many and say nothing cost nobody."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

MAX_CONNECTIONS = 64
HEAD_S = 5.0  # from the connection to the whole head of the first request
CLOSING_S = 2.0  # for a client to read the end of its socket


def make_room(connections: set[Any], newcomer: Any) -> None:
    """Where there are too many, close the oldest one that has nothing going on.

    Args:
        connections: All, the newcomer among them.
        newcomer: Goes itself where all others are busy.
    """
    others = [one for one in connections if one is not newcomer]
    if len(others) < MAX_CONNECTIONS:
        return
    # A WebSocket has no ``is_idle``.
    idle = [one for one in others if getattr(one, "is_idle", False)]
    victim = min(idle, key=lambda one: one.begun_s, default=newcomer)
    connections.discard(victim)  # now: many may come before it is told that it is over
    victim.transport.abort()


class Connection(H11Protocol):
    """Uvicorn's connection with a limit of time and of number."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection."""
        super().connection_made(transport)
        self._in_time = self.loop.call_later(HEAD_S, self._end_if_idle)
        self.begun_s = self.loop.time()
        make_room(self.connections, self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._in_time.cancel()
        super().connection_lost(exc)

    @property
    def is_idle(self) -> bool:
        """Whether no request of it is being answered, or it only waits for its client to read."""
        return self.cycle is None or self.cycle.response_complete or self.transport.is_closing()

    def _end_if_idle(self) -> None:
        # One that became a WebSocket is no connection of this kind any more.
        if self in self.connections and self.cycle is None:
            self.transport.abort()


class Socket(WebSocketsSansIOProtocol):
    """Uvicorn's WebSocket, whose end does not wait for a client that reads no more."""

    async def send(self, message: Any) -> None:
        """Send, or end it; what cannot be sent is given up soon after."""
        if message["type"] == "websocket.close":
            self.loop.call_later(CLOSING_S, self.transport.abort)
        await super().send(message)

    def keepalive_timeout(self) -> None:
        """End it: it does not answer any more."""
        super().keepalive_timeout()
        self.loop.call_later(CLOSING_S, self.transport.abort)
