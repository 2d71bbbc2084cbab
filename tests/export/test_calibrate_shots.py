"""The last step of making ``person``: its threshold, from frames of cameras and from photos."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
import typer
from numpy.typing import NDArray
from typer.testing import CliRunner

from camstream.graph.new_head import LinearHead
from camstream.models import shipped_head, zoo
from export.person import calibrate_shots
from export.person.calibrate_shots import calibrated, threshold_of
from export.person.shots import Shot

SHIPPED = Path(zoo.__file__).parent / "person.npz"
NOWHERE = np.zeros((0, 4), np.float32)


def some_shots() -> tuple[np.ndarray, list[Shot]]:
    """Logits that are 2 too low on frames, and right on photos."""
    random = np.random.default_rng(0)
    shots, logits = [], []
    for number in range(1000):
        kind, person = ("video", "photo")[number % 2], number % 4 < 2
        shots.append(Shot(Path(f"{number}"), person, f"{number % 20}", kind, number % 5, NOWHERE))
        logits.append((3 if person else -3) - 2 * (kind == "video") + random.normal())
    return np.array(logits), shots


def test_over_the_threshold_lies_one_empty_frame_in_fifty() -> None:
    logits, shots = some_shots()
    threshold = threshold_of(logits, shots)
    empty = np.array([shot.kind == "video" and not shot.person for shot in shots])
    assert (logits[empty] > threshold).mean() == pytest.approx(0.02)
    assert threshold_of(logits + 5, shots) == pytest.approx(threshold + 5)


def test_a_calibrated_head_is_undecided_at_the_threshold() -> None:
    logits, shots = some_shots()
    row = np.array([[0, 0], [1, 2]], np.float32)
    head = LinearHead(
        labels=("no person", "person"),
        weight=row,
        bias=np.array([0, 0.5], np.float32),
        background="no person",
        cam_range=(10, 100),
        size_hw=(224, 224),
        taught_on="9 photos",
    )
    found = calibrated(head, logits, shots)
    scale = found.weight[1, 0]
    assert found.cam_range == pytest.approx((10 * scale, 100 * scale), rel=0.01)
    offset = found.bias[1] - 0.5 * scale
    assert scale * threshold_of(logits, shots) + offset == pytest.approx(
        0, abs=1e-2
    )  # half precision
    assert found.size_hw == (288, 288)
    assert found.taught_on == "9 photos, calibrated on frames of 10 cameras too"
    assert calibrated(found, logits, shots).taught_on == found.taught_on
    assert not found.weight[0].any()


def test_it_is_written_from_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few made-up frames and photos; the head's own threshold comes out as its zero."""
    random = np.random.default_rng(0)
    for name, column in (("person_video", "source"), ("person", "set")):
        (tmp_path / name).mkdir()
        rows = []
        for number in range(20):
            image = random.integers(0, 255, (48, 64, 3), np.uint8)
            cv2.imwrite(str(tmp_path / name / f"{number}.png"), image)
            source = (
                f"camera{number % 10}"
                if column == "source"
                else ("humanv2", "houses", "pedlab", "roadsign")[number % 4]
            )
            rows.append(
                {"file": f"{number}.png", column: source, "label": "yes" if number % 2 else "no"}
            )
        with (tmp_path / name / "manifest.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, ["file", column, "label"])
            writer.writeheader()
            writer.writerows(rows)
    (tmp_path / "person_video" / "boxes.csv").write_text("file,x0,y0,x1,y1,score\n")
    written = tmp_path / "models"
    written.mkdir()
    (written / "zoo.py").touch()
    monkeypatch.setattr(zoo, "__file__", str(written / "zoo.py"))

    def told(_: Path, shots: Sequence[Shot]) -> NDArray[np.float64]:  # noise shows nobody
        return random.normal(size=len(shots)) + [3 if shot.person else -3 for shot in shots]

    monkeypatch.setattr(calibrate_shots, "logits_of", told)
    app = typer.Typer()
    app.command()(calibrate_shots.main)
    result = CliRunner().invoke(app, [str(tmp_path), str(SHIPPED), "--write"])
    assert result.exit_code == 0, result.output
    assert "video, calibrated on other sources" in result.output
    head = shipped_head.read(written / "person.npz", written / "person.json")
    assert head.linear_head.size_hw == (288, 288)
    assert head.record.parity.identity_error is not None
    old = shipped_head.read(SHIPPED, SHIPPED.with_suffix(".json"))
    np.testing.assert_array_equal(head.neck.fine, old.neck.fine)
    ratio = head.linear_head.weight[1] / old.linear_head.weight[1]
    assert np.ptp(ratio[np.abs(old.linear_head.weight[1]) > 0.1]) < 0.01 * np.median(ratio)
