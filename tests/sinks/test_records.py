"""Records as JSON lines, CSV and Parquet: the same values, whole or not there."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet as parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camstream.annotation import AnnotationJob, run
from camstream.commands.demo import sample_clip
from camstream.errors import SetupError, SinkError
from camstream.frame import Annotated, View
from camstream.live.outputs import OutputPaths, Outputs
from camstream.maps import cam as cams
from camstream.models.session import Model
from camstream.report.read import read_records
from camstream.safe_text import safe_cell, safe_text
from camstream.sinks import RECORDS_SUFFIXES, SideFiles, SidePaths, open_records
from camstream.sinks.encoding import Encoding
from camstream.sinks.records import to_json_line, to_record, upgrade
from camstream.sinks.tables import COLUMNS, CsvLines, to_row
from tests.annotated import LABELS, make_annotated

NOTHING = np.full((1, 3, 4), -1.0, np.float32)


@st.composite
def frames(draw: st.DrawFn) -> list[Annotated]:
    count = draw(st.integers(1, 5))
    made = []
    for index in range(count):
        classes = draw(st.lists(st.sampled_from(range(5)), min_size=1, max_size=5, unique=True))
        scores = draw(st.lists(st.floats(0, 1), min_size=len(classes), max_size=len(classes)))
        values = st.floats(-1e4, 1e4, width=32) | st.just(math.nan)
        cells = draw(st.lists(values, min_size=4, max_size=4))
        maps = np.array(cells, np.float32).reshape(1, 2, 2)
        made.append(
            make_annotated(
                2 * index, classes=classes, scores=scores, maps=maps, boxes=draw(st.booleans())
            )
        )
    return made


def write_all(folder: Path, made: list[Annotated]) -> dict[str, Path]:
    """Write the same frames in every format."""
    paths = {suffix: folder / f"r{suffix}" for suffix in RECORDS_SUFFIXES}
    for path in paths.values():
        file = open_records(path, overwrite=True)
        for annotated in made:
            file.write(annotated)
        assert not path.exists() or len(made) == 0
        file.finish()
    return paths


@given(frames())
@settings(max_examples=25, deadline=None)
def test_every_format_holds_the_same_values(
    tmp_path_factory: pytest.TempPathFactory, made: list[Annotated]
) -> None:
    paths = write_all(tmp_path_factory.mktemp("r"), made)
    lines = paths[".jsonl"].read_text(encoding="utf-8").splitlines()
    rows = [{name: to_row(json.loads(line)).get(name) for name in COLUMNS} for line in lines]
    assert parquet.read_table(paths[".parquet"]).to_pylist() == rows
    with paths[".csv"].open(encoding="utf-8", newline="") as file:
        for row, text in zip(rows, csv.DictReader(file), strict=True):
            read: dict[str, Any] = {
                name: None if text[name] == "" else kind(text[name])
                for name, kind in COLUMNS.items()
            }
            # A cell is safe to open in a table's program; JSON is safe as it is.
            assert read == {
                name: safe_cell(str(value)) if name.startswith("label") and value else value
                for name, value in row.items()
            }


@given(frames())
@settings(max_examples=25, deadline=None)
def test_every_format_is_read_back_alike(
    tmp_path_factory: pytest.TempPathFactory, made: list[Annotated]
) -> None:
    paths = write_all(tmp_path_factory.mktemp("r"), made)
    first, *others = (read_records(path) for path in paths.values())
    labels = {safe_text(top.label) for one in made for top in one.prediction.top}
    assert set(first.labels.values()) == labels
    assert first.pts_s.tolist() == [round(one.prediction.frame.pts_s, 6) for one in made]
    for other in others:
        assert (other.labels, other.method, other.warnings) == (first.labels, first.method, ())
        for name in ("pts_s", "classes", "scores", "peak_xy", "centroid_xy", "area", "size_wh"):
            np.testing.assert_array_equal(getattr(other, name), getattr(first, name))


# Literal records of camstream 0.1 and 0.2, as --records wrote them then.
OLD_RECORD = (
    '{"index": 4, "pts_s": 0.2, "top": [{"label": "cat", "class_index": 281, "score": 0.74, '
    '"logit": 9.1}, {"label": "dog", "class_index": 207, "score": 0.1, "logit": 7.1}], '
    '"shown": [{"label": "cat", "score": 0.72}], "peak_xy": [189.3, 113.5], "peak": 33.1, '
    '"centre_xy": [201.9, 120.4], "spread": 0.41, "size_wh": [640, 360], "input_wh": [288, 160], '
    '"method": "CAM", "sharp": "input 1.14 times, maps joined"}\n'
)
OLD_TABLE = (
    "index,pts_s,label,class_index,score,logit,label_2,class_index_2,score_2,logit_2,"
    "peak_x,peak_y,peak,centre_x,centre_y,spread,width,height,input_width,input_height,"
    "method,shown,boxes,sharp\n"
    "4,0.2,cat,281,0.74,9.1,dog,207,0.1,7.1,189.3,113.5,33.1,201.9,120.4,0.41,640,360,288,160,"
    'CAM,"[{""label"": ""cat"", ""score"": 0.72}]",,"input 1.14 times, maps joined"\n'
)


@pytest.mark.parametrize("suffix", RECORDS_SUFFIXES)
def test_records_written_before_are_read(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"old{suffix}"
    if suffix == ".parquet":
        (old,) = csv.DictReader(io.StringIO(OLD_TABLE))
        row = {name: json.loads(v) if _is_number(v) else v or None for name, v in old.items()}
        parquet.write_table(pyarrow.Table.from_pylist([row]), path)
    else:
        path.write_text(OLD_RECORD if suffix == ".jsonl" else OLD_TABLE, encoding="utf-8")
    records = read_records(path)
    assert records.pts_s.tolist() == [0.2]
    assert records.labels == {0: "cat", 1: "dog"}
    assert records.classes[0, :2].tolist() == [0, 1]
    assert records.scores[0, :2].tolist() == [0.72, 0.1]  # the score that the picture showed
    assert records.peak_xy.tolist() == [[189.3, 113.5]]
    assert records.centroid_xy.tolist() == [[201.9, 120.4]]
    assert records.area.tolist() == [0.41]
    assert records.size_wh.tolist() == [[640, 360]]


def test_what_is_displayed_is_told_by_its_class_and_says_whether_it_is_named() -> None:
    made = make_annotated(0)
    cam = made.prediction.cam.maps[0]
    views = (
        View("crane", 0.15, cam, 134, is_sure=False),
        View("crane", 0.1, cam, 517),
        View("dog", 0.05, cam),
    )
    prediction = dataclasses.replace(made.prediction, views=views)
    record = to_record(dataclasses.replace(made, prediction=prediction))
    assert record["displayed"] == [
        {"label": "crane", "class_index": 134, "score": 0.15, "is_sure": False},
        {"label": "crane", "class_index": 517, "score": 0.1},
        {"label": "dog", "class_index": None, "score": 0.05},
    ]


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdecimal()


def test_old_keys_become_those_of_today() -> None:
    record, row = upgrade(json.loads(OLD_RECORD)), to_row(upgrade(json.loads(OLD_RECORD)))
    assert record["displayed"] == [{"label": "cat", "score": 0.72}]
    assert (record["centroid_xy"], record["area"]) == ([201.9, 120.4], 0.41)
    assert record["refinement"] == row["refinement"] == "input 1.14 times, maps joined"
    assert (row["centroid_x"], row["centroid_y"], row["area"]) == (201.9, 120.4, 0.41)
    assert not set(row) - {*COLUMNS, "refinement"}
    (old,) = csv.DictReader(io.StringIO(OLD_TABLE))
    assert not set(upgrade(old)) - {*COLUMNS, "refinement"}
    new = to_record(make_annotated(0))
    assert upgrade(new) == new


def test_a_row_loses_nothing_of_a_record() -> None:
    record = to_record(make_annotated(7, classes=range(5), scores=[0.1] * 5, boxes=True))
    row = to_row(record)
    assert set(row) == set(COLUMNS)
    for name in ("displayed", "boxes"):
        assert json.loads(str(row[name])) == record[name]
    assert (row["label_3"], row["class_index_3"], row["logit_3"]) == (LABELS[2], 2, 1.25)
    assert [row["peak_x"], row["peak_y"]] == record["peak_xy"]
    assert [row["width"], row["height"]] == record["size_wh"] == [64, 48]


def test_a_line_of_json_is_harmless_and_loses_nothing() -> None:
    label = "a\x1b[31m\x9b1mb\u202ec\ud800\u2028d\x7f"
    line = to_json_line({"label": label, "area": math.nan, "peak": [math.inf, 1.5]})
    assert line[:-1].isprintable()
    assert line.encode()
    assert json.loads(line) == {"label": label, "area": None, "peak": [None, 1.5]}


@pytest.mark.parametrize("label", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\x1b[31m=1"])
def test_a_label_is_no_formula_in_a_table(label: str, tmp_path: Path) -> None:
    record = to_record(make_annotated(0))
    record["top"] = [{"label": label, "class_index": 0, "score": 0.5, "logit": 1.0}]
    _, row = CsvLines(tmp_path / "r.csv")(record).splitlines()
    cell = row.split(",")[2]
    assert cell.startswith("'")
    assert "\x1b" not in cell


def test_what_has_no_positive_evidence_has_no_place() -> None:
    record = to_record(make_annotated(0, maps=NOTHING))
    assert record["centroid_xy"] is None
    assert record["area"] is None
    json.dumps(record, allow_nan=False)
    assert math.isnan(float(to_record(make_annotated(0, scores=(math.nan, 0)))["top"][0]["score"]))  # type: ignore[index]


def test_place_and_area_are_of_the_raw_map_in_pixels_of_its_frame() -> None:
    maps = np.zeros((1, 3, 4), np.float32)
    maps[0, 1, 3] = 5.0
    record = to_record(make_annotated(0, maps=maps, size_wh=(400, 300)))
    assert record["centroid_xy"] == [350.0, 150.0]
    assert record["area"] == round(1 / 12, 4)


@pytest.mark.parametrize("suffix", [*RECORDS_SUFFIXES, ".npz"])
def test_a_file_is_whole_or_not_there(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"r{suffix}"
    paths = SidePaths(maps=path) if suffix == ".npz" else SidePaths(records=path)
    path.write_bytes(b"precious")
    with pytest.raises(SinkError, match="or replace it: overwrite=True"):
        SideFiles(paths, LABELS, overwrite=False)
    with pytest.raises(SinkError, match="input"):
        SideFiles(paths, LABELS, overwrite=True, inputs=[path])
    sides = SideFiles(paths, LABELS, overwrite=True)
    sides.write(make_annotated(0))
    sides.discard()
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [
        (path.name, b"precious")
    ]


def test_no_output_is_left_where_another_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match=r"\.npz"):
        SideFiles(
            SidePaths(records=tmp_path / "r.csv", maps=tmp_path / "m.npy"), LABELS, overwrite=False
        )
    with pytest.raises(SinkError, match=r"\.jsonl, \.csv, \.parquet"):
        open_records(tmp_path / "r.txt", overwrite=False)
    outputs = OutputPaths(record=tmp_path / "gone" / "o.mp4", records=tmp_path / "r.csv")
    with pytest.raises(SinkError, match="no folder"):
        Outputs(outputs, tmp_path, labels=LABELS, rate_hz=None)
    assert list(tmp_path.iterdir()) == []


def test_parquet_without_pyarrow_names_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(SetupError, match=r'pip install "camstream\[parquet\]"'):
        open_records(tmp_path / "r.parquet", overwrite=False)
    assert list(tmp_path.iterdir()) == []


def test_parquet_is_written_in_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("camstream.sinks.tables._ROWS_A_GROUP", 3)
    file = open_records(tmp_path / "r.parquet", overwrite=False)
    for index in range(7):
        file.write(make_annotated(index))
    file.finish()
    with parquet.ParquetFile(tmp_path / "r.parquet") as written:
        assert [written.metadata.row_group(i).num_rows for i in range(3)] == [3, 3, 1]


@pytest.mark.parametrize("suffix", RECORDS_SUFFIXES)
def test_annotate_writes_the_format_that_the_suffix_names(
    suffix: str, tiny_model: Model, tmp_path: Path
) -> None:
    seen = []
    job = AnnotationJob(
        source=sample_clip(),
        output=tmp_path / "o.mp4",
        records=tmp_path / f"r{suffix}",
        encoding=Encoding(preset="ultrafast"),
    )
    run(
        job,
        tiny_model,
        on_frame=lambda prediction, _: seen.append(prediction),
        stop=lambda: len(seen) == 5,
    )
    records = read_records(tmp_path / f"r{suffix}")
    assert records.pts_s.tolist() == [round(one.frame.pts_s, 6) for one in seen]
    assert records.scores[:, 0].tolist() == [round(one.top[0].score, 6) for one in seen]
    raw = seen[0].cam.maps[0]
    assert records.area[0] == round(cams.find_area(raw) or 0, 4)
    assert {path.name for path in tmp_path.iterdir()} == {"o.mp4", f"r{suffix}"}
