"""Where the page is served: the address that was asked for, and the socket that listens there."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import re
import socket
from dataclasses import dataclass

from camstream.errors import SinkError, UsageError

DEFAULT = "127.0.0.1:8765"
USUAL = ":8765"  # the port, at the host that is usual for what is shown
_PLACE = re.compile(
    r"(?:\[(?P<six>[0-9a-fA-F:.%\w]+)\]|(?P<host>[^\s:/\[\]@]+))?:(?P<port>\d{1,5})"
)
_WAITING = 128  # connections that are not accepted yet
_SEND_BUFFER = 256 * 1024  # of a socket: a viewer that reads slowly is no more than that behind


@dataclass(frozen=True, slots=True)
class Place:
    """Where the page is served.

    Attributes:
        host: An address of this machine, or a name of it; "0.0.0.0" and "::" are all of them.
        port: 0 takes one that is free.
    """

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        with contextlib.suppress(ValueError):
            return ipaddress.ip_address(self.host).is_loopback
        return False

    @property
    def is_everywhere(self) -> bool:
        """Whether all addresses of this machine are meant."""
        with contextlib.suppress(ValueError):
            return ipaddress.ip_address(self.host).is_unspecified
        return False

    def __str__(self) -> str:
        """Write it as it is written in a link."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def is_place(text: str) -> bool:
    """Return whether a text is HOST:PORT, or :PORT for the default host."""
    return _PLACE.fullmatch(text) is not None


def parse(text: str, *, usual_host: str = DEFAULT.partition(":")[0]) -> Place:
    """Read HOST:PORT.

    Args:
        text: HOST:PORT, or :PORT for the usual host.
        usual_host: That one.

    Raises:
        UsageError: It is something else.
    """
    match = _PLACE.fullmatch(text)
    if match is None or int(match["port"]) > 65535:
        raise UsageError(f"--web {text}: give HOST:PORT, such as {DEFAULT} or 0.0.0.0:8765")
    host = match["six"] or match["host"] or usual_host
    return Place(host.lower(), int(match["port"]))


def listen(place: Place) -> tuple[socket.socket, Place]:
    """Begin to listen; clients wait until somebody accepts them.

    Returns:
        The socket, and the place with the port that it really has.

    Raises:
        SinkError: Nothing can listen there.
    """
    try:
        found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
        family, _, _, _, at = found[0]
        listener = socket.create_server(at[:2], family=family, backlog=_WAITING)
    except socket.gaierror as error:
        raise SinkError(f"cannot serve the page at {place}: no such host") from error
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        if error.errno == errno.EADDRINUSE:
            why = f"the port is in use; take another, such as --web {_next(place)}"
        raise SinkError(f"cannot serve the page at {place}: {why[:1].lower()}{why[1:]}") from error
    with contextlib.suppress(OSError):
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
    return listener, Place(place.host, listener.getsockname()[1])


def reached_at(place: Place) -> str:
    """Return the host by which others reach a place: of all addresses, the one of the way out."""
    if not place.is_everywhere:
        return place.host
    is_six = ":" in place.host
    family = socket.AF_INET6 if is_six else socket.AF_INET
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        # Nothing is sent: connecting a datagram socket only chooses the way. The addresses are
        # of the ranges kept for documentation.
        probe.connect(("2001:db8::1" if is_six else "192.0.2.1", 9))
        return str(probe.getsockname()[0])
    return socket.gethostname().lower() or "localhost"


def _next(place: Place) -> Place:
    return Place(place.host, place.port + 1 if place.port < 65535 else 8765)
