"""The socket ``/live``: what a viewer gets, and what comes of what it asks."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from camstream.errors import SourceError
from camstream.frame import Frame
from camstream.live import actions
from camstream.live.rack import Looking
from camstream.live.teaching import Teaching
from camstream.live.wall import WallSession
from camstream.models.session import Model
from camstream.sources.file import FileSource
from camstream.sources.player import Player
from camstream.testing import FakeSource, make_frame, write_tiny_model
from camstream.web import viewer as viewers
from camstream.web.greeting import ACTIONS
from camstream.web.place import Place
from camstream.web.server import WebServer
from tests.live.test_teaching import Notebook
from tests.web.serving import LOOPBACK, Served, at_30_hz, end_of, running, serving


@pytest.fixture
def served(tiny_model: Model, tmp_path: Path) -> Iterator[Served]:
    with serving(tiny_model, folder=tmp_path) as one:
        yield one


def _decoded(jpeg: bytes) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image


def test_a_viewer_gets_a_greeting_then_pictures_and_states(served: Served) -> None:
    with served.viewer() as viewer:
        assert viewer.hello["type"] == "hello"
        assert viewer.hello["can_control"] is True
        assert viewer.hello["classes_total"] == 2
        assert "Toggle" in viewer.hello["actions"]
        assert "Quit" not in viewer.hello["actions"]
        assert _decoded(viewer.picture()).shape == (360, 640, 3)
        viewer.picture()
        assert viewer.pictures == sorted(set(viewer.pictures))
        viewer.until(lambda state: state["top"])
        assert viewer.state["top"][0]["label"] in ("light", "dark")
        viewer.until(lambda state: state["picture_wh"] == [640, 360])
        viewer.until(lambda state: state["rate_hz"])


def test_a_large_picture_is_sent_1280_wide_and_a_small_one_as_it_is(tiny_model: Model) -> None:
    def large(source: FakeSource) -> Iterator[Frame]:
        while not source.stopped.wait(0.05):
            yield make_frame(1, (1920, 1080))

    with serving(tiny_model, FakeSource(large, is_live=True)) as served, served.viewer() as viewer:
        assert _decoded(viewer.picture()).shape == (720, 1280, 3)


def test_nothing_is_encoded_without_a_viewer_and_once_for_many(served: Served) -> None:
    while served.session.state.shown < 10:
        time.sleep(0.01)
    assert served.server.hub.encoded == 0
    with served.viewer() as one, served.viewer() as two, served.viewer() as three:
        for _ in range(10):
            for viewer in (one, two, three):
                viewer.picture()
        assert served.server.hub.encoded <= 20  # not 30
        assert {*one.pictures} & {*two.pictures} & {*three.pictures}
    time.sleep(0.2)
    encoded = served.server.hub.encoded
    shown = served.session.state.shown
    while served.session.state.shown < shown + 5:
        time.sleep(0.01)
    assert served.server.hub.encoded <= encoded + 1


def test_who_does_not_acknowledge_gets_no_second_picture_and_slows_nobody(served: Served) -> None:
    with served.viewer() as slow, served.viewer() as quick:
        slow.picture(acknowledges=False)
        first = len(quick.pictures)
        started = time.monotonic()
        while len(quick.pictures) < first + 15:
            quick.picture()
        assert time.monotonic() - started < 5
        for _ in range(4):  # states go on
            assert slow.step(2) is None
        slow.send(type="ack", picture=slow.pictures[0] + 1000)  # of one that it never got
        slow.send(type="ack", picture=slow.pictures[0])
        slow.picture()
        # The newest, not the next.
        assert slow.pictures[1] >= slow.pictures[0] + 10


def test_who_never_acknowledges_is_sent_away(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewers._Viewer, "patience_s", 0.3)
    with served.viewer() as viewer:
        code, why = end_of(viewer, acknowledges=False)
    assert (code, why) == (1008, "no picture was acknowledged for 0 s")


def test_an_action_is_told_at_once(served: Served) -> None:
    with served.viewer() as viewer:
        viewer.until(lambda state: state["shown"])
        viewer.do("Toggle", what="boxes")
        viewer.until(lambda state: state["style"]["show_boxes"])
        viewer.do("SetOpacity", opacity=0.25)
        viewer.until(lambda state: state["style"]["heatmap_opacity"] == 0.25)
        assert "opacity 25%" in viewer.state["message"]
        viewer.do("ShowClasses", names=["dark"])
        viewer.until(
            lambda state: state["selection"]["classes"] == [{"label": "dark", "name": "dark"}]
        )
        viewer.until(lambda state: [one["label"] for one in state["displayed"]] == ["dark"])
        viewer.do("Toggle", what="contrast", on=True)
        viewer.until(lambda state: state["selection"]["contrast"] == {"sides": None})
        viewer.do("Pause", on=True)
        viewer.until(lambda state: state["is_paused"] and state["rate_hz"] is None)
        viewer.do("Pause", on=False)
        viewer.until(lambda state: not state["is_paused"])


def test_what_an_action_changes_is_drawn_while_the_picture_is_held(served: Served) -> None:
    with served.viewer() as viewer:
        viewer.picture()
        viewer.do("Pause", on=True)
        viewer.until(lambda state: state["is_paused"])
        for _ in range(3):  # a picture that was on its way
            viewer.step()
        before = _decoded(viewer.jpeg)
        viewer.do("Toggle", what="label")
        viewer.until(
            lambda _: np.abs(_decoded(viewer.jpeg).astype(int) - before).max() > 60, within_s=5
        )
        viewer.until(lambda state: not state["style"]["show_label"])


def test_impossible_actions_are_answered_in_words(served: Served) -> None:
    with served.viewer() as viewer:
        viewer.do("Explode")
        assert "no action 'Explode'" in viewer.answer("error")["message"]
        viewer.do("SetTopK", count="many")
        assert "count is a whole number" in viewer.answer("error")["message"]
        viewer.do("SetTopK", count=99)  # a number, and too large: the session says so
        viewer.until(lambda state: "top_k is 1 to 9" in state["message"])
        viewer.do("Quit")
        assert "cannot ask for Quit" in viewer.answer("error")["message"]
        viewer.do("ShowClasses", names=["unicorn"])
        viewer.until(lambda state: "no class 'unicorn'" in state["message"])
        viewer.picture()


def test_a_click_asks_what_is_there_also_in_a_grid(tiny_model: Model) -> None:
    def bright(source: FakeSource) -> Iterator[Frame]:
        for frame in at_30_hz(source):
            planes = frame.picture.planes()
            planes[0][:180, :320] = 255
            yield frame

    with (
        serving(tiny_model, FakeSource(bright, is_live=True)) as one,
        one.viewer() as viewer,
    ):
        viewer.picture()
        viewer.do("AskAt", x=0.1, y=0.1)
        viewer.until(lambda state: state["answer"])
        assert viewer.state["answer"]["classes"][0]["label"] == "light"
        assert viewer.state["answer"]["classes"][0]["name"] == "light"
        viewer.do("CloseAnswer")
        viewer.do("SetTopK", count=2)  # with the plain picture, three tiles
        viewer.until(lambda state: state["tiles"] and state["tiles"]["count"] == 3)
        tiles = viewer.state["tiles"]
        # The middle of the second tile is the middle of the frame.
        column, row = (1, 0) if tiles["columns"] > 1 else (0, 1)
        x, y = (column + 0.5) / tiles["columns"], (row + 0.5) / tiles["rows"]
        viewer.do("AskAt", x=x, y=y)
        viewer.until(lambda state: state["answer"])
        assert viewer.state["answer"]["x"] == pytest.approx(0.5, abs=0.02)
        assert viewer.state["answer"]["y"] == pytest.approx(0.5, abs=0.02)


def test_classes_are_found_by_a_part_of_their_name(served: Served) -> None:
    with served.viewer() as viewer:
        viewer.until(lambda state: state["shown"])
        viewer.send(type="classes", query="LIG")
        found = viewer.answer("classes")
        assert found["query"] == "LIG"
        assert found["names"] == [{"class_index": 0, "label": "light", "name": "light"}]
        viewer.send(type="classes", query="")
        assert viewer.answer("classes")["names"] == []


def test_snapshot_and_record_go_to_the_folder(served: Served, tmp_path: Path) -> None:
    with served.viewer() as viewer:
        viewer.until(lambda state: state["shown"] > 1)
        viewer.do("Snapshot")
        viewer.until(lambda state: state["message"].startswith("saved camstream-"))
        viewer.do("Record", on=True)
        viewer.until(lambda state: state["recording"] and state["recorded_s"] > 0.1)
        viewer.do("Record", on=False)
        viewer.until(lambda state: not state["recording"])
    suffixes = sorted(path.suffix for path in tmp_path.iterdir())
    assert suffixes == [".mp4", ".png"]


def test_teaching_by_holding_naming_fitting_and_saving(tiny_model: Model, tmp_path: Path) -> None:
    book = Notebook(tiny_model)
    teaching = Teaching(tiny_model, folder=tmp_path, open_teacher=lambda _model, _size: book)
    with serving(tiny_model, guest=teaching) as served, served.viewer() as viewer:
        viewer.until(lambda state: state["shown"] > 1)
        for number, name in ((1, "cup"), (2, "no cup")):
            viewer.do("Teach", number=number)
            viewer.do("NameClass", name=name, number=number)
        viewer.until(
            lambda state: (
                [one["name"] for one in state["teaching"]["classes"]] == ["cup", "no cup"]
                and all(one["frames"] for one in state["teaching"]["classes"])
            )
        )
        viewer.do("Fit")
        viewer.until(lambda state: state["chosen_model"] is None)
        viewer.do("SetInputSize", side=96)
        viewer.until(lambda state: "a model that is taught stays as it is" in state["message"])
        viewer.do("Save")
        viewer.until(lambda state: "saved: camstream live --model" in state["message"])
        viewer.do("SetModel", name=viewer.state["models"][0])
        viewer.until(lambda state: state["chosen_model"] == "tiny.onnx")


def test_the_model_changes_without_a_restart(tiny_model: Model, tmp_path: Path) -> None:
    other = write_tiny_model(tmp_path / "other.onnx", background="dark")

    def night(source: FakeSource) -> Iterator[Frame]:
        for frame in at_30_hz(source):
            frame.picture.planes()[0][:] = 10
            yield frame

    with (
        serving(tiny_model, FakeSource(night, is_live=True), other_models=[str(other)]) as served,
        served.viewer() as viewer,
    ):
        viewer.until(lambda state: state["models"])
        assert viewer.state["models"] == ["tiny.onnx", "other.onnx"]  # no folders
        assert viewer.state["chosen_model"] == "tiny.onnx"
        assert viewer.state.get("presence") is None
        viewer.do("SetModel", name="other.onnx")
        viewer.until(lambda state: state["chosen_model"] == "other.onnx")
        viewer.until(lambda state: state["presence"])
        assert viewer.state["presence"]["is_present"] is False
        assert viewer.state["presence"]["since_s"] < 60
        viewer.do("SetInputSize", side=96)
        viewer.until(lambda state: state["selection"]["input_size"] == 96)
        viewer.until(lambda state: max(state["selection"]["input_wh"]) <= 160)
        viewer.do("SetInputSize", side=7)
        viewer.until(lambda state: "32 to 2048 pixels" in state["message"])
        viewer.do("Refine", on=True)
        viewer.until(lambda state: "no layer that is twice as fine" in state["message"])
        viewer.do("SetModel", name="/etc/passwd")
        viewer.until(lambda state: "no model '/etc/passwd'" in state["message"])
        assert viewer.state["chosen_model"] == "other.onnx"
        assert served.session.state.info.background == "dark"


def test_a_file_is_played(tiny_model: Model, sample: Path) -> None:
    player = Player(FileSource(sample), lambda: FileSource(sample), stays=True)
    with serving(tiny_model, player) as served, served.viewer() as viewer:
        viewer.until(lambda state: state["player"] and state["player"]["position"] > 0.5)
        assert viewer.state["player"]["duration"] > 1
        viewer.until(lambda state: state["player"]["timeline"])
        assert viewer.state["player"]["timeline"][0]["label"] in ("light", "dark")
        viewer.do("Pause", on=True)
        viewer.until(lambda state: not state["player"]["is_playing"])
        viewer.do("Seek", to=0.0)
        viewer.until(lambda state: state["player"]["position"] == 0)
        viewer.do("SetSpeed", speed=2.0)
        viewer.until(lambda state: state["player"]["speed"] == 2)


def test_a_page_opens_only_what_was_named_and_sees_no_password(tiny_model: Model) -> None:
    secret = "rtsp://user:s3cret@camera.example/stream?key=t0ken"
    asked = []

    def open_source(address: str) -> FakeSource:
        asked.append(address)
        raise SourceError("cannot open rtsp://camera.example/stream: nothing answers there")

    with (
        serving(tiny_model, sources=["0", secret], open_source=open_source) as served,
        served.viewer() as viewer,
    ):
        viewer.until(lambda state: state["sources"])
        assert viewer.state["sources"] == ["camera 0", "rtsp://camera.example/stream"]
        for address in ("/etc/passwd", "1", secret, "file:///etc/passwd", "http://10.0.0.1/"):
            viewer.do("OpenSource", address=address)
            assert "opens only what was named" in viewer.answer("error")["message"]
        assert asked == []
        viewer.do("OpenSource", address="rtsp://camera.example/stream")
        viewer.until(lambda state: "nothing answers" in state["message"])
        assert asked == [secret]
        told = served.get("/state.json")[2] + str(viewer.state).encode()
        assert b"s3cret" not in told
        assert b"t0ken" not in told


def test_several_cameras_are_one_picture_and_each_has_its_line(tiny_model: Model) -> None:
    secret = "rtsp://user:s3cret@door/stream"
    opened: list[str] = []

    def open_camera(address: str, _: object) -> FakeSource:
        opened.append(address)
        if address == "rtsp://gone/":
            raise SourceError("cannot open rtsp://gone/: nothing answers there")
        source = FakeSource(at_30_hz, is_live=True)
        source.name = address.replace("user:s3cret@", "")
        return source

    addresses = ["rtsp://yard/", secret, "rtsp://gone/"]
    server, ended = WebServer(LOOPBACK, sources=addresses), threading.Event()
    session = WallSession(
        addresses,
        Looking.through(tiny_model),
        open_camera=open_camera,
        watch=server.hub.see,
        tell=server.hub.take,
        stop=ended.is_set,
    )
    with running(server, session, ended) as served, served.viewer() as viewer:
        viewer.until(lambda s: [one["state"] for one in s["cameras"][:2]] == ["live", "live"])
        viewer.until(lambda s: s["cameras"][2]["state"] == "lost")
        assert [one["name"] for one in viewer.state["cameras"]] == [
            "rtsp://yard/",
            "rtsp://door/stream",
            "rtsp://gone/",
        ]
        assert viewer.state["cameras"][2]["health"]
        assert viewer.state["top"] == []
        assert _decoded(viewer.picture()).shape == (720, 1280, 3)
        viewer.do("Focus", camera=viewer.state["cameras"][1]["id"])
        viewer.until(lambda s: s["source"] == "rtsp://door/stream" and s["top"])
        viewer.until(lambda s: s["picture_wh"] == [640, 360])
        viewer.do("RemoveCamera", camera=viewer.state["cameras"][1]["id"])
        viewer.until(lambda s: len(s["cameras"]) == 2)
        viewer.do("AddCamera", address="rtsp://door/other")
        assert "opens only what was named" in viewer.answer("error")["message"]
        viewer.do("AddCamera", address="rtsp://door/stream")
        viewer.until(lambda s: len(s["cameras"]) == 3)
        viewer.until(lambda s: s["cameras"][2]["state"] == "live")
        assert opened.count(secret) == 2
        assert "s3cret" not in str(viewer.state)
        with urllib.request.urlopen(
            f"http://127.0.0.1:{served.port}/records", timeout=10
        ) as answer:
            seen = {json.loads(answer.readline())["source"] for _ in range(20)}
        assert seen == {"rtsp://yard/", "rtsp://door/stream"}  # it has its name again


def test_a_lost_source_is_said_and_not_shown_as_if_it_were_live(tiny_model: Model) -> None:
    def breaks(source: FakeSource) -> Iterator[Frame]:
        for index in range(5):
            yield make_frame(200 + index, (640, 360))
            source.stopped.wait(0.03)
        source.state = "no picture: reconnecting, attempt 1"
        source.stopped.wait(30)

    with serving(tiny_model, FakeSource(breaks, is_live=True)) as served, served.viewer() as viewer:
        bright = _decoded(viewer.picture()).mean()
        viewer.until(lambda state: state["is_stale"])
        assert viewer.state["source_state"] == "no picture: reconnecting, attempt 1"
        assert viewer.state["rate_hz"] is None
        assert viewer.state["lag_ms"] is None
        viewer.until(lambda _: _decoded(viewer.jpeg).mean() < bright * 0.7)


def test_a_viewer_without_control_sees_all_and_changes_nothing(tiny_model: Model) -> None:
    # All of 127/8 is this machine, and the gate takes it for another where its tokens are given.
    with serving(tiny_model, place=Place("0.0.0.0", 0)) as served:
        tokens = {role: token for token, role in served.server.gate.tokens.items()}
        with served.viewer(f"?token={tokens['view']}") as viewer:
            assert viewer.hello["can_control"] is False
            assert viewer.hello["actions"] == []
            viewer.picture()
            before = served.session.state.style
            viewer.do("Toggle", what="boxes")
            assert viewer.answer("error")["message"] == "this link is for looking only"
            assert served.session.state.style == before
        with served.viewer(f"?token={tokens['control']}") as viewer:
            assert viewer.hello["can_control"] is True
        for query in ("", "?token=wrong"):
            with pytest.raises(InvalidStatus) as refused, served.viewer(query):
                pass
            assert refused.value.response.status_code == 403


@pytest.mark.parametrize(
    "how",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"additional_headers": {"Sec-Fetch-Site": "cross-site"}},
    ],
)
def test_a_handshake_of_another_page_is_refused(served: Served, how: dict[str, Any]) -> None:
    with pytest.raises(InvalidStatus) as refused, served.viewer(**how):
        pass
    assert refused.value.response.status_code == 403


def test_a_handshake_to_another_name_is_refused(served: Served) -> None:
    with (
        pytest.raises(InvalidStatus) as refused,
        connect(
            f"ws://evil.example:{served.port}/live",
            sock=_socket(served.port),  # DNS rebinding
        ),
    ):
        pass
    assert refused.value.response.status_code == 403


def _socket(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port))


@pytest.mark.parametrize(
    ("garbage", "said"),
    [
        ("", "not understood"),
        ("{", "not understood"),
        ("[1, 2]", "not understood"),
        ("null", "not understood"),
        ('{"type": "launch"}', "not understood"),
        ('{"type": "ack"}', "not understood"),
        ('{"type": "ack", "picture": "1"}', "not understood"),
        ('{"type": "do", "action": "Toggle", "values": []}', "not understood"),
        ('{"type": "do", "action": "Toggle", "values": {"what": "walls"}}', "what is"),
        ('{"type": "do", "action": "Toggle", "values": {"x": 1}}', "has no value"),
        ('{"type": "do", "action": "Seek", "values": {"to": 1e999}}', ""),
        ('{"type": "do", "action": "Seek", "values": {"to": NaN}}', "not understood"),
        ("[" * 8000, "not understood"),
        ("\ud83d\ude00" * 100, "not understood"),
    ],
)
def test_garbage_is_answered_in_one_line(served: Served, garbage: str, said: str) -> None:
    with served.viewer() as viewer:
        viewer._connection.send(garbage.encode("utf-16", "surrogatepass").decode("utf-16"))
        answer = viewer.answer("error")["message"]
        assert said in answer
        assert "\n" not in answer
        assert len(answer) < 500
        viewer.picture()


def test_who_sends_too_much_is_sent_away_and_the_others_go_on(served: Served) -> None:
    with served.viewer() as good:
        good.picture()
        with served.viewer() as viewer:
            viewer._connection.send(b"\x00" * 100)
            assert end_of(viewer)[0] == 1003
        with served.viewer() as viewer:
            viewer._connection.send("x" * 9000)
            assert end_of(viewer)[0] == 1009
        with served.viewer() as viewer:
            viewer._connection.send("x" * 1_000_000)
            assert end_of(viewer)[0] == 1009
        with served.viewer() as viewer:
            with contextlib.suppress(ConnectionClosed):
                for _ in range(2000):
                    viewer.send(type="ack", picture=0)
            assert end_of(viewer)[0] == 1008
        for _ in range(5):
            good.picture()


def test_the_seventeenth_viewer_is_told_so(served: Served) -> None:
    served.server.hub._max_viewers = 2
    with served.viewer() as one, served.viewer() as two:
        two.picture()
        with connect(f"ws://127.0.0.1:{served.port}/live") as third:
            with pytest.raises(ConnectionClosed) as closed:
                third.recv(5)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1013
            assert closed.value.rcvd.reason == "2 look already; close another page"
        assert served.get("/stream.mjpg")[0] == 503
        one.picture()
    deadline = time.monotonic() + 5
    while served.server.hub.viewers and time.monotonic() < deadline:
        time.sleep(0.01)
    with served.viewer() as again:
        again.picture()


def test_every_action_that_there_is_may_be_asked_for_but_two() -> None:
    assert set(actions.ACTIONS) - set(ACTIONS) == {"Quit", "ToggleFullscreen"}
