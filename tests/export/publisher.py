"""A server of weights files on the loopback address."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

CONTENT = bytes(range(256)) * 5000
NAME = f"weights-{hashlib.sha256(CONTENT).hexdigest()[:8]}.pth"


@dataclass
class Publisher:
    """The server's address and files, and the ranges that it was asked for."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    ranges: list[str | None] = field(default_factory=list)
    knows_ranges: bool = True
    cut_after: int | None = None
    declares_length: bool = True
    leads_to: str = ""  # another server


@contextlib.contextmanager
def serve() -> Iterator[Publisher]:
    served = Publisher(files={NAME: CONTENT})

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.ranges.append(asked := self.headers["Range"])
            if served.leads_to:
                self.send_response(302)
                self.send_header("Location", served.leads_to + self.path.lstrip("/"))
                self.end_headers()
                return None
            content = served.files.get(self.path.lstrip("/"))
            if content is None:
                return self.send_error(404)
            start = 0
            if asked and served.knows_ranges:
                start = int(asked.removeprefix("bytes=").rstrip("-"))
                if start >= len(content):
                    return self.send_error(416)
                self.send_response(206)
            else:
                self.send_response(200)
            if served.declares_length:
                self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            self.wfile.write(content[start : served.cut_after])
            return None

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        served.url = f"http://127.0.0.1:{server.server_address[1]}/"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield served
        server.shutdown()
        thread.join()
