"""A stand-in for a camera: MJPEG over HTTP on the loopback address, with a number in each frame."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
from numpy.typing import NDArray

_BITS = 20
_CELL_PX = 8


def draw_number(image: NDArray[np.uint8], number: int) -> None:
    """Draw a number along the bottom edge, each bit as two squares of which one is white.

    Blending heat over both keeps the brighter one brighter, and the overlay's texts stay above.
    """
    for bit in range(_BITS):
        x = bit * 2 * _CELL_PX
        white = x if number >> bit & 1 else x + _CELL_PX
        image[-_CELL_PX:, x : x + 2 * _CELL_PX] = 0
        image[-_CELL_PX:, white : white + _CELL_PX] = 255


def read_number(image: NDArray[np.uint8]) -> int:
    """Read what ``draw_number`` drew."""
    strip = image[-_CELL_PX + 2 : -2, : _BITS * 2 * _CELL_PX].mean(axis=(0, 2))
    cells = strip.reshape(_BITS, 2, _CELL_PX)[..., 2:-2].mean(axis=-1)
    return sum(1 << bit for bit, (one, zero) in enumerate(cells) if one > zero)


class Camera:
    """What the server sends.

    Attributes:
        url: Where it is served, with a password in it that must never be seen anywhere.
        sent_at: Number of a frame to ``time.perf_counter()`` when it was sent.
        is_up: False hangs up on every client and refuses new ones.
    """

    def __init__(
        self, picture: NDArray[np.uint8], rate_hz: float, *, prepared: int | None = None
    ) -> None:
        """Make a camera.

        Args:
            picture: Is moved sideways from frame to frame.
            rate_hz: Frames a second.
            prepared: Encode so many JPEGs beforehand and repeat them (and their numbers), so
                that the camera costs nothing; None encodes each frame when its time has come.
        """
        self.url = ""
        self.sent_at: dict[int, float] = {}
        self.is_up = True
        self._picture = picture
        self._period_s = 1 / rate_hz
        self._prepared = [self._jpeg(number) for number in range(prepared or 0)]
        self.ended = threading.Event()

    def jpegs(self) -> Iterator[tuple[int, bytes]]:
        """Give numbered JPEGs at the camera's rate."""
        number = 0
        due = time.perf_counter()
        while self.is_up and not self.ended.is_set():
            jpeg = self._prepared[number % len(self._prepared)] if self._prepared else None
            jpeg = jpeg or self._jpeg(number)
            due += self._period_s
            self.ended.wait(max(0.0, due - time.perf_counter()))
            self.sent_at[number] = time.perf_counter()
            yield number, jpeg
            number += 1

    def _jpeg(self, number: int) -> bytes:
        image = np.roll(self._picture, number * 4, axis=1)
        draw_number(image, number)
        return cv2.imencode(".jpg", image)[1].tobytes()


@contextmanager
def serve(
    picture: NDArray[np.uint8], rate_hz: float = 30.0, *, prepared: int | None = None
) -> Iterator[Camera]:
    """Serve a picture that moves, as an endless MJPEG stream."""
    camera = Camera(picture, rate_hz, prepared=prepared)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not camera.is_up:
                self.send_error(503)
                return
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            try:
                for _, jpeg in camera.jpegs():
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                    self.wfile.write(head.encode() + jpeg + b"\r\n")
                    self.wfile.flush()
            except OSError:
                pass  # the client hung up

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="mjpeg", daemon=True)
    thread.start()
    camera.url = f"http://user:s3cret@127.0.0.1:{server.server_address[1]}/stream.mjpg"
    try:
        yield camera
    finally:
        camera.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()
