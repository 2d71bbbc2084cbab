"""Files that are played: their times kept, paused, stepped through, sought in, looped."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import pytest

from camstream.frame import Frame
from camstream.sources.file import FileSource
from camstream.sources.player import Player
from tests.clips import Video, make

HZ = 30
LIMIT_S = 15
FRAMES = 60
VIDEO = Video(frames=FRAMES, options={"g": "12", "bf": "2", "preset": "ultrafast"})


class Watched:
    """A player in a thread of its own, and the frames that came."""

    def __init__(self, player: Player) -> None:
        self.player = player
        self.frames: list[Frame] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        self.frames.extend([])
        for frame in self.player:
            self.frames.append(frame)

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + LIMIT_S
        while not condition():
            assert time.monotonic() < deadline, [frame.pts_s for frame in self.frames]
            time.sleep(0.002)

    def after(self, act: Callable[[], None], count: int = 1) -> list[int]:
        """Do something to a held player; returns which frames came then, counted in the file."""
        before = len(self.frames)
        act()
        self.until(lambda: len(self.frames) >= before + count)
        time.sleep(0.05)  # one too many would come at once
        return [round(frame.pts_s * HZ) for frame in self.frames[before:]]

    @property
    def is_running(self) -> bool:
        return self._thread.is_alive()

    def join(self) -> None:
        self._thread.join(LIMIT_S)
        assert not self._thread.is_alive()


@contextmanager
def watched(clip: Path, *, held: bool = True, **options: object) -> Iterator[Watched]:
    options = {"stays": True, **options}
    player = Player(FileSource(clip), lambda: FileSource(clip), **options)  # type: ignore[arg-type]
    if held:
        player.pause(True)
        player.step(1)
    watch = Watched(player)
    try:
        if held:
            watch.until(lambda: len(watch.frames) == 1)
        yield watch
    finally:
        player.stop()
        watch.join()
        player.close()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("player") / "clip.mp4", VIDEO)


def test_a_file_keeps_its_own_time_and_counts_what_it_yields(tmp_path: Path) -> None:
    video = Video(frames=4, pts=[0, 2, 10, 12])
    player = Player(FileSource(make(tmp_path / "in.mkv", video)), lambda: pytest.fail("no seek"))
    frames = list(player)
    player.close()
    assert player.is_live
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    assert [frame.pts_s for frame in frames] == pytest.approx([0, 2 / 30, 1 / 3, 0.4], abs=0.002)
    waits = [frame.captured_s - frames[0].captured_s for frame in frames]
    assert all(wait >= frame.pts_s - 0.002 for wait, frame in zip(waits, frames, strict=True))


@pytest.mark.parametrize(
    ("name", "video"),
    [
        ("in.mp4", VIDEO),
        ("in.mkv", VIDEO),
        ("in.ts", VIDEO),  # no index
        ("in.avi", Video(frames=FRAMES, codec="mjpeg", pix_fmt="yuvj420p")),
        ("in.gif", Video(frames=FRAMES, codec="gif", pix_fmt="rgb8", time_base=Fraction(1, 25))),
    ],
)
def test_a_seek_goes_to_the_frame_of_that_time_in_every_kind_of_file(
    name: str, video: Video, tmp_path: Path
) -> None:
    clip = make(tmp_path / name, video)
    hz = 1 / video.time_base
    with watched(clip) as watch:
        first_s = watch.frames[0].pts_s
        for wanted in (31, 5, 59, 0, 44):
            watch.after(lambda wanted=wanted: watch.player.seek(wanted / hz))  # type: ignore[misc]
            assert round((watch.frames[-1].pts_s - first_s) * hz) == wanted
            assert watch.player.player.position == pytest.approx(wanted / hz, abs=0.01)


def test_a_seek_beyond_the_ends_shows_the_first_or_the_last_frame(clip: Path) -> None:
    with watched(clip) as watch:
        assert watch.after(lambda: watch.player.seek(1e9)) == [FRAMES - 1]
        watch.until(lambda: watch.player.player.has_ended)
        assert watch.after(lambda: watch.player.skip(-1e9)) == [0]
        assert watch.after(lambda: watch.player.skip(0.5)) == [15]
        assert watch.after(lambda: watch.player.skip(5.0)) == [FRAMES - 1]


def test_skips_that_come_together_add_up(clip: Path) -> None:
    with watched(clip) as watch:

        def twice() -> None:
            watch.player.skip(0.4)
            watch.player.skip(0.4)

        watch.after(twice)
        watch.until(lambda: round(watch.frames[-1].pts_s * HZ) == 24)


def test_steps_go_one_frame_on_and_back_across_key_frames_too(clip: Path) -> None:
    with watched(clip) as watch:
        step = watch.player.step
        assert watch.after(lambda: step(1)) == [1]
        assert watch.after(lambda: step(1)) == [2]
        assert watch.after(lambda: step(-1)) == [1]
        assert watch.after(lambda: step(2), 2) == [2, 3]
        watch.after(lambda: watch.player.seek(24 / HZ))  # a key frame: nothing before it is known
        back = [watch.after(lambda: step(-1)) for _ in range(14)]
        assert back == [[number] for number in range(23, 9, -1)]
        assert watch.after(lambda: step(1)) == [11]
        assert watch.after(lambda: step(-3)) == [8]
        watch.after(lambda: watch.player.seek(0))
        assert watch.after(lambda: step(-1)) == [0]
        indices = [frame.index for frame in watch.frames]
        assert indices == list(range(len(indices)))


def test_playing_goes_on_from_where_it_was_stepped_to(clip: Path) -> None:
    with watched(clip) as watch:
        watch.after(lambda: watch.player.seek(1.0))
        watch.after(lambda: watch.player.step(-5))
        before = len(watch.frames)
        watch.player.set_speed(8.0)
        watch.player.pause(False)
        watch.until(lambda: watch.player.player.has_ended)
        came = [round(frame.pts_s * HZ) for frame in watch.frames[before:]]
        assert came == list(range(26, FRAMES))


def test_a_pause_holds_and_makes_no_jump_in_time(clip: Path) -> None:
    with watched(clip, held=False) as watch:
        watch.until(lambda: len(watch.frames) > 3)
        watch.player.pause(True)
        time.sleep(0.1)
        held = len(watch.frames)
        time.sleep(0.3)
        assert len(watch.frames) == held
        watch.player.pause(False)
        watch.until(lambda: len(watch.frames) > held + 3)
        times = [frame.captured_s for frame in watch.frames[held : held + 4]]
        assert times[-1] - times[0] >= 0.08  # they do not come all at once


@pytest.mark.parametrize(("speed", "shortest_s", "longest_s"), [(0.5, 1.0, 60), (8.0, 0.06, 0.45)])
def test_speed(speed: float, shortest_s: float, longest_s: float, tmp_path: Path) -> None:
    clip = make(tmp_path / "in.mkv", Video(frames=4, pts=[0, 5, 10, 15]))
    player = Player(FileSource(clip), lambda: FileSource(clip), speed=speed)
    times = [frame.captured_s for frame in player]
    player.close()
    assert shortest_s - 0.01 <= times[-1] - times[0] < longest_s


def test_at_the_end_it_stays_and_going_on_begins_again(clip: Path) -> None:
    with watched(clip, held=False, speed=8.0) as watch:
        watch.until(lambda: watch.player.player.has_ended)
        count = len(watch.frames)
        assert count == FRAMES
        assert watch.is_running
        watch.player.pause(False)
        watch.until(lambda: len(watch.frames) > count)
        assert watch.frames[count].pts_s == 0


def test_without_a_window_it_ends(clip: Path) -> None:
    with watched(clip, held=False, stays=False, speed=8.0) as watch:
        watch.join()
        assert len(watch.frames) == FRAMES


def test_a_loop_begins_again(clip: Path) -> None:
    with watched(clip, held=False, stays=False, is_looping=True, speed=8.0) as watch:
        watch.until(lambda: len(watch.frames) > 2 * FRAMES + 3)
        came = [round(frame.pts_s * HZ) for frame in watch.frames]
        assert came[: 2 * FRAMES] == [*range(FRAMES), *range(FRAMES)]
        watch.player.loop(False)
        watch.join()


def test_it_is_stopped_while_it_waits_for_a_late_frame(tmp_path: Path) -> None:
    clip = make(tmp_path / "in.mkv", Video(frames=2, pts=[0, 30_000]))  # 1,000 s later
    with watched(clip, held=False) as watch:
        watch.until(lambda: len(watch.frames) == 1)
        begun = time.monotonic()
        watch.player.stop()
        watch.join()
        assert time.monotonic() - begun < 2
