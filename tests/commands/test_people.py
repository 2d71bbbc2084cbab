"""The clip with people and the model ``person``: who is there, where, and what the demo says."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

import camstream
from camstream.commands.demo import count_right, sample_clip
from camstream.frame import Prediction
from camstream.maps.boxes import boxes_of
from camstream.maps.select import MapSelector, Selection
from camstream.models.session import Model
from camstream.sources.file import FileSource

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def person() -> Model:
    return camstream.load_model("person", device="cpu")


@pytest.fixture(scope="module")
def seen(person: Model) -> list[tuple[Prediction, dict[str, str]]]:
    """Every third frame, with its truth."""
    with sample_clip("people").with_suffix(".csv").open(newline="") as file:
        truth = list(csv.DictReader(file))
    look = MapSelector(person.infer, person.info, Selection(smoothing="off"))
    frames = (frame for frame in FileSource(sample_clip("people")) if frame.index % 3 == 0)
    return [(look(frame), truth[frame.index]) for frame in frames]


def test_who_is_there_is_seen_and_nobody_is_seen_where_none_is(
    seen: list[tuple[Prediction, dict[str, str]]],
) -> None:
    clear = [
        (p.displayed[0].label == "person", t["is_present"] == "1")
        for p, t in seen
        if t["is_present"]
    ]
    assert len(clear) > 150
    # Missed is a head that just comes up behind the wall; nobody is seen where none is.
    assert sum(said == true for said, true in clear) / len(clear) >= 0.95
    assert not any(said for said, true in clear if not true)


def test_two_people_have_a_box_each(
    seen: list[tuple[Prediction, dict[str, str]]], person: Model
) -> None:
    """Each box's middle lies on somebody, in most frames that show two."""
    right = []
    for prediction, truth in seen:
        if not truth["x0_2"]:
            continue
        middles = [
            ((x0 + x1) / 2, (y0 + y1) / 2)
            for x0, y0, x1, y1 in (
                found.box.xyxy for found in boxes_of(prediction, floor=person.info.cam_range[0])
            )
        ]
        people = [
            [float(truth[f"{edge}{n}"]) for edge in ("x0", "y0", "x1", "y1")] for n in ("", "_2")
        ]
        hit = [[x0 <= x <= x1 and y0 <= y <= y1 for x, y in middles] for x0, y0, x1, y1 in people]
        right.append(len(middles) == 2 and all(any(one) for one in hit))
    assert len(right) > 20
    assert sum(right) / len(right) >= 0.6


def test_frames_are_counted_against_the_truth(tmp_path: Path) -> None:
    records, truth = tmp_path / "r.jsonl", tmp_path / "t.csv"
    labels = ("person", "no person", "person", "person")
    records.write_text(
        "".join(json.dumps({"displayed": [{"label": one}]}) + "\n" for one in labels)
    )
    truth.write_text("index,is_present\n0,1\n1,0\n2,\n3,0\n")
    assert count_right(records, truth) == (2, 3)
