"""The sample clip and its truth: the label is right and the peak lies on the thing."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from camstream.annotation import AnnotationJob, run
from camstream.commands.demo import sample_clip
from camstream.models.session import Model
from camstream.sinks.encoding import Encoding

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def records(model: Model, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, object]]:

    folder = tmp_path_factory.mktemp("sample")
    lines = folder / "records.jsonl"
    encoding = Encoding(preset="ultrafast")
    run(
        AnnotationJob(
            source=sample_clip(), output=folder / "out.mp4", records=lines, encoding=encoding
        ),
        model,
    )
    return [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def truth() -> list[dict[str, str]]:
    with sample_clip().with_suffix(".csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_label_and_peak_are_right(
    records: list[dict[str, object]], truth: list[dict[str, str]]
) -> None:
    assert len(records) == len(truth)
    named = [(r, t) for r, t in zip(records, truth, strict=True) if t["accepted"]]
    assert len(named) > 200
    right = on_thing = 0
    for record, row in named:
        top = record["top"]
        assert isinstance(top, list)
        right += top[0]["class_index"] in {int(number) for number in row["accepted"].split()}
        peak = record["peak_xy"]
        assert isinstance(peak, list)
        x0, y0, x1, y1 = (float(row[name]) for name in ("x0", "y0", "x1", "y1"))
        on_thing += x0 <= peak[0] <= x1 and y0 <= peak[1] <= y1
    assert right / len(named) >= 0.9
    assert on_thing / len(named) >= 0.9


def test_a_scene_without_a_known_thing_stays_dark(
    records: list[dict[str, object]], truth: list[dict[str, str]], model: Model
) -> None:
    low, high = model.info.cam_range
    empty = [r for r, t in zip(records, truth, strict=True) if not t["accepted"]]
    heats = [max(0.0, (float(str(record["peak"])) - low) / (high - low)) for record in empty]
    assert max(heats) < 0.25
    named = [r for r, t in zip(records, truth, strict=True) if t["accepted"]]
    assert min(float(str(record["peak"])) for record in named) > max(
        float(str(record["peak"])) for record in empty
    )


def test_sample_is_small_enough_to_ship() -> None:
    assert Path(sample_clip()).stat().st_size < 3_000_000
    assert Path(sample_clip("people")).stat().st_size < 3_000_000
