"""Intervals: as a plain loop over the frames finds them, whatever the index does."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import os
import shutil
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from camstream.archive.sampling import Grid
from camstream.errors import NotFoundError, UsageError
from camstream.models.classes import imagenet_labels
from camstream.query import find
from camstream.query.index import update
from camstream.query.intervals import Question, answer
from tests.query.made_set import Made, made_video, write_video

Span = tuple[str, float, float, float, int]


@functools.cache
def rows_of(records: Path, row: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    return pq.read_table(row).to_pylist()[0], pq.ParquetFile(records).read().to_pylist()


def plain(
    folder: Path,
    names: set[str],
    *,
    at_least: float = 0.5,
    for_s: float = 0.0,
    gap_s: float | None = None,
    between: tuple[time, time] | None = None,
) -> list[Span]:
    """What a loop over all records finds."""
    found: list[Span] = []
    for path in (folder / "records").rglob("*.parquet"):
        row, records = rows_of(path, folder / "videos" / path.name)
        step_s = 1 / row["rate_hz"]
        gap = 1.5 * step_s if gap_s is None else gap_s
        spans: list[list[tuple[float, float]]] = []
        for record in records:
            seen = [*record["top"], *record["boxes"], *record["asked"]]
            score = max((one["score"] for one in seen if one["label"] in names), default=0.0)
            at = (row["start"] + timedelta(seconds=record["pts_s"])).time()
            first, last = between or (time.min, time.max)
            is_in = first <= at < last if first < last else at >= first or at < last
            if score < np.float32(at_least) or (between and not is_in):
                continue
            if spans and record["pts_s"] - spans[-1][-1][0] <= gap + 1e-6:
                spans[-1].append((record["pts_s"], score))
            else:
                spans.append([(record["pts_s"], score)])
        for span in spans:
            end_s = min(span[-1][0] + step_s, row["duration_s"])
            if end_s - span[0][0] >= for_s - 1e-6:
                best = max(score for _, score in span)
                found.append((row["video"], span[0][0], end_s, best, len(span)))
    return sorted(found)


def spans(folder: Path, question: Question) -> list[Span]:
    return sorted(
        (one.video.video, one.start_s, one.end_s, one.best_score, one.frames)
        for one in answer(folder, question).found
    )


def one_video(
    scores: list[float], *, label: str = "person", video: str = "a.mp4", **more: object
) -> Made:
    """A video in which a class has these scores and "other" is best else."""
    column = np.array(scores, np.float32)
    both = np.stack([column, np.full(len(column), 0.1, np.float32)], axis=1)
    return Made(
        video=video,
        labels=[label, "other"],
        pts_s=np.arange(len(column)) / 2,
        classes=np.tile([0, 1], (len(column), 1)),
        scores=both,
        **more,  # type: ignore[arg-type]
    )


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    for number in range(4):
        write_video(folder, made_video(number, rows=800, classes=6), rows_a_group=300)
    return folder


@pytest.mark.parametrize(
    "limits",
    [
        {},
        {"min_score": 0.8},
        {"min_score": 0.1},
        {"min_score": 0.01},  # under what the index has
        {"for_s": 8.0},
        {"gap_s": 30.0},
        {"between": (time(0, 2), time(0, 50))},
        {"between": (time(0, 50), time(0, 10)), "min_score": 0.6, "for_s": 1.0},
    ],
)
def test_intervals_are_those_of_a_loop_over_all_records(
    archive: Path, limits: dict[str, object]
) -> None:
    question = Question(name="person", **limits)  # type: ignore[arg-type]
    renamed = {("at_least" if key == "min_score" else key): limits[key] for key in limits}
    expected = plain(archive, {"person"}, **renamed)  # type: ignore[arg-type]
    assert expected
    assert spans(archive, question) == expected
    assert spans(archive, question) == expected  # from the index that the first one made


def test_any_scores(tmp_path: Path) -> None:
    rng = np.random.default_rng(16)
    for number in range(25):
        scores = rng.choice([0.0, 0.04, 0.3, 0.5, 0.9], size=rng.integers(1, 30)).tolist()
        write_video(tmp_path, one_video(scores, video=f"{number}.mp4"))
    for at_least in (0.3, 0.5, 0.9):
        for for_s, gap_s in itertools.product((0.0, 0.5, 1.0, 1.5), (None, 0.0, 1.0, 1.2)):
            question = Question(name="person", min_score=at_least, for_s=for_s, gap_s=gap_s)
            expected = plain(tmp_path, {"person"}, at_least=at_least, for_s=for_s, gap_s=gap_s)
            assert spans(tmp_path, question) == expected


def test_an_interval_ends_a_sample_after_its_last_frame_but_not_after_the_video(
    tmp_path: Path,
) -> None:
    write_video(tmp_path, one_video([0, 0.9, 0.7, 0, 0.8]))
    first, second = find(tmp_path, "PERSON")
    assert (first.start_s, first.end_s, first.frames, first.best_s) == (0.5, 1.5, 2, 0.5)
    assert first.best_score == pytest.approx(0.9)
    assert first.video.clock(first.start_s) == datetime(2026, 11, 1, 12, 0, 0, 500_000)
    assert (second.start_s, second.end_s) == (2.0, 2.5)


@pytest.mark.parametrize(
    ("rate_hz", "video_hz"), [(20, 25), (10, 12.5), (5, 6), (25, 30), (2, 2.5), (25, 25), (2, 30)]
)
def test_presence_without_a_gap_is_one_interval_at_any_rate(
    tmp_path: Path, rate_hz: float, video_hz: float
) -> None:
    grid = Grid(rate_hz)
    times = np.array([pts_s for pts_s in np.arange(400) / video_hz if grid.takes(float(pts_s))])
    made = one_video([0.9] * len(times), rate_hz=rate_hz, video_rate_hz=video_hz)
    write_video(tmp_path, dataclasses.replace(made, pts_s=times))
    (whole,) = find(tmp_path, "person")
    assert whole.frames == len(times)


@pytest.mark.parametrize(
    ("steps_s", "frames"),
    [
        # A phone: 30 frames a second by day, 15 in the dark, which is 2 % of the clip.
        ([1 / 30] * 900 + [1 / 15] * 20 + [1 / 30] * 100, [1021]),
        # Slower than a frame may be late, by a ninth of the frames; and at the end.
        ([0.1] * 40 + [0.7] * 5 + [0.1] * 3 + [1.1] * 6, [55]),
        ([0.04] * 50 + [0.12] + [0.04] * 50, [102]),  # two frames that a camera dropped
        ([0.04] * 50 + [0.6] + [0.04] * 50, [51, 51]),  # it stood still
        ([2.0] * 50 + [60.0] + [2.0] * 50, [51, 51]),
        ([1.0, 60.0, 1.0], [2, 2]),
    ],
)
def test_presence_without_a_gap_is_one_interval_where_the_rate_changes(
    tmp_path: Path, steps_s: list[float], frames: list[int]
) -> None:
    times = np.concatenate([[0], np.cumsum(steps_s)])
    rate_hz = 1 / float(np.median(steps_s))
    made = one_video([0.9] * len(times), rate_hz=rate_hz, video_rate_hz=rate_hz)
    write_video(tmp_path, dataclasses.replace(made, pts_s=times))
    assert [one.frames for one in find(tmp_path, "person")] == frames


def test_a_sample_without_it_ends_an_interval_whatever_the_rate(tmp_path: Path) -> None:
    made = one_video([0.9, 0.9, 0.3, 0.9], rate_hz=25, video_rate_hz=25)
    write_video(tmp_path, dataclasses.replace(made, pts_s=np.arange(4) / 25))
    assert [one.frames for one in find(tmp_path, "person")] == [2, 1]


def test_the_night_goes_over_midnight(tmp_path: Path) -> None:
    write_video(tmp_path, one_video([0.9] * 20, start=datetime(2026, 11, 1, 23, 59, 55)))
    night = (time(22), time(6))
    (whole,) = find(tmp_path, "person", between=night)
    assert (whole.start_s, whole.end_s) == (0, 10)
    (until,) = find(tmp_path, "person", between=(time(22), time(0)))
    assert (until.start_s, until.end_s, until.frames) == (0, 5, 10)
    (since,) = find(tmp_path, "person", between=(time(0), time(6)))
    assert (since.start_s, since.end_s, since.frames) == (5, 10, 10)
    assert find(tmp_path, "person", between=(time(6), time(22))) == []


def test_where_the_run_decided_what_is_present_that_counts(tmp_path: Path) -> None:
    present = np.array([False, True, True, True, False, False])
    write_video(
        tmp_path,
        one_video([0.6, 0.6, 0.4, 0.9, 0.0, 0.6], present=present, presence=np.array([0.3] * 6)),
    )
    write_video(tmp_path, one_video([0.6, 0.0], video="other model.mp4"))
    decided, other = find(tmp_path, "person")
    assert (decided.start_s, decided.end_s, decided.frames) == (0.5, 2.0, 3)
    assert (other.video.video, other.frames) == ("other model.mp4", 1)
    scored = find(tmp_path, "person", min_score=0.55, video="a.mp4")
    assert [(one.start_s, one.frames) for one in scored] == [(0, 2), (1.5, 1), (2.5, 1)]


def test_boxes_count_as_classes_do(tmp_path: Path) -> None:
    write_video(tmp_path, one_video([0, 0, 0], boxes={1: [("gate", 0.7)], 2: [("gate", 0.2)]}))
    (found,) = find(tmp_path, "gate")
    assert (found.start_s, found.frames) == (0.5, 1)


def test_a_group_counts_any_of_its_classes_in_videos_of_its_model(tmp_path: Path) -> None:
    names = imagenet_labels()
    corgi, pug, tench = names.index("Pembroke"), names.index("pug"), 0
    rows = [(corgi, 0.9), (pug, 0.8), (tench, 0.9), (pug, 0.6)]
    numbers = [corgi, pug, tench]
    write_video(
        tmp_path,
        Made(
            video="dogs.mp4",
            labels=[names[number] for number in numbers],
            class_indices=numbers,
            pts_s=np.arange(4) / 2,
            classes=np.array([[numbers.index(number)] for number, _ in rows]),
            scores=np.array([[score] for _, score in rows], np.float32),
        ),
    )
    write_video(tmp_path, one_video([0.9, 0.9], label="cat", video="mine.mp4"))  # number 0 as well
    assert [(one.start_s, one.frames) for one in find(tmp_path, "dog")] == [(0, 2), (1.5, 1)]
    assert [one.frames for one in find(tmp_path, "n02113023")] == [1]
    assert [one.frames for one in find(tmp_path, str(corgi))] == [1]
    # "cat" is a group of ImageNet and a label of the other model.
    assert [one.video.video for one in find(tmp_path, "cat")] == ["mine.mp4"]
    assert find(tmp_path, "goldfish") == []  # known, and never seen
    with pytest.raises(UsageError, match=r"several classes in .* have the number 0: cat, tench"):
        find(tmp_path, "0")


def test_an_unknown_class_is_one_line_with_what_is_there(tmp_path: Path) -> None:
    write_video(tmp_path, one_video([0.9], label="person"))
    with pytest.raises(UsageError, match=r"is called 'persn'; did you mean person\?"):
        find(tmp_path, "persn")
    with pytest.raises(UsageError, match="what scored highest in it: person, other"):
        find(tmp_path, "zebra")
    with pytest.raises(UsageError, match=r"no video in .* matches 'x\*'"):
        find(tmp_path, "person", video="x*")


def test_the_index_follows_the_archive(tmp_path: Path) -> None:
    for number in range(3):
        write_video(tmp_path, one_video([0.9] * (number + 1), video=f"{number}.mp4"))
    assert len(find(tmp_path, "person")) == 3
    (made,) = (tmp_path / "index").iterdir()
    before = made.stat()
    assert len(find(tmp_path, "person")) == 3
    assert made.stat() == before  # not made again
    # One more video, then one that is made anew with another result, then one that goes.
    write_video(tmp_path, one_video([0.9], video="3.mp4"))
    assert len(find(tmp_path, "person")) == 4
    assert len(list((tmp_path / "index").iterdir())) == 2
    write_video(tmp_path, one_video([0.1, 0.9, 0.1, 0.9], video="1.mp4"))
    assert sorted(one.video.video for one in find(tmp_path, "person")) == [
        *("0.mp4", "1.mp4", "1.mp4", "2.mp4", "3.mp4")
    ]
    (gone,) = find(tmp_path, "person", video="2.mp4")
    (tmp_path / gone.video.records).unlink()
    assert len(find(tmp_path, "person")) == 4
    assert len(update(tmp_path).videos) == 3
    assert len(list((tmp_path / "index").iterdir())) == 2  # what is out of date is removed


def test_many_small_files_of_the_index_become_one(tmp_path: Path) -> None:
    for number in range(12):
        write_video(tmp_path, one_video([0.9], video=f"{number}.mp4"))
        assert len(find(tmp_path, "person")) == number + 1
    assert len(list((tmp_path / "index").iterdir())) <= 4


def test_a_damaged_video_is_a_line_and_the_others_answer(tmp_path: Path) -> None:
    write_video(tmp_path, one_video([0.9]))
    write_video(tmp_path, one_video([0.9], video="b.mp4")).write_bytes(b"no parquet")
    foreign = write_video(tmp_path, one_video([0.9], video="c.mp4"))
    shutil.copy(tmp_path / "videos" / foreign.name, foreign)
    answered = answer(tmp_path, Question(name="person"))
    assert [one.video.video for one in answered.found] == ["a.mp4"]
    assert len(answered.warnings) == 2
    assert all("cannot read" in line and ".parquet" in line for line in answered.warnings)


def test_a_damaged_index_is_made_again(tmp_path: Path) -> None:
    write_video(tmp_path, one_video([0.9]))
    find(tmp_path, "person")
    (made,) = (tmp_path / "index").iterdir()
    made.write_bytes(made.read_bytes()[:100])
    assert len(find(tmp_path, "person")) == 1
    assert pq.ParquetFile(made).metadata.num_rows


def test_an_index_that_cannot_be_kept_is_said_and_the_question_answered(tmp_path: Path) -> None:
    write_video(tmp_path, one_video([0.9]))
    (tmp_path / "index").write_text("in the way")
    answered = answer(tmp_path, Question(name="person"))
    assert len(answered.found) == 1
    assert ["the next question takes as long" in line for line in answered.warnings] == [True]


def test_what_is_no_archive_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="there is no such folder"):
        find(tmp_path / "nothing", "person")
    with pytest.raises(UsageError, match="is no archive"):
        find(tmp_path, "person")
    (tmp_path / "records").mkdir()
    (tmp_path / "videos").mkdir()
    with pytest.raises(UsageError, match="nothing was seen in it at all"):
        find(tmp_path, "person")


def test_a_video_that_is_not_complete_is_not_there(tmp_path: Path) -> None:
    write_video(tmp_path, one_video([0.9]))
    whole = write_video(tmp_path, one_video([0.9], video="b.mp4"))
    (tmp_path / "videos" / whole.name).unlink()
    (whole.parent / f".{whole.name}").write_bytes(b"temporary")
    assert [one.video.video for one in find(tmp_path, "person")] == ["a.mp4"]


def test_of_a_video_under_two_days_the_newer_counts(tmp_path: Path) -> None:
    old = write_video(tmp_path, one_video([0.9, 0, 0.9]))
    os.utime(old, ns=(1, 1))
    write_video(tmp_path, one_video([0.9], start=datetime(2026, 11, 2)))
    assert len(find(tmp_path, "person")) == 1
