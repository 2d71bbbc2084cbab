"""Between a session and all who look at it: one newest state, one drawing, one encoding.

The session's thread only puts its newest state here. A thread of the hub draws and encodes it, once
for everybody, and only while somebody waits for a picture that is newer than the last one. Nothing
is queued: who is slow gets the newest picture when the last one has arrived.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from camstream.errors import first_line
from camstream.live.mosaic import Tiles
from camstream.sinks.records import to_json_line, to_record
from camstream.web import telling
from camstream.web.encoding import Encoded, Look, encode
from camstream.web.memory import Memory, differ

if TYPE_CHECKING:
    from camstream.frame import Annotated
    from camstream.live.state import LiveState

_log = logging.getLogger(__name__)

MAX_VIEWERS = 16
_MAX_RECORDS = 120  # that wait for a reader; the oldest are left out
_AFTER_ERROR_S = 1.0
_TELL_S = 0.1  # between two states that are told
_TELL_AT_ONCE_S = 0.02  # the same, after an action


class HubClosedError(Exception):
    """The session has ended."""


class CrowdedError(Exception):
    """As many look as may."""


class Hub:
    """Keeps the newest state, and gives pictures, states and records to whoever asks.

    ``see`` is for the session's thread, ``take`` for any; all else is for the loop of the server.

    Attributes:
        encoded: How many pictures were encoded.
        viewers: How many look now.
    """

    def __init__(self, *, sources: Mapping[str, str] = {}, max_viewers: int = MAX_VIEWERS) -> None:
        """Begin without a state; ``start`` lets it work.

        Args:
            sources: What may be opened: the name, without secrets, and the address.
            max_viewers: How many may look at once.
        """
        self.encoded = 0
        self.viewers = 0
        self._sources = sources
        self._max_viewers = max_viewers
        self._state: LiveState | None = None
        self._picture: tuple[Look, Encoded] | None = None
        self._tiles = Tiles()
        self._memory = Memory()
        self._told: tuple[LiveState | None, float, str] = (None, 0.0, "")
        self._is_closed = False
        self._changed = threading.Condition()
        # Who waits, and the number of the picture that each has.
        self._waiting: dict[asyncio.Future[Encoded | None], int] = {}
        self._readers: dict[int, deque[str]] = {}
        self._unread: deque[Annotated] = deque(maxlen=_MAX_RECORDS)
        self._news: asyncio.Event | None = None
        self._records_came: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._work, name="camstream-encode", daemon=True)

    # For the session's thread.

    def see(self, state: LiveState) -> None:
        """Take the newest state; returns at once."""
        before = self._state
        self._memory.see(state)
        frame = self._memory.new_frame(state)
        with self._changed:
            self._state = state
            if self._waiting:
                self._changed.notify()
        if frame is not None:
            self.take(frame)
        if before is None or differ(state, before):
            self._call(self._wake)

    def take(self, annotated: Annotated) -> None:
        """Take a frame that the model has looked at, for the records; returns at once.

        Of one source, ``see`` finds them in the states; of several, a state is not for each frame.
        """
        with self._changed:
            if self._readers:
                self._unread.append(annotated)
                self._changed.notify()

    # For the loop of the server.

    def start(self) -> None:
        """Begin to work for the loop that runs."""
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._records_came = asyncio.Event()
        self._thread.start()

    def close(self) -> None:
        """End the thread, and let all who wait for something get ``HubClosedError``; from any thread."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        self._call(self._give_up)
        if self._thread.is_alive():
            self._thread.join()

    @property
    def state(self) -> LiveState | None:
        """The newest one; None before the first."""
        return self._state

    @property
    def size_wh(self) -> tuple[int, int] | None:
        """Of the picture that was sent last, pixels; None before the first."""
        return None if self._picture is None else self._picture[1].size_wh

    @contextlib.contextmanager
    def seat(self) -> Iterator[None]:
        """Take a place among those who look while the body runs.

        Raises:
            CrowdedError: There is none left.
        """
        if self.viewers >= self._max_viewers:
            raise CrowdedError(f"{self._max_viewers} look already; close another page")
        self.viewers += 1
        try:
            yield
        finally:
            self.viewers -= 1

    async def newer(self, than: int = 0) -> Encoded:
        """Wait for a picture that is newer than one of a number; it is the newest there is.

        Raises:
            HubClosedError: The session has ended.
        """
        if self._is_closed:
            raise HubClosedError
        known, state = self._picture, self._state
        if (
            known is not None
            and state is not None
            and known[1].number > than
            and Look.of(state).is_same(known[0])
        ):
            return known[1]
        future: asyncio.Future[Encoded | None] = asyncio.get_running_loop().create_future()
        with self._changed:
            self._waiting[future] = than
            self._changed.notify()
        try:
            found = await future
        finally:
            with self._changed:
                del self._waiting[future]
        if found is None:
            raise HubClosedError
        return found

    def told(self) -> str:
        """The newest state as JSON, made once for everybody; "{}" before the first."""
        state, (of, at_s, text) = self._state, self._told
        now_s = time.perf_counter()
        if state is None:
            return "{}"
        if text and now_s < at_s + _TELL_S / 2 and of is not None and not differ(state, of):
            return text
        values = telling.tell(
            state,
            size_wh=self.size_wh,
            present_since_s=self._memory.present_since_s(state),
            sources=self._sources,
        )
        text = msgspec.json.encode(values).decode()
        self._told = state, now_s, text
        return text

    async def news(self) -> None:
        """Wait until the state is worth telling again: a tenth of a second, or an action's effect.

        Raises:
            HubClosedError: The session has ended.
        """
        assert self._news is not None, "start() comes first"
        news = self._news  # also what comes during the sleep
        await asyncio.sleep(_TELL_AT_ONCE_S)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_TELL_S - _TELL_AT_ONCE_S):
                await news.wait()
        if self._is_closed:
            raise HubClosedError

    @contextlib.contextmanager
    def reading(self) -> Iterator[deque[str]]:
        """Collect a line of JSON for each frame while the body runs; those not taken are lost."""
        lines: deque[str] = deque(maxlen=_MAX_RECORDS)
        with self._changed:
            self._readers[id(lines)] = lines
        try:
            yield lines
        finally:
            with self._changed:
                del self._readers[id(lines)]

    async def more_records(self) -> None:
        """Wait for records.

        Raises:
            HubClosedError: The session has ended.
        """
        assert self._records_came is not None, "start() comes first"
        if self._is_closed:
            raise HubClosedError
        await self._records_came.wait()
        if self._is_closed:
            raise HubClosedError

    def _wake(self) -> None:
        """Let those who wait for news go on, and the next ones wait anew."""
        if self._news is not None:
            self._news.set()
            self._news = asyncio.Event()

    def _wake_readers(self, lines: list[str]) -> None:
        for reader in list(self._readers.values()):
            reader.extend(lines)
        if self._records_came is not None:
            self._records_came.set()
            self._records_came = asyncio.Event()

    def _give(self, found: Encoded) -> None:
        for future, than in list(self._waiting.items()):
            if found.number > than and not future.done():
                future.set_result(found)

    def _give_up(self) -> None:
        for future in list(self._waiting):
            if not future.done():
                future.set_result(None)
        self._wake()
        self._wake_readers([])

    def _call(self, what: Callable[..., object], *values: Any) -> None:
        """Call something in the server's loop, unless that has ended."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(what, *values)

    # For the hub's own thread.

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._is_closed or self._unread or self._wants())
                if self._is_closed:
                    return
                state = self._state if self._wants() else None
                unread = list(self._unread)
                self._unread.clear()
            if state is not None:
                try:
                    self._encode(state)
                except Exception as error:  # the others of the house go on, and so does this thread
                    _log.warning("the page gets no picture: %s", first_line(error))
                    time.sleep(_AFTER_ERROR_S)
            if unread:
                self._call(self._wake_readers, [to_json_line(to_record(one)) for one in unread])

    def _wants(self) -> bool:
        """Whether somebody waits, and the picture would be another than the last one."""
        state = self._state
        if not self._waiting or state is None or not (state.prediction or state.cameras):
            return False
        return self._picture is None or not Look.of(state).is_same(self._picture[0])

    def _encode(self, state: LiveState) -> None:
        look = Look.of(state)
        found = encode(state, self.encoded + 1, self._tiles)
        self.encoded += 1
        self._picture = look, found
        self._call(self._give, found)
