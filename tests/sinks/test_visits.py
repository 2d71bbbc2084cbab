"""A file for each visit, with what came before it, from bounded memory."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from camstream.errors import SinkError, UsageError
from camstream.frame import Prediction, TopClass
from camstream.picture import Picture
from camstream.sinks import visits as visits_module
from camstream.sinks.packed import pack, unpack
from camstream.sinks.recorder import Recorder
from camstream.sinks.visits import Visits
from camstream.testing import make_frame, make_prediction
from tests.clips import SIZE_WH, numbered, read

RATE = 10


def prediction(score: float) -> Prediction:
    return make_prediction(make_frame(), top=(TopClass("person", 0, score, 1.0),))


def feed(visits: Visits, scores: list[float], *, start: int = 0) -> list[str]:
    """Write a numbered picture every tenth of a second; returns what was said."""
    said = []
    for number, score in enumerate(scores, start):
        picture = Picture.from_bgr(numbered(number))
        said.append(visits.write(picture, number / RATE, prediction(score)))
    return [message for message in said if message]


def test_each_visit_is_a_file_with_what_came_before(tmp_path: Path) -> None:
    visits = Visits(tmp_path, pre_roll_s=1.0, rate_hz=RATE, gone_for_s=0.5)
    scores = [0.0] * 30 + [0.9] * 10 + [0.1] * 30 + [0.9] * 5 + [0.1] * 3 + [0.9] * 5 + [0.0] * 30
    said = feed(visits, scores)
    first, second = visits.files
    assert said == [
        f"recording {first.name}",
        f"saved {first.name}",
        f"recording {second.name}",
        f"saved {second.name}",
    ]
    assert first.name.startswith("visit-20")
    assert read(first).numbers == list(range(30 - 10, 39 + 6))
    assert read(second).numbers == list(range(70 - 10, 82 + 7))
    times = read(first).times_s
    assert times[0] == 0
    assert times[-1] == pytest.approx(Fraction(24, RATE), abs=0.001)
    assert {path.name for path in tmp_path.iterdir()} == {first.name, second.name}


def test_a_score_between_the_thresholds_changes_nothing(tmp_path: Path) -> None:
    visits = Visits(tmp_path, pre_roll_s=0, rate_hz=RATE, gone_for_s=0.2)
    assert feed(visits, [0.4] * 10 + [math.nan] * 5) == []
    assert list(tmp_path.iterdir()) == []
    feed(visits, [0.6] + [0.4] * 20, start=20)
    assert visits.recording
    assert visits.finish() == f"saved {visits.files[0].name}"
    assert read(visits.files[0]).numbers == list(range(20, 41))
    assert visits.finish() == ""


def test_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = pack(Picture.from_bgr(numbered(0))).size_bytes
    monkeypatch.setattr(visits_module, "_MOST_BYTES", 12 * one)
    visits = Visits(tmp_path, pre_roll_s=60, rate_hz=RATE)
    feed(visits, [0.0] * 100)
    assert 8 <= len(visits._waiting) <= 14
    assert visits._bytes == sum(each.packed.size_bytes for each in visits._waiting) <= 12 * one
    feed(visits, [0.9] * 40, start=100)
    assert not visits._waiting  # the encoder has caught up
    visits.finish()
    numbers = read(visits.files[0]).numbers
    assert numbers == list(range(numbers[0], 140))
    assert 86 <= numbers[0] <= 92


def test_a_full_disk_costs_one_visit_what_it_had_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Recorder.write

    def breaking(self: Recorder, picture: Picture, captured_s: float) -> None:
        if captured_s == 3.0:
            raise SinkError("cannot write: no space left")
        write(self, picture, captured_s)

    monkeypatch.setattr(Recorder, "write", breaking)
    visits = Visits(tmp_path, pre_roll_s=0, rate_hz=RATE)
    with pytest.raises(SinkError, match=r"no space left; .* kept: visit-\d{8}-\d{6}\.mp4"):
        feed(visits, [0.9] * 31)
    (kept,) = tmp_path.iterdir()
    assert read(kept).numbers == list(range(30))
    feed(visits, [0.9] * 10, start=40)
    visits.finish()
    assert read(visits.files[0]).numbers == list(range(40, 50))
    assert visits.files[0] != kept


def test_discard_leaves_nothing(tmp_path: Path) -> None:
    visits = Visits(tmp_path, rate_hz=RATE)
    feed(visits, [0.9] * 10)
    visits.discard()
    visits.discard()
    assert list(tmp_path.iterdir()) == []


def test_what_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="no such folder"):
        Visits(tmp_path / "gone")
    for seconds in (-1, math.nan, 1e9):
        with pytest.raises(UsageError, match="pre-roll"):
            Visits(tmp_path, pre_roll_s=seconds)


@pytest.mark.parametrize("kind", ["bgr", "yuv"])
@pytest.mark.parametrize("size_wh", [SIZE_WH, (161, 97)])
def test_a_packed_picture_keeps_its_colours(kind: str, size_wh: tuple[int, int]) -> None:
    picture = Picture.from_bgr(numbered(5, size_wh)).even()
    picture = picture if kind == "bgr" else picture.yuv420()
    packed = pack(picture)
    back = unpack(packed)
    width, height = (side + side % 2 for side in size_wh)
    assert back.size_wh == (width, height)
    assert packed.size_bytes < width * height
    expected = picture.yuv420()
    for tag in ("colorspace", "color_range", "color_primaries", "color_trc"):
        assert getattr(back.video_frame, tag) == getattr(expected.video_frame, tag)
    for new, old in zip(back.planes(), expected.planes(), strict=True):
        assert np.abs(new.astype(int) - old).mean() < 1.5
