"""Records are read as what they are: classes by index and name, scores as shown, nothing believed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from camstream.errors import SourceError
from camstream.report.figures import read_stats
from camstream.report.read import Records, read_records
from camstream.report.timeline import build_timeline, shares
from camstream.sinks.records import to_record
from tests.annotated import make_annotated


def record(index: int, *top: tuple[str, int, float], **changed: Any) -> dict[str, Any]:
    """A record with these best classes; ``changed`` replaces its values."""
    values: dict[str, Any] = to_record(make_annotated(index, size_wh=(64, 48)))
    values["top"] = [
        {"label": label, "class_index": number, "score": score, "logit": 1.0}
        for label, number, score in top or (("cat", 0, 0.7),)
    ]
    values["displayed"] = [{"label": values["top"][0]["label"], "score": 0.5}]
    return values | changed


def read(path: Path, *records: dict[str, Any]) -> Records:
    path.write_text("".join(json.dumps(one) + "\n" for one in records), encoding="utf-8")
    return read_records(path)


def test_a_run_that_was_taught_half_way_keeps_the_names_of_its_old_frames(tmp_path: Path) -> None:
    before = [record(index, ("tench", 0, 0.9)) for index in range(3)]
    after = [record(index, ("cup", 0, 0.9)) for index in range(3, 6)]
    timeline = build_timeline(read(tmp_path / "r.jsonl", *before, *after))
    assert {timeline.label(key): share for key, share in shares(timeline).items()} == {
        "tench": 0.5,
        "cup": 0.5,
    }
    assert [timeline.label(one.key) for one in timeline.segments] == ["tench", "cup"]


def test_two_classes_of_one_name_stay_two(tmp_path: Path) -> None:
    birds = [record(index, ("crane", 134, 0.9), ("crane", 517, 0.05)) for index in range(3)]
    machines = [record(index, ("crane", 517, 0.9), ("crane", 134, 0.05)) for index in range(3, 6)]
    timeline = build_timeline(read(tmp_path / "r.jsonl", *birds, *machines))
    assert [timeline.label(key) for key in timeline.displayed] == ["crane (134)", "crane (517)"]


def test_records_of_several_cameras_are_one_clear_line(tmp_path: Path) -> None:
    both = [record(index, source=f"camera {index % 2}") for index in range(3)]
    with pytest.raises(SourceError, match=r"line 2 is of another camera.*--records FOLDER"):
        read(tmp_path / "r.jsonl", *both)
    assert (
        read(tmp_path / "r.jsonl", *(one | {"source": "camera 0"} for one in both)).pts_s.size == 3
    )


def test_scores_are_those_that_the_pictures_show(tmp_path: Path) -> None:
    shown = [{"label": "dog", "score": 0.6}]  # smoothed: this frame alone is a cat's
    values = record(0, ("cat", 0, 0.55), ("dog", 1, 0.4), displayed=shown)
    records = read(tmp_path / "r.jsonl", values)
    assert [records.labels[key] for key in records.classes[0, :2].tolist()] == ["dog", "cat"]
    assert records.scores[0, :2].tolist() == [0.6, 0.55]


def test_a_class_that_was_asked_for_is_the_one_that_the_pictures_name(tmp_path: Path) -> None:
    shown = [{"label": "cup", "score": 0.01}]
    records = read(tmp_path / "r.jsonl", record(0, ("cat", 0, 0.9), displayed=shown))
    assert [records.labels[key] for key in records.classes[0, :2].tolist()] == ["cup", "cat"]


def test_an_empty_room_is_no_row_and_no_picture_and_a_visit_is(tmp_path: Path) -> None:
    def of(index: int, probability: float) -> dict[str, Any]:
        both = [("person", 0, probability), ("no person", 1, 1 - probability)]
        top = sorted(both, key=lambda one: -one[2])
        shown = [{"label": top[0][0], "score": top[0][2]}]
        return record(index, *top, pts_s=index / 10, displayed=shown)

    made = [of(index, 0.9 if 20 <= index < 30 else 0.1) for index in range(50)]
    timeline = build_timeline(read(tmp_path / "r.jsonl", *made))
    assert [timeline.label(key) for key in timeline.displayed] == ["person"]
    (visit,) = timeline.segments
    assert (timeline.label(visit.key), visit.start_s, visit.end_s) == ("person", 2.0, 3.0)
    empty = build_timeline(read(tmp_path / "e.jsonl", *(of(index, 0.1) for index in range(50))))
    assert (empty.displayed, empty.segments) == ((), ())


@pytest.mark.parametrize(
    "changed",
    [
        {"pts_s": float("nan")},
        {"pts_s": 1e300},
        {"pts_s": [1]},
        {"pts_s": {}},
        {"peak_xy": [1e300, 5]},
        {"size_wh": [1e9, 5]},
        {"size_wh": "wide"},
        {"top": [{"label": ["cat"], "class_index": 0, "score": 0.5, "logit": 1}]},
        {"top": [{"label": "cat", "class_index": 2**80, "score": 0.5, "logit": 1}]},
        {"top": [{"label": "cat", "class_index": 0, "score": 7, "logit": 1}]},
        {"top": [{"label": "cat", "class_index": 1e999, "score": 0.5, "logit": 1}]},
        {"top": "cat"},
        {"top": 5},
    ],
)
def test_what_no_run_writes_is_refused_in_one_line(changed: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"line 2: .*no records of camstream") as caught:
        read(tmp_path / "r.jsonl", record(0), record(1, **changed))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "line",
    ["[" * 100_000, "1" * 5_000, "x" * 2_000_000, '"\ud800"'.encode("utf-8", "surrogatepass")],
    ids=["deep", "long number", "long line", "no UTF-8"],
)
def test_lines_that_break_parsers_are_refused_in_one_line(
    line: str | bytes, tmp_path: Path
) -> None:
    path = tmp_path / "r.jsonl"
    data = line if isinstance(line, bytes) else line.encode()
    path.write_bytes(json.dumps(record(0)).encode() + b"\n" + data + b"\n" + data + b"\n")
    with pytest.raises(SourceError, match="cannot read"):
        read_records(path)


def test_a_label_that_no_terminal_and_no_page_takes_is_made_safe(tmp_path: Path) -> None:
    records = read(tmp_path / "r.jsonl", record(0, ("\ud800\x1b[31mcat\u202e", 0, 0.5)))
    assert records.labels[0].encode("utf-8").endswith(b"cat")
    assert "\x1b" not in records.labels[0]


_STATS: dict[str, Any] = {
    "source": "cat.mp4",
    "device": "cpu",
    "frames_in": 9,
    "frames_out": 8,
    "frames_dropped": 1,
    "wall_s": 2.0,
    "rate_hz": 4.0,
    "stages_ms": {"infer": {"p50": 4.5, "p95": 9.0}},
}


@pytest.mark.parametrize(
    "changed",
    [
        {"wall_s": float("inf")},
        {"wall_s": float("nan")},
        {"wall_s": "2"},
        {"rate_hz": 1e300},
        {"rate_hz": None},
        {"frames_in": -1},
        {"frames_in": [9]},
        {"stages_ms": 5},
        {"stages_ms": {"infer": 4}},
        {"stages_ms": {"infer": {"p50": {}}}},
    ],
)
def test_statistics_that_no_run_writes_are_refused(changed: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_text(json.dumps(_STATS))
    assert dict(read_stats(path))["source"] == "cat.mp4"
    path.write_text(json.dumps(_STATS | changed))
    with pytest.raises(SourceError, match="no statistics of camstream"):
        read_stats(path)
