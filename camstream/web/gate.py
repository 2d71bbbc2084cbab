"""Decides of every request and every handshake whether it may come in, and what it may do.

A page of somebody else in the user's own browser can send requests here, even to a server that
only this machine reaches (cross-site requests, DNS rebinding). It cannot choose the headers Host,
Origin and Sec-Fetch-Site, so these are checked always. Whoever comes from another machine needs a
token besides.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
import secrets
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qs

from camstream.web.place import Place

Role = Literal["view", "control", "phone"]

_TOKEN_BYTES = 24  # 192 bits: they cannot be guessed
_LONGEST_TOKEN = 200
_PORT = re.compile("[0-9]{1,5}")
Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is decided of a request.

    Attributes:
        role: What it may do; None: nothing, it is refused.
        why: Why it is refused, for whoever reads the answer.
        token: The token that it brought in its address, to be kept in a cookie; empty for none.
    """

    role: Role | None
    why: str = ""
    token: str = ""


def make_token() -> str:
    """Return a new token."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


@dataclass(frozen=True)
class Gate:
    """What is let in.

    Attributes:
        place: Where the server listens, with its real port.
        tokens: What each token may do; empty: no token is needed, and all is allowed.
        is_encrypted: Whether it is https.
    """

    place: Place
    tokens: Mapping[str, Role] = field(default_factory=dict)
    is_encrypted: bool = False

    @property
    def cookie(self) -> str:
        """The name of the cookie; browsers share cookies among the ports of a host."""
        return f"camstream_{self.place.port}"

    def decide(
        self, headers: Headers, query: bytes, *, is_socket: bool = False, path: str = "/"
    ) -> Verdict:
        """Decide a request.

        Args:
            headers: Its headers, names in lower case.
            query: What stands after "?" in its address.
            is_socket: Whether it is the handshake of a WebSocket.
            path: Without the query.
        """
        hosts = [value for name, value in headers if name == b"host"]
        if len(hosts) != 1 or not self._is_ours(hosts[0].decode("latin-1")):
            return Verdict(None, "this name is none of this server's: use the link it printed")
        if why := self._of_another_page(hosts[0], headers, is_socket=is_socket, path=path):
            return Verdict(None, why)
        if not self.tokens:
            return Verdict("control")
        given = _tokens_in(query)
        if given:
            role = self._role_of(given[-1])
            return Verdict(role, _NO_TOKEN, given[-1] if role else "")
        for name, value in headers:
            if name == b"authorization" and value[:7].lower() == b"bearer ":
                return Verdict(self._role_of(value[7:].decode("latin-1").strip()), _NO_TOKEN)
        return Verdict(self._role_of(self._cookie_of(headers)), _NO_TOKEN)

    def _is_ours(self, host: str) -> bool:
        """Whether a Host header names this machine. Any port: it may have been forwarded."""
        name, port = _split(host)
        if name is None or (port and not (_PORT.fullmatch(port) and int(port) < 65536)):
            return False
        if name in ("localhost", self.place.host):
            return True
        try:
            # An address cannot be made to mean another machine, as a name can.
            address = ipaddress.ip_address(name.partition("%")[0])
        except ValueError:
            own = socket.gethostname().lower()
            return not self.place.is_loopback and name in (own, f"{own}.local")
        return address.is_loopback or not self.place.is_loopback

    def _of_another_page(self, host: bytes, headers: Headers, *, is_socket: bool, path: str) -> str:
        """Say that another page sent it, or nothing."""
        schemes = ("https",) if self.is_encrypted else ("http",)
        own = {f"{scheme}://{host.decode('latin-1').lower()}" for scheme in schemes}
        for name, value in headers:
            if name == b"origin" and value.decode("latin-1").lower() not in own:
                return "another page may not use this one"
        sites = [value for name, value in headers if name == b"sec-fetch-site"]
        if any(site not in (b"same-origin", b"none") for site in sites):
            modes = [value for name, value in headers if name == b"sec-fetch-mode"]
            if (
                is_socket or path != "/" or modes != [b"navigate"]
            ):  # a link to the page may be followed
                return "another page may not use this one"
        return ""

    def _role_of(self, given: str) -> Role | None:
        """Compare with every token, in a time that tells nothing of them."""
        if not given or len(given) > _LONGEST_TOKEN:
            return None
        digest = hashlib.sha256(given.encode("utf-8", "replace")).digest()
        found: Role | None = None
        for token, role in self.tokens.items():
            if hmac.compare_digest(digest, hashlib.sha256(token.encode()).digest()):
                found = role
        return found

    def _cookie_of(self, headers: Headers) -> str:
        for name, value in headers:
            if name == b"cookie" and len(value) <= 4096:
                # Those of other programs of this host may have any form; ours needs no quotes.
                for one in value.decode("latin-1").split(";"):
                    key, _, given = one.strip().partition("=")
                    if key == self.cookie:
                        return given
        return ""


def _tokens_in(query: bytes) -> list[str]:
    try:
        return parse_qs(query.decode("latin-1"), max_num_fields=20).get("token", [])
    except ValueError:  # more values than any of our links has
        return []


_NO_TOKEN = "this page needs the link that camstream printed, with its token"


def _split(host: str) -> tuple[str | None, str]:
    """Split a Host header into name and port; the name is None where it is none."""
    host = host.strip().lower()
    if host.startswith("["):
        name, bracket, rest = host[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            return None, ""
        return name, rest[1:]
    name, _, port = host.partition(":")
    return (name.removesuffix(".") or None) if ":" not in port else None, port
