"""Video files: every picture in them, sizes odd and changing, playable after a kill."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np
import pytest

from camstream.picture import Picture, fitted
from camstream.sinks.encoding import Encoding
from camstream.sinks.fragments import cut_to_whole_fragments
from camstream.sinks.recorder import Recorder
from camstream.sinks.video import VideoFile
from tests.clips import SIZE_WH, numbered, read

Kind = Literal["bgr", "yuv"]


def picture_of(
    number: int, size_wh: tuple[int, int] = SIZE_WH, *, kind: Kind = "bgr", rate: int = 30
) -> Picture:
    picture = Picture.from_bgr(numbered(number, size_wh))
    if kind == "yuv":
        picture = Picture(picture.video_frame.reformat(format="yuv420p"))
    picture.video_frame.pts, picture.video_frame.time_base = number, Fraction(1, rate)
    return picture


@pytest.mark.parametrize("rate_hz", [1e-8, 1e-3, 500.0])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_rate_that_no_camera_has(suffix: str, rate_hz: float, tmp_path: Path) -> None:
    video = VideoFile(tmp_path / f"o{suffix}", rate_hz=rate_hz)
    for number in range(5):
        video.write_picture(picture_of(number))
    video.finish()
    assert read(video.target).numbers == list(range(5))


@pytest.mark.parametrize("frames", [1, 2, 3, 13, 16, 17, 36, 46, 58, 59])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_every_picture_is_in_a_finished_file(suffix: str, frames: int, tmp_path: Path) -> None:
    """FFmpeg would leave the last one out of an mp4 file, at some lengths."""
    video = VideoFile(tmp_path / f"o{suffix}", rate_hz=30)
    for number in range(frames):
        video.write_picture(picture_of(number))
    video.finish()
    assert read(video.target).numbers == list(range(frames))


@pytest.mark.parametrize("kind", ["bgr", "yuv"])
@pytest.mark.parametrize("size_wh", [(160, 96), (161, 96), (160, 97), (161, 97), (3, 5)])
def test_odd_sizes_are_made_even_by_a_repeated_column_or_row(
    size_wh: tuple[int, int], kind: Kind, tmp_path: Path
) -> None:
    recorder = Recorder(tmp_path / "o.mp4", overwrite=False, rate_hz=30)
    for number in range(3):
        picture = Picture.from_bgr(np.full((*size_wh[::-1], 3), 40 + 60 * number, np.uint8))
        recorder.write(picture if kind == "bgr" else _yuv(picture), number / 30)
    recorder.finish()
    with av.open(str(tmp_path / "o.mp4")) as container:
        frames = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    width, height = (side + side % 2 for side in size_wh)
    assert {frame.shape for frame in frames} == {(height, width, 3)}
    for number, frame in enumerate(frames):
        assert np.abs(frame.astype(int) - (40 + 60 * number)).max() <= 6


def _yuv(picture: Picture) -> Picture:
    return Picture(picture.video_frame.reformat(format="yuv420p"))


@pytest.mark.parametrize("kind", ["bgr", "yuv"])
@pytest.mark.parametrize("size_wh", [(320, 96), (160, 400), (80, 48), (161, 33)])
def test_a_picture_of_another_size_keeps_its_shape_between_black_bars(
    size_wh: tuple[int, int], kind: Kind
) -> None:
    white = Picture.from_bgr(np.full((*size_wh[::-1], 3), 255, np.uint8)).even()
    whole = fitted(white if kind == "bgr" else _yuv(white), SIZE_WH)
    assert whole.size_wh == SIZE_WH
    lit = whole.bgr()[..., 1] > 128
    rows, columns = np.flatnonzero(lit.any(axis=1)), np.flatnonzero(lit.any(axis=0))
    height, width = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    assert lit.sum() == height * width  # one rectangle
    scale = min(to / has for to, has in zip(SIZE_WH, white.size_wh, strict=True))
    assert abs(width - white.size_wh[0] * scale) <= 2
    assert abs(height - white.size_wh[1] * scale) <= 2
    assert abs((columns[0] + columns[-1] + 1) - SIZE_WH[0]) <= 4  # in the middle
    assert abs((rows[0] + rows[-1] + 1) - SIZE_WH[1]) <= 4


def test_a_recording_keeps_its_size_where_the_layout_changes(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "o.mp4", overwrite=False, rate_hz=30)
    for number, size_wh in enumerate([(160, 96), (640, 384), (160, 384), (160, 96)]):
        recorder.write(picture_of(number, size_wh), number / 30)
    recorder.finish()
    seen = read(tmp_path / "o.mp4")
    assert {(frame.width, frame.height) for frame in seen.frames} == {(160, 96)}
    assert (seen.numbers[0], seen.numbers[-1]) == (0, 3)


_WRITER = """
import sys, time
from pathlib import Path
from camstream.sinks.encoding import Encoding
from camstream.sinks.recorder import Recorder
from camstream.sinks.video import VideoFile
from tests.sinks.test_video import picture_of
target = Path(sys.argv[1])
if sys.argv[2] == "live":
    recorder = Recorder(target, overwrite=False, rate_hz=30)
    write = lambda number: recorder.write(picture_of(number), number / 30)
else:
    video = VideoFile(target, rate_hz=30)
    write = lambda number: video.write_picture(picture_of(number))
for number in range(int(sys.argv[3])):
    write(number)
print("written", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize(
    ("name", "kind", "frames", "least"),
    [
        ("o.mp4", "live", 18, 6),  # 0.6 s at 30 frames/s
        ("o.mkv", "live", 18, 6),
        ("o.mp4", "file", 30, 6),  # the encoder looks 13 frames ahead
        ("o.mkv", "file", 30, 6),
        ("o.mp4", "file", 90, 66),
        ("o.webm", "file", 60, 6),
    ],
)
def test_what_was_written_before_a_kill_plays(
    name: str, kind: str, frames: int, least: int, tmp_path: Path
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(tmp_path / name), kind, str(frames)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "written\n"
    process.kill()
    process.communicate(timeout=30)
    (left,) = tmp_path.iterdir()
    assert ".partial-" in left.name
    numbers = read(left).numbers
    assert len(numbers) >= least
    assert numbers[:-4] == list(range(len(numbers)))[:-4]


def test_a_fragment_that_is_there_in_part_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "o.mp4"
    video = VideoFile(path, rate_hz=30, encoding=Encoding(preset="ultrafast"))
    for number in range(60):
        video.write_picture(picture_of(number))
    partial = video._atomic_file.path.read_bytes()  # fragments
    video.discard()
    ends = []
    for length in range(1200, len(partial), 1501):
        path.write_bytes(partial[:length])
        cut_to_whole_fragments(path)
        ends.append(path.stat().st_size)
        assert path.read_bytes() == partial[: ends[-1]]
        if ends[-1] > 1200:
            numbers = read(path).numbers
            assert numbers == list(range(len(numbers)))
    assert len(set(ends)) > 3
    assert ends == sorted(ends)
