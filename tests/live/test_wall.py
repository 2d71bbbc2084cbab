"""Several cameras through one model, with made sources."""

from __future__ import annotations

import dataclasses
import gc
import itertools
import json
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import av
import numpy as np
import pytest

from camstream.errors import ModelError, SinkError, SourceError, UsageError
from camstream.frame import Frame, Prediction, TopClass
from camstream.live import actions
from camstream.live.cameras import CameraCondition, CameraState
from camstream.live.hud import is_stale
from camstream.live.outputs import OutputPaths, RunLimits
from camstream.live.rack import Looking
from camstream.live.state import LiveState
from camstream.live.timeline import Timeline
from camstream.live.wall import WallSession
from camstream.picture import Picture
from camstream.sinks.recorder import Recorder
from camstream.sources.player import PlayerState
from camstream.stages import Source
from camstream.testing import FAKE_INFO, FakeDisplay, FakeSource, counted, fake_infer, make_frame
from tests.live.states import state_of
from tests.live.street import LIMIT_S, Street, all_live, once, paced, steered, wall, when


def test_each_camera_is_looked_at_and_shown() -> None:
    street = Street(one=paced(50), two=paced(50), three=paced(50))
    stats = wall(street, frames=60).run()
    assert [one.source for one in stats.cameras] == ["rtsp://one/", "rtsp://two/", "rtsp://three/"]
    for one in stats.cameras:
        assert one.frames_out >= 10
        assert one.frames_mapped
    assert stats.frames_out == sum(one.frames_out for one in stats.cameras) >= 60
    assert all(source.closed for source in street.sources.values())


def test_a_busy_model_is_shared_evenly_and_says_so() -> None:
    def slow(frame: Frame, *, classes: Sequence[int] | None = None) -> Prediction:
        time.sleep(0.01)
        return fake_infer(frame, classes=classes)

    street = Street(**{name: paced(200) for name in ("a", "b", "c", "d")})
    seen = steered(
        street,
        [*when(lambda state: all(camera.why for camera in state.cameras))],
        infer=slow,
    ).state.cameras
    assert all(camera.dropped for camera in seen)
    stats = wall(street, slow, seconds=1.5).run()
    counts = [one.frames_mapped or 0 for one in stats.cameras]
    assert min(counts) >= 5
    assert max(counts) - min(counts) <= 2


def test_the_model_s_input_is_made_in_the_camera_s_thread() -> None:
    threads: set[str] = set()

    def prepare(frame: Frame) -> Frame:
        threads.add(threading.current_thread().name)
        return dataclasses.replace(frame, prepared=np.zeros((32, 32, 3), np.uint8))

    made: list[bool] = []

    def infer(frame: Frame, *, classes: Sequence[int] | None = None) -> Prediction:
        made.append(frame.prepared is not None)
        assert threading.current_thread().name == "camstream-infer-1"
        return fake_infer(frame, classes=classes)

    street = Street(one=paced(100), two=paced(100))
    WallSession(
        list(street.cameras),
        Looking(infer, FAKE_INFO, prepare),
        open_camera=street,
        limits=RunLimits(frames=10),
    ).run()
    assert threads == {"camstream-camera-1", "camstream-camera-2"}
    assert any(made)


def test_no_input_is_made_in_vain_while_the_model_is_busy() -> None:
    goes_on, prepared, when_busy = threading.Event(), list[int](), list[int]()

    def prepare(frame: Frame) -> Frame:
        prepared.append(frame.index)
        return frame

    def infer(frame: Frame, *, classes: Sequence[int] | None = None) -> Prediction:
        goes_on.wait(LIMIT_S)
        return fake_infer(frame, classes=classes)

    def watch(state: LiveState) -> None:
        if all(camera.dropped >= 10 for camera in state.cameras):
            when_busy.append(len(prepared))
            goes_on.set()
            session.do(actions.Quit())

    street = Street(one=paced(100), two=paced(100))
    session = WallSession(
        list(street.cameras),
        Looking(infer, FAKE_INFO, prepare),
        open_camera=street,
        limits=RunLimits(seconds=LIMIT_S),
        watch=watch,
    )
    session.run()
    assert 2 <= when_busy[0] <= 3  # of twenty and more: the first of each, and one that waits


def test_two_threads_look_at_two_cameras_and_keep_each_one_s_order() -> None:
    counting, at_once, most, order = threading.Lock(), [0], [0], dict[str, list[int]]()

    def infer(frame: Frame, *, classes: Sequence[int] | None = None) -> Prediction:
        with counting:
            at_once[0] += 1
            most[0] = max(most[0], at_once[0])
        time.sleep(0.005)
        with counting:
            at_once[0] -= 1
        order.setdefault(str(frame.picture.size_wh), []).append(frame.index)
        return fake_infer(frame, classes=classes)

    street = Street(one=paced(200, (64, 64)), two=paced(200, (96, 64)), three=paced(200, (32, 64)))
    WallSession(
        list(street.cameras),
        Looking(infer, FAKE_INFO, workers=2),
        open_camera=street,
        limits=RunLimits(frames=60),
    ).run()
    assert most == [2]
    assert all(indices == sorted(set(indices)) for indices in order.values())


def test_a_camera_that_cannot_be_opened_is_tried_again_and_the_others_go_on() -> None:
    street = Street(
        good=paced(50), bad=SourceError("cannot open rtsp://bad/: nothing answers there")
    )

    def is_lost(state: LiveState) -> bool:
        good, bad = state.cameras
        return bad.state == "lost" and bad.next_try_s is not None and good.state == "live"

    def mend(*_: object) -> bool:
        street.cameras["rtsp://bad/"] = paced(50)
        return True

    session = steered(street, [*when(is_lost), mend, *when(all_live)])
    assert street.opened["rtsp://bad/"] >= 2
    assert session.state.cameras[1].problem == ""


def test_when_none_can_be_opened_that_is_one_clear_line() -> None:
    street = Street(
        one=SourceError("cannot open rtsp://one/: no"),
        two=SourceError("cannot open rtsp://two/: no"),
    )
    with pytest.raises(
        SourceError, match="none of 2 sources can be opened: cannot open rtsp://one/"
    ):
        wall(street).run()


def test_a_lost_camera_is_never_shown_as_if_it_were_live() -> None:
    silent = threading.Event()

    def stops(source: FakeSource) -> Iterator[Frame]:
        for index in itertools.count():
            if source.stopped.wait(0.02):
                return
            while silent.is_set() and not source.stopped.wait(0.02):
                pass
            yield make_frame(index)

    street = Street(good=paced(50), bad=stops)

    def cut(*_: object) -> bool:
        silent.set()
        return True

    def back(*_: object) -> bool:
        silent.clear()
        return True

    def is_lost(state: LiveState) -> bool:
        bad = state.cameras[1]
        return bad.state == "lost" and (bad.lost_s or 0) >= 1 and bad.rate_in_hz == 0

    session = steered(
        street,
        [
            *when(all_live),
            cut,
            *when(lambda state: is_lost(state) and state.cameras[0].state == "live"),
            *once(actions.Focus(2), lambda state: "lost" in state.source_state),
            back,
            *when(all_live),
        ],
    )
    assert session.state.focus == 2


def test_where_all_are_lost_nothing_claims_to_be_live() -> None:
    def state(*conditions: CameraCondition) -> LiveState:
        cameras = [CameraState(id=n, name="x", state=one) for n, one in enumerate(conditions, 1)]
        return state_of(cameras=tuple(cameras), frame=make_frame(0))

    assert is_stale(state("lost", "failed"), 0.0)
    assert not is_stale(state("lost", "live"), 0.0)


def test_a_pause_ends_where_a_camera_was_never_open() -> None:
    street = Street(one=paced(60), off=SourceError("cannot open it"))
    steps = [
        *when(lambda state: state.cameras[0].state == "live"),
        *once(actions.Pause(), lambda state: state.cameras[0].state == "paused"),
        *when(lambda state: state.is_paused),
        *once(actions.Pause(), lambda state: state.cameras[0].state == "live"),
        *when(lambda state: not state.is_paused),
    ]
    steered(street, steps)


def test_what_goes_on_after_a_pause_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("camstream.live.camera.STALE_S", 0.5)
    street = Street(one=paced(2), two=paced(60))
    began_s, seen = time.perf_counter(), list[str]()

    def goes_on(_: WallSession, state: LiveState) -> bool:
        seen.append(state.cameras[0].state)
        return state.cameras[0].state == "live" and state.cameras[0].rate_in_hz > 0

    steps = [
        *when(lambda state: all_live(state) and time.perf_counter() > began_s + 1.1),
        *once(actions.Pause(True), lambda state: state.is_paused),
        *once(actions.Pause(False), lambda state: not state.is_paused),
        goes_on,
    ]
    steered(street, steps)
    assert set(seen) == {"live"}


def test_a_lost_camera_is_looked_at_anew_by_another_model() -> None:
    def one_picture(source: FakeSource) -> Iterator[Frame]:
        yield make_frame(0)
        source.stopped.wait(LIMIT_S)

    def other(frame: Frame, *, classes: Sequence[int] | None = None) -> Prediction:
        made = fake_infer(frame, classes=classes)
        return dataclasses.replace(made, top=(TopClass("cup", 0, 0.9, 1.0),))

    def use_other(session: WallSession, state: LiveState) -> bool:
        info = dataclasses.replace(FAKE_INFO, labels=("cup", "other"))
        session.rack.use(Looking(other, info), state.selection)
        return True

    street = Street(one=paced(60), lost=one_picture)
    steps = [
        *when(lambda state: state.cameras[1].state == "lost" and state.cameras[1].label == "thing"),
        use_other,
        *when(lambda state: {camera.label for camera in state.cameras} == {"cup"}),
    ]
    steered(street, steps)


def test_view_actions_go_to_all_and_playing_ones_to_the_camera_that_is_alone() -> None:
    street = Street(one=paced(60), two=paced(60))
    steps = [
        *when(all_live),
        *once(actions.Toggle("boxes"), lambda state: state.style.show_boxes),
        *once(
            actions.SetTopK(2),
            lambda state: all(
                c.prediction is not None and len(c.prediction.displayed) == 2 for c in state.cameras
            ),
        ),
        *once(actions.Seek(1.0), lambda state: "alone first" in state.message),
        *once(actions.Focus(2), lambda state: state.focus == 2 and state.source == "rtsp://two/"),
        *once(actions.Seek(1.0), lambda state: "rtsp://two/ is live" in state.message),
        *once(actions.AskAt(0.1, 0.1), lambda state: state.answer is not None),
        *once(
            actions.Pause(True),
            lambda state: [c.state for c in state.cameras] == ["live", "paused"],
        ),
        *once(actions.Focus(), lambda state: state.focus is None and state.is_mosaic),
        *once(actions.Pause(True), lambda state: {c.state for c in state.cameras} == {"paused"}),
        *once(actions.Pause(), lambda state: all_live(state)),
        *once(actions.AskAt(0.9, 0.5), lambda state: state.focus == 2),
        *once(
            actions.Focus(7), lambda state: "there is no camera 7; there are 1, 2" in state.message
        ),
        *once(actions.Teach(1), lambda state: "cannot be taught" in state.message),
    ]
    steered(street, steps)


def test_cameras_come_and_go_while_it_runs(tmp_path: Path) -> None:
    street = Street(one=paced(60), two=paced(60))
    more = Street(three=paced(60)).cameras
    threads = threading.active_count()

    def offer_more(*_: object) -> bool:
        street.cameras |= more
        return True

    steps = [
        *when(all_live),
        offer_more,
        *once(
            actions.AddCamera("rtsp://three/"),
            lambda state: len(state.cameras) == 3 and all_live(state),
        ),
        *once(
            actions.AddCamera("rtsp://three/"),
            lambda state: "is looked at already" in state.message,
        ),
        *once(actions.RemoveCamera(1), lambda state: [c.id for c in state.cameras] == [2, 3]),
        *once(actions.Focus(2), lambda state: state.focus == 2),
        *once(
            actions.RemoveCamera(),
            lambda state: [c.id for c in state.cameras] == [3] and state.focus is None,
        ),
        *once(actions.RemoveCamera(3), lambda state: "the last camera" in state.message),
    ]
    session = steered(street, steps, outputs=OutputPaths(records=tmp_path / "seen.jsonl"))
    assert session.state.source == "rtsp://three/"
    assert street.sources["rtsp://one/"].closed
    assert threading.active_count() == threads
    seen = [json.loads(line) for line in (tmp_path / "seen.jsonl").read_text().splitlines()]
    assert {record["source"] for record in seen} == set(street.cameras)


def test_the_memory_of_a_removed_camera_goes_back() -> None:
    street = Street(one=paced(60), two=paced(60))
    kept: list[weakref.ref[object]] = []

    def remember(session: WallSession, state: LiveState) -> bool:
        kept.append(weakref.ref(session.rack.cameras[0]))
        kept.append(weakref.ref(session.rack.cameras[0].selector))
        session.do(actions.RemoveCamera(1))
        return bool(state.cameras)

    def is_gone(_: WallSession, state: LiveState) -> bool:
        gc.collect()
        return len(state.cameras) == 1 and all(one() is None for one in kept)

    session = wall(street, watch=lambda state: step(state))
    steps = [lambda _, state: all_live(state), remember, is_gone]

    def step(state: LiveState) -> None:
        if steps[0](session, state):
            steps.pop(0)
            if not steps:
                session.do(actions.Quit())
                steps.append(lambda *_: False)

    stats = session.run()
    assert all(one() is None for one in kept)
    assert [one.source for one in stats.cameras] == ["rtsp://one/", "rtsp://two/"]  # still told of
    assert stats.cameras[0].frames_out


def test_a_camera_whose_file_fails_goes_on_and_so_do_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = itertools.count()

    def write(self: Recorder, picture: Picture, captured_s: float) -> None:
        if self.target.name == "one.mp4" and next(written) > 3:
            raise SinkError("cannot write one.mp4: no space left on the disk")
        whole(self, picture, captured_s)

    whole = Recorder.write
    monkeypatch.setattr(Recorder, "write", write)
    street = Street(one=paced(60, (96, 64)), two=paced(60, (96, 64)))
    session = wall(street, frames=60, outputs=OutputPaths(record=tmp_path))
    with pytest.raises(SinkError, match="no space left"):
        session.run()
    assert {camera.state for camera in session.state.cameras} == {"live"}
    assert all(camera.figures.shown > 10 for camera in session.rack.cameras)
    with av.open(str(tmp_path / "two.mp4")) as video:
        assert sum(1 for _ in video.decode(video=0)) > 10


def test_a_clip_that_ends_stays_and_the_run_ends_with_the_last_one() -> None:
    has_ended = threading.Event()

    def long(source: FakeSource) -> Iterator[Frame]:
        for index in itertools.count():
            yield make_frame(index)
            if source.stopped.wait(0.02) or has_ended.is_set():
                return

    def watch(state: LiveState) -> None:
        first = state.cameras[0]
        if first.state == "ended" and first.frame is not None and first.frame.index == 2:
            has_ended.set()  # the last picture has its map

    session = wall(Street(short=counted(3), long=long), watch=watch)
    stats = session.run()
    assert has_ended.is_set()
    assert [camera.state for camera in session.state.cameras] == ["ended", "ended"]
    assert session.state.cameras[0].frame is not None
    assert session.state.cameras[0].frame.index == 2
    assert stats.wall_s < LIMIT_S


def test_a_clip_that_breaks_off_costs_the_others_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def breaks(_: FakeSource) -> Iterator[Frame]:
        yield make_frame(0)
        raise SourceError("clip.mp4 breaks off: the connection broke")

    street = Street(bad=breaks, good=paced(50))
    session = steered(
        street, when(lambda state: state.cameras[0].state == "failed" and state.shown > 20)
    )
    assert "breaks off" in session.state.cameras[0].problem
    assert "breaks off" in caplog.text


def test_files_are_one_a_camera(tmp_path: Path) -> None:
    street = Street(one=paced(60), two=paced(60))
    for name in ("videos", "visits"):
        (tmp_path / name).mkdir()
    paths = OutputPaths(
        record=tmp_path / "videos",
        presence=tmp_path / "presence",
        maps=tmp_path / "maps",
        visits=tmp_path / "visits",
        records=tmp_path / "all.csv",
    )
    wall(street, frames=40, outputs=paths).run()
    made = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*"))
    visits = [name for name in made if name.startswith("visits/")]
    assert [name for name in made if not name.startswith("visits/")] == [
        "all.csv",
        "maps/one.npz",
        "maps/two.npz",
        "presence/one.csv",
        "presence/two.csv",
        "videos/one.mp4",
        "videos/two.mp4",
    ]
    assert len(visits) == 2
    assert {name.split("-")[1] for name in visits} == {"one", "two"}
    head, *rows = (tmp_path / "all.csv").read_text().splitlines()
    assert "source" in head.split(",")
    assert len(rows) >= 20


def test_a_file_for_several_cameras_is_refused_before_anything_runs(tmp_path: Path) -> None:
    street = Street(one=paced(60), two=paced(60))
    with pytest.raises(SinkError, match="need a folder to be written to"):
        wall(
            street, outputs=OutputPaths(record=tmp_path / "seen.mp4", records=tmp_path / "r.jsonl")
        )
    assert not list(tmp_path.iterdir())
    assert not street.opened


def test_an_error_of_the_model_ends_the_run_and_keeps_what_was_written(tmp_path: Path) -> None:
    seen = itertools.count()

    def fails(frame: Frame, *, classes: Sequence[int] | None = None) -> Prediction:
        if next(seen) > 10:
            raise ModelError("the model does not run: out of memory")
        return fake_infer(frame, classes=classes)

    street = Street(one=paced(60), two=paced(60))
    with pytest.raises(ModelError, match=r"out of memory.*kept: r\.jsonl"):
        wall(street, fails, outputs=OutputPaths(records=tmp_path / "r.jsonl")).run()
    assert (tmp_path / "r.jsonl").stat().st_size
    assert all(source.closed for source in street.sources.values())


def test_keys_of_the_window() -> None:
    street = Street(one=paced(60), two=paced(60))
    display = FakeDisplay()
    session = wall(street, display=display)
    wanted: list[tuple[str, Callable[[LiveState], bool]]] = [
        ("2", lambda state: state.focus == 2),
        ("escape", lambda state: state.focus is None and not state.is_quitting),
        ("escape", lambda state: not state.is_quitting),
        ("click", lambda state: state.focus == 2),
        ("delete", lambda state: len(state.cameras) == 1),
        ("q", lambda state: bool(state.cameras)),
    ]
    waiting: list[Callable[[LiveState], bool]] = []

    def on_show(_: object) -> None:
        if not all_live(session.state):
            return
        if waiting and not waiting[0](session.state):
            return
        waiting.clear()
        if wanted:
            key, then = wanted.pop(0)
            waiting.append(then)
            if key == "click":
                display.clicks.append((0.75, 0.5))
            else:
                display.keys.append(key)

    display.on_show = on_show
    session.run()
    assert not wanted
    assert session.state.is_quitting


def test_snapshots_and_recordings_that_are_asked_for(tmp_path: Path) -> None:
    street = Street(one=paced(60), two=paced(60))
    steps = [
        *when(all_live),
        *once(actions.Snapshot(), lambda state: "saved camstream-one" in state.message),
        *once(actions.Record(True), lambda state: all(c.is_recording for c in state.cameras)),
        *when(lambda state: state.recorded_s > 0.2),
        *once(
            actions.Record(False),
            lambda state: "saved camstream-one" in state.message and "-two-" in state.message,
        ),
    ]
    steered(street, steps, folder=tmp_path)
    assert len(list(tmp_path.glob("camstream-*.mp4"))) == 2
    assert len(list(tmp_path.glob("camstream-*.png"))) == 1


def test_two_alike_are_refused() -> None:
    street = Street(one=paced(60))
    with pytest.raises(UsageError, match="looked at already"):
        WallSession(
            ["rtsp://one/", "rtsp://one/"], Looking(fake_infer, FAKE_INFO), open_camera=street
        )
    assert not street.opened


def test_a_picture_of_another_size_is_no_trouble() -> None:
    street = Street(one=paced(60, (641, 33)), two=paced(60, (20, 400)))
    display = FakeDisplay(keep_images=True, room_wh=(333, 221))
    stats = wall(street, display=display, frames=20).run()
    assert stats.frames_out >= 20
    assert {image.shape for image in display.images} == {(221, 333, 3)}


def test_the_timeline_of_a_clip_stays_when_another_camera_is_enlarged() -> None:
    class Clip(FakeSource):
        player = PlayerState(position=1.0, length=10.0)

    street = Street(clip=paced(60), two=paced(60))

    def open_camera(address: str, waiting: Callable[[float], None]) -> Source:
        source = street(address, waiting)
        if address == "rtsp://clip/":
            source = Clip(street.cameras[address], is_live=True)
        return source

    seen: list[Timeline] = []

    def keep(_: WallSession, state: LiveState) -> bool:
        seen.append(state.timeline)
        return bool(state.timeline.runs())

    steps = [
        *when(all_live),
        *once(actions.Focus(1), lambda state: state.focus == 1),
        keep,
        *once(actions.Focus(2), lambda state: state.focus == 2 and not state.timeline.runs()),
        *once(actions.Focus(1), lambda state: state.focus == 1),
        keep,
    ]
    steered(street, steps, open_camera=open_camera)
    assert seen[0] is seen[-1]
