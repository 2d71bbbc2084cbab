"""What a phone and the server say to each other on the socket ``/phone``, and the phone's page.

    server -> phone   {"type": "next"}             send the newest picture
                      {"type": "ping", "id": 7}    what does your clock show?
    phone -> server   {"type": "pong", "id": 7, "ms": 1234.5}
                      binary: 8 bytes, when it was captured by the phone's clock, milliseconds, a
                      double, big-endian; then the JPEG

One picture is under way at most: the next is asked for when the last was taken, so that none ever
waits behind another.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import struct
import time
from functools import partial

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from camstream.web.allowance import GOING_AWAY, POLICY, Allowance, EndedError
from camstream.web.app import page_files
from camstream.web.clock import Clock
from camstream.web.phone import MAX_JPEG, PhoneSource
from camstream.web.qr import as_svg

PATH = "/phone"
_HEAD = struct.Struct(">d")
LARGEST_MESSAGE = MAX_JPEG + _HEAD.size
_OLDEST_S = 30.0  # a picture that claims to be older is dated by its arrival
_PINGS_S = (0.0, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0)  # between two; the last is repeated
_SILENT_S = 10.0  # without an answer to a ping
_MESSAGES_HZ = 120.0
_REPLACED, _NOT_ALLOWED = 4001, 4003  # codes of the end that are ours


class _Pong(msgspec.Struct, tag="pong"):
    id: int
    ms: float


_decoder = msgspec.json.Decoder(_Pong)


class PhoneDoor:
    """The addresses for a phone: its page, its socket, and the QR code that leads there.

    Attributes:
        link: The link that the code holds; set before the server starts.
        phone: The phone that is here; None: none is.
    """

    def __init__(self, source: PhoneSource) -> None:
        """Make the addresses.

        Args:
            source: Gets the pictures.
        """
        self.link = ""
        self._source = source
        self.phone: _Phone | None = None
        self.routes: list[BaseRoute] = [
            Route(PATH, partial(_page, *page_files()["phone.html"])),
            Route("/phone.svg", self._code),
            WebSocketRoute(PATH, self._serve),
        ]

    async def _code(self, request: Request) -> Response:
        if request.scope["role"] != "control" or not self.link:
            return PlainTextResponse("this link is not for that\n", 403)
        return Response(as_svg(self.link), media_type="image/svg+xml")

    async def _serve(self, socket: WebSocket) -> None:
        await socket.accept()
        if socket.scope["role"] not in ("phone", "control"):
            await socket.close(_NOT_ALLOWED, "this link is not for a camera")
            return
        if self.phone is not None:
            self.phone.end(_REPLACED, "another phone is the camera now")
        phone = self.phone = _Phone(socket, self._source)
        try:
            await phone.run()
            code, why = GOING_AWAY, "camstream has ended"
        except EndedError as error:
            code, why = error.code, str(error)
        except WebSocketDisconnect:
            return
        finally:
            if self.phone is phone:
                self.phone = None
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):  # it may be gone by now
            await socket.close(code, why)


class _Phone:
    """One phone on its socket.

    Attributes:
        clock: The phone's.
    """

    def __init__(self, socket: WebSocket, source: PhoneSource) -> None:
        self._socket = socket
        self._source = source
        self.clock = Clock()
        self._asked: dict[int, float] = {}  # pings that are not answered
        self._may_send = asyncio.Event()
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._allowance = Allowance(_MESSAGES_HZ)
        self._heard_s = time.perf_counter()

    def end(self, code: int, why: str) -> None:
        """Send it away."""
        if not self._ended.done():
            self._ended.set_exception(EndedError(code, why))

    async def run(self) -> None:
        """Take pictures until one of both ends it, whose error is raised."""
        loop = asyncio.get_running_loop()

        def taken() -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self._may_send.set)

        self._source.come(taken)
        self._may_send.set()
        works = (self._receive(), self._ask(), self._ping())
        tasks = [asyncio.ensure_future(work) for work in works]
        try:
            done, _ = await asyncio.wait([*tasks, self._ended], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            self._source.go(taken)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._ended.cancel()

    async def _ask(self) -> None:
        while True:
            await self._may_send.wait()
            self._may_send.clear()
            await self._socket.send_text('{"type":"next"}')

    async def _ping(self) -> None:
        number = 0
        while True:
            await asyncio.sleep(_PINGS_S[min(number, len(_PINGS_S) - 1)])
            now_s = time.perf_counter()
            if now_s - self._heard_s > _SILENT_S:
                raise EndedError(POLICY, f"no answer for {_SILENT_S:.0f} s")
            number += 1
            self._asked[number] = now_s
            await self._socket.send_text(f'{{"type":"ping","id":{number}}}')

    async def _receive(self) -> None:
        while True:
            event = await self._socket.receive()
            if event["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(event.get("code", 1005))
            self._allowance.pay()
            now_s = time.perf_counter()
            if event.get("bytes") is not None:
                self._picture(event["bytes"], now_s)
            else:
                self._pong(event.get("text") or "", now_s)

    def _picture(self, message: bytes, now_s: float) -> None:
        if len(message) <= _HEAD.size:
            raise EndedError(POLICY, "a picture has a time before it")
        there_s = _HEAD.unpack_from(message)[0] / 1e3
        captured_s = now_s
        if self.clock.is_known and math.isfinite(there_s):
            claimed_s = self.clock.here(there_s)
            if now_s - _OLDEST_S <= claimed_s <= now_s:
                captured_s = claimed_s
        self._source.offer(message[_HEAD.size :], captured_s)

    def _pong(self, text: str, now_s: float) -> None:
        try:
            pong = _decoder.decode(text)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise EndedError(POLICY, "not understood") from error
        asked_s = self._asked.pop(pong.id, None)
        if asked_s is not None and math.isfinite(pong.ms):
            self._heard_s = now_s
            self._asked = {one: at for one, at in self._asked.items() if one > pong.id}
            self.clock.add(asked_s, pong.ms / 1e3, now_s)


async def _page(content: bytes, kind: str, request: Request) -> Response:  # noqa: ARG001
    return Response(content, headers={"content-type": kind})
