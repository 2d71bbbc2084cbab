"""Who is told of an event: a web address (a webhook), or a command."""

from __future__ import annotations

import base64
import contextlib
import http.client
import os
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import SplitResult, quote, unquote, urlsplit

from camstream.address import is_address, shown
from camstream.errors import UsageError, first_line
from camstream.safe_text import safe_text
from camstream.sinks.records import to_json

_SILENT_S = 5.0  # how long a server may say nothing
_WHOLE_S = 10.0  # how long its answer may take in all
_COMMAND_S = 30.0
_TRY_AGAIN = {408, 425, 429}  # besides all from 500: these answers may be others a moment later
_PREFIX = "CAMSTREAM_"


class UndeliveredError(Exception):
    """An event did not arrive.

    Attributes:
        reason: Why, in few words and without secrets.
        is_final: Whether it would not arrive later either.
    """

    def __init__(self, reason: str, *, is_final: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_final = is_final


class Receiver(Protocol):
    """Takes events, one at a time; its text is what may be shown of it."""

    def fresh(self) -> Receiver:
        """Return another one of the same, for events that come at the same time."""
        ...

    def deliver(self, event: Mapping[str, object]) -> None:
        """Hand an event over, and wait for it, seconds at most.

        Raises:
            UndeliveredError: It did not arrive.
        """
        ...

    def abort(self) -> None:
        """End a delivery that is under way, from another thread."""
        ...


def receiver_of(text: str) -> Receiver:
    """Return what a text names: an address with http:// or https://, or else a command.

    Raises:
        UsageError: It is neither.
    """
    return Webhook(text) if is_address(text) else Command(text)


class Webhook:
    """Sends each event as JSON by POST; any answer from 200 to 299 means that it arrived."""

    def __init__(self, url: str) -> None:
        """Read the address.

        Args:
            url: With http:// or https://; a user and a password in it become basic authentication.

        Raises:
            UsageError: It cannot be one.
        """
        self._url = url
        self._parts = _checked(url)
        self._name = shown(url)
        self._lock = threading.Lock()
        self._connection: http.client.HTTPConnection | None = None
        self._is_aborted = False

    def __str__(self) -> str:
        return self._name

    def fresh(self) -> Webhook:
        """Return another one for the same address."""
        return Webhook(self._url)

    def deliver(self, event: Mapping[str, object]) -> None:
        """Post an event; redirections are not followed.

        Raises:
            UndeliveredError: It did not arrive.
        """
        secure = self._parts.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(self._parts.hostname or "", self._parts.port, timeout=_SILENT_S)
        with self._lock:
            self._connection, self._is_aborted = connection, False
        limit = threading.Timer(_WHOLE_S, self.abort)  # a server may send a byte a second for ever
        limit.daemon = True
        try:
            connection.connect()
            limit.start()
            connection.request("POST", self._path(), to_json(event).encode(), self._headers())
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException, ValueError) as error:
            is_late = self._is_aborted or isinstance(error, TimeoutError)
            # Not "from error": its text may hold the address.
            raise UndeliveredError("no answer in time" if is_late else _reason(error)) from None
        finally:
            limit.cancel()
            with self._lock:
                self._connection = None
            connection.close()
        if not 200 <= status < 300:
            is_final = status < 500 and status not in _TRY_AGAIN
            raise UndeliveredError(f"the answer was HTTP {status}", is_final=is_final)

    def abort(self) -> None:
        """Hang up."""
        with self._lock:
            self._is_aborted = True
            connected = None if self._connection is None else self._connection.sock
            if connected is not None:
                with contextlib.suppress(OSError):
                    connected.shutdown(socket.SHUT_RDWR)

    def _path(self) -> str:
        path = quote(self._parts.path or "/", safe="/%:=&?~#+!$,;'@()*[]")
        query = quote(self._parts.query, safe="/%:=&?~+!$,;'@()*[]")
        return f"{path}?{query}" if query else path

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "User-Agent": "camstream"}
        if self._parts.username is not None:
            user, password = unquote(self._parts.username), unquote(self._parts.password or "")
            word = base64.b64encode(f"{user}:{password}".encode()).decode()
            headers["Authorization"] = f"Basic {word}"
        return headers


class Command:
    """Runs a command for each event, which finds the values in its environment; no shell."""

    def __init__(self, text: str) -> None:
        """Read the command.

        Args:
            text: The program and its arguments, quoted as in a shell; nothing else of a shell
                is understood in it.

        Raises:
            UsageError: There is no such program, or a quotation has no end.
        """
        self._text = text
        try:
            words = shlex.split(text, posix=os.name != "nt")
        except ValueError as error:
            raise UsageError(f"a command cannot be read: {first_line(error).lower()}") from None
        if not words:
            raise UsageError("give an address with http:// or https://, or a command")
        program = shutil.which(words[0])
        if program is None:
            raise UsageError(
                f"there is no program {shown(words[0])}; an address begins with http://"
            )
        self._words = [program, *words[1:]]
        self._name = words[0]
        self._lock = threading.Lock()
        self._running: subprocess.Popen[bytes] | None = None
        self._is_aborted = False

    def __str__(self) -> str:
        return self._name

    def fresh(self) -> Command:
        """Return another one that runs the same."""
        return Command(self._text)

    def deliver(self, event: Mapping[str, object]) -> None:
        """Run the command, and end it where it takes longer than 30 seconds.

        Raises:
            UndeliveredError: It cannot be started, hangs, or ends with another code than 0. It is
                final: what the command has done, it would do twice.
        """
        values = {f"{_PREFIX}{key.upper()}": _value(value) for key, value in event.items()}
        environment = {**os.environ, **values, f"{_PREFIX}JSON": to_json(event)}
        # A pipe would be waited for as long as any child of the command holds it.
        with tempfile.TemporaryFile() as said:
            try:
                running = subprocess.Popen(
                    self._words,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=said,
                    start_new_session=True,  # Ctrl-C is for camstream, and its end for all of it
                )
            except OSError as error:
                raise UndeliveredError(first_line(error), is_final=True) from None
            with self._lock:
                self._running = running
                if self._is_aborted:  # while it was being started
                    _end(running)
            try:
                code = running.wait(_COMMAND_S)
            except subprocess.TimeoutExpired:
                _end(running)
                late = f"it was ended after {_COMMAND_S:g} s"
                raise UndeliveredError(late, is_final=True) from None
            finally:
                with self._lock:
                    self._running = None
            if code:
                said.seek(0)
                lines = safe_text(said.read(400).strip().split(b"\n")[0])
                told = f": {lines}" if lines else ""
                raise UndeliveredError(f"it ended with code {code}{told}", is_final=True)

    def abort(self) -> None:
        """End the command that runs."""
        with self._lock:
            self._is_aborted = True
            if self._running is not None:
                _end(self._running)


def _checked(url: str) -> SplitResult:
    """Return the parts of an address of the web; raises UsageError where it is none."""
    try:
        parts = urlsplit(url)
        has_place = bool(parts.hostname) and parts.port != 0
    except ValueError:
        has_place = False
    if not has_place or any(one.isspace() or not one.isprintable() for one in url):
        raise UsageError(f"{shown(url)} is no address of the web")
    if parts.scheme not in ("http", "https"):
        raise UsageError(f"{shown(url)}: only http:// and https:// are sent to")
    return parts


def _reason(error: BaseException) -> str:
    if isinstance(error, socket.gaierror):
        return "its name is not known"
    if isinstance(error, http.client.HTTPException | ValueError):
        return "it does not answer in HTTP"
    return first_line(error).lower()


def _value(value: object) -> str:
    return "" if value is None else safe_text(str(value))


def _end(running: subprocess.Popen[Any]) -> None:
    """End a command and what it has started."""
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(running.pid, signal.SIGKILL)
        else:
            running.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        running.wait(1.0)
