"""``camstream live phone --web``: a phone as the camera, its link and its certificate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from camstream.commands import plugins
from camstream.console import console, remark, results
from camstream.errors import UsageError
from camstream.web import place

if TYPE_CHECKING:
    from camstream.stages import Source
    from camstream.web.server import WebServer

NAME = "phone"
_EVERYWHERE = "0.0.0.0"


def phone_camera(sources: Sequence[str], *, is_served: bool) -> PhoneCamera | None:
    """Return what is needed where "phone" is the source that was named.

    Raises:
        UsageError: There is no page that a phone could open, or other sources were named too.
        SetupError: The extra is not installed.
    """
    if NAME not in sources:
        return None
    if len(sources) > 1:
        raise UsageError(f"{NAME} is shown alone: name no other source (./{NAME} is a file)")
    if not is_served:
        raise UsageError(f"{NAME} as the camera needs a page that it can open: add --web")
    return PhoneCamera()


class PhoneCamera:
    """A phone as the camera.

    Attributes:
        source: Its pictures.
    """

    def __init__(self) -> None:
        """Make its source.

        Raises:
            SetupError: The extra is not installed.
        """
        try:
            from camstream.web.phone import PhoneSource
            from camstream.web.phone_socket import PhoneDoor
        except ModuleNotFoundError as error:
            raise plugins.missing(NAME, error, "web") from error
        phone = PhoneSource()
        self.source: Source = phone
        self._door = PhoneDoor(phone)
        self._words: list[str] = []

    def open_page(self, at: str) -> WebServer:
        """Begin to listen: by https, since browsers give no camera without it.

        Args:
            at: HOST:PORT; without HOST at all addresses of this machine.

        Raises:
            UsageError: It is no such place.
            SetupError: The extra is not installed.
            SinkError: Nothing can listen there, or no certificate can be kept.
        """
        from camstream.web.certificate import get_certificate
        from camstream.web.gate import make_token
        from camstream.web.phone_socket import LARGEST_MESSAGE, PATH
        from camstream.web.server import Certificate, WebServer

        where = place.parse(at, usual_host=_EVERYWHERE)
        certificate = None
        if where.is_loopback:  # browsers take http from their own machine
            self._words.append("only a browser of this machine reaches it")
        else:
            made = get_certificate([place.reached_at(where)])
            certificate = Certificate(made.path, made.path)
            self._words.append(
                "its browser will warn that nobody vouches for this certificate, which camstream "
                'made: choose "Advanced" or "Show details", then go on'
                "; once is enough"
            )
            self._words.append(f"SHA-256 of the certificate: {made.fingerprint}")
        server = WebServer(
            where,
            certificate=certificate,
            tokens={make_token(): "phone"},
            routes=self._door.routes,
            largest_message=LARGEST_MESSAGE,
        )
        base, mark, query = server.link("phone").partition("?")
        self._door.link = f"{base.rstrip('/')}{PATH}{mark}{query}"
        return server

    def announce(self) -> None:
        """Print the link for the phone, as a QR code too where somebody sees it.

        Raises:
            SinkError: It cannot be printed.
        """
        from camstream.web.qr import as_text

        results.print(f"phone: {self._door.link}")
        if console.is_terminal:
            console.print(as_text(self._door.link), soft_wrap=True)
        for line in self._words:
            remark(line)
