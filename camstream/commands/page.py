"""``camstream live --web``: the server of the page, and what is said of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from camstream.commands import plugins
from camstream.console import remark, results
from camstream.web import place

if TYPE_CHECKING:
    from camstream.web.server import WebServer


def open_page(at: str, sources: Sequence[str]) -> WebServer:
    """Begin to listen, before anything that takes long.

    Args:
        at: HOST:PORT.
        sources: What was named on the command line, which a page may open.

    Raises:
        UsageError: It is no such place.
        SetupError: The extra is not installed.
        SinkError: Nothing can listen there.
    """
    where = place.parse(at)
    try:
        from camstream.web.server import WebServer
    except ModuleNotFoundError as error:
        raise plugins.missing("--web", error, "web") from error
    return WebServer(where, sources=sources)


def announce(server: WebServer) -> None:
    """Print the link to the page, and who can see it.

    Raises:
        SinkError: It cannot be printed; then nobody is to be let in.
    """
    if server.place.is_loopback:
        results.print(f"page: {server.link()}")
        return
    results.print(f"page: {server.link('control')}")
    results.print(f"to look only: {server.link('view')}")
    plain = "" if server.gate.is_encrypted else ", and who is on the way can read it: no encryption"
    remark(
        f"who has one of these links and reaches port {server.place.port} of this machine sees "
        f"the camera{plain}"
    )
