"""Rows say of a frame what ``annotate --smooth off`` says."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest
from av import VideoFrame

import camstream
from camstream.api import make_selection
from camstream.archive.read import read
from camstream.archive.rows import Decided, Look, Row
from camstream.models.session import Model
from camstream.testing import write_tiny_model
from tests.clips import Video, make


def rows_of(path: Path, model: Model, *classes: str, rate_hz: float | None = None) -> list[Row]:
    rows: list[Row] = []
    decide = Decided()
    selection = make_selection(model, classes=classes)
    read(
        path,
        Look(model, selection),
        model.info,
        rate_hz=rate_hz,
        on_row=lambda row: rows.append(decide(row)),
    )
    return rows


def records_of(path: Path, model: Model, folder: Path, *classes: str) -> list[dict[str, object]]:
    output = folder / "out.jsonl"
    camstream.annotate(
        path,
        folder / "out.mp4",
        model=model,
        records=output,
        smoothing="off",
        classes=classes,
        overwrite=True,
    )
    return [json.loads(line) for line in output.read_text().splitlines()]


def same(row: Row, record: dict[str, object], *, is_asked: bool = False) -> None:
    assert row["index"] == record["index"]
    assert row["pts_s"] == pytest.approx(record["pts_s"], abs=1e-6)
    assert [row["width"], row["height"]] == record["size_wh"]
    top = record["top"]
    assert isinstance(top, list)
    assert [one["label"] for one in row["top"]] == [one["label"] for one in top]
    for mine, theirs in zip(row["top"], top, strict=True):
        assert mine["score"] == pytest.approx(theirs["score"], abs=1e-6)
    displayed, boxes = record["displayed"], record["boxes"]
    assert isinstance(displayed, list)
    assert isinstance(boxes, list)
    views = row["asked"] if is_asked else [row]
    for mine, theirs in zip(views, displayed, strict=True):
        assert (mine["label"], mine["class_index"]) == (theirs["label"], theirs["class_index"])
        assert mine["score"] == pytest.approx(theirs["score"], abs=1e-6)
    assert [one["label"] for one in row["boxes"]] == [one["label"] for one in boxes]
    for mine, theirs in zip(row["boxes"], boxes, strict=True):
        xyxy = [mine[side] for side in ("x0", "y0", "x1", "y1")]
        assert xyxy == pytest.approx(theirs["box_xyxy"], abs=0.051)


def short(path: Path, folder: Path, frames: int = 12) -> Path:
    """Write some frames of a clip, far apart."""
    with av.open(str(path)) as container:
        decoded = [frame for frame in container.decode(video=0) if frame.pts is not None]
    picked = decoded[:: len(decoded) // frames][:frames]
    size_wh = (picked[0].width, picked[0].height)
    return make(folder / "short.mp4", Video(frames=frames, size_wh=size_wh), pictures=picked)


def test_rows_are_the_records_of_annotate_unsmoothed(
    data: Path, model: Model, tmp_path: Path
) -> None:
    path = short(data / "videos" / "intel_asl_walk.mkv", tmp_path)
    rows, records = rows_of(path, model), records_of(path, model, tmp_path)
    assert len(rows) == len(records) == 12
    for row, record in zip(rows, records, strict=True):
        same(row, record)
        assert row["present"] is row["presence"] is row["presence_label"] is None
        assert [row["peak_x"], row["peak_y"]] == pytest.approx(record["peak_xy"], abs=0.051)
        assert row["peak"] == pytest.approx(record["peak"], abs=0.001)
        assert row["area"] == pytest.approx(record["area"], abs=1e-4)
        best = record["top"][0]  # type: ignore[index]
        assert row["logit"] == pytest.approx(best["logit"], abs=1e-3)


def test_classes_that_are_asked_for(data: Path, model: Model, tmp_path: Path) -> None:
    asked = ("dog", "Persian cat")
    path = short(data / "videos" / "cat_white_persian.mp4", tmp_path)
    rows, records = rows_of(path, model, *asked), records_of(path, model, tmp_path, *asked)
    for row, record in zip(rows, records, strict=True):
        same(row, record, is_asked=True)
        assert row["label"] == row["top"][0]["label"]


def test_presence_is_decided_as_for_the_picture(tmp_path: Path) -> None:
    """Brightness wanders over both thresholds, so that the decision depends on what was before."""
    path = write_tiny_model(tmp_path / "tiny.onnx", background="dark")
    model = Model(path, device="cpu")
    # Of 160 columns so many are bright: presence is 20 % at 82, 31, 44 and 57 % at 83.5.
    levels = [40, 82, 82.5, 83, 83.5, 83, 82.5, 82, 82.5, 83, 120, 82.5, 40, 83, 84, 83]
    pictures = [np.full((96, 160, 3), 20, np.uint8) for _ in levels]
    for picture, level in zip(pictures, levels, strict=True):
        picture[:, : int(level)] = 105
        picture[: round(96 * (level % 1)), int(level)] = 105
    clip = tmp_path / "a.mp4"
    frames = [VideoFrame.from_ndarray(one, "bgr24").reformat(format="yuv420p") for one in pictures]
    options = {"qp": "0", "preset": "ultrafast"}
    make(clip, Video(frames=len(levels), options=options), pictures=frames)
    rows, records = rows_of(clip, model), records_of(clip, model, tmp_path)
    for row, record in zip(rows, records, strict=True):
        same(row, record)
        assert row["present"] == (row["label"] == "light")
        assert row["presence_label"] == "light"
        by_label = {one["label"]: one["score"] for one in row["top"]}
        assert row["presence"] == pytest.approx(by_label["light"])
        assert (row["peak"] is None) == (not row["present"])
    decided = [row["present"] for row in rows]
    by_half = [row["presence"] >= 0.5 for row in rows]
    assert any(decided)
    assert decided != by_half, "the clip does not show that the decision has a memory"


def test_sampling_takes_the_first_frame_of_each_step(data: Path, tiny_model: Model) -> None:
    path = data / "videos" / "intel_asl_walk.mkv"  # 29.97 frames a second
    every, some = rows_of(path, tiny_model), rows_of(path, tiny_model, rate_hz=2)
    assert [row["pts_s"] for row in some] == pytest.approx([0, 0.5, 1.0, 1.5, 2.0, 2.5], abs=0.04)
    assert all(row["pts_s"] >= step / 2 - 1e-6 for step, row in enumerate(some))
    by_index = {row["index"]: row for row in every}
    assert some == [by_index[row["index"]] for row in some]
    assert rows_of(path, tiny_model, rate_hz=500) == every


@pytest.mark.parametrize("rate_hz", [2.0, 0.4, 0.01])
def test_presence_is_remembered_from_sample_to_sample_at_any_rate(rate_hz: float) -> None:
    decide = Decided(rate_hz)
    row = dict.fromkeys(("label", "class_index", "score", "logit", "asked", "boxes"))
    present = [
        decide(row | {"pts_s": number / rate_hz, "presence": score})["present"]
        for number, score in enumerate([0.9, 0.4, 0.45, 0.2, 0.4])
    ]
    assert present == [True, True, True, False, False]
