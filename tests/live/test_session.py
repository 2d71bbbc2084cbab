"""The live view over a real stream on the loopback address, and what it writes."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from camstream.drawing.overlay import Style
from camstream.errors import SinkError, SourceError
from camstream.frame import Annotated, Frame, Prediction
from camstream.live import actions
from camstream.live.hud import hud
from camstream.live.outputs import OutputPaths, RunLimits
from camstream.live.session import LiveSession
from camstream.live.state import LiveState
from camstream.models.session import Model
from camstream.picture import ImageU8
from camstream.sinks.recorder import Recorder
from camstream.sources.live import LiveSource
from camstream.sources.play import open_live
from camstream.stages import Infer, Source
from camstream.testing import (
    FAKE_INFO,
    FakeDisplay,
    FakeSource,
    counted,
    endless,
    fake_infer,
    make_frame,
)
from tests.mjpeg import Camera, read_number, serve

PLAIN = Style(show_heatmap=False, show_label=False)


class NumberedDisplay(FakeDisplay):
    """Remembers the number in each picture that is shown, and when.

    Attributes:
        displayed: Numbers and times, ``time.perf_counter()``.
    """

    def __init__(self, *keys: str) -> None:
        super().__init__(*keys)
        self.displayed: list[tuple[int, float]] = []

    def show(self, image: ImageU8) -> None:
        self.displayed.append((read_number(image), time.perf_counter()))
        super().show(image)


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 255, (23, 40, 3), np.uint8)
    return cv2.resize(noise, (640, 368), interpolation=cv2.INTER_CUBIC)


@pytest.fixture
def camera(picture: np.ndarray) -> Iterator[Camera]:
    with serve(picture, 30.0) as served:
        yield served


def _session(
    source: Source,
    infer: Infer = fake_infer,
    display: FakeDisplay | None = None,
    *,
    frames: int | None = None,
    seconds: float | None = None,
    record: Path | None = None,
    folder: Path = Path(),
) -> LiveSession:
    return LiveSession(
        source,
        infer,
        FAKE_INFO,
        device="cpu",
        style=PLAIN,
        display=display,
        outputs=OutputPaths(record=record),
        limits=RunLimits(frames=frames, seconds=seconds),
        folder=folder,
    )


def _notes(session: LiveSession) -> list[str]:
    """What the picture that is shown now says at its bottom."""
    return hud(session.state, time.perf_counter())


def _lags_s(display: NumberedDisplay, camera: Camera) -> list[float]:
    return [
        at - camera.sent_at[number] for number, at in display.displayed if number in camera.sent_at
    ]


def test_true_lag_is_that_of_the_newest_picture_and_does_not_grow(camera: Camera) -> None:
    """The limits in milliseconds are for tests/benchmarks/lag.py, on a machine left alone."""
    display = NumberedDisplay()
    stats = _session(LiveSource(camera.url), display=display, frames=90).run()
    numbers = [number for number, _ in display.displayed if number in camera.sent_at]
    assert numbers == sorted(numbers)
    lags = _lags_s(display, camera)
    assert min(lags) > 0
    # A reader that falls behind is whole seconds late by then.
    assert np.median(lags[-30:]) < np.median(lags[:30]) + 1.0
    assert np.median(lags) < 1.0
    assert stats.frames_out == 90
    assert stats.frames_in >= stats.frames_out + stats.frames_dropped
    assert stats.stages_ms["lag"].p50 / 1e3 <= float(np.median(lags)) + 0.05


def test_a_slow_model_slows_neither_picture_nor_lag(camera: Camera) -> None:
    def slow(frame: Frame, *, classes: Sequence[int] | None = None) -> Prediction:
        time.sleep(0.2)
        return dataclasses.replace(fake_infer(frame, classes=classes), infer_ms=200.0)

    display, seen = NumberedDisplay(), list[str]()
    session = _session(LiveSource(camera.url), slow, display, seconds=3)
    session.do(actions.SetDisplay("full"))
    display.on_show = lambda _: seen.extend(_notes(session))
    stats = session.run()
    assert stats.frames_mapped is not None
    assert stats.frames_mapped <= 16
    assert stats.frames_out > 2 * stats.frames_mapped
    assert np.median(_lags_s(display, camera)[-30:]) < 1.0
    ages = [re.search(r"map (\d+) ms old", note) for note in seen]
    assert max(int(age[1]) for age in ages if age) >= 150  # 200 ms old before the next one comes
    assert any("not shown" in note for note in seen)


def test_a_slow_display_drops_and_counts(camera: Camera) -> None:
    display = NumberedDisplay()
    display.on_show = lambda _: time.sleep(0.1)
    stats = _session(LiveSource(camera.url), display=display, frames=12).run()
    numbers = [number for number, _ in display.displayed if number in camera.sent_at]
    gaps = np.diff(numbers)
    assert np.median(gaps) >= 2
    assert stats.frames_dropped >= 12
    assert stats.frames_in >= stats.frames_out + stats.frames_dropped


def test_a_server_that_goes_away_and_comes_back(camera: Camera) -> None:
    display, seen = FakeDisplay(), list[str]()
    source = LiveSource(camera.url)
    session = _session(source, display=display, seconds=30)

    def steer(_: ImageU8) -> None:
        seen.extend(_notes(session))
        if camera.is_up and source.reconnects == 0 and len(camera.sent_at) > 10:
            camera.is_up = False
        if not camera.is_up and "no picture: reconnecting, attempt 1" in seen:
            camera.is_up = True
        if source.reconnects and source.state == "":
            display.keys.append("q")

    display.on_show = steer
    stats = session.run()
    assert stats.reconnects == 1
    assert "no picture: reconnecting, attempt 1" in seen
    assert stats.wall_s < 25


def test_a_stream_that_stalls_is_not_shown_as_live() -> None:
    release = threading.Event()

    def frames(source: FakeSource) -> Iterator[Frame]:
        yield make_frame(0, (640, 368))
        release.wait(20)
        assert source

    display, seen = FakeDisplay(), list[str]()
    source = FakeSource(frames, is_live=True)
    session = _session(source, display=display, seconds=20)

    def steer(_: ImageU8) -> None:
        seen.extend(_notes(session))
        if any(note.startswith("no picture for") for note in seen):
            display.keys.append("q")
            release.set()

    display.on_show = steer
    session.run()
    assert "no picture for 1 s" in seen


def test_before_the_first_picture_the_window_says_so_and_can_be_closed() -> None:
    def frames(source: FakeSource) -> Iterator[Frame]:
        source.stopped.wait(20)
        yield from ()

    source = FakeSource(frames, is_live=True)
    display = FakeDisplay(keep_images=True)

    def close(_: ImageU8) -> None:
        display.is_open = len(display.images) < 3

    display.on_show = close
    stats = _session(source, display=display).run()
    assert stats.frames_out == 0
    assert display.images[0].max() > 200  # white words
    assert source.closed == 1


def test_keys_change_what_is_seen(tmp_path: Path) -> None:
    display, source = FakeDisplay(), FakeSource(endless, is_live=True)
    session = LiveSession(
        source, fake_infer, FAKE_INFO, device="cpu", display=display, folder=tmp_path
    )
    states = []
    keys = ["+", "+", "-", "c", "h", "l", "d", "?", "s", "r", *[""] * 5, "r", "space", "q"]

    def press(_: ImageU8) -> None:
        if session.state.frame is not None and keys:
            states.append(session.state)
            display.keys.append(keys.pop(0))

    display.on_show = press
    session.run()
    opacities = [round(state.style.heatmap_opacity, 2) for state in states[:4]]
    assert opacities == [0.6, 0.7, 0.8, 0.7]
    assert [state.style.colormap for state in states[3:5]] == ["turbo", "jet"]
    assert [state.style.show_heatmap for state in states[4:6]] == [True, False]
    assert [state.style.show_label for state in states[5:7]] == [True, False]
    assert [state.display for state in states[6:8]] == ["short", "full"]
    assert [state.show_help for state in states[7:9]] == [False, True]
    assert session.state.is_paused
    assert len(list(tmp_path.glob("camstream-*.png"))) == 1
    (video,) = tmp_path.glob("camstream-*.mp4")
    with av.open(str(video)) as container:
        assert 1 <= sum(1 for _ in container.decode(video=0)) <= 7
    assert source.closed == display.closed == 1


def _done(*wanted: actions.Action, folder: Path = Path()) -> list[LiveState]:
    """Run a session without a display, and let another thread send actions, one after the other.

    Returns:
        The state after each action.
    """
    session = _session(FakeSource(endless, is_live=True), seconds=20, folder=folder)
    states: list[LiveState] = []

    def send() -> None:
        _wait(lambda: session.state.frame is not None)
        for action in wanted:
            before = session.state
            session.do(action)
            _wait(lambda before=before: _changed(before, session.state))  # type: ignore[misc]
            states.append(session.state)
        session.do(actions.Quit())

    sender = threading.Thread(target=send)
    sender.start()
    session.run()
    sender.join()
    assert session.state.is_quitting
    return states


def _changed(before: LiveState, now: LiveState) -> bool:
    """Whether an action was done: counts and frames change without one."""
    names = ("style", "selection", "is_paused", "message_s", "recording")
    return any(getattr(before, name) != getattr(now, name) for name in names)


def _wait(until: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not until():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.002)


def test_another_thread_sends_actions_also_without_a_display(tmp_path: Path) -> None:
    wanted: list[actions.Action] = [
        actions.SetTopK(2),
        actions.SetOpacity(0.3),
        actions.Snapshot(),
        actions.Record(),
        actions.Record(),
        actions.Pause(True),
    ]
    top_k, opacity, snapshot, record, no_record, paused = _done(*wanted, folder=tmp_path)
    assert top_k.selection.top_k == 2
    assert opacity.style.heatmap_opacity == 0.3
    (photo,) = tmp_path.glob("camstream-*.png")
    (video,) = tmp_path.glob("camstream-*.mp4")
    assert snapshot.message == f"saved {photo.name}"
    assert record.recording == video.name
    assert (no_record.recording, no_record.message) == ("", f"saved {video.name}")
    assert paused.is_paused


def test_an_impossible_action_is_answered_and_ends_nothing() -> None:
    wanted: list[actions.Action] = [
        actions.ShowClasses(["thong"]),
        actions.SetTopK(99),
        actions.SetColormap("grey"),
        actions.Teach(1),
    ]
    states = _done(*wanted, actions.Toggle("boxes"))
    messages = [state.message for state in states]
    assert "did you mean thing" in messages[0]
    assert "top_k is 1 to 9" in messages[1]
    assert "no colormap 'grey'" in messages[2]
    assert messages[3] == "this run cannot be taught"
    assert states[3].selection == states[0].selection
    assert states[4].style.show_boxes


def test_keys_that_come_together_are_all_obeyed_in_order() -> None:
    display = NumberedDisplay()
    session = _session(FakeSource(endless, is_live=True), display=display)
    typed: list[str] = []

    def look(_: ImageU8) -> None:
        if (prompt := session.state.prompt) is None:
            display.keys = [*"/dog", "backspace", "t"]
        else:
            typed.append(prompt.text)
            display.keys = ["escape", "q"]

    display.on_show = look
    session.run()
    assert typed == ["dot"]


def test_keys_are_read_several_times_between_pictures_while_a_name_is_typed() -> None:
    """OpenCV forgets all but the last key that was pressed between two questions."""

    class Asked(NumberedDisplay):
        questions, is_asked_often = 0, False

        def show(self, image: ImageU8) -> None:
            super().show(image)
            self.questions = 0

        def key(self) -> str | None:
            self.questions += 1
            if self.questions == 4:
                self.is_asked_often = True
                self.keys += ["escape", "q"]
            return super().key()

    def one_picture(source: FakeSource) -> Iterator[Frame]:
        yield make_frame(0)
        source.stopped.wait(20)

    display = Asked()
    display.keys = ["/"]
    _session(FakeSource(one_picture, is_live=True), display=display, seconds=10).run()
    assert display.is_asked_often


def test_what_is_looked_for_changes_at_once_also_of_a_held_picture(tiny_model: Model) -> None:
    """Each picture that is shown after a key has as many maps as were asked for."""
    display, source = FakeDisplay(), FakeSource(endless, is_live=True)
    session = LiveSession(source, tiny_model.infer, tiny_model.info, device="cpu", display=display)
    keys = ["space", "k", "", "v", "", "k", "", "q"]
    counts, sizes = list[int](), set[tuple[int, ...]]()

    def press(image: ImageU8) -> None:
        if session.state.prediction is not None and keys:
            counts.append(len(session.state.prediction.displayed))
            sizes.add(image.shape)
            display.keys.append(keys.pop(0))

    display.on_show = press
    session.run()
    assert counts == [1, 1, 2, 2, 3, 3, 3, 3]
    assert len(sizes) == 1  # the window stays as it is


def test_a_recording_and_a_snapshot_hold_no_instruments(tmp_path: Path) -> None:
    """The picture alone: a grey one, with the heat in its upper left corner switched off."""
    display = FakeDisplay(keep_images=True)
    session = _session(FakeSource(endless, is_live=True), display=display, folder=tmp_path)
    keys = ["?", "r", "s", *[""] * 8, "r", "q"]

    def press(_: ImageU8) -> None:
        if session.state.frame is not None and keys:
            display.keys.append(keys.pop(0))

    display.on_show = press
    session.run()
    (photo,) = tmp_path.glob("camstream-*.png")
    (video,) = tmp_path.glob("camstream-*.mp4")
    assert np.ptp(np.asarray(cv2.imread(str(photo)))) == 0
    with av.open(str(video)) as container:
        recorded = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    assert recorded
    assert max(int(np.ptp(image)) for image in recorded) < 12  # what the encoder does to plain grey
    assert np.ptp(display.images[-1]) > 100  # the window shows the help


def test_a_recording_tells_how_long_it_is(tmp_path: Path) -> None:
    def frames(source: FakeSource) -> Iterator[Frame]:
        for frame in endless(source):
            yield dataclasses.replace(frame, captured_s=1000.0 + 10 * frame.index)

    session = _session(FakeSource(frames, is_live=True), record=tmp_path / "r.mp4", frames=5)
    seconds: list[float] = []
    session_update = session._outputs.write

    def write(annotated: Annotated, captured_s: float) -> str:
        said = session_update(annotated, captured_s)
        seconds.append(session._outputs.recorded_s)
        return said

    session._outputs.write = write  # type: ignore[method-assign]
    session.run()
    assert seconds[0] == 0
    assert seconds == sorted(set(seconds))
    assert all(second % 10 == 0 for second in seconds)


def test_frames_that_pass_in_a_pause_are_counted() -> None:
    source, display = FakeSource(endless, is_live=True), FakeDisplay()
    session = _session(source, display=display)
    at_pause: list[int] = []

    def steer(_: ImageU8) -> None:
        state = session.state
        if state.shown == 5 and not at_pause:
            at_pause.append(state.shown)
            session.do(actions.Pause(True))
        elif state.is_paused and state.passed >= 10:
            session.do(actions.Quit())

    display.on_show = steer
    stats = session.run()
    assert session.state.passed >= 10
    assert stats.frames_out <= 6
    assert stats.frames_dropped >= session.state.passed
    # Every frame is accounted for, but those few that were under way at the end.
    assert 0 <= stats.frames_in - stats.frames_out - stats.frames_dropped <= 3


def test_a_place_is_asked_about_and_a_class_shown(tiny_model: Model) -> None:
    source, display = FakeSource(endless, is_live=True), FakeDisplay()
    session = LiveSession(source, tiny_model.infer, tiny_model.info, device="cpu", display=display)
    seen: list[LiveState] = []

    def steer(_: ImageU8) -> None:
        state = session.state
        if state.frame is None or state.frame.index < 60:  # dark, no evidence
            return
        if not seen:
            session.do(actions.AskAt(2, 2))
            session.do(actions.AskAt(0.5, 0.5))
        if state.answer is not None and state.answer.classes:
            seen.append(state)
            name = state.answer.classes[0].label
            session.do(actions.ShowClasses([name]))
            session.do(actions.CloseAnswer())
            session.do(actions.Quit())

    display.on_show = steer
    session.run()
    assert seen[0].answer is not None
    assert seen[0].answer.classes[0].label == "light"
    assert "from 0 to 1" in seen[0].message
    assert session.state.answer is None
    assert [group.label for group in session.state.selection.classes] == ["light"]


def test_the_answer_to_a_click_follows_the_picture(
    tiny_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("camstream.live.session._ASKED_EVERY_S", 0.0)
    display = FakeDisplay()
    session = LiveSession(
        FakeSource(endless, is_live=True),
        tiny_model.infer,
        tiny_model.info,
        device="cpu",
        display=display,
    )
    values: set[float] = set()

    def steer(_: ImageU8) -> None:
        state = session.state
        if state.answer is None:
            session.do(actions.AskAt(0.5, 0.5))
        elif state.answer.classes:
            values.add(state.answer.classes[0].value)
        if len(values) > 3:  # it grows brighter from frame to frame
            session.do(actions.Quit())

    display.on_show = steer
    session.run()
    assert len(values) > 3


def test_after_a_pause_the_rate_begins_anew() -> None:
    source, display = FakeSource(endless, is_live=True), FakeDisplay()
    session = _session(source, display=display, seconds=20)
    rates: list[float] = []

    def steer(_: ImageU8) -> None:
        state = session.state
        if state.shown == 40 and not state.is_paused and not rates:
            session.do(actions.Pause(True))
            rates.append(state.rate_hz)
        elif state.is_paused and state.passed > 50:
            session.do(actions.Pause(False))
        elif rates and state.shown >= 60:
            rates.append(state.rate_hz)
            session.do(actions.Quit())

    display.on_show = steer
    session.run()
    before, after = rates[:2]
    assert after > before / 3


def test_pause_holds_the_picture_and_a_file(tmp_path: Path) -> None:
    _write_clip(tmp_path / "clip.mp4", frames=200, rate=50)
    display = FakeDisplay(keep_images=True)
    session = _session(open_live(str(tmp_path / "clip.mp4")), display=display)
    at_pause: list[int] = []

    def steer(_: ImageU8) -> None:
        if len(display.images) == 5:
            display.keys.append("space")
        if session.state.is_paused:
            at_pause.append(session.state.shown)
        if len(at_pause) == 20:
            display.keys.append("q")

    display.on_show = steer
    session.run()
    assert at_pause[-1] <= at_pause[0] + 1


@pytest.mark.parametrize("is_windowed", [False, True])
def test_a_dead_infer_thread_ends_the_run_with_its_error(is_windowed: bool) -> None:
    def dies(frame: Frame, *, classes: Sequence[int] | None = None) -> Prediction:
        if frame.index > 3:
            raise ArithmeticError("the model died")
        return fake_infer(frame, classes=classes)

    source, display = FakeSource(endless, is_live=True), FakeDisplay() if is_windowed else None
    with pytest.raises(ArithmeticError, match="the model died"):
        _session(source, dies, display).run()
    assert source.closed == 1
    assert display is None or display.closed == 1


def test_a_dead_capture_thread_ends_the_run_and_keeps_the_recording(tmp_path: Path) -> None:
    def frames(source: FakeSource) -> Iterator[Frame]:
        for frame in endless(source):
            yield frame
            if frame.index > 20:
                raise SourceError("unplugged")

    source, record = FakeSource(frames, is_live=True), tmp_path / "r.mp4"
    with pytest.raises(SourceError, match="unplugged"):
        _session(source, record=record).run()
    with av.open(str(record)) as container:
        assert sum(1 for _ in container.decode(video=0)) >= 1


def test_a_model_that_never_answers_can_be_quit() -> None:
    release = threading.Event()

    def hangs(frame: Frame, *, classes: Sequence[int] | None = None) -> Prediction:
        release.wait(20)
        return fake_infer(frame, classes=classes)

    source, display = FakeSource(endless, is_live=True), NumberedDisplay()
    session = _session(source, hangs, display)

    def quit_soon(_: ImageU8) -> None:
        if len(display.displayed) > 3:
            display.keys.append("q")
            release.set()

    display.on_show = quit_soon
    stats = session.run()
    assert stats.frames_out == 0
    assert stats.frames_dropped > 0


def test_nothing_recorded_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="not one frame"):
        _session(FakeSource(counted(0), is_live=True), record=tmp_path / "r.mp4").run()
    assert list(tmp_path.iterdir()) == []


def test_a_recording_has_the_times_of_capture(tmp_path: Path) -> None:
    times_s = [10.0, 10.04, 10.5, 10.9, 13.0, 13.033]
    record = tmp_path / "r.mkv"
    recorder = Recorder(record, overwrite=False, rate_hz=30)
    for index, at in enumerate(times_s):
        recorder.write(make_frame(index, (160, 96)).picture, at)
    recorder.write(make_frame(9, (320, 192)).picture, 14.0)  # a stream came back larger
    recorder.write(make_frame(9, (160, 96)).picture, 14.0)  # the same moment again
    recorder.finish()
    with av.open(str(record)) as container:
        got = [frame.time for frame in container.decode(video=0)]
    assert got == pytest.approx([at - 10.0 for at in [*times_s, 14.0]], abs=2e-3)


def test_a_file_is_played_at_its_own_speed(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    _write_clip(clip, frames=20, rate=20)
    started = time.perf_counter()
    stats = _session(open_live(str(clip))).run()
    assert 0.95 <= time.perf_counter() - started < 20
    assert stats.frames_in == 20
    assert stats.frames_out + stats.frames_dropped <= 20


def _write_clip(path: Path, *, frames: int, rate: int) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 320, 176, "yuv420p"
        for index in range(frames):
            image = np.full((176, 320, 3), index * 8 % 256, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode(None))


def _camstream(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "camstream", *arguments],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        env=environment,
    )
    assert done.returncode == code, done.stderr
    return done


def test_the_command_is_scriptable_and_shows_no_secrets(
    camera: Camera, lite0: Path, tmp_path: Path
) -> None:
    names = {name: tmp_path / name for name in ("seen.mp4", "seen.jsonl", "stats.json")}
    done = _camstream(
        *("live", camera.url + "?token=s3cret", "--model", str(lite0), "--no-window"),
        *("--frames", "15", "--seconds", "60", "--output", str(names["seen.mp4"])),
        *("--records", str(names["seen.jsonl"]), "--stats", str(names["stats.json"])),
    )
    assert "15 frames shown" in done.stdout
    stats = json.loads(names["stats.json"].read_text())
    assert stats["frames_out"] == 15
    assert stats["source"].startswith("http://127.0.0.1:")
    assert stats["stages_ms"]["lag"]["p95"] >= stats["stages_ms"]["lag"]["p50"] > 0
    records = [json.loads(line) for line in names["seen.jsonl"].read_text().splitlines()]
    assert 1 <= len(records) <= 15
    assert len(records[0]["top"]) == 5
    indices = [record["index"] for record in records]
    assert indices == sorted(set(indices))
    with av.open(str(names["seen.mp4"])) as container:
        times = [frame.time for frame in container.decode(video=0)]
    assert len(times) == 15
    assert times == sorted(set(times))
    everything = done.stdout + done.stderr
    for path in names.values():
        everything += path.read_bytes().decode("latin-1")
    assert "s3cret" not in everything
    assert "user" not in done.stdout + done.stderr


@pytest.mark.parametrize("password", ["s3cret", "s3/cret", "a@s3cret", "s3%40cret"])
def test_an_address_that_does_not_answer_is_one_line(lite0: Path, password: str) -> None:
    for scheme in ("http", "rtsp"):
        url = f"{scheme}://user:{password}@127.0.0.1:9/x?token={password}"
        done = _camstream("live", url, "--model", str(lite0), "--no-window", code=1)
        complaint = done.stderr.splitlines()[1:]  # the first line names the model
        assert len(complaint) == 1
        assert complaint[0].startswith(f"camstream: cannot open {scheme}://")
        assert "cret" not in done.stdout + done.stderr


def test_seconds_end_it_and_existing_outputs_are_kept(
    camera: Camera, lite0: Path, tmp_path: Path
) -> None:
    stats = tmp_path / "stats.json"
    arguments = ("live", camera.url, "--model", str(lite0), "--no-window", "--seconds", "0.5")
    _camstream(*arguments, "--stats", str(stats))
    before = stats.read_text()
    assert 0.4 < json.loads(before)["wall_s"] < 30
    done = _camstream(*arguments, "--stats", str(stats), code=1)
    assert "exists already" in done.stderr
    assert stats.read_text() == before


def test_without_a_display_the_error_names_the_remedy(lite0: Path) -> None:
    done = _camstream("live", "nothing.mp4", "--model", str(lite0), code=1)
    assert done.stderr.count("\n") == 1
    assert "no display" in done.stderr
    assert "--no-window" in done.stderr
