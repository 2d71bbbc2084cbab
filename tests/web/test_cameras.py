"""Several cameras on the page: one mosaic, one of them alone, states, records."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import threading
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import pytest

from camstream.drawing.overlay import Style
from camstream.errors import SourceError
from camstream.frame import Frame, Prediction
from camstream.live.cameras import CameraState
from camstream.live.rack import Looking
from camstream.live.wall import WallSession
from camstream.models.session import Model
from camstream.picture import Picture
from camstream.stages import Source
from camstream.testing import FakeSource
from camstream.web.server import WebServer
from camstream.web.telling import tell
from tests.live.states import state_of
from tests.live.street import Street, paced
from tests.web.serving import LOOPBACK, Served, Viewer, at_30_hz, running

NAMES = ["rtsp://user:s3cret@one/", "rtsp://user:s3cret@two/"]


@pytest.fixture
def served(tiny_model: Model) -> Iterator[Served]:
    server = WebServer(LOOPBACK, sources=[*NAMES, "rtsp://user:s3cret@three/"])
    ended = threading.Event()

    def open_camera(_: str, __: object) -> Source:
        return FakeSource(at_30_hz, is_live=True)

    session = WallSession(
        NAMES,
        Looking.through(tiny_model),
        open_camera=open_camera,
        watch=server.hub.see,
        tell=server.hub.take,
        stop=ended.is_set,
    )
    with running(server, session, ended) as served:
        yield served


def _looked_at(viewer: Viewer) -> None:
    seen = [("live", "dark")] * 2
    viewer.until(lambda state: [(one["state"], one["label"]) for one in state["cameras"]] == seen)


def test_all_are_shown_and_each_says_how_it_is(served: Served) -> None:
    with served.viewer() as viewer:
        _looked_at(viewer)
        assert [one["name"] for one in viewer.state["cameras"]] == ["rtsp://one/", "rtsp://two/"]
        assert viewer.state["focus"] is None
        assert viewer.state["top"] == viewer.state["displayed"] == []  # of which camera?
        assert {one["label"] for one in viewer.state["cameras"]} == {"dark"}
        assert "s3cret" not in json.dumps(viewer.state)
        image = cv2.imdecode(np.frombuffer(viewer.picture(), np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        assert image.shape == (720, 1280, 3)


def test_one_is_shown_alone_and_all_again(served: Served) -> None:
    with served.viewer() as viewer:
        _looked_at(viewer)
        viewer.do("Focus", camera=2)
        viewer.until(lambda state: state["focus"] == 2 and state["source"] == "rtsp://two/")
        assert viewer.state["top"][0]["label"] == "dark"
        viewer.do("Focus", camera=None)
        viewer.until(lambda state: state["focus"] is None)
        viewer.do("AskAt", x=0.1, y=0.5)  # a click on the picture of all
        viewer.until(lambda state: state["focus"] == 1)
        viewer.do("Focus", camera=9)
        viewer.until(lambda state: "there is no camera 9" in state["message"])


def test_cameras_are_added_by_their_names_alone_and_removed(served: Served) -> None:
    with served.viewer() as viewer:
        _looked_at(viewer)
        viewer.do("AddCamera", address="rtsp://anywhere/")
        assert "opens only what was named" in viewer.answer("error")["message"]
        viewer.do("AddCamera", address="rtsp://three/")
        viewer.until(lambda state: len(state["cameras"]) == 3)
        viewer.do("RemoveCamera", camera=1)
        viewer.until(lambda state: [one["id"] for one in state["cameras"]] == [2, 3])


def test_records_say_of_which_camera_they_are(served: Served) -> None:
    status, _, content = served.get("/state.json")
    assert status == 200
    assert len(json.loads(content)["cameras"]) == 2
    client = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
    with contextlib.closing(client):
        client.request("GET", "/records")
        answer = client.getresponse()
        sources = {json.loads(answer.readline())["source"] for _ in range(12)}
    assert sources == {"rtsp://one/", "rtsp://two/"}


def test_a_record_for_each_frame_that_was_looked_at(tiny_model: Model) -> None:
    server, ended = WebServer(LOOPBACK), threading.Event()
    made: list[tuple[tuple[int, int], int]] = []

    def infer(frame: Frame, *, classes: Sequence[int] | None = None) -> Prediction:
        made.append((frame.picture.size_wh, frame.index))
        return tiny_model.infer(frame, classes=classes)

    session = WallSession(
        ["rtsp://one/", "rtsp://two/"],
        dataclasses.replace(Looking.through(tiny_model), infer=infer, workers=1),
        open_camera=Street(one=paced(80, (64, 64)), two=paced(80, (96, 64))),
        watch=server.hub.see,  # 30 times a second
        tell=server.hub.take,
        stop=ended.is_set,
    )
    told: list[tuple[tuple[int, int], int]] = []
    with running(server, session, ended) as served:
        client = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
        with contextlib.closing(client):
            client.request("GET", "/records")
            answer = client.getresponse()
            for _ in range(80):
                record = json.loads(answer.readline())
                told.append((tuple(record["size_wh"]), record["index"]))
    begin, end = made.index(told[0]), made.index(told[-1])
    assert told == made[begin : end + 1]


def white(source: FakeSource) -> Iterator[Frame]:
    image = np.full((360, 640, 3), 255, np.uint8)
    for frame in at_30_hz(source):
        yield dataclasses.replace(frame, picture=Picture.from_bgr(image))


def test_a_camera_without_a_picture_shows_none_of_another_one(tiny_model: Model) -> None:
    server, ended = WebServer(LOOPBACK), threading.Event()
    session = WallSession(
        ["rtsp://one/", "rtsp://off/"],
        Looking.through(tiny_model),
        open_camera=Street(one=white, off=SourceError("cannot open it")),
        style=Style(show_heatmap=False, show_label=False),
        watch=server.hub.see,
        stop=ended.is_set,
    )

    def brightness(viewer: Viewer) -> float:
        image = cv2.imdecode(np.frombuffer(viewer.picture(), np.uint8), cv2.IMREAD_GRAYSCALE)
        assert image is not None
        return float(image.mean())

    with running(server, session, ended) as served, served.viewer() as viewer:
        viewer.until(lambda state: state["cameras"][0]["label"])
        viewer.do("Focus", camera=1)
        viewer.until(lambda state: state["focus"] == 1 and not state["is_stale"])
        while brightness(viewer) < 200:
            pass
        viewer.do("Focus", camera=2)
        viewer.until(lambda state: state["focus"] == 2)
        assert viewer.state["is_stale"]
        assert viewer.state["rate_hz"] is None
        assert "no picture yet" in viewer.state["source_state"]
        while brightness(viewer) > 20:
            pass
        snapshot = cv2.imdecode(
            np.frombuffer(served.get("/snapshot.jpg")[2], np.uint8), cv2.IMREAD_GRAYSCALE
        )
        assert snapshot is not None
        assert 0 < snapshot.mean() < 20  # black, with a word of what is going on
        viewer.do("Snapshot")
        viewer.until(lambda state: "there is no picture yet" in state["message"])


def test_where_no_camera_has_a_picture_the_page_says_so(tiny_model: Model) -> None:
    off = SourceError("cannot open it")
    server, ended = WebServer(LOOPBACK), threading.Event()
    session = WallSession(
        ["rtsp://one/", "rtsp://two/"],
        Looking.through(tiny_model),
        open_camera=Street(one=quiet, two=off),
        watch=server.hub.see,
        stop=ended.is_set,
    )
    with running(server, session, ended) as served, served.viewer() as viewer:
        viewer.until(lambda state: state["is_stale"] and state["source_state"] == "no picture yet")
        image = cv2.imdecode(np.frombuffer(viewer.picture(), np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        assert image.shape == (720, 1280, 3)  # each camera says how it is


def quiet(source: FakeSource) -> Iterator[Frame]:
    source.stopped.wait(30)
    yield from ()


def test_each_camera_says_which_source_it_is() -> None:
    sources = {"clip.mp4": "a/clip.mp4", "clip.mp4 (2)": "b/clip.mp4", "stdin": "-"}
    cameras = tuple(
        CameraState(id=number, name="x", address=address)
        for number, address in enumerate(["a/clip.mp4", "-", "rtsp://me:s3cret@typed/"], 1)
    )
    told = tell(state_of(cameras=cameras), sources=sources)
    assert [one["source"] for one in told["cameras"]] == ["clip.mp4", "stdin", None]
    assert "s3cret" not in f"{told} {cameras}"
