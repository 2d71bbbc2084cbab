"""A connection that does not wait for ever: clients that open many and say nothing cost nobody."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_CONNECTIONS = 64
_HEAD_S = 5.0  # from the connection to the whole head of the first request


class Connection(H11Protocol):
    """Uvicorn's connection with a limit of time and of number.

    Where there are too many, the oldest one that has nothing going on is closed.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection."""
        super().connection_made(transport)
        self._in_time = self.loop.call_later(_HEAD_S, self._end_if_idle)
        others: list[Any] = [one for one in self.connections if one is not self]
        if len(others) >= MAX_CONNECTIONS:
            idle = [one for one in others if isinstance(one, Connection) and one.is_idle]
            victim = min(idle, key=lambda one: one.begun_s, default=self)
            self.connections.discard(victim)  # now: many may come before it is told that it is over
            victim.transport.abort()
        self.begun_s = self.loop.time()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._in_time.cancel()
        super().connection_lost(exc)

    @property
    def is_idle(self) -> bool:
        """Whether no request of it is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def _end_if_idle(self) -> None:
        # One that became a WebSocket is no connection of this kind any more.
        if self in self.connections and self.cycle is None:
            self.transport.abort()
