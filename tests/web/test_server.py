"""The server itself: other addresses, what bad clients cost the others, beginning and end."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from camstream.commands import app
from camstream.commands.page import announce, open_page
from camstream.errors import SetupError, SinkError, UsageError
from camstream.frame import Frame
from camstream.live.outputs import RunLimits
from camstream.live.session import LiveSession
from camstream.models.session import Model
from camstream.sources.live import LiveSource
from camstream.testing import FAKE_INFO, FakeDisplay, FakeSource, fake_infer
from camstream.web import connection as connections
from camstream.web.app import HEADERS, page_files
from camstream.web.certificate import get_certificate
from camstream.web.encoding import Encoded
from camstream.web.place import Place, is_place, parse
from camstream.web.server import Certificate, WebServer
from tests.web.serving import LOOPBACK, Served, end_of, serving


@pytest.fixture
def served(tiny_model: Model) -> Iterator[Served]:
    with serving(tiny_model) as one:
        yield one


def test_the_page_and_its_files(served: Served) -> None:
    files = page_files()
    assert {"index.html", "page.css", "page.js"} <= files.keys()
    status, headers, content = served.get("/")
    assert (status, content) == (200, files["index.html"][0])
    assert headers["content-type"] == "text/html; charset=utf-8"
    for name, (expected, kind) in files.items():
        status, headers, content = served.get(f"/{name}")
        assert (status, content, headers["content-type"]) == (200, expected, kind)


@pytest.mark.parametrize("path", ["/", "/state.json", "/snapshot.jpg", "/nothing", "/%00"])
def test_every_answer_has_the_headers_that_keep_others_out(served: Served, path: str) -> None:
    _, headers, _ = served.get(path)
    for name, value in HEADERS:
        assert headers[name.decode()] == value.decode()
    policy = headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "default-src 'none'" in policy
    assert "server" not in headers


@pytest.mark.parametrize(
    "path",
    [
        "/../../../etc/passwd",
        "/..%2f..%2fetc%2fpasswd",
        "/page/../server.py",
        "/%2e%2e/server.py",
        "//etc/passwd",
        "/server.py",
        "/page/page.js",
        "/page.js/",
        "/C:\\Windows\\win.ini",
        "/" + "a" * 5000,
    ],
)
def test_no_path_reaches_the_file_system(served: Served, path: str) -> None:
    status, _, content = served.get(path)
    assert status in (404, 307)
    assert b"root:" not in content
    assert b"import" not in content


def test_other_names_and_other_pages_are_refused(served: Served) -> None:
    for headers in (
        {"Host": "evil.example"},
        {"Origin": "http://evil.example"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
    ):
        status, answer, content = served.get("/snapshot.jpg", headers=headers)
        assert status == 403
        assert content.count(b"\n") == 1
        assert "access-control-allow-origin" not in answer


def test_the_state_and_a_picture_for_other_programs(served: Served) -> None:
    status, headers, jpeg = served.get("/snapshot.jpg")
    assert (status, headers["content-type"]) == (200, "image/jpeg")
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    assert image.shape == (360, 640, 3)
    state = json.loads(served.get("/state.json")[2])
    assert state["source"] == "fake"
    assert served.get("/snapshot.jpg", method="HEAD")[2] == b""


def test_no_picture_yet_is_said(tiny_model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(source: FakeSource) -> Iterator[Frame]:
        source.stopped.wait(30)
        yield from ()

    monkeypatch.setattr("camstream.web.app._FIRST_S", 0.2)
    with serving(tiny_model, FakeSource(nothing, is_live=True)) as served:
        assert served.get("/snapshot.jpg")[::2] == (503, b"there is no picture yet\n")
        assert json.loads(served.get("/state.json")[2])["shown"] == 0


def test_a_record_for_each_frame_as_it_comes(served: Served) -> None:
    address = f"http://127.0.0.1:{served.port}/records"
    with urllib.request.urlopen(address, timeout=10) as answer:
        assert answer.headers["content-type"] == "application/jsonl; charset=utf-8"
        records = [json.loads(answer.readline()) for _ in range(5)]
    indices = [record["index"] for record in records]
    assert indices == sorted(set(indices))
    assert records[0]["top"][0]["label"] in ("light", "dark")
    assert records[0]["size_wh"] == [640, 360]


def test_the_boundary_comes_after_each_picture_at_once(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as client:
        client.sendall(b"GET /stream.mjpg HTTP/1.0\r\nHost: localhost\r\n\r\n")
        got = b""
        while got.count(b"--camstream\r\n") < 4:
            got += client.recv(65536)
    head, _, body = got.partition(b"\r\n\r\n")
    assert b"multipart/x-mixed-replace; boundary=camstream" in head
    parts = body.split(b"--camstream\r\n")
    assert parts[0] == b""
    for part in parts[1:4]:
        length = int(re.search(rb"Content-Length: (\d+)", part)[1])  # type: ignore[index]
        jpeg = part.partition(b"\r\n\r\n")[2]
        assert len(jpeg) == length + 2  # and the end of a line before the boundary
        assert jpeg.startswith(b"\xff\xd8")


def test_camstream_itself_takes_the_stream_as_a_source(served: Served) -> None:
    source = LiveSource(f"http://127.0.0.1:{served.port}/stream.mjpg")
    display = FakeDisplay(keep_images=True)
    session = LiveSession(
        source, fake_infer, FAKE_INFO, device="cpu", display=display, limits=RunLimits(frames=10)
    )
    assert session.run().frames_out == 10
    assert display.images[-1].shape == (360, 640, 3)


def test_the_token_goes_from_the_address_into_a_cookie(tiny_model: Model) -> None:
    with serving(tiny_model, place=Place("0.0.0.0", 0)) as served:
        assert served.get("/")[0] == 403
        assert served.get("/page.js")[0] == 403
        link = served.server.link("control")
        token = link.partition("?token=")[2]
        status, headers, content = served.get(f"/?token={token}", headers={"Accept": "text/html"})
        assert status == 200
        assert headers["refresh"] == "0; url=/"
        assert token.encode() not in content
        for path in ("//evil.example/", "/%5Cevil.example/"):
            elsewhere = served.get(f"{path}?token={token}", headers={"Accept": "text/html"})
            assert elsewhere[1]["refresh"] == "0; url=/"
        cookie = headers["set-cookie"]
        assert cookie.startswith(f"camstream_{served.port}={token}; ")
        assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
        kept = {"Cookie": cookie.partition(";")[0]}
        assert served.get("/", headers=kept)[0] == 200
        assert served.get(f"/state.json?token={token}")[0] == 200  # curl
        assert served.get("/state.json", headers={"Authorization": f"Bearer {token}"})[0] == 200
        assert served.get("/state.json?token=wrong", headers=kept)[0] == 403


def test_a_post_of_a_gigabyte_is_not_read(served: Served) -> None:
    sent = 0
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n")
        with contextlib.suppress(OSError):
            while sent < 1_000_000_000:
                sent += client.send(b"x" * 65536)
    assert sent < 50_000_000
    with served.viewer() as viewer:
        viewer.picture()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
def test_only_get_is_answered(served: Served, method: str) -> None:
    status, headers, _ = served.get("/", method=method)
    assert (status, headers["allow"], headers["connection"]) == (405, "GET, HEAD", "close")


def test_a_thousand_sockets_that_say_nothing_lock_nobody_out(served: Served) -> None:
    with served.viewer() as good, contextlib.ExitStack() as opened:
        good.picture()
        for _ in range(1000):
            client = socket.create_connection(("127.0.0.1", served.port), timeout=10)
            opened.enter_context(client)
        for _ in range(5):
            good.picture()
        with served.viewer() as another:
            another.picture()
        connected = len(served.server._server.server_state.connections)
        assert connected <= connections.MAX_CONNECTIONS + 5


def test_who_connects_and_says_nothing_is_let_go(
    tiny_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_S", 0.3)
    with serving(tiny_model) as served:
        for said in (b"", b"GET / HTTP/1.1\r\nHost: local"):
            with socket.create_connection(("127.0.0.1", served.port), timeout=5) as client:
                client.sendall(said)
                with contextlib.suppress(ConnectionResetError):
                    assert client.recv(100) == b""


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00\xff" * 100 + b"\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 1_000_000,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # somebody speaks TLS
        b"GET /live HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    ],
)
def test_garbage_costs_only_its_sender(served: Served, garbage: bytes) -> None:
    with served.viewer() as viewer:
        client = socket.create_connection(("127.0.0.1", served.port), timeout=10)
        with client, contextlib.suppress(ConnectionError):
            client.sendall(garbage)
            client.shutdown(socket.SHUT_WR)
            answer = client.recv(1000)
            assert not answer or answer.startswith(b"HTTP/1.1 4")
        for _ in range(3):
            viewer.picture()


def test_a_viewer_that_stops_reading_slows_nobody_and_keeps_nothing(served: Served) -> None:
    with contextlib.ExitStack() as stack:
        for path in ("/stream.mjpg", "/records"):
            client = stack.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", served.port))
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        with served.viewer() as viewer:
            started = time.monotonic()
            for _ in range(30):
                viewer.picture()
            assert time.monotonic() - started < 10
            assert served.server.hub.viewers == 3
    deadline = time.monotonic() + 10
    while served.server.hub.viewers and time.monotonic() < deadline:
        time.sleep(0.02)
    assert served.server.hub.viewers == 0


def test_who_does_not_read_a_stream_loses_his_place(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("camstream.web.app._PATIENCE_S", 0.3)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", served.port))
        client.sendall(b"GET /stream.mjpg HTTP/1.1\r\nHost: localhost\r\n\r\n")
        deadline = time.monotonic() + 20
        while served.server.hub.viewers == 0:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        while served.server.hub.viewers:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert not caplog.records


def test_a_picture_that_cannot_be_drawn_ends_nothing(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object) -> None:
        raise ValueError("no ink")

    monkeypatch.setattr("camstream.web.hub._AFTER_ERROR_S", 0.05)
    with served.viewer() as viewer:
        with monkeypatch.context() as patch:
            patch.setattr("camstream.web.hub.encode", fails)
            deadline = time.monotonic() + 10
            while "the page gets no picture: no ink" not in caplog.text:
                assert time.monotonic() < deadline
                viewer.step()
        viewer.picture()


def test_the_end_is_told_and_takes_no_time(tiny_model: Model) -> None:
    codes = []
    with contextlib.ExitStack() as stack:
        with serving(tiny_model) as served:
            viewer = stack.enter_context(served.viewer())
            silent = stack.enter_context(socket.create_connection(("127.0.0.1", served.port)))
            silent.sendall(b"GET /stream.mjpg HTTP/1.1\r\nHost: localhost\r\n\r\n")
            reader = stack.enter_context(
                urllib.request.urlopen(f"http://127.0.0.1:{served.port}/records", timeout=10)
            )
            viewer.picture()
            started = time.monotonic()
        assert time.monotonic() - started < 2
        codes.append(end_of(viewer)[0])
        reader.read()  # ends properly
    assert codes == [1001]


def test_a_server_that_never_began_leaves_nothing() -> None:
    server = WebServer(LOOPBACK)
    port = server.place.port
    server.stop()
    WebServer(Place("127.0.0.1", port)).stop()


def test_an_error_of_ours_costs_one_client_and_is_one_line(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails() -> str:
        raise ValueError("too bad")

    def ours() -> list[str]:
        return [one.getMessage() for one in caplog.records if one.name == "camstream.web.app"]

    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(served.server.hub, "told", fails)
        assert served.get("/state.json")[0] == 500
        deadline = time.monotonic() + 5
        while not ours() and time.monotonic() < deadline:
            time.sleep(0.01)
    assert ours() == ["the server of the page: too bad"]
    assert served.get("/state.json")[0] == 200


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("127.0.0.1:8765", Place("127.0.0.1", 8765)),
        (":9000", Place("127.0.0.1", 9000)),
        ("0.0.0.0:1", Place("0.0.0.0", 1)),
        ("[::1]:80", Place("::1", 80)),
        ("Kitchen.lan:8080", Place("kitchen.lan", 8080)),
    ],
)
def test_a_place_is_read(text: str, place: Place) -> None:
    assert is_place(text)
    assert parse(text) == place


@pytest.mark.parametrize(
    "text", ["", "8765", "host", "host:", "host:99999", "a b:1", "::1:80", "x/y:1"]
)
def test_what_is_no_place_is_said(text: str) -> None:
    with pytest.raises(UsageError, match="give HOST:PORT"):
        parse(text)


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.5", False),
        ("kitchen.lan", False),
        ("localhost.evil.example", False),
    ],
)
def test_only_loopback_goes_without_a_token(host: str, is_loopback: bool) -> None:
    assert Place(host, 1).is_loopback is is_loopback


def test_a_host_that_is_not_this_machine_is_said() -> None:
    with pytest.raises(SinkError, match=r"cannot serve the page at 192\.0\.2\.1:8765: "):
        WebServer(Place("192.0.2.1", 8765))
    with pytest.raises(SinkError, match="no such host"):
        WebServer(Place("no-such-host.invalid", 8765))


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "camstream.web.server")
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(SetupError, match=r'pip install "camstream\[web\]"'):
        open_page(":0", [])


def _start(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "camstream", "live", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )


def test_the_command_prints_the_link_and_ends_at_once(
    tiny_path: Path, sample: Path, tmp_path: Path
) -> None:
    started = _start("--web", ":0", str(sample), "--model", str(tiny_path), cwd=tmp_path)
    assert started.stdout is not None
    watchdog = threading.Timer(60, started.kill)
    watchdog.start()
    try:
        link = started.stdout.readline().strip()
        assert re.fullmatch(r"page: http://127\.0\.0\.1:\d+/", link)
        with urllib.request.urlopen(f"{link[6:]}state.json", timeout=10) as answer:
            state = json.load(answer)
        assert state["models"] == [tiny_path.name, "person", "efficientnet_lite0"]
        started.send_signal(signal.SIGINT)
        signalled = time.monotonic()
        said, errors = started.communicate(timeout=30)
        assert time.monotonic() - signalled < 10  # 2 s on a machine that does nothing else
    finally:
        watchdog.cancel()
        started.kill()
        started.wait()
    assert started.returncode == 130
    assert "frames shown" in said
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []


def test_a_port_in_use_is_said_before_the_model_is_opened() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = CliRunner().invoke(app, ["live", "0", "--web", f":{port}", "--model", "none.onnx"])
    assert done.exit_code == 1
    assert done.stdout == ""
    assert done.stderr.strip() == (
        f"camstream: cannot serve the page at 127.0.0.1:{port}: the port is in use; take another, "
        f"such as --web 127.0.0.1:{port + 1}"
    )


@pytest.mark.parametrize(
    ("given", "at", "sources"),
    [
        (["--web"], ":8765", ["0"]),
        (["--web", "a.mp4"], ":8765", ["a.mp4"]),
        (["a.mp4", "--web", "b.mp4"], ":8765", ["a.mp4", "b.mp4"]),
        (["--web", "0"], ":8765", ["0"]),
        (["--web", ":9", "0"], ":9", ["0"]),
        (["0", "--web", "0.0.0.0:9"], "0.0.0.0:9", ["0"]),
        (["0", "--web=0.0.0.0:9"], "0.0.0.0:9", ["0"]),
        (["0", "--web", "--boxes"], ":8765", ["0"]),
        (["--web", "--no-window", "--", ":9"], ":8765", [":9"]),
    ],
)
def test_the_place_may_be_left_out(
    given: list[str], at: str, sources: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def stop_here(*values: object) -> None:
        asked.extend(values)
        raise SinkError("far enough")

    monkeypatch.setattr("camstream.commands.live.open_page", stop_here)
    done = CliRunner().invoke(app, ["live", *given])
    assert done.exit_code == 1
    assert asked == [at, sources]


def test_other_machines_get_two_links_and_it_is_said_who_can_see(
    capsys: pytest.CaptureFixture[str],
) -> None:
    server = open_page("0.0.0.0:0", [])
    try:
        announce(server)
    finally:
        server.stop()
    out, err = capsys.readouterr()
    links = re.findall(r"http://\S+/\?token=(\S+)", out)
    assert len(set(links)) == 2
    assert [server.gate.tokens[link] for link in links] == ["control", "view"]
    assert f"reaches port {server.place.port} of this machine sees the camera" in err
    assert "no encryption" in err
    assert all(link not in err for link in links)


def _open_ones(clients: list[socket.socket]) -> int:
    count = 0
    for client in clients:
        client.setblocking(False)
        try:
            count += client.recv(1) != b""
        except BlockingIOError:
            count += 1
        except ConnectionError:
            pass
    return count


def test_who_is_silent_before_the_encryption_is_counted_and_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_S", 1.5)
    made = get_certificate([], folder=tmp_path)
    server = WebServer(Place("127.0.0.1", 0), certificate=Certificate(made.path, made.path))
    server.start()
    try:
        with contextlib.ExitStack() as stack:
            clients = [
                stack.enter_context(socket.create_connection(("127.0.0.1", server.place.port)))
                for _ in range(connections.MAX_CONNECTIONS + 40)
            ]
            trusts = ssl.create_default_context(cafile=str(made.path))
            last = stack.enter_context(socket.create_connection(("127.0.0.1", server.place.port)))
            with trusts.wrap_socket(last, server_hostname="localhost") as speaks:
                speaks.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert speaks.recv(15) == b"HTTP/1.1 200 OK"
            assert _open_ones(clients) <= connections.MAX_CONNECTIONS
            deadline = time.monotonic() + 10
            while _open_ones(clients):
                assert time.monotonic() < deadline
                time.sleep(0.05)
    finally:
        server.stop()
    assert not server._server.server_state.connections


def test_who_reads_no_end_of_his_socket_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    async def newer(than: int = 0) -> Encoded:
        return Encoded(than + 1, b"", b"x" * 8_000_000, (1, 1))

    monkeypatch.setattr("camstream.web.viewer._Viewer.patience_s", 0.2)
    monkeypatch.setattr(connections, "CLOSING_S", 0.2, raising=False)
    server = WebServer(Place("127.0.0.1", 0))
    monkeypatch.setattr(server.hub, "newer", newer)
    server.start()
    state = server._server.server_state
    try:
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", server.place.port))
            client.sendall(
                b"GET /live HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            assert client.recv(12) == b"HTTP/1.1 101"
            deadline = time.monotonic() + 5
            while state.connections or state.tasks:
                assert time.monotonic() < deadline
                time.sleep(0.02)
    finally:
        server.stop()
