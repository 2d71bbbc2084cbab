"""A clock that jumps, as joined or wrapped transport streams have it: the times go on evenly."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from camstream.annotation import AnnotationJob, run
from camstream.models.session import Model
from camstream.sources.file import FileSource
from camstream.sources.timeline import Timeline
from tests.clips import Video, make, read

RATE_HZ = 30
WRAP_S = Fraction(2**33, 90_000)
PICTURE, SOUND, TEXT = 0, 1, 2


def part(path: Path, *, start_s: float = 0, sound: bool = True, frames: int = 60) -> bytes:
    """The bytes of a transport stream of two seconds."""
    video = Video(frames=frames, options={"preset": "ultrafast"})
    options = {"output_ts_offset": str(start_s)}
    return make(path, video, audio=["aac"] if sound else (), options=options).read_bytes()


def steps_of(times: list[Any]) -> set[Any]:
    return {after - before for before, after in itertools.pairwise(times)}


@pytest.mark.parametrize(
    "starts_s", [(0, 0), (0, 300), (300, 0), (0, 90_000), (5, 5, 5)], ids=lambda s: f"{s}"
)
def test_joined_streams_give_all_frames_at_an_even_rate(
    starts_s: tuple[int, ...], tmp_path: Path
) -> None:
    parts = [part(tmp_path / "part.ts", start_s=start) for start in starts_s]
    (tmp_path / "joined.ts").write_bytes(b"".join(parts))
    source = FileSource(tmp_path / "joined.ts")
    times = [round(frame.pts_s * RATE_HZ, 4) for frame in source]
    source.close()
    assert len(times) == 60 * len(parts)
    assert {round(step, 3) for step in steps_of(times)} == {1}
    assert [warning for warning in source.warnings if "clock jumps at" in warning]
    assert len(source.warnings) == 1 + (starts_s[0] > 10)
    assert not source.is_damaged
    assert source.frame_count is None  # what the file declares is one part's length


@pytest.mark.parametrize("sound", [True, False])
def test_a_joined_stream_is_annotated_whole_with_its_sound(
    sound: bool, tmp_path: Path, tiny_model: Model
) -> None:
    """The muxer refused the sound, and all was discarded."""
    one = part(tmp_path / "part.ts", sound=sound)
    (tmp_path / "joined.ts").write_bytes(one * 2)
    job = AnnotationJob(source=tmp_path / "joined.ts", output=tmp_path / "out.mp4")
    result = run(job, tiny_model)
    after, before = read(tmp_path / "out.mp4"), read(tmp_path / "part.ts")
    assert result.stats.frames_out == 120
    assert after.numbers == [*range(60), *range(60)]
    assert steps_of(after.times_s) == {Fraction(1, RATE_HZ)}
    assert [warning for warning in result.warnings if "clock jumps" in warning]
    if not sound:
        return
    heard = [time for time, _ in after.packets[0][2]]
    first = [time for time, _ in before.packets[0][2]]
    # The first part's sound outlasts its picture, and the second one's begins before it: what
    # lies over each other is left out; the rest keeps its distance to the picture.
    assert 2 * len(first) - 5 < len(heard) < 2 * len(first)
    assert heard == sorted(set(heard))
    assert max(steps_of(heard)) < Fraction(3, 2) * min(steps_of(first))
    assert after.times_s[119] - heard[-1] == before.times_s[59] - first[-1]


@pytest.mark.parametrize("before_s", [5, 62])
def test_a_clock_that_wraps_goes_on(before_s: int, tmp_path: Path) -> None:
    """Up to a minute before the wrap FFmpeg counts from below 0, earlier it adds a whole turn."""
    video = Video(frames=70, time_base=Fraction(1), options={"preset": "ultrafast"})
    options = {"output_ts_offset": str(float(WRAP_S) - before_s)}
    source = FileSource(make(tmp_path / "in.ts", video, options=options))
    times = [round(frame.pts_s, 3) for frame in source]
    source.close()
    assert len(times) == 70
    assert times[0] == 0
    assert steps_of(times) == {1}
    assert not source.is_damaged


def test_a_wrap_that_ffmpeg_leaves_alone_is_a_jump_of_2_to_the_33(tmp_path: Path) -> None:
    part(tmp_path / "in.ts", start_s=float(WRAP_S) - 1)
    with av.open(str(tmp_path / "in.ts"), options={"correct_ts_overflow": "0"}) as container:
        video = container.streams.video[0].index  # a closed container's streams are gone
        timeline = Timeline(video, has_jumps=True)
        packets = [p for p in timeline.corrected(container.demux()) if p.dts is not None]
    assert [jump.offset_s for jump in timeline.jumps] == [WRAP_S]
    for stream, step in ((video, 3000), (1 - video, 1920)):
        ticks = [p.dts for p in packets if p.stream_index == stream and p.dts is not None]
        assert steps_of(ticks) == {step}


class Fake:
    """A packet without a stream; PyAV's own cannot be given an index."""

    def __init__(self, index: int, at_s: float, *, duration_s: float = 0.1) -> None:
        self.stream_index = index
        self.time_base = Fraction(1, 1000)
        self.dts: int | None = round(at_s * 1000)
        self.pts: int | None = self.dts
        self.duration = round(duration_s * 1000)


def corrected(
    packets: list[tuple[int, float]], *, has_jumps: bool = True
) -> list[tuple[int, float]]:
    """Index and time in seconds of each packet, in the order given."""
    fakes = [Fake(index, at_s) for index, at_s in packets]

    def one_by_one() -> Iterator[Any]:
        yield from fakes

    timeline = Timeline(PICTURE, has_jumps=has_jumps)
    return [(p.stream_index, (p.dts or 0) / 1000) for p in timeline.corrected(one_by_one())]


def line(index: int, start_s: float, count: int) -> list[tuple[int, float]]:
    return [(index, start_s + 0.1 * number) for number in range(count)]


def woven(*lines: list[tuple[int, float]]) -> list[tuple[int, float]]:
    return [packet for packets in zip(*lines, strict=True) for packet in packets]


def times(packets: list[tuple[int, float]], index: int) -> list[float]:
    return [at_s for which, at_s in packets if which == index]


EVEN = pytest.approx([0.1 * number for number in range(20)])


def test_sound_that_jumps_before_the_picture_waits_for_it() -> None:
    first = woven(line(PICTURE, 0, 10), line(SOUND, 0, 10))
    second = [*line(SOUND, 0, 5), *line(PICTURE, 0, 10), *line(SOUND, 0.5, 5)]
    moved = corrected(first + second)
    assert times(moved, PICTURE) == EVEN
    assert times(moved, SOUND) == EVEN


def test_sound_of_the_first_part_that_comes_after_the_jump_keeps_its_time() -> None:
    first = [*line(PICTURE, 0, 10), *line(SOUND, 0, 8)]
    second = [*line(PICTURE, 0, 3), *line(SOUND, 0.8, 2), *line(PICTURE, 0.3, 7)]
    moved = corrected(first + second + line(SOUND, 0, 10))
    assert times(moved, PICTURE) == EVEN
    assert times(moved, SOUND) == EVEN


def test_a_rare_subtitle_follows_the_picture() -> None:
    """Its own times (1, then 4) show no jump."""
    moved = corrected(
        [*line(PICTURE, 0, 30), (TEXT, 1.0), *line(PICTURE, 0, 45), (TEXT, 4.0), (PICTURE, 4.5)]
    )
    assert times(moved, TEXT) == [1.0, 7.0]


def test_sound_that_jumps_alone_goes_on_too() -> None:
    moved = corrected(woven(line(PICTURE, 0, 60), [*line(SOUND, 0, 20), *line(SOUND, 100, 40)]))
    assert times(moved, PICTURE) == pytest.approx([0.1 * n for n in range(60)])
    assert times(moved, SOUND) == pytest.approx([0.1 * n for n in range(60)])


def test_a_wait_is_no_jump_where_the_format_has_none() -> None:
    """A film of a door in Matroska may have an hour between two pictures."""
    packets = [(PICTURE, 0.0), (PICTURE, 3600.0)]
    assert corrected(packets, has_jumps=False) == packets
    assert corrected(packets) == [(PICTURE, 0.0), (PICTURE, 0.1)]
    assert corrected([(PICTURE, 0.0), (PICTURE, 9.0)]) == [(PICTURE, 0.0), (PICTURE, 9.0)]
