"""The beginning of an encrypted connection, in a limit of time and of number as any other."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any, cast

from camstream.web import connection


class Handshake(asyncio.Protocol):
    """A connection that is not encrypted yet; it becomes a ``Connection`` as soon as it is.

    It is counted with these, so that those who never speak are the first to go.
    """

    is_idle = True

    def __init__(self, context: ssl.SSLContext, **given: Any) -> None:
        """Prepare.

        Args:
            context: Holds the certificate.
            given: What uvicorn gives to a connection.
        """
        self._context = context
        self._inner = connection.Connection(**given)
        self._early = b""  # what came before the inner one took over

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a connection and begin to encrypt it."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.pause_reading()
        self.begun_s = self._inner.loop.time()
        self._task = self._inner.loop.create_task(self._encrypt())
        self._inner.connections.add(cast("Any", self))
        connection.make_room(self._inner.connections, self)

    def data_received(self, data: bytes) -> None:
        """Keep what came together with the end of the handshake."""
        self._early += data

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Forget it."""
        self.shutdown()

    def shutdown(self) -> None:
        """End it now."""
        self._inner.connections.discard(cast("Any", self))
        self._task.cancel()
        self.transport.abort()

    async def _encrypt(self) -> None:
        try:
            encrypted = await self._inner.loop.start_tls(
                self.transport,
                self,
                self._context,
                server_side=True,
                ssl_handshake_timeout=connection.HEAD_S,
            )
        except (OSError, asyncio.CancelledError):  # it does not speak TLS, says nothing or has gone
            self.transport.abort()
            return
        finally:
            self._inner.connections.discard(cast("Any", self))
        if encrypted is None or encrypted.is_closing():
            return
        encrypted.set_protocol(self._inner)
        self._inner.connection_made(encrypted)
        if self._early:
            self._inner.data_received(self._early)
