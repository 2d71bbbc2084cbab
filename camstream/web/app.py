"""The addresses of the server, and what each answers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from functools import partial
from importlib import resources
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from camstream.errors import first_line
from camstream.web import viewer
from camstream.web.encoding import Encoded
from camstream.web.gate import Gate
from camstream.web.hub import CrowdedError, Hub, HubClosedError

_log = logging.getLogger(__name__)

_BOUNDARY = b"camstream"
_AGAIN_S = 2.0  # a picture that does not change is sent again: some clients give up without one
_PATIENCE_S = 30.0  # for a client to read
_FIRST_S = 5.0  # for the first picture of ``/snapshot.jpg``
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
_OPENING = (
    '<!doctype html><html lang="en"><link rel="icon" href="icon.svg"><title>camstream</title>'
    "<p>One moment ...</p></html>"
)
_COOKIE_S = 7 * 24 * 3600

HEADERS = [
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        b"media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        b"frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(self), microphone=(), geolocation=(), display-capture=()"),
    (b"cache-control", b"no-store"),
]


def make_app(
    hub: Hub, wishes: viewer.Wishes, gate: Gate, *, routes: Sequence[BaseRoute] = ()
) -> ASGIApp:
    """Put the server's addresses together, behind the gate.

    Args:
        hub: Gives pictures and states.
        wishes: Takes actions.
        gate: Decides who comes in; ``scope["role"]`` then says what he may do.
        routes: More addresses; they come before those of the page.
    """
    own: list[BaseRoute] = [
        Route("/stream.mjpg", partial(_stream, hub)),
        Route("/snapshot.jpg", partial(_snapshot, hub)),
        Route("/state.json", partial(_state, hub)),
        Route("/records", partial(_records, hub)),
        WebSocketRoute("/live", partial(_live, hub, wishes)),
    ]
    # The files are read now: no part of a request ever reaches the file system.
    for name, (content, kind) in page_files().items():
        answer = partial(_file, content, kind)
        own.append(Route(f"/{name}", answer))
        if name == "index.html":
            own.append(Route("/", answer))
    app = Starlette(routes=[*routes, *own])
    return _Guarded(app, gate, {getattr(route, "path", "/") for route in app.routes})


def page_files() -> dict[str, tuple[bytes, str]]:
    """Read the files of the page: by name, content and type."""
    folder = resources.files("camstream.web") / "page"
    return {
        one.name: (one.read_bytes(), _TYPES[suffix])
        for one in sorted(folder.iterdir(), key=lambda one: one.name)
        if (suffix := "." + one.name.rpartition(".")[2]) in _TYPES
    }


class _Guarded:
    """Asks the gate, and adds the headers that every answer has."""

    def __init__(self, app: ASGIApp, gate: Gate, paths: Collection[str]) -> None:
        self._app = app
        self._gate = gate
        self._paths = paths  # of ours: "//host/" would lead to another one

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._serve(scope, receive, send)
        except _NotReadError:
            raise  # uvicorn ends the connection
        except Exception as error:  # of ours: one client is lost, the others and the session go on
            _log.warning("the server of the page: %s", first_line(error))
            _log.debug("at %s", scope["path"], exc_info=True)
            raise

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_socket = scope["type"] == "websocket"
        headers, query = scope["headers"], scope["query_string"]
        verdict = self._gate.decide(headers, query, is_socket=is_socket, path=scope["path"])
        scope["role"] = verdict.role
        if is_socket:
            if verdict.role is None:
                await receive()
                await send({"type": "websocket.close", "code": 1008, "reason": verdict.why})
            else:
                await self._app(scope, receive, send)
            return
        answer = self._before(scope, verdict.role, verdict.why, verdict.token)
        await (answer or self._app)(scope, receive, _with_headers(send, scope["method"]))

    def _before(self, scope: Scope, role: str | None, why: str, token: str) -> Response | None:
        """Answer a request that does not come through; None where it does."""
        if role is None:
            return PlainTextResponse(f"{why}\n", 403)
        if scope["method"] not in ("GET", "HEAD"):
            return PlainTextResponse("only GET\n", 405, {"allow": "GET, HEAD"})
        if token and _is_page(scope):
            # The token leaves the address, so that it is in no history and on no screen. Not by a
            # redirect: where a link on another page was followed, strict cookies do not go with it.
            answer = Response(_OPENING, headers={"content-type": _TYPES[".html"]})
            path = scope["path"] if scope["path"] in self._paths else "/"
            answer.headers["refresh"] = f"0; url={path}"
            answer.set_cookie(
                self._gate.cookie,
                token,
                max_age=_COOKIE_S,
                httponly=True,
                samesite="strict",
                secure=self._gate.is_encrypted,
            )
            return answer
        return None


def _is_page(scope: Scope) -> bool:
    """Whether a browser asks for something to show as a page."""
    accepted = [value for name, value in scope["headers"] if name == b"accept"]
    return any(b"text/html" in value for value in accepted)


def _with_headers(send: Send, method: str) -> Send:
    async def sending(event: Message) -> None:
        if event["type"] == "http.response.start":
            more = list(HEADERS)
            if method not in ("GET", "HEAD"):
                more.append((b"connection", b"close"))  # what else it sends is not read
            event = {**event, "headers": [*event["headers"], *more]}
        await send(event)

    return sending


async def _file(content: bytes, kind: str, request: Request) -> Response:  # noqa: ARG001
    return Response(content, headers={"content-type": kind})


async def _state(hub: Hub, request: Request) -> Response:  # noqa: ARG001
    return Response(hub.told(), media_type="application/json")


async def _snapshot(hub: Hub, request: Request) -> Response:  # noqa: ARG001
    try:
        async with asyncio.timeout(_FIRST_S):
            newest = await hub.newer()
    except (TimeoutError, HubClosedError):
        return PlainTextResponse("there is no picture yet\n", 503)
    return Response(newest.jpeg, media_type="image/jpeg")


async def _stream(hub: Hub, request: Request) -> Response:  # noqa: ARG001
    kind = f"multipart/x-mixed-replace; boundary={_BOUNDARY.decode()}"
    return _while_seated(hub, _parts(hub), kind)


async def _parts(hub: Hub) -> AsyncIterator[bytes]:
    """Give pictures as parts; the boundary comes after each at once, not before the next.

    Chrome shows a part only when the next boundary has come.
    """
    yield b"--" + _BOUNDARY + b"\r\n"
    newest: Encoded | None = None
    while True:
        try:
            async with asyncio.timeout(_AGAIN_S):
                newest = await hub.newer(0 if newest is None else newest.number)
        except TimeoutError:
            if newest is None:
                continue
        except HubClosedError:
            return
        head = b"Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(newest.jpeg)
        yield head + newest.jpeg + b"\r\n--" + _BOUNDARY + b"\r\n"


async def _records(hub: Hub, request: Request) -> Response:  # noqa: ARG001
    return _while_seated(hub, _lines(hub), "application/jsonl; charset=utf-8")


async def _lines(hub: Hub) -> AsyncIterator[bytes]:
    with hub.reading() as lines:
        while True:
            while lines:
                yield lines.popleft().encode()
            try:
                await hub.more_records()
            except HubClosedError:
                return


def _while_seated(hub: Hub, content: AsyncIterator[bytes], kind: str) -> Response:
    """Answer with what comes as it comes, for one of those who look."""
    seats = contextlib.ExitStack()
    try:
        seats.enter_context(hub.seat())
    except CrowdedError as error:
        return PlainTextResponse(f"{error}\n", 503)
    return _Streaming(content, seats.close, kind)


class _NotReadError(Exception):
    """A client does not read what it asked for."""


class _Streaming(StreamingResponse):
    """Calls a function at the end, however it comes."""

    def __init__(
        self, content: AsyncIterator[bytes], at_end: Callable[[], None], kind: str
    ) -> None:
        super().__init__(content, headers={"content-type": kind})
        self._content = content
        self._at_end = at_end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def patiently(event: Message) -> None:
            async with asyncio.timeout(_PATIENCE_S):
                await send(event)

        try:
            await super().__call__(scope, receive, patiently)
        except TimeoutError:
            raise _NotReadError from None
        finally:
            self._at_end()
            close: Callable[[], Awaitable[Any]] | None = getattr(self._content, "aclose", None)
            if close is not None:
                await close()


async def _live(hub: Hub, wishes: viewer.Wishes, socket: WebSocket) -> None:
    await viewer.serve(socket, hub, wishes, can_control=socket.scope["role"] == "control")
