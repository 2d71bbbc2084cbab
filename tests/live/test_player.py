"""Files and photos in a session: what keys, clicks and actions do, and what the window shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from camstream.drawing.overlay import Style
from camstream.live import actions
from camstream.live.bar import bar_px, said, track_x
from camstream.live.outputs import OutputPaths, RunLimits
from camstream.live.screen import fit
from camstream.live.session import LiveSession
from camstream.live.timeline import Timeline
from camstream.picture import ImageU8
from camstream.sources.play import open_live
from camstream.sources.player import PlayerState
from camstream.stages import Source
from camstream.testing import FAKE_INFO, FakeDisplay, FakeSource, endless, fake_infer
from tests.clips import Video, make, read_number

ROOM_WH = (800, 500)
HZ = 30


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("player") / "clip.mp4", Video(frames=300))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number, size_wh in enumerate([(64, 48), (48, 80), (60, 60)]):
        image = np.full((size_wh[1], size_wh[0], 3), 80 * number + 60, np.uint8)
        cv2.imwrite(str(tmp_path / f"{number}.png"), image)
    return tmp_path


def _session(source: Source, display: FakeDisplay | None, **options: object) -> LiveSession:
    style = Style(show_heatmap=False, show_label=False)
    return LiveSession(
        source,
        fake_infer,
        FAKE_INFO,
        device="cpu",
        style=style,
        display=display,
        limits=RunLimits(seconds=20),
        **options,  # type: ignore[arg-type]
    )


def _run(session: LiveSession, display: FakeDisplay, script: Iterator[Callable[[], bool]]) -> None:
    """Run to the end of a script: it yields what it waits for, with each picture shown."""
    waits_for: list[Callable[[], bool]] = [lambda: session.state.frame is not None]

    def look(_: ImageU8) -> None:
        if waits_for[0]():
            try:
                waits_for[0] = next(script)
            except StopIteration:
                display.keys.append("q")
                waits_for[0] = lambda: False

    display.on_show = look
    session.run()
    assert session.state.is_quitting, "the script was not done in time"


def test_keys_seek_step_and_change_the_speed(clip: Path) -> None:
    display = FakeDisplay(room_wh=ROOM_WH)
    session = _session(open_live(str(clip), stays=True), display)
    seen: list[float] = []

    def number() -> int:
        assert session.state.frame is not None
        return round(session.state.frame.pts_s * HZ)

    def script() -> Iterator[Callable[[], bool]]:
        display.keys.append("space")
        yield lambda: session.state.is_paused
        display.keys.append("home")
        yield lambda: number() == 0
        display.keys.append("right")
        yield lambda: number() == 150
        display.keys += ["."]
        yield lambda: number() == 151
        display.keys += [",", ","]
        yield lambda: number() == 149
        display.keys.append("left")
        yield lambda: number() == 0
        display.keys += ["]", "]", "["]
        yield lambda: session.state.player is not None and session.state.player.speed == 2
        display.keys.append("end")
        yield lambda: number() == 299
        seen.append(1)
        display.keys.append("o")
        yield lambda: session.state.player is not None and session.state.player.is_looping

    _run(session, display, script())
    assert seen


def test_a_recording_goes_on_evenly_where_the_file_is_sought(clip: Path, tmp_path: Path) -> None:
    """It holds what was shown, in the order and at the times at which it was shown."""
    display = FakeDisplay()
    session = _session(open_live(str(clip), stays=True), display, folder=tmp_path)

    def pts_s() -> float:
        return 0.0 if session.state.frame is None else session.state.frame.pts_s

    def script() -> Iterator[Callable[[], bool]]:
        session.do(actions.Record(True))
        yield lambda: session.state.recorded_s > 0.3
        session.do(actions.Seek(8.0))
        yield lambda: pts_s() > 8.2
        session.do(actions.Seek(1.0))
        yield lambda: 1.2 < pts_s() < 3
        session.do(actions.Record(False))
        yield lambda: not session.state.recording

    _run(session, display, script())
    (video,) = tmp_path.glob("camstream-*.mp4")
    with av.open(str(video)) as container:
        decoded = list(container.decode(video=0))
    times = [float(frame.time) for frame in decoded if frame.time is not None]
    assert len(times) == len(decoded) > 10
    steps = np.diff(times)
    assert (steps > 0).all()
    assert times[-1] < 20  # what the seeking jumped over takes no time
    numbers = np.array([read_number(frame.to_ndarray(format="bgr24")) for frame in decoded])
    assert numbers.max() >= 240  # it was sought to second 8 ...
    assert 30 <= numbers[-1] < 100  # ... and back to second 1


def test_a_step_holds_and_space_goes_on(clip: Path) -> None:
    display = FakeDisplay()
    session = _session(open_live(str(clip), stays=True), display)

    def script() -> Iterator[Callable[[], bool]]:
        display.keys.append(".")
        yield lambda: session.state.is_paused
        shown = session.state.shown
        display.keys.append("space")
        yield lambda: not session.state.is_paused and session.state.shown > shown + 3

    _run(session, display, script())


def test_at_the_end_the_last_picture_stays_until_q_and_space_begins_again(tmp_path: Path) -> None:
    short = make(tmp_path / "short.mp4", Video(frames=6))
    display = FakeDisplay()
    session = _session(open_live(str(short), stays=True), display)
    pictures = 0

    def script() -> Iterator[Callable[[], bool]]:
        nonlocal pictures

        def rests() -> bool:
            nonlocal pictures
            pictures += bool(session.state.player and session.state.player.has_ended)
            return pictures > 5

        yield rests
        assert session.state.frame is not None
        assert round(session.state.frame.pts_s * HZ) == 5
        display.keys.append("space")
        yield lambda: session.state.frame is not None and session.state.frame.pts_s < 0.1

    _run(session, display, script())


def test_photos_are_looked_through(photos: Path) -> None:
    display = FakeDisplay(room_wh=ROOM_WH)
    session = _session(open_live(str(photos), stays=True), display)

    def size_wh() -> tuple[int, int]:
        assert session.state.frame is not None
        return session.state.frame.picture.size_wh

    def script() -> Iterator[Callable[[], bool]]:
        assert size_wh() == (64, 48)
        display.keys.append("right")
        yield lambda: size_wh() == (48, 80)
        display.keys.append("right")
        yield lambda: size_wh() == (60, 60)
        display.keys.append("left")
        yield lambda: size_wh() == (48, 80)

    _run(session, display, script())


@pytest.mark.parametrize("name", ["0.png", "."])
def test_every_photo_is_shown_without_a_window_too(name: str, photos: Path) -> None:
    """A photo ended before its map was there, and nothing was shown."""
    records = photos / "out.jsonl"
    source = open_live(str(photos / name))
    stats = _session(source, None, outputs=OutputPaths(records=records)).run()
    count = 1 if name == "0.png" else 3
    assert stats.frames_out == count
    assert len(records.read_text("utf-8").splitlines()) == count


def test_a_live_source_cannot_be_played_and_says_so() -> None:
    session = _session(FakeSource(endless, is_live=True), FakeDisplay(room_wh=ROOM_WH))
    display = session._screen._display if session._screen else None
    assert isinstance(display, FakeDisplay)

    def script() -> Iterator[Callable[[], bool]]:
        session.do(actions.Seek(3.0))
        yield lambda: session.state.message == "fake is live: only files and photos can be played"
        session.do(actions.ToggleFullscreen())
        yield lambda: display.is_fullscreen
        display.keys.append("f11")
        yield lambda: not display.is_fullscreen

    _run(session, display, script())


def test_a_speed_that_does_not_exist_is_said(clip: Path) -> None:
    display = FakeDisplay()
    session = _session(open_live(str(clip), stays=True), display)

    def script() -> Iterator[Callable[[], bool]]:
        session.do(actions.SetSpeed(3.0))
        yield lambda: session.state.message.startswith("the speed is one of 0.125, 0.25")
        session.do(actions.SetSpeed(0.5))
        yield lambda: session.state.player is not None and session.state.player.speed == 0.5

    _run(session, display, script())


@pytest.mark.parametrize("top_k", [1, 2, 5, 8])
def test_the_image_fills_the_window_whatever_is_shown(top_k: int, clip: Path) -> None:
    display = FakeDisplay(room_wh=ROOM_WH, keep_images=True)
    session = _session(open_live(str(clip), stays=True), display)

    def script() -> Iterator[Callable[[], bool]]:
        session.do(actions.SetTopK(top_k))
        wanted = 1 if top_k == 1 else 2  # the fake model has two classes
        yield (
            lambda: (
                session.state.prediction is not None
                and len(session.state.prediction.displayed) >= min(wanted, 2)
            )
        )
        yield lambda: True

    if top_k == 1:
        session.do(actions.SetTopK(1))
    _run(session, display, script())
    assert {image.shape for image in display.images} == {(500, 800, 3)}


def test_a_narrow_picture_stands_between_black_bars(photos: Path) -> None:
    display = FakeDisplay(room_wh=ROOM_WH, keep_images=True)
    session = _session(open_live(str(photos / "1.png"), stays=True), display)
    _run(session, display, iter([lambda: session.state.display == "short"]))
    image = display.images[-1]
    height = 500 - bar_px(500)
    width, _ = fit((48, 80), (800, height))
    assert (image[:height, : (800 - width) // 2 - 1] == 0).all()
    assert abs(int(image[height // 3, 400, 0]) - 140) <= 2
    assert (image[height:, -60:] > 20).all()  # the bar is as wide as the window


def test_a_click_asks_at_the_place_and_one_on_the_bar_seeks(clip: Path) -> None:
    display = FakeDisplay(room_wh=ROOM_WH)
    session = _session(open_live(str(clip), stays=True), display)
    height = 500 - bar_px(500)
    picture_wh = fit((160, 96), (800, height))
    left, top = (800 - picture_wh[0]) // 2, (height - picture_wh[1]) // 2

    def script() -> Iterator[Callable[[], bool]]:
        x, y = left + 0.25 * picture_wh[0], top + 0.5 * picture_wh[1]
        display.clicks += [(0.001, 0.5), (x / 800, y / 500)]  # the first one on a black bar
        yield lambda: session.state.answer is not None
        answer = session.state.answer
        assert answer is not None
        assert (answer.x, answer.y) == pytest.approx((0.25, 0.5), abs=0.01)
        display.keys.append("space")
        yield lambda: session.state.is_paused
        assert session.state.player is not None
        track = track_x((800, bar_px(500)), session.state.player)
        assert track is not None
        display.clicks.append(((track[0] + 0.7 * (track[1] - track[0])) / 800, 0.99))
        yield lambda: session.state.frame is not None and abs(session.state.frame.pts_s - 7.0) < 0.1

    _run(session, display, script())


def test_the_timeline_holds_the_labels_found_so_far() -> None:
    timeline = Timeline()
    for tenth in range(31):
        timeline.add(PlayerState(position=tenth / 10, length=10.0), "cat")
    for tenth in range(80, 100):
        timeline.add(PlayerState(position=tenth / 10, length=10.0), "dog" if tenth < 90 else "")
    cat, dog = timeline.runs()
    assert (cat[2], dog[2]) == ("cat", "dog")
    assert cat[:2] == pytest.approx((0.0, 0.3), abs=0.01)
    assert dog[:2] == pytest.approx((0.8, 0.89), abs=0.01)
    timeline.add(PlayerState(position=0.5, length=10.0), "dog")  # a jump back: one cell only
    assert [label for _, _, label in timeline.runs()] == ["cat", "dog", "cat", "dog"]


@pytest.mark.parametrize(
    ("player", "text"),
    [
        (PlayerState(position=65.9, length=3600.0), "1:05 / 1:00:00"),
        (PlayerState(position=5.0, speed=0.5, is_looping=True), "0:05  0.5x  loop"),
        (PlayerState(position=2, length=11, counts="photos"), "3 / 12"),
    ],
)
def test_the_bar_says_where_the_player_is(player: PlayerState, text: str) -> None:
    assert said(player) == text
