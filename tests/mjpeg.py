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

BITS = 20
_CELL_PX = 16


def draw_number(image: NDArray[np.uint8], number: int) -> None:
    """Draw a number as black and white squares along the bottom edge."""
    height = image.shape[0]
    for bit in range(BITS):
        colour = 255 if number >> bit & 1 else 0
        x = bit * _CELL_PX
        image[height - _CELL_PX : height, x : x + _CELL_PX] = colour


def read_number(image: NDArray[np.uint8]) -> int:
    """Read what ``draw_number`` drew."""
    row = image.shape[0] - _CELL_PX // 2
    cells = image[row, _CELL_PX // 2 : BITS * _CELL_PX : _CELL_PX].mean(axis=-1)
    return sum(1 << bit for bit, value in enumerate(cells) if value > 127)


class Camera:
    """What the server sends.

    Attributes:
        url: Where it is served, with a password in it that must never be seen anywhere.
        sent_at: Number of a frame to ``time.perf_counter()`` when it was sent.
        is_up: False hangs up on every client and refuses new ones.
    """

    def __init__(self, picture: NDArray[np.uint8], rate_hz: float) -> None:
        self.url = ""
        self.sent_at: dict[int, float] = {}
        self.is_up = True
        self._picture = picture
        self._period_s = 1 / rate_hz
        self.ended = threading.Event()

    def jpegs(self) -> Iterator[tuple[int, bytes]]:
        """Give numbered JPEGs at the camera's rate."""
        number = 0
        due = time.perf_counter()
        while self.is_up and not self.ended.is_set():
            image = np.roll(self._picture, number * 4, axis=1)
            draw_number(image, number)
            jpeg = cv2.imencode(".jpg", image)[1].tobytes()
            due += self._period_s
            self.ended.wait(max(0.0, due - time.perf_counter()))
            self.sent_at[number] = time.perf_counter()
            yield number, jpeg
            number += 1


@contextmanager
def serve(picture: NDArray[np.uint8], rate_hz: float = 30.0) -> Iterator[Camera]:
    """Serve a picture that moves, as an endless MJPEG stream."""
    camera = Camera(picture, rate_hz)

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
