"""One viewer on the socket ``/live``: pictures and states out, acknowledgements and actions in."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from camstream.address import shown
from camstream.errors import CamstreamError, UsageError
from camstream.live import actions, layout, values
from camstream.web import message
from camstream.web.allowance import GOING_AWAY, POLICY, Allowance, EndedError
from camstream.web.greeting import NOT_FROM_A_PAGE, greeting
from camstream.web.hub import CrowdedError, Hub, HubClosedError

_MESSAGES_HZ = 100.0  # of a viewer; a page that is held down sends 60 at most

# More codes of the end of a socket, RFC 6455.
_NOT_TEXT, _TOO_BIG, _LATER = 1003, 1009, 1013


class Wishes:
    """Passes the actions of pages on to a session, as far as a page may ask for them."""

    def __init__(self, hub: Hub, addresses: Mapping[str, str] = {}) -> None:
        """Begin without a session; ``do`` is set when there is one.

        Args:
            hub: Has the newest state.
            addresses: The sources that may be opened: what is shown of each, and its address.
        """
        self.do: Callable[[actions.Action], None] | None = None
        self._hub = hub
        self._addresses = addresses

    def ask(self, name: str, given: Mapping[str, Any]) -> None:
        """Ask the session for an action.

        Raises:
            UsageError: There is no such action, its values are wrong, or no page may ask for it.
        """
        action = values.make(name, given)
        if self.do is None:
            raise UsageError("the session has not begun yet")
        self.do(self._allowed(action))

    def _allowed(self, action: actions.Action) -> actions.Action:
        if isinstance(action, NOT_FROM_A_PAGE):
            raise UsageError(f"a page cannot ask for {type(action).__name__}")
        if isinstance(action, actions.OpenSource | actions.AddCamera):
            if action.address not in self._addresses:
                known = ", ".join(self._addresses) or "none"
                raise UsageError(
                    f"a page opens only what was named when camstream was started: {known}"
                )
            return dataclasses.replace(action, address=self._addresses[action.address])
        if isinstance(action, actions.AskAt):
            return self._in_tile(action)
        return action

    def _in_tile(self, action: actions.AskAt) -> actions.AskAt:
        """Where several views are side by side, find the place in the one that was meant."""
        state = self._hub.state
        if (
            state is None
            or state.is_mosaic
            or state.frame is None
            or not (0 <= action.x <= 1 and 0 <= action.y <= 1)
        ):
            return action
        size_wh = self._hub.size_wh or state.frame.picture.size_wh
        place = layout.tile_at(state, size_wh, action.x, action.y)
        if place is None:
            raise UsageError("there is no picture at this place")
        return actions.AskAt(place[1], place[2])


def addresses_of(sources: list[str]) -> dict[str, str]:
    """Return what is shown of each source, without secrets, and its address."""
    found: dict[str, str] = {}
    for source in sources:
        name = shown(int(source) if source.isdecimal() else source)
        number = 2
        unique = name
        while unique in found and found[unique] != source:
            unique, number = f"{name} ({number})", number + 1
        found[unique] = source
    return found


async def serve(socket: WebSocket, hub: Hub, wishes: Wishes, *, can_control: bool) -> None:
    """Serve a viewer until one of both ends it."""
    await socket.accept()
    try:
        with hub.seat():
            await _Viewer(socket, hub, wishes if can_control else None).run()
        code, why = GOING_AWAY, "camstream has ended"
    except CrowdedError as error:
        code, why = _LATER, str(error)
    except EndedError as error:
        code, why = error.code, str(error)
    except WebSocketDisconnect:
        return
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):  # it may be gone by now
        await socket.close(code, why)


class _Viewer:
    patience_s = 30.0  # for the acknowledgement of a picture

    def __init__(self, socket: WebSocket, hub: Hub, wishes: Wishes | None) -> None:
        self._socket = socket
        self._hub = hub
        self._wishes = wishes
        self._sent = 0
        self._is_drawn = asyncio.Event()
        self._allowance = Allowance(_MESSAGES_HZ)

    async def run(self) -> None:
        """Run its three tasks until one of them ends; that one's error is raised."""
        state = self._hub.state
        await self._socket.send_text(
            message.text("hello", **greeting(state, can_control=self._wishes is not None))
        )
        tasks = [
            asyncio.ensure_future(one)
            for one in (self._pictures(), self._states(), self._receive())
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                with contextlib.suppress(HubClosedError):
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _pictures(self) -> None:
        """Send the newest picture as soon as the last one was drawn."""
        while True:
            newest = await self._hub.newer(self._sent)
            self._sent = newest.number
            self._is_drawn.clear()
            try:
                async with asyncio.timeout(self.patience_s):
                    await self._socket.send_bytes(newest.message)
                    await self._is_drawn.wait()
            except TimeoutError:
                why = f"no picture was acknowledged for {self.patience_s:.0f} s"
                raise EndedError(POLICY, why) from None

    async def _states(self) -> None:
        last = ""
        while True:
            told = self._hub.told()
            if told not in (last, "{}"):
                await self._socket.send_text('{"type":"state",' + told[1:])
                last = told
            await self._hub.news()

    async def _receive(self) -> None:
        while True:
            event = await self._socket.receive()
            if event["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(event.get("code", 1005))
            self._allowance.pay()
            text = event.get("text")
            if text is None:
                raise EndedError(_NOT_TEXT, "messages are text")
            if len(text) > message.MAX_MESSAGE:
                raise EndedError(_TOO_BIG, f"a message has up to {message.MAX_MESSAGE} characters")
            try:
                await self._answer(message.read(text))
            except CamstreamError as error:
                await self._socket.send_text(message.text("error", message=str(error)))

    async def _answer(self, asked: message.Message) -> None:
        match asked:
            case message.Ack(number):
                if number == self._sent & 0xFFFFFFFF and not self._is_drawn.is_set():
                    self._is_drawn.set()
                    self._allowance.give_back()  # it costs nothing: there is one for each picture
            case message.Classes(query):
                state = self._hub.state
                names = [] if state is None else message.suggestions(state, query)
                await self._socket.send_text(message.text("classes", query=query, names=names))
            case message.Do(name, given):
                if self._wishes is None:
                    raise UsageError("this link is for looking only")
                self._wishes.ask(name, given)
