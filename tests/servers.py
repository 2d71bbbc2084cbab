"""Servers on the loopback address that behave badly, for sources."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\n%s\r\n"
MJPEG_TYPE = b"multipart/x-mixed-replace; boundary=frame"


@dataclass
class Connections:
    """A server that is a function of a connection.

    Attributes:
        port: Where it listens.
        count: How many clients came.
        ended: Is set when the server goes away; a connection should end then.
    """

    port: int = 0
    count: int = 0
    ended: threading.Event = field(default_factory=threading.Event)


@contextmanager
def answering(
    answer: Callable[[socket.socket, Connections], None],
) -> Iterator[Connections]:
    """Accept connections, and call a function in a thread with each."""
    state = Connections()
    listener = socket.create_server(("127.0.0.1", 0))
    state.port = listener.getsockname()[1]
    opened: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def serve(connection: socket.socket) -> None:
        try:
            answer(connection, state)
        except OSError:
            pass  # the client hung up
        finally:
            connection.close()

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            state.count += 1
            opened.append(connection)
            threads.append(threading.Thread(target=serve, args=(connection,), daemon=True))
            threads[-1].start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield state
    finally:
        state.ended.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in opened:
            connection.close()
        for thread in (acceptor, *threads):
            thread.join(5)


def silence(_: socket.socket, state: Connections) -> None:
    """Accept, and never answer."""
    state.ended.wait(30)


def part_of_mjpeg(jpeg: bytes, count: int) -> Callable[[socket.socket, Connections], None]:
    """Send so many pictures of a stream, and then nothing more."""

    def answer(connection: socket.socket, state: Connections) -> None:
        connection.recv(4096)
        connection.sendall(HEAD % (MJPEG_TYPE, b""))
        for _ in range(count):
            head = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg)
            connection.sendall(head + jpeg + b"\r\n")
        state.ended.wait(30)

    return answer


def part_of_file(data: bytes, sent: int) -> Callable[[socket.socket, Connections], None]:
    """Declare a whole file, send a part of it, and hang up."""

    def answer(connection: socket.socket, _: Connections) -> None:
        connection.recv(4096)
        connection.sendall(HEAD % (b"video/mp2t", b"Content-Length: %d\r\n" % len(data)))
        connection.sendall(data[:sent])

    return answer


@contextmanager
def folder_of(path: Path) -> Iterator[str]:
    """Serve the files of a folder; yields the address of the folder."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    with _http(partial(Quiet, directory=str(path))) as address:
        yield address


@contextmanager
def refusing(code: int) -> Iterator[str]:
    """Answer every request with a status of HTTP."""

    class Refuses(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(code)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with _http(Refuses) as address:
        yield address


@contextmanager
def _http(handler: Callable[..., BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://user:s3cret@127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
