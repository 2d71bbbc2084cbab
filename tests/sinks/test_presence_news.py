"""Whoever is to be told of presence is told once, in order, and never makes the pipeline wait."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from camstream.commands import app
from camstream.errors import SinkError, UsageError
from camstream.frame import Annotated, Frame, Prediction, TopClass
from camstream.live.outputs import OutputPaths, Outputs
from camstream.maps.presence import PresenceRule, find_intervals
from camstream.sinks import post as post_module
from camstream.sinks import receivers
from camstream.sinks.post import Post
from camstream.sinks.presence import PresenceEvents
from camstream.sinks.presence_news import PresenceNews
from camstream.sinks.receivers import Command, UndeliveredError, Webhook, receiver_of
from camstream.testing import make_frame, make_prediction
from tests.servers import Connections, answering, silence

RATE = 10
PICTURE = make_frame().picture
BEGAN_S = time.perf_counter()


def prediction(index: int, score: float, label: str = "person") -> Prediction:
    frame = Frame(index, index / RATE, BEGAN_S + index / RATE, PICTURE)
    return make_prediction(frame, top=(TopClass(label, 0, score, 1.0),))


def feed(news: PresenceNews, scores: list[float]) -> float:
    """Write a frame every tenth of a second of media time; returns the longest write, seconds."""
    longest_s = 0.0
    for index, score in enumerate(scores):
        annotated = Annotated(prediction=prediction(index, score), picture=PICTURE)
        began_s = time.perf_counter()
        news.write(annotated)
        longest_s = max(longest_s, time.perf_counter() - began_s)
    return longest_s


VISITS = [0.0] * 5 + [0.9] * 10 + [0.1] * 10 + [0.8] * 10 + [0.0] * 10


@dataclass
class Hook:
    """A server that remembers what is posted.

    Attributes:
        url: Where, with a password.
        answers: Status codes of the next answers; 200 after the last.
        events: What was posted and answered with 200.
        requests: How many there were in all.
        words: What was sent as Authorization.
    """

    url: str = ""
    answers: list[int] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    requests: int = 0
    words: set[str] = field(default_factory=set)


@contextmanager
def hook(*answers: int) -> Iterator[Hook]:
    state = Hook(answers=list(answers))

    class Takes(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            state.requests += 1
            state.words.add(f"{self.path} {self.headers['Authorization']}")
            body = self.rfile.read(int(self.headers["Content-Length"]))
            code = state.answers.pop(0) if state.answers else 200
            if code == 200:
                state.events.append(json.loads(body))
            self.send_response(code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Takes)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    state.url = f"http://me:s3cret@127.0.0.1:{server.server_address[1]}/hook?room=1"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses and limits a hundredth as long."""
    monkeypatch.setattr(post_module, "_WAITS_S", (0.005, 0.01))
    monkeypatch.setattr(receivers, "_SILENT_S", 0.2)
    monkeypatch.setattr(receivers, "_WHOLE_S", 0.3)
    monkeypatch.setattr(receivers, "_COMMAND_S", 0.4)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


SECONDS = st.sampled_from([0.0, 0.1, 0.3, 1.0])


@given(
    st.lists(st.sampled_from([0.1, 0.3, 0.9]), max_size=80), SECONDS, SECONDS, st.integers(1, 30)
)
@settings(deadline=None)
def test_what_is_told_are_the_intervals_of_the_file(
    scores: list[float], min_duration_s: float, max_gap_s: float, step: int
) -> None:
    rule = PresenceRule(min_duration_s=min_duration_s, max_gap_s=max_gap_s)
    events = PresenceEvents(rule)
    indices = range(0, step * len(scores), step)
    told = [e for n, s in zip(indices, scores, strict=True) for e in events.add(prediction(n, s))]
    told += events.finish()
    begins = [event.interval.start_s for event in told if not event.is_end]
    ends = [event.interval for event in told if event.is_end]
    assert [event.is_end for event in told] == [False, True] * len(ends)
    assert ends == find_intervals(
        [(n / RATE, s) for n, s in zip(indices, scores, strict=True)], rule
    )
    assert begins == [interval.start_s for interval in ends]


def test_a_server_gets_the_beginning_and_the_end_of_each_presence() -> None:
    with hook() as server:
        news = PresenceNews(Webhook(server.url), lambda: "camera 0")
        before_s = time.time()
        feed(news, VISITS)
        news.finish()
    kinds = [event["event"] for event in server.events]
    assert kinds == ["begin", "end", "begin", "end"]
    begin, end, second, _ = server.events
    assert begin["id"] == end["id"] != second["id"]
    assert (begin["source"], begin["label"], begin["score"]) == ("camera 0", "person", 0.9)
    assert (end["start_s"], end["end_s"], end["peak_score"]) == (0.5, 1.5, 0.9)
    assert begin["start_time"] == end["start_time"] < end["end_time"] < second["start_time"]
    assert begin["start_time"][:10] == time.strftime("%Y-%m-%d", time.gmtime(before_s))
    assert server.words == {"/hook?room=1 Basic bWU6czNjcmV0"}


def test_the_end_is_told_of_the_source_that_began() -> None:
    names = iter(["camera 0", "camera 1"])
    with hook() as server:
        news = PresenceNews(Webhook(server.url), lambda: next(names))
        feed(news, VISITS)
        news.finish()
    assert [event["source"] for event in server.events] == ["camera 0"] * 2 + ["camera 1"] * 2


def test_several_cameras_may_have_the_same_receiver() -> None:
    with hook() as server:
        webhook = Webhook(server.url)
        cameras = [PresenceNews(webhook, lambda name=name: name) for name in ("a", "b")]  # type: ignore[misc]
        for camera in cameras:
            feed(camera, VISITS)
        for camera in cameras:
            camera.finish()
    for name in ("a", "b"):
        own = [event["event"] for event in server.events if event["source"] == name]
        assert own == ["begin", "end", "begin", "end"]
    assert len({event["id"] for event in server.events}) == 4


@pytest.mark.usefixtures("quick")
def test_what_a_server_refuses_for_now_is_sent_again_in_order() -> None:
    with hook(503, 500, 429, 200, 502) as server:
        news = PresenceNews(Webhook(server.url), lambda: "")
        feed(news, VISITS)
        deadline = time.monotonic() + 5
        while len(server.events) < 4 and time.monotonic() < deadline:
            time.sleep(0.01)
        news.finish()
    assert [event["event"] for event in server.events] == ["begin", "end", "begin", "end"]
    assert server.requests == 8


@pytest.mark.usefixtures("quick")
def test_what_a_server_refuses_for_good_is_lost_and_told() -> None:
    with hook(404, 200, 302) as server:
        news = PresenceNews(Webhook(server.url), lambda: "")
        feed(news, VISITS)
        with pytest.raises(SinkError) as caught:
            news.finish()
    assert len(server.events) == 2
    assert server.requests == 4
    assert str(caught.value).startswith("2 of 4 events did not reach http://127.0.0.1:")
    assert str(caught.value).endswith("/hook (the answer was HTTP 302)")


def test_a_dead_server_costs_neither_time_nor_its_password() -> None:
    url = f"http://me:s3cret@127.0.0.1:{free_port()}/?key=s3cret"
    news = PresenceNews(Webhook(url), lambda: "")
    assert feed(news, VISITS) < 0.2
    began_s = time.monotonic()
    with pytest.raises(SinkError, match=r"^4 of 4 events did not reach .*refused\)$") as caught:
        news.finish()
    assert time.monotonic() - began_s < 1
    assert "s3cret" not in str(caught.value)


def dripping(connection: socket.socket, state: Connections) -> None:
    """Answer a byte at a time, for ever."""
    connection.sendall(b"HTTP/1.1 ")
    while not state.ended.wait(0.05):
        connection.sendall(b"X")


def garbage(connection: socket.socket, _: Connections) -> None:
    connection.recv(4096)
    connection.sendall(b"\x00\xff\x00 what\r\n\r\n")


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("server", "reason"),
    [
        (silence, "no answer in time"),
        (dripping, "no answer in time"),
        (garbage, "it does not answer in HTTP"),
    ],
)
def test_a_server_that_answers_badly_is_left_in_time(server: Any, reason: str) -> None:
    with answering(server) as state:
        webhook = Webhook(f"http://127.0.0.1:{state.port}/")
        began_s = time.monotonic()
        with pytest.raises(UndeliveredError, match=f"^{reason}$"):
            webhook.deliver({"event": "begin"})
        assert time.monotonic() - began_s < 2


def test_the_end_does_not_wait_for_a_silent_server() -> None:
    with answering(silence) as state:
        post = Post(Webhook(f"http://127.0.0.1:{state.port}/"))
        post.put({"event": "begin"})
        began_s = time.monotonic()
        assert post.close(0.2).startswith("1 of 1 events did not reach")
        assert time.monotonic() - began_s < 1


class Held:
    """A receiver that holds the first event until it is let go."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.held = threading.Event()
        self.got: list[object] = []

    def fresh(self) -> Held:
        return self

    def deliver(self, event: Any) -> None:
        self.held.set()
        self.free.wait(10)
        self.got.append(event["number"])

    def abort(self) -> None:
        self.free.set()


def test_where_too_many_wait_the_oldest_is_given_up() -> None:
    receiver = Held()
    post = Post(receiver, most=3)
    post.put({"number": 0})
    assert receiver.held.wait(5)
    for number in range(1, 10):
        post.put({"number": number})
    receiver.free.set()
    assert post.close(5).startswith("7 of 10 events")  # the first arrived, but too late to count
    assert receiver.got == [0, 7, 8, 9]


PRINTS = (
    "import json, os, sys; "
    "open(sys.argv[1], 'a').write(json.dumps([sys.argv[2:], "
    "{k: v for k, v in os.environ.items() if k.startswith('CAMSTREAM_')}]) + chr(10))"
)


def test_a_command_gets_the_values_by_its_environment_and_no_shell(tmp_path: Path) -> None:
    out = tmp_path / "out file.jsonl"
    text = f"{sys.executable} -c \"{PRINTS}\" '{out}' ; touch $HOME > x"
    news = PresenceNews(receiver_of(text), lambda: "rtsp://host/a")
    feed(news, VISITS[:24])
    news.finish()
    begin, end = [json.loads(line) for line in out.read_text().splitlines()]
    assert begin[0] == [";", "touch", "$HOME", ">", "x"]
    assert begin[1]["CAMSTREAM_EVENT"] == "begin"
    assert begin[1]["CAMSTREAM_SOURCE"] == "rtsp://host/a"
    assert begin[1]["CAMSTREAM_LABEL"] == "person"
    assert (end[1]["CAMSTREAM_END_S"], end[1]["CAMSTREAM_PEAK_SCORE"]) == ("1.5", "0.9")
    assert json.loads(end[1]["CAMSTREAM_JSON"])["end_s"] == 1.5


@pytest.mark.usefixtures("quick")
def test_a_command_that_hangs_is_ended_with_what_it_started(tmp_path: Path) -> None:
    script = tmp_path / "hangs.py"
    script.write_text(
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(child.pid))\n"
        "time.sleep(60)\n"
    )
    with pytest.raises(UndeliveredError, match=r"^it was ended after 0.4 s$"):
        Command(f"{sys.executable} -S -E {script}").deliver({"event": "begin"})
    pid = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 5
    while _runs(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _runs(pid)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        # A child that nobody has waited for yet is no process any more.
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_after_the_end_no_command_is_begun(tmp_path: Path) -> None:
    out = tmp_path / "out"
    code = "import sys, time; open(sys.argv[1], 'a').write('x'); time.sleep(60)"
    post = Post(Command(f'{sys.executable} -S -E -c "{code}" {out}'))
    for number in range(3):
        post.put({"number": number})
    deadline = time.monotonic() + 10
    while not (out.exists() and out.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert post.close(0.1).startswith("3 of 3 events did not reach")
    assert post._thread is not None
    assert not post._thread.is_alive()
    assert out.read_text() == "x"


def test_a_command_that_fails_says_why_once() -> None:
    fails = f"{sys.executable} -S -E -c \"import sys; sys.exit('no bell')\""
    post = Post(Command(fails))
    post.put({"event": "begin"})
    assert post.close(5).endswith("(it ended with code 1: no bell)")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ftp://me:s3cret@host/x", "ftp://host/x: only http:// and https:// are sent to"),
        ("http://me:s3cret@:0/x", "http://:0/x is no address of the web"),
        ("https:///x", "https:///x is no address of the web"),
        ("http://host/a b", "is no address of the web"),
        ("http://host:99999/", "is no address of the web"),
        ("no-such-program-here --x", "there is no program no-such-program-here"),
        ("'a", "a command cannot be read: no closing quotation"),
        ("", "give an address with http:// or https://, or a command"),
    ],
)
def test_what_is_no_receiver_is_told_at_once(text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        receiver_of(text)
    assert words in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_the_command_line_tells_a_server_and_no_file_its_password(
    tmp_path: Path, tiny_path: Path
) -> None:
    photo = tmp_path / "light.png"
    cv2.imwrite(str(photo), np.full((64, 64, 3), 250, np.uint8))
    stats = tmp_path / "stats.json"
    common = ["live", str(photo), "--model", str(tiny_path), "--no-window", "--stats", str(stats)]
    with hook() as server:
        asked = [*common, "--classes", "light", "--on-presence", server.url]
        result = CliRunner().invoke(app, asked)
        refused = CliRunner().invoke(app, [*common, "--overwrite", "--on-presence", server.url])
    assert result.exit_code == 0, result.output
    assert "s3cret" not in stats.read_text() + result.output
    assert refused.exit_code == 2
    assert "--on-presence: this model knows no state in which nothing is there" in refused.output


def test_a_live_session_goes_on_at_its_rate_while_a_server_is_silent(tmp_path: Path) -> None:
    with answering(silence) as state:
        webhook = Webhook(f"http://127.0.0.1:{state.port}/")
        outputs = Outputs(
            OutputPaths(on_presence=webhook), tmp_path, labels=("a", "b"), rate_hz=30.0
        )
        began_s = time.perf_counter()
        for index in range(200):
            score = 0.9 if index % 20 < 10 else 0.0
            annotated = Annotated(prediction=prediction(index, score), picture=PICTURE)
            outputs.write(annotated, index / RATE)
        assert time.perf_counter() - began_s < 1.0  # 5 ms a frame; each event would cost 5 s
        with pytest.raises(SinkError, match=r"^20 of 20 events did not reach http://127"):
            outputs.finish()
