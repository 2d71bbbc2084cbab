"""Addresses of cameras, streams and files: what is one, and what may be shown of it."""

from __future__ import annotations

import re
from pathlib import Path

# A scheme with all that may be left of "://" after a slip of the finger, or after ``Path`` has
# joined slashes. Only known ones: "clips:/a" may be a file.
_SCHEME = re.compile(
    r"(?P<scheme>https?|rtsps?|rtspt|rtspu|rtmp[a-z]*|srt|rist|udp|rtp|srtp|tcp|tls|ftps?|sftp|mms[a-z]*"
    r"|hls|whep|wss?)(?P<mark>:?/{1,2}|:)",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]+)(?P<mark>://)", re.IGNORECASE)
_FILE = "file"
# What follows "app" in rtmp://host/app/KEY gives the right to send.
_KEY_LAST = re.compile(r"rtmp[a-z]*", re.IGNORECASE)
# Parts of a path that nobody chose for people to read: digits and letters mixed without a break.
_TOKEN = re.compile(
    r"(?=[^/]*\d)(?=[^/]*[a-z])[a-z0-9+=~]{14,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{16,}",
    re.IGNORECASE,
)
HIDDEN = "***"


def is_address(text: str) -> bool:
    """Return whether a source's text is a URL, and not one that names a file (file://...)."""
    match = _ADDRESS.match(text)
    return match is not None and match["scheme"].lower() != _FILE


def file_of(text: str) -> Path:
    """Return the file that a text names; file://... names one too."""
    match = _ADDRESS.match(text)
    if match is None or match["scheme"].lower() != _FILE:
        return Path(text)
    from urllib.request import url2pathname  # takes longer to load than most that use this module

    return Path(url2pathname(text[match.end() :].removeprefix("localhost")))


def shown(source: str | int | Path) -> str:
    """Return what may be shown of a source: no user, password, query or key, in whatever place.

    The name of a file is returned as it is. What looks like a mistyped address is treated as one,
    unless there is such a file.

    Args:
        source: A camera's number, or what was given as a file, a device or an address.
    """
    if isinstance(source, int):
        return f"camera {source}"
    text = str(source)
    if address := _ADDRESS.match(text):
        return _without_secrets(address, text)
    if _exists(text):
        return text
    if mistyped := _SCHEME.match(text):
        return _without_secrets(mistyped, text)
    start = 2 if re.match(r"[A-Za-z]:[\\/]", text) else 0  # a drive of Windows is no user
    if "@" in text[start:].partition(":")[2]:  # user:password@host
        text = f"{HIDDEN}@{text.rpartition('@')[2]}"
    return re.sub(r"\?[^?]*=.*", "", text, flags=re.DOTALL)  # host/stream?token=...


def _without_secrets(address: re.Match[str], text: str) -> str:
    start, rest = address[0], text[address.end() :]
    authority, tail = re.fullmatch(r"([^/?#]*)(.*)", rest, re.DOTALL).groups()  # type: ignore[union-attr]
    if "@" in tail:  # the password may hold an unescaped / ? or #: no part is known to be public
        return f"{start}{HIDDEN}"
    host = authority.rpartition("@")[2]
    # Whole parts of the path, up to the first that looks like a setting (user=admin&pwd=...).
    path = re.match(r"(?:/[^/?#;=&]*(?![^/?#]))*", tail)
    parts = (path[0] if path else "").split("/")
    if _KEY_LAST.fullmatch(address["scheme"]):
        parts = parts[:2] + [part and HIDDEN for part in parts[2:]]
    parts = [HIDDEN if _TOKEN.search(part) else part for part in parts]
    return f"{start}{host}{'/'.join(parts)}"


def _exists(text: str) -> bool:
    try:
        return Path(text).exists()
    except (OSError, ValueError):  # longer than a name may be; a zero byte
        return False
