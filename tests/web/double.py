"""A camstream that a test plays itself: the page's files, and the other end of its WebSocket."""

from __future__ import annotations

import contextlib
import json
import struct
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

import camstream.web

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, ConsoleMessage, Page, WebSocketRoute

PAGE = Path(camstream.web.__file__).parent / "page"
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'"
)
KINDS = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
ACTIONS = [
    *("Toggle", "SetTopK", "ShowClasses", "SetSmoothing", "AskAt", "CloseAnswer", "SetTrail"),
    *("SetOpacity", "ChangeOpacity", "SetColormap", "Pause", "Seek", "Skip", "Step", "SetSpeed"),
    *("ChangeSpeed", "Loop", "Snapshot", "Record", "OpenSource", "Teach", "NameClass", "Forget"),
    *("Fit", "Save", "SetModel", "SetInputSize", "Refine", "SetContrast"),
    *("Focus", "AddCamera", "RemoveCamera"),
]
STATE: dict[str, Any] = {
    "type": "state",
    "source": "hall camera",
    "source_state": "",
    "source_rate_hz": 30.0,
    "rate_hz": 25.0,
    "lag_ms": 20.0,
    "shown": 250,
    "dropped": 50,
    "passed": 0,
    "device": "cpu",
    "model": "efficientnet_lite0",
    "models": ["efficientnet_lite0", "cups.onnx"],
    "chosen_model": "efficientnet_lite0",
    "sources": [],
    "is_stale": False,
    "without_picture_s": 0.0,
    "is_paused": False,
    "message": "",
    "recording": "",
    "recorded_s": 0.0,
    "tiles": {"count": 1, "columns": 1, "rows": 1},
    "style": {
        "heatmap_opacity": 0.6,
        "colormap": "turbo",
        "show_heatmap": True,
        "show_label": True,
        "show_boxes": False,
        "show_legend": False,
    },
    "selection": {
        "classes": [],
        "contrast": None,
        "top_k": 1,
        "smoothing": "default",
        "trail_s": 0.0,
        "input_size": None,
        "refine": False,
    },
    "top": [
        {"class_index": 283, "label": "Persian cat", "name": "Persian cat", "score": 0.93},
        {"class_index": 332, "label": "Angora rabbit", "name": "Angora rabbit", "score": 0.03},
        {"class_index": 259, "label": "Pomeranian", "name": "Pomeranian", "score": 0.02},
        {"class_index": 287, "label": "lynx", "name": "lynx", "score": 0.01},
        {"class_index": 281, "label": "tabby cat", "name": "tabby cat", "score": 0.01},
    ],
    "displayed": [
        {
            "name": "Persian cat",
            "label": "Persian cat",
            "class_index": 283,
            "score": 0.93,
            "is_sure": True,
        }
    ],
    "presence": None,
    "answer": None,
    "teaching": None,
    "player": None,
    "cameras": [],
}


HELP = [
    {"keys": "k", "words": "maps of the best", "needs": ""},
    {"keys": "[ ]", "words": "slower, faster", "needs": "clip"},
    {"keys": "d", "words": "rate", "needs": ""},
]
CHOICES = {
    "colormaps": ["turbo", "jet", "viridis"],
    "smoothings": ["off", "default", "strong"],
    "speeds": [0.5, 1, 2],
    "input_sizes": [224, 320],
}


class _Files(BaseHTTPRequestHandler):
    """The page's files, with its policy; a browser may keep them, so that tests are fast."""

    timeout = 0.5  # seconds: Chromium opens connections that it does not use

    def do_GET(self) -> None:
        path = PAGE / (self.path.lstrip("/") or "index.html")
        content = path.read_bytes() if path.is_file() else b"{}"
        self.send_response(200)
        self.send_header("content-security-policy", CSP)
        self.send_header("content-type", KINDS.get(path.suffix, "image/svg+xml"))
        self.send_header("content-length", str(len(content)))
        self.send_header("cache-control", "max-age=3600")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """Serve the page's files while the body runs; yields their address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Files) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def jpeg(brightness: int = 128, size_wh: tuple[int, int] = (640, 360)) -> bytes:
    """One grey picture."""
    image = np.full((size_wh[1], size_wh[0], 3), brightness, np.uint8)
    return cv2.imencode(".jpg", image)[1].tobytes()


def packet(number: int, picture: bytes, *, ago_s: float = 0.0) -> bytes:
    """A picture as it travels, see docs/manual/web.md."""
    return struct.pack(">Id", number, (time.time() - ago_s) * 1e3) + picture


class Double:
    """The other end of one page.

    Attributes:
        page: The page, opened.
        heard: What the page has sent, the oldest first, without acknowledgements.
        acknowledged: The numbers of the pictures that it has drawn.
        complaints: Errors on its console, and what its policy refused.
        is_away: Whether a connection is refused.
        connections: How often the page has connected.
    """

    def __init__(self, context: BrowserContext, url: str, *, can_control: bool = True) -> None:
        self.page: Page = context.new_page()
        self._url = url
        self.heard: list[dict[str, Any]] = []
        self.acknowledged: list[int] = []
        self.complaints: list[str] = []
        self.is_away = False
        self.connections = 0
        self.hello = {
            "type": "hello",
            "can_control": can_control,
            "version": "0",
            "actions": ACTIONS,
            "choices": CHOICES,
            "help": HELP,
            "classes_total": 1000,
        }
        self.state = json.loads(json.dumps(STATE))
        self._socket: WebSocketRoute | None = None
        self.page.on("console", self._complain)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.route_web_socket("**/live", self._connect)

    def open(self, **changes: Any) -> Page:
        """Open the page in a state that differs in these values, with one picture."""
        self.state.update(changes)
        self.page.goto(self._url)
        self.page.wait_for_selector("body[data-state]:not([data-state=wait])")
        return self.page

    def tell(self, **changes: Any) -> None:
        """Send a state that differs in these values."""
        self.state.update(changes)
        self._send(json.dumps(self.state))

    def show(self, number: int, picture: bytes, *, ago_s: float = 0.0) -> None:
        """Send a picture that was captured so many seconds ago."""
        self._send(packet(number, picture, ago_s=ago_s))

    def say(self, message: dict[str, Any]) -> None:
        """Send a message."""
        self._send(json.dumps(message))

    def cut(self, reason: str = "") -> None:
        """Close the connection, and say why."""
        assert self._socket is not None
        self._socket.close(code=1001 if reason else None, reason=reason or None)

    def done(self) -> list[tuple[str, dict[str, Any]]]:
        """Return and forget the actions that the page has asked for."""
        self.page.wait_for_timeout(20)
        found = [(one["action"], one["values"]) for one in self.heard if one["type"] == "do"]
        self.heard.clear()
        return found

    def _complain(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    def _send(self, message: str | bytes) -> None:
        assert self._socket is not None
        self._socket.send(message)

    def _connect(self, socket: WebSocketRoute) -> None:
        if self.is_away:
            socket.close()
            return
        self._socket = socket
        self.connections += 1
        socket.on_message(self._hear)
        self.say(self.hello)
        self.tell()
        self.show(1, jpeg())

    def _hear(self, message: str | bytes) -> None:
        heard = json.loads(message)
        if heard["type"] == "ack":
            self.acknowledged.append(heard["picture"])
        else:
            self.heard.append(heard)
